#!/usr/bin/env python3
"""Checks Nightshift's predictions for flights against LightGBM's own, row by row.

  bench/flights/compare.py PREDICTIONS MODEL FLIGHTS.CSV [--raw]

PREDICTIONS is JSONL, one line for each row of the table and in its order, each with the key
"prediction": a number, or a list of them. A name that ends with .zst is read through zstd.
Predictions must be within 1e-15 of LightGBM's, relatively; with --raw they are raw scores and must
be equal to the last bit. Prints how many rows were compared and the greatest difference; exits
with 1 at the first chunk that differs, or if there are more or fewer rows than in the table.
Needs lightgbm==4.6.0 and pandas.
"""

import argparse
import contextlib
import json
import subprocess
import sys

import lightgbm
import numpy

from table import features_for, read_flights

CHUNK_ROWS = 200_000
TOLERANCE = 1e-15


@contextlib.contextmanager
def open_lines(path):
    if not path.endswith(".zst"):
        with open(path, "rb") as lines:
            yield lines
        return
    with subprocess.Popen(["zstd", "--decompress", "--stdout", "--quiet", path],
                          stdout=subprocess.PIPE) as process:
        yield process.stdout
    if process.returncode != 0:
        sys.exit(f"zstd failed on {path}")


def read_predictions(lines, count, first_row):
    predictions = []
    for row in range(first_row, first_row + count):
        line = lines.readline()
        if not line:
            sys.exit(f"predictions end after {row:,} rows, the table goes on")
        predictions.append(json.loads(line)["prediction"])
    return numpy.array(predictions, dtype=float)


def differences(ours, theirs):
    """Relative differences; equal values, infinities and NaN against NaN count as 0."""
    same = (ours == theirs) | (numpy.isnan(ours) & numpy.isnan(theirs))
    with numpy.errstate(all="ignore"):
        relative = numpy.abs(ours - theirs) / numpy.abs(theirs)
    return numpy.where(same, 0, numpy.where(numpy.isnan(relative), numpy.inf, relative))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions")
    parser.add_argument("model")
    parser.add_argument("table")
    parser.add_argument("--raw", action="store_true")
    arguments = parser.parse_args()
    if lightgbm.__version__ != "4.6.0":
        sys.exit(f"needs lightgbm==4.6.0, this is {lightgbm.__version__}")

    model = lightgbm.Booster(model_file=arguments.model)
    tolerance = 0 if arguments.raw else TOLERANCE
    compared, equal, greatest = 0, 0, 0.0
    with open_lines(arguments.predictions) as lines:
        for flights in read_flights(arguments.table, CHUNK_ROWS):
            theirs = model.predict(features_for(model, flights), raw_score=arguments.raw)
            ours = read_predictions(lines, len(flights), compared)
            if ours.shape != theirs.shape:
                sys.exit(f"predictions of shape {ours.shape}, LightGBM's are {theirs.shape}")
            relative = differences(ours, theirs)
            if relative.max(initial=0) > tolerance:
                row = compared + int(numpy.argmax(relative.reshape(len(flights), -1).max(axis=1)))
                sys.exit(f"row {row:,} differs: {ours[row - compared]!r} here, "
                         f"{theirs[row - compared]!r} from LightGBM")
            compared += len(flights)
            equal += int((relative.reshape(len(flights), -1) == 0).all(axis=1).sum())
            greatest = max(greatest, float(relative.max(initial=0)))
        if lines.readline():
            sys.exit(f"predictions go on after the table's {compared:,} rows")
    print(f"{compared:,} rows compared, {equal:,} equal to the last bit, "
          f"greatest relative difference {greatest:.3g}")


if __name__ == "__main__":
    main()
