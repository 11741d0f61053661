#!/usr/bin/env python3
"""Trains the model of the examples and benchmarks: will this flight arrive over 15 minutes late?

  bench/flights/train.py FLIGHTS.CSV [MODEL.TXT]

Writes bench/models/flights.txt unless told otherwise and prints the AUC on rows it did not see.
Needs lightgbm==4.6.0 and pandas. Same table, same bytes: one thread, fixed seeds, no clock.
"""

import pathlib
import sys

import lightgbm
import numpy

from table import FEATURES, read_flights

PARAMETERS = {
    "objective": "binary",
    "num_leaves": 31,
    "learning_rate": 0.1,
    "min_data_in_leaf": 100,
    "seed": 20130101,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


def area_under_curve(labels, scores):
    """The probability that a late flight scores higher than a punctual one; ties count half."""
    _, inverse, counts = numpy.unique(scores, return_inverse=True, return_counts=True)
    ranks = (numpy.cumsum(counts) - (counts - 1) / 2)[inverse]
    late = labels.sum()
    return (ranks[labels == 1].sum() - late * (late + 1) / 2) / (late * (len(labels) - late))


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    if lightgbm.__version__ != "4.6.0":
        sys.exit(f"needs lightgbm==4.6.0, this is {lightgbm.__version__}")
    default = pathlib.Path(__file__).parent.parent / "models" / "flights.txt"
    target = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else default

    flights = read_flights(sys.argv[1])
    landed = flights[flights["arr_delay"].notna()]  # cancelled and diverted flights have no label
    labels = (landed["arr_delay"] > 15).to_numpy().astype(int)
    held_out = numpy.arange(len(landed)) % 5 == 0

    data = lightgbm.Dataset(landed.loc[~held_out, FEATURES], labels[~held_out])
    model = lightgbm.train(PARAMETERS, data, num_boost_round=100)
    target.parent.mkdir(parents=True, exist_ok=True)
    model.save_model(target)

    scores = model.predict(landed.loc[held_out, FEATURES], num_threads=1)
    print(f"{target}: {target.stat().st_size:,} bytes, {model.num_trees()} trees")
    print(f"AUC on {held_out.sum():,} flights not trained on: "
          f"{area_under_curve(labels[held_out], scores):.4f}")


if __name__ == "__main__":
    main()
