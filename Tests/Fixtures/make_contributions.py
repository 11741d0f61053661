#!/usr/bin/env python3
"""Writes what LightGBM 4.6.0 says each feature contributes, for models of make_fixtures.py.

  Tests/Fixtures/make_contributions.py     (needs lightgbm==4.6.0 and numpy)

One line for each of the first rows of the model's table: outputs × (features + 1) numbers in
hexadecimal, the expected value last, as `predict(pred_contrib=True)` has them.
"""

import pathlib

import lightgbm
import numpy

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "ScoringTests" / "Fixtures"
MODELS = ["missing_nan", "missing_zero", "multiclass", "regression", "categories_missing", "dart",
          "forest", "many_leaves", "missing_mixed"]
ROWS = 120


def table(name):
    lines = (FOLDER / f"{name}.tsv").read_text().splitlines()
    rows = [[float(field) if field else numpy.nan for field in line.split("\t")]
            for line in lines[1:ROWS + 1]]
    return numpy.array(rows)


def main():
    assert lightgbm.__version__ == "4.6.0"
    for name in MODELS:
        path = FOLDER / f"{name}.model.txt"
        source = (FOLDER / f"{name}.expected.txt").read_text().split("\n", 1)[0]
        values = lightgbm.Booster(model_file=str(path)).predict(table(source), pred_contrib=True)
        lines = [" ".join(float(value).hex() for value in row) for row in values]
        (FOLDER / f"{name}.contributions.txt").write_text("\n".join([source] + lines) + "\n")


if __name__ == "__main__":
    main()
