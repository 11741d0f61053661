#!/usr/bin/env python3
"""Makes the models, inputs and expected scores that Tests/ScoringTests compares with.

  bench/models/make_fixtures.py [FOLDER]

Writes Tests/ScoringTests/Fixtures unless told otherwise; needs lightgbm==4.6.0 and pandas. For each
model NAME it writes

  NAME.model.txt      the model as LightGBM saves it
  NAME.expected.txt   line 1: the name of its input; then one line for each row: the raw scores and
                      the transformed ones of the model as loaded from that text, as hex floats

and for each table INPUT.tsv: a header, then rows of fields between tabs, nothing quoted; an empty
field is a missing value.
"""

import pathlib
import sys

import lightgbm
import numpy
import pandas

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ROWS, TEST_ROWS, FEATURES = 1500, 90, 6
NAMES = [f"f{index}" for index in range(FEATURES)]
ZERO = float(numpy.float32(1e-35))  # LightGBM's bound below which a value counts as zero
COMMON = {
    "num_leaves": 7, "min_data_in_leaf": 10, "learning_rate": 0.2, "seed": 7,
    "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1,
}


def hexed(values):
    return " ".join(float(value).hex() for value in values)


class Fixtures:
    def __init__(self, folder):
        self.folder = folder
        self.inputs = {}

    def write_input(self, name, table):
        self.inputs[name] = table
        rows = [[str(field) if field == field else "" for field in row]
                for row in table.astype(object).itertuples(index=False)]
        lines = ["\t".join(row) for row in [list(table.columns)] + rows]
        (self.folder / f"{name}.tsv").write_text("\n".join(lines) + "\n")

    def write_expected(self, name, input_name):
        path = self.folder / f"{name}.model.txt"
        model = lightgbm.Booster(model_file=path)
        table = self.inputs[input_name]
        raw = numpy.atleast_2d(model.predict(table, raw_score=True).T).T
        transformed = numpy.atleast_2d(model.predict(table).T).T
        lines = [input_name]
        lines += [f"{hexed(left)} {hexed(right)}" for left, right in zip(raw, transformed)]
        (self.folder / f"{name}.expected.txt").write_text("\n".join(lines) + "\n")

    def train(self, name, features, labels, input_name, rounds=8, save=None, categorical="auto",
              group=None, **parameters):
        parameters = COMMON | parameters
        data = lightgbm.Dataset(
            features, labels, categorical_feature=categorical, group=group,
            params={key: value for key, value in parameters.items() if key != "objective"},
            free_raw_data=False)
        model = lightgbm.train(parameters, data, num_boost_round=rounds)
        model.save_model(self.folder / f"{name}.model.txt", **(save or {}))
        self.write_expected(name, input_name)
        return model

    def edit(self, name, source, input_name, *replacements):
        """A model that LightGBM would not train, made from one that it did."""
        text = (self.folder / f"{source}.model.txt").read_text()
        for old, new in replacements:
            assert old in text, (name, old)
            text = text.replace(old, new)
        (self.folder / f"{name}.model.txt").write_text(text)
        self.write_expected(name, input_name)


def numeric(generator, rows, missing):
    table = generator.normal(size=(rows, FEATURES))
    table[:, 1] = generator.integers(-3, 4, rows)  # small integers: ties with thresholds, zeros
    table[:, 2] = numpy.exp(table[:, 2] * 3)
    table[:, 4] = numpy.where(generator.random(rows) < 0.5, 0, table[:, 4])
    if missing:
        table[generator.random((rows, FEATURES)) < 0.15] = numpy.nan
    return pandas.DataFrame(table, columns=NAMES)


def signal(table):
    f = table.fillna(0).to_numpy()
    return f[:, 0] + 0.5 * f[:, 1] - 0.3 * numpy.log1p(f[:, 2]) + f[:, 3] * f[:, 4] + (
        table["f0"].isna().to_numpy() * 1.5 - table["f4"].isna().to_numpy() * 1.2)


def edge_rows(table):
    """Values around zero, infinities, thresholds' neighbours and all missing, among plain rows."""
    edges = [0.0, -0.0, ZERO, -ZERO, numpy.nextafter(ZERO, 1), -numpy.nextafter(ZERO, 1), 1e-300,
             -1e-40, numpy.inf, -numpy.inf, 1e308, numpy.nan, 1.5, 0.5, -0.5, 3e9, -3e9]
    rows = [[edge] * FEATURES for edge in edges]
    for index, edge in enumerate(edges):
        row = table.iloc[index].to_list()
        row[index % FEATURES] = edge
        rows.append(row)
    return pandas.concat([table.iloc[:TEST_ROWS - len(rows)],
                          pandas.DataFrame(rows, columns=NAMES)], ignore_index=True)


def objectives(fixtures, generator, full, holed):
    target = signal(holed) + generator.normal(size=ROWS) * 0.3
    positive = numpy.exp(target / 3)
    late = (target > 0).astype(int)
    share = 1 / (1 + numpy.exp(-target))
    classes = numpy.digitize(target, [-1, 0.5])
    queries = [30] * (ROWS // 30)
    relevance = numpy.clip(numpy.digitize(target, [-1, 0, 1]), 0, 3)
    for objective in ["regression", "regression_l1", "huber", "fair", "quantile", "mape"]:
        fixtures.train(objective, holed, target, "holes", objective=objective)
    for objective in ["poisson", "gamma", "tweedie"]:
        fixtures.train(objective, holed, positive, "holes", objective=objective)
    fixtures.train("sqrt", holed, target * 10, "holes", objective="regression", reg_sqrt=True)
    fixtures.train("sqrt_l1", holed, target * 10, "holes", objective="regression_l1",
                   reg_sqrt=True)
    fixtures.train("binary", holed, late, "holes", objective="binary")
    fixtures.train("binary_sigmoid", holed, late, "holes", objective="binary", sigmoid=1.7)
    fixtures.train("binary_sigmoid_long", holed, late, "holes", objective="binary",
                   sigmoid=0.712345)
    fixtures.train("multiclass", holed, classes, "holes", objective="multiclass", num_class=3)
    fixtures.train("multiclass_empty", holed, classes, "holes", objective="multiclass",
                   num_class=4, rounds=4)
    fixtures.train("multiclassova", holed, classes, "holes", objective="multiclassova",
                   num_class=3, sigmoid=0.6)
    fixtures.train("cross_entropy", holed, share, "holes", objective="cross_entropy")
    fixtures.train("cross_entropy_lambda", holed, share, "holes",
                   objective="cross_entropy_lambda")
    fixtures.train("lambdarank", holed, relevance, "holes", objective="lambdarank", group=queries)
    fixtures.train("rank_xendcg", holed, relevance, "holes", objective="rank_xendcg",
                   group=queries)

    def squared(scores, data):
        return scores - data.get_label(), numpy.ones(len(scores))

    def squared_three(scores, data):
        wanted = numpy.eye(3)[data.get_label().astype(int)]
        return scores - wanted, numpy.ones(wanted.shape)

    fixtures.train("custom", holed, target, "holes", objective=squared)
    fixtures.train("custom_three", holed, classes, "holes", objective=squared_three, num_class=3)


def missing_values(fixtures, generator, full, holed):
    target, clean = signal(holed), signal(full)
    late = (clean > 0).astype(int)
    fixtures.train("missing_none", full, clean, "holes", objective="regression")
    fixtures.train("missing_nan", holed, target, "holes", objective="regression", rounds=12)
    fixtures.train("missing_zero", holed, target, "holes", objective="regression",
                   zero_as_missing=True)
    fixtures.train("missing_unused", holed, target, "holes", objective="regression",
                   use_missing=False)
    fixtures.train("no_average", holed, target + 5, "holes", objective="regression",
                   boost_from_average=False)
    fixtures.train("forest", full, late, "holes", objective="binary", boosting="rf",
                   bagging_freq=1, bagging_fraction=0.6, feature_fraction=0.7)
    fixtures.train("forest_regression", holed, target, "holes", objective="regression",
                   boosting="rf", bagging_freq=1, bagging_fraction=0.6, rounds=7)
    fixtures.train("forest_multiclass", holed, numpy.digitize(target, [-1, 0.5]), "holes",
                   objective="multiclass", num_class=3, boosting="rf", bagging_freq=1,
                   bagging_fraction=0.6, rounds=5)
    fixtures.train("dart", holed, target, "holes", objective="regression", boosting="dart",
                   drop_rate=0.5)
    fixtures.train("goss", holed, target, "holes", objective="regression",
                   data_sample_strategy="goss")
    fixtures.train("single_leaf", holed, target, "holes", objective="regression",
                   min_data_in_leaf=ROWS, rounds=3)
    fixtures.train("two_iterations", holed, target, "holes", objective="regression",
                   save={"num_iteration": 2})
    fixtures.train("later_iterations", holed, target, "holes", objective="regression",
                   save={"start_iteration": 3, "num_iteration": 4})
    fixtures.train("many_leaves", full, clean, "holes", objective="regression", num_leaves=127,
                   min_data_in_leaf=2, rounds=2)
    fixtures.train("unused_features", holed[["f0", "f1"]].assign(f2=1.0, f3=0.0, f4=2.0, f5=3.0),
                   target, "holes", objective="regression")
    data = lightgbm.Dataset(holed.iloc[:1000], target[:1000], params=COMMON)
    checked = lightgbm.Dataset(holed.iloc[1000:], target[1000:], reference=data)
    model = lightgbm.train(
        COMMON | {"objective": "regression", "learning_rate": 0.9}, data, 60,
        valid_sets=[checked], callbacks=[lightgbm.early_stopping(3, verbose=False)])
    assert 0 < model.best_iteration < 60
    model.save_model(fixtures.folder / "stopped.model.txt")
    fixtures.write_expected("stopped", "holes")


def linear(fixtures, generator, full, holed):
    fixtures.train("linear", full, signal(full), "holes", objective="regression",
                   linear_tree=True, linear_lambda=0.01)
    fixtures.train("linear_missing", holed, signal(holed), "holes", objective="regression",
                   linear_tree=True, linear_lambda=0.01)
    fixtures.train("linear_binary", full, (signal(full) > 0).astype(int), "holes",
                   objective="binary", linear_tree=True, linear_lambda=0.1)
    fixtures.train("linear_single_leaf", full, signal(full), "holes", objective="regression",
                   linear_tree=True, min_data_in_leaf=ROWS, rounds=2)


def categorical(fixtures, generator):
    codes = pandas.DataFrame({
        "f0": generator.integers(0, 4, ROWS).astype(float),
        "f1": generator.integers(0, 60, ROWS).astype(float),
        "f2": generator.choice([0, 1, 31, 32, 33, 63, 64, 1000, 65535, 100_003], ROWS) * 1.0,
        "f3": generator.normal(size=ROWS),
        "f4": generator.integers(0, 300, ROWS).astype(float),
        "f5": generator.normal(size=ROWS),
    })
    effect = generator.normal(size=400)
    target = (effect[codes["f0"].astype(int)] + effect[codes["f1"].astype(int) + 10]
              + effect[codes["f2"].astype(int) % 97] * 2 + codes["f3"]
              + effect[codes["f4"].astype(int) + 50] * 1.5).to_numpy()
    holed = codes.mask(generator.random(codes.shape) < 0.1)
    odd = pandas.DataFrame(
        [[value] * FEATURES for value in
         [-1, -0.5, 0.5, 0.999, 1.7, 31.99, 2147483647, 2147483648, -2147483649, 4294967297,
          1e300, numpy.inf, -numpy.inf, numpy.nan, 100_003, 100_004, 5000, 61, -3, 1e-40]],
        columns=NAMES)
    fixtures.write_input(
        "codes", pandas.concat([holed.iloc[:TEST_ROWS - len(odd)], odd], ignore_index=True))
    columns = ["f0", "f1", "f2", "f4"]
    options = {"objective": "regression", "categorical": columns, "min_data_per_group": 5,
               "cat_smooth": 1.0}
    # Ids of a million make bitsets of 31,251 words: one such model is kept, and kept small.
    # A set with an id of 100,003 is 3,126 words of bits: one such model is kept, and kept small.
    fixtures.train("categories_large", codes, target + 20 * (codes["f2"] == 100_003), "codes",
                   rounds=2, num_leaves=4, **(options | {"categorical": ["f2"]}))
    small = codes.assign(f2=codes["f2"].clip(upper=1000))
    fixtures.train("categories", small, target, "codes", **options)
    fixtures.train("categories_missing", holed.assign(f2=holed["f2"].clip(upper=1000)), target,
                   "codes", **options)
    fixtures.train("categories_zero", holed.assign(f2=holed["f2"].clip(upper=1000)), target,
                   "codes", zero_as_missing=True, **options)
    fixtures.train("categories_one_hot", small, target, "codes", max_cat_to_onehot=400,
                   **options)
    fixtures.train("categories_binary_dart", small, (target > 0).astype(int), "codes",
                   boosting="dart", **(options | {"objective": "binary"}))
    fixtures.train("categories_linear", small, target, "codes", linear_tree=True,
                   linear_lambda=0.01, **options)


def pandas_categories(fixtures, generator):
    words = ["alpha", "beta", "\u00e9t\u00e9", "a,b", 'say "so"', "NA", " spaced ", "\u65e5\u672c",
             "\U0001f6eb", "back\\slash", "z" * 40]
    years, rates, flags = [1999, 2001, -5, 7], [0.5, 1.0, 2.25], [False, True]

    def draw(rows, unseen):
        def pick(values):
            values = values + unseen[type(values[0])]
            return pandas.Series([values[index] for index in
                                  generator.integers(0, len(values), rows)], dtype=object)
        return pandas.DataFrame({
            "word": pick(words), "size": generator.normal(size=rows), "year": pick(years),
            "rate": pick(rates), "flag": pick(flags)})

    def coded(table):
        return table.assign(**{
            name: pandas.Categorical(table[name].where(table[name].isin(values)), categories=values)
            for name, values in
            [("word", words), ("year", years), ("rate", rates), ("flag", flags)]})

    table = coded(draw(ROWS, {str: [], int: [], float: [], bool: []}))
    effect = generator.normal(size=30)
    target = (effect[table["word"].cat.codes] + effect[table["year"].cat.codes + 12]
              + effect[table["flag"].cat.codes + 18] + table["size"]
              + table["rate"].cat.codes * table["size"])
    nan = float("nan")
    test = draw(TEST_ROWS, {str: ["gamma", "alph", nan], int: [2000, nan], float: [9.5, nan],
                            bool: [nan]})
    fixtures.write_input("pandas", test)
    fixtures.inputs["pandas"] = coded(test)
    fixtures.train("pandas", table, target, "pandas", objective="regression",
                   min_data_per_group=5, cat_smooth=1.0)


def edited(fixtures):
    """Models that LightGBM reads but does not write."""
    text = (fixtures.folder / "binary.model.txt").read_text()
    sizes = next(line for line in text.split("\n") if line.startswith("tree_sizes="))
    fixtures.edit("no_tree_sizes", "binary", "holes", (sizes + "\n", ""))
    sizes = next(line for line in
                 (fixtures.folder / "missing_nan.model.txt").read_text().split("\n")
                 if line.startswith("tree_sizes="))
    # Every missing type with both default directions, mixed within one tree.
    fixtures.edit("missing_mixed", "missing_nan", "holes", (sizes + "\n", ""),
                  ("decision_type=10 ", "decision_type=4 "),
                  ("decision_type=8 ", "decision_type=6 "),
                  (" 10 8 ", " 0 2 "), (" 8 10 ", " 10 6 "))


def main():
    if lightgbm.__version__ != "4.6.0":
        sys.exit(f"needs lightgbm==4.6.0, this is {lightgbm.__version__}")
    folder = ROOT / "Tests" / "ScoringTests" / "Fixtures"
    if len(sys.argv) == 2:
        folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    generator = numpy.random.default_rng(20130101)
    fixtures = Fixtures(folder)
    full, holed = numeric(generator, ROWS, False), numeric(generator, ROWS, True)
    fixtures.write_input("holes", edge_rows(holed))
    objectives(fixtures, generator, full, holed)
    missing_values(fixtures, generator, full, holed)
    linear(fixtures, generator, full, holed)
    categorical(fixtures, generator)
    pandas_categories(fixtures, generator)
    edited(fixtures)
    total = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {len(list(folder.iterdir()))} files, {total:,} bytes")


if __name__ == "__main__":
    main()
