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


def read_flights(path, chunk_rows=None):
    """The whole table, or an iterator over it in chunks of so many rows.

    Missing numbers are NaN; the three code columns are pandas categories.
    """
    # Only these words are missing values: "" and "NA". Airport or carrier codes never are.
    types = {name: "float64" for name in NUMERIC + ["arr_delay"]}
    types |= {name: "category" for name in CATEGORICAL}
    return pandas.read_csv(
        path, dtype=types, usecols=FEATURES + ["arr_delay"], na_values=["", "NA"],
        keep_default_na=False, float_precision="round_trip", chunksize=chunk_rows)


def features_for(model, flights):
    """The features of some flights with the categories that a LightGBM model was trained with."""
    return flights[FEATURES].assign(**{
        name: flights[name].astype(object).where(flights[name].isin(categories))
        .astype(pandas.CategoricalDtype(categories))
        for name, categories in zip(CATEGORICAL, model.pandas_categorical)})
