"""Makes Tests/ScoringTests/Fixtures/xgboost: models of XGBoost 3.2.0 and what it predicts.

    pip install xgboost==3.2.0 numpy==2.4.6 pandas==3.1.1
    python3 Tests/Fixtures/make_xgboost.py

Of each fixture there are a model (.json or .ubj) and NAME.expected.txt: the name of the input table,
then for each row the margins, a semicolon, and the predictions, as hexadecimal floats.
"""

import pathlib
import sys

import numpy as np
import pandas as pd
import xgboost as xgb

assert xgb.__version__ == "3.2.0", xgb.__version__
FOLDER = pathlib.Path(__file__).parent.parent / "ScoringTests" / "Fixtures" / "xgboost"
FOLDER.mkdir(parents=True, exist_ok=True)
RNG = np.random.default_rng(20260101)
NUMBERS = ["a", "b", "c", "d", "e"]
SPECIAL = [0.0, -0.0, 1e-45, -1e-45, 1e-40, 1.1754944e-38, 3.4028234e38, -3.4028234e38, 1e-320]
INFINITE = [np.inf, -np.inf, 1e300, -1e300]


def training(rows):
    x = RNG.normal(size=(rows, 5))
    x[:, 1] = RNG.integers(-2, 3, rows)  # zeros and ties
    x[:, 2] = np.exp(3 * x[:, 2])
    x[:, 3] = np.round(x[:, 3], 1)
    x[:, 4] = np.where(RNG.random(rows) < 0.3, RNG.normal(size=rows) * 1e-39, x[:, 4])
    x[RNG.random(x.shape) < 0.12] = np.nan
    x[:, 0] = np.where(np.isnan(x[:, 0]), 0, x[:, 0])  # one feature without missing values
    return x


def target(x):
    y = np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) * (np.nan_to_num(x[:, 3]) > 0)
    return y + 0.3 * np.log1p(np.nan_to_num(x[:, 2])) + 0.1 * RNG.normal(size=len(x))


X = training(400)
Y = target(X)


def rows_of(values):
    rows = np.concatenate([training(20), X[:40]])
    for value in values + [np.nan]:
        for column in range(5):
            row = X[RNG.integers(0, len(X))].copy()
            row[column] = value
            rows = np.concatenate([rows, row[None]])
    return np.concatenate([rows, np.full((1, 5), np.nan)])


def write_table(name, columns, rows):
    def spell(value):
        if isinstance(value, str):
            return value
        return "" if value is None or np.isnan(value) else repr(float(value))

    lines = ["\t".join(columns)] + ["\t".join(spell(v) for v in row) for row in rows]
    (FOLDER / f"{name}.tsv").write_text("\n".join(lines) + "\n")


FINITE = rows_of(SPECIAL)
ANY = np.concatenate([rows_of(INFINITE), FINITE])
write_table("finite", NUMBERS, FINITE)
write_table("any", NUMBERS, ANY)


def write(name, booster, table, margins, predictions, suffix="json"):
    booster.save_model(FOLDER / f"{name}.{suffix}")
    lines = [table]
    margins = np.asarray(margins, dtype=np.float32).reshape(len(margins), -1)
    predictions = np.asarray(predictions, dtype=np.float32).reshape(len(margins), -1)
    for raw, predicted in zip(margins, predictions):
        spell = lambda values: " ".join(float(v).hex() for v in values)
        lines.append(f"{spell(raw)};{spell(predicted)}")
    (FOLDER / f"{name}.expected.txt").write_text("\n".join(lines) + "\n")


def numbers(name, parameters, label, rounds=6, table="any", suffix="json", x=X, **arguments):
    weight = arguments.pop("weight", None)
    data = xgb.DMatrix(x, label=label, feature_names=NUMBERS, weight=weight)
    for key, value in arguments.pop("info", {}).items():
        data.set_info(**{key: value})
    parameters = {"max_depth": 3, "seed": 1, "nthread": 2, **parameters}
    booster = xgb.train(parameters, data, rounds, **arguments)
    booster.save_model(FOLDER / f"{name}.{suffix}")
    booster = xgb.Booster(model_file=FOLDER / f"{name}.{suffix}")  # what a user of the file gets
    if table == "finite":
        rows = xgb.DMatrix(FINITE, feature_names=NUMBERS)
        margins, predictions = booster.predict(rows, output_margin=True), booster.predict(rows)
    else:  # the only way that takes infinities
        booster.feature_names = NUMBERS
        margins = booster.inplace_predict(ANY, predict_type="margin", validate_features=False)
        predictions = booster.inplace_predict(ANY, predict_type="value", validate_features=False)
    write(name, booster, table, margins, predictions, suffix)


binary = (Y > 0.3).astype(float)
classes = np.digitize(Y, [-0.5, 0.8]).astype(float)
counts = np.round(np.exp(np.clip(Y, -2, 2)))
positive = np.exp(np.clip(Y, -2, 2))

numbers("squarederror", {"objective": "reg:squarederror"}, Y)
numbers("squarederror_ubj", {"objective": "reg:squarederror"}, Y, suffix="ubj")
numbers("exact", {"objective": "reg:squarederror", "tree_method": "exact", "max_depth": 5}, Y)
numbers("pruned", {"tree_method": "exact", "max_depth": 4, "gamma": 20}, Y)
numbers("lossguide", {"grow_policy": "lossguide", "max_leaves": 20, "max_depth": 0}, Y)
numbers("deep", {"max_depth": 7, "eta": 0.1}, Y, rounds=12)
numbers("squaredlogerror", {"objective": "reg:squaredlogerror"}, positive)
numbers("pseudohubererror", {"objective": "reg:pseudohubererror"}, Y)
numbers("absoluteerror", {"objective": "reg:absoluteerror"}, Y)
numbers("quantileerror", {"objective": "reg:quantileerror", "quantile_alpha": 0.7}, Y)
numbers(
    "quantiles", {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}, Y)
numbers("logistic", {"objective": "reg:logistic", "base_score": 0.3}, binary * 0.8 + 0.1)
numbers("binary_logistic", {"objective": "binary:logistic"}, binary)
numbers("binary_logistic_ubj", {"objective": "binary:logistic"}, binary, suffix="ubj")
numbers("binary_saturated", {"objective": "binary:logistic", "base_score": 1e-30}, binary)
numbers("binary_logitraw", {"objective": "binary:logitraw"}, binary)
numbers("binary_hinge", {"objective": "binary:hinge"}, binary)
numbers("poisson", {"objective": "count:poisson"}, counts)
numbers("gamma", {"objective": "reg:gamma"}, positive)
numbers("tweedie", {"objective": "reg:tweedie", "tweedie_variance_power": 1.3}, counts)
numbers("cox", {"objective": "survival:cox"}, np.where(binary > 0, positive, -positive))
numbers(
    "aft", {"objective": "survival:aft"}, None,
    info={"label_lower_bound": positive, "label_upper_bound": positive * 2})
numbers("softmax", {"objective": "multi:softmax", "num_class": 3}, classes)
numbers("softprob", {"objective": "multi:softprob", "num_class": 3}, classes)
numbers(
    "softprob_ubj", {"objective": "multi:softprob", "num_class": 3}, classes, suffix="ubj")
for kind in ["pairwise", "ndcg", "map"]:
    numbers(
        f"rank_{kind}", {"objective": f"rank:{kind}"}, binary, info={"group": [20] * 20})
forest = {"num_parallel_tree": 4, "subsample": 0.7, "colsample_bynode": 0.6, "eta": 1}
numbers("forest", forest, Y, rounds=2)
numbers(
    "forest_softprob", {**forest, "objective": "multi:softprob", "num_class": 3}, classes, rounds=2)
numbers("dart", {"booster": "dart", "rate_drop": 0.4}, Y, rounds=12, table="finite")
numbers(
    "dart_softprob",
    {"booster": "dart", "rate_drop": 0.4, "objective": "multi:softprob", "num_class": 3}, classes,
    rounds=8, table="finite", suffix="ubj")
linear = {"booster": "gblinear", "updater": "coord_descent", "feature_selector": "cyclic"}
numbers("gblinear", linear, Y, table="finite")
numbers(
    "gblinear_softprob", {**linear, "objective": "multi:softprob", "num_class": 3}, classes,
    table="finite", suffix="ubj")
numbers("targets", {}, np.stack([Y, positive, -Y], 1))
vectors = {"multi_strategy": "multi_output_tree", "tree_method": "hist"}
numbers("vectors", vectors, np.stack([Y, positive, -Y], 1))
numbers("vectors_ubj", vectors, np.stack([Y, positive], 1), suffix="ubj")
numbers("no_trees", {"objective": "binary:logistic"}, binary, rounds=0)
numbers("no_trees_given", {"objective": "count:poisson", "base_score": 3}, counts, rounds=0)
numbers(
    "early", {"objective": "reg:squarederror", "eta": 1, "max_depth": 5}, Y, rounds=30,
    evals=[(xgb.DMatrix(X[:80], label=-Y[:80], feature_names=NUMBERS), "e")],
    early_stopping_rounds=3, verbose_eval=False)

# Categories as codes: some never seen, too large, with fractions, below zero.
codes = np.stack([RNG.integers(0, 40, 400), RNG.integers(0, 4, 400), RNG.normal(size=400)], 1)
codes = codes.astype(float)
codes[RNG.random(codes.shape) < 0.1] = np.nan
effect = RNG.normal(size=40)[np.nan_to_num(codes[:, 0]).astype(int)] + codes[:, 1] % 2
effect = np.nan_to_num(effect + codes[:, 2])
odd = [-1, -0.5, 0.5, 3.9, 39.99999999999, 40, 41, 63, 64, 1000, 16777215, 16777216, 1e9, 3e38]
test_codes = codes[:60].copy()
for value in odd:
    for column in range(2):
        row = codes[RNG.integers(0, 60)].copy()
        row[column] = value
        test_codes = np.concatenate([test_codes, row[None]])
write_table("codes", ["f0", "f1", "f2"], test_codes)
for name, one_hot, suffix in [("sets", 1, "json"), ("one_hot", 100, "json"), ("mixed", 8, "ubj")]:
    data = xgb.DMatrix(
        codes, label=effect, feature_types=["c", "c", "float"], enable_categorical=True)
    booster = xgb.train(
        {"max_cat_to_onehot": one_hot, "max_depth": 4, "max_cat_threshold": 30}, data, 6)
    rows = xgb.DMatrix(
        test_codes, feature_types=["c", "c", "float"], enable_categorical=True)
    write(
        f"categories_{name}", booster, "codes", booster.predict(rows, output_margin=True),
        booster.predict(rows), suffix)

# Categories with names, which the model keeps.
frame = pd.DataFrame({
    "city": pd.Categorical(RNG.choice(["Oslo", "Lima", "New York", "0", "a \"b\""], 400)),
    "grade": pd.Categorical(RNG.choice([3, 5, 900], 400)),
    "size": RNG.normal(size=400),
})
frame.loc[RNG.random(400) < 0.1, "city"] = None
label = frame["city"].cat.codes * frame["size"] + (frame["grade"].astype(int) == 5) * 2
for suffix in ["json", "ubj"]:
    data = xgb.DMatrix(frame, label=label, enable_categorical=True)
    booster = xgb.train({"max_cat_to_onehot": 1, "max_depth": 3}, data, 5)
    head = frame.head(80)
    rows = xgb.DMatrix(head, enable_categorical=True)
    write(
        f"frame_{suffix}", booster, "frame", booster.predict(rows, output_margin=True),
        booster.predict(rows), suffix)
    spelled = [
        [city if isinstance(city, str) else None, str(grade), size]
        for city, grade, size in zip(head["city"], head["grade"], head["size"])
    ]
    write_table("frame", ["city", "grade", "size"], spelled)
print(sum(f.stat().st_size for f in FOLDER.iterdir()), "bytes", file=sys.stderr)
