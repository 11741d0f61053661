#!/usr/bin/env python3
"""Scores a flights table as one would without Nightshift: pandas, LightGBM and a loop.

  bench/peers/pandas_lightgbm.py TABLE MODEL PREDICTIONS [--threads 1] [--chunk-rows 200000]

Reads only the columns that the model needs, in chunks, the codes straight into the categories that
the model was trained with, and writes one line {"prediction": p} for each row: no instances, no
digests, no compression, nothing durable. Prints rows and seconds as JSON, from the first import of
pandas to the closed file, and how many of them went where. Needs lightgbm==4.6.0 and pandas.
"""

import argparse
import json
import pathlib
import sys
import time

started = time.perf_counter()

import lightgbm  # noqa: E402
import pandas  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "flights"))

from table import CATEGORICAL, FEATURES, NUMERIC  # noqa: E402


class Stopwatch:
    """Seconds spent in each stage."""

    def __init__(self):
        self.seconds = {}
        self.last = time.perf_counter()

    def lap(self, stage):
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0) + now - self.last
        self.last = now


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("model")
    parser.add_argument("predictions")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--chunk-rows", type=int, default=200_000)
    arguments = parser.parse_args()

    model = lightgbm.Booster(model_file=arguments.model)
    types = {name: "float64" for name in NUMERIC}
    types |= {name: pandas.CategoricalDtype(categories)
              for name, categories in zip(CATEGORICAL, model.pandas_categorical)}
    chunks = pandas.read_csv(
        arguments.table, dtype=types, usecols=FEATURES, na_values=["", "NA"],
        keep_default_na=False, chunksize=arguments.chunk_rows)
    rows = 0
    watch = Stopwatch()
    with open(arguments.predictions, "w") as out:
        for flights in chunks:
            watch.lap("read")
            predictions = model.predict(flights[FEATURES], num_threads=arguments.threads)
            watch.lap("predict")
            out.write("".join(f'{{"prediction": {p!r}}}\n' for p in predictions.tolist()))
            watch.lap("write")
            rows += len(flights)
    seconds = time.perf_counter() - started
    print(json.dumps({"rows": rows, "seconds": seconds, "stages": watch.seconds,
                      "versions": {"lightgbm": lightgbm.__version__,
                                   "pandas": pandas.__version__}}))


if __name__ == "__main__":
    main()
