"""How the flights table becomes the frame that models are trained on and compared with."""

import pandas

# What is known when the doors have closed. Air time is not: it is known only after the landing.
NUMERIC = [
    "month", "day", "dep_time", "sched_dep_time", "dep_delay", "sched_arr_time",
    "flight", "distance", "hour", "minute",
]
CATEGORICAL = ["carrier", "origin", "dest"]
FEATURES = [
    "month", "day", "dep_time", "sched_dep_time", "dep_delay", "sched_arr_time", "carrier",
    "flight", "origin", "dest", "distance", "hour", "minute",
]


def read_flights(path):
    """The whole table; missing numbers are NaN, the three code columns are pandas categories."""
    # Only these words are missing values: "" and "NA". Airport or carrier codes never are.
    types = {name: "float64" for name in NUMERIC + ["arr_delay"]}
    types |= {name: "category" for name in CATEGORICAL}
    return pandas.read_csv(
        path, dtype=types, usecols=FEATURES + ["arr_delay"], na_values=["", "NA"],
        keep_default_na=False, float_precision="round_trip")
