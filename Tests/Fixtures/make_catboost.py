"""Makes Tests/ScoringTests/Fixtures/catboost: models of CatBoost 1.2.10 and what it predicts.

    pip install catboost==1.2.10 numpy==2.4.6 pandas==3.1.1
    python3 Tests/Fixtures/make_catboost.py

Of each fixture there are a model (.json) and NAME.expected.txt: the name of the input table, then
for each row the raw scores, a semicolon, and the predictions, as hexadecimal floats.
"""

import json
import pathlib
import sys

import catboost
import numpy as np
import pandas as pd

assert catboost.__version__ == "1.2.10", catboost.__version__
FOLDER = pathlib.Path(__file__).parent.parent / "ScoringTests" / "Fixtures" / "catboost"
FOLDER.mkdir(parents=True, exist_ok=True)
RNG = np.random.default_rng(20260102)
NUMBERS = ["a", "b", "c", "d"]
SPECIAL = [0.0, -0.0, 1e-45, -1e-45, 1e-40, 1e-320, 3.4028234e38, np.inf, -np.inf, 1e300, np.nan]
WORDS = [
    "", "x", "yy", "abc", "four", "fiveX", "1", "2.5", "eightch8", "nine chars", "Łódź", "東京",
    "exactly 16 bytes", "seventeen letters", "thirty-two letters are in this!!",
    "thirty-three letters are in this!", "a text of exactly sixty-four letters, counted by hand, twice or 3",
    "this text is longer than sixty-four letters and so goes through the loop of the hash once",
    "w" * 127, "w" * 128, "w" * 129, "long " * 60,
]


def training(rows):
    x = RNG.normal(size=(rows, 4))
    x[:, 1] = RNG.integers(-2, 3, rows)
    x[:, 2] = np.exp(2 * x[:, 2])
    x[RNG.random(x.shape) < 0.1] = np.nan
    return x


X = training(400)
Y = np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 1]) * (np.nan_to_num(X[:, 3]) > 0)
Y = Y + 0.3 * np.log1p(np.nan_to_num(X[:, 2])) + 0.1 * RNG.normal(size=400)
CLASSES = np.digitize(Y, [-0.5, 0.8])
BINARY = (Y > 0.3).astype(int)
COUNTS = np.round(np.exp(np.clip(Y, -2, 2)))


def spell(value):
    if isinstance(value, str):
        return value
    return "" if np.isnan(value) else repr(float(value))


def write_table(name, columns, rows):
    lines = ["\t".join(columns)] + ["\t".join(spell(v) for v in row) for row in rows]
    (FOLDER / f"{name}.tsv").write_text("\n".join(lines) + "\n")


def special_rows():
    rows = X[:60]
    for value in SPECIAL:
        for column in range(4):
            row = X[RNG.integers(0, 400)].copy()
            row[column] = value
            rows = np.concatenate([rows, row[None]])
    return rows


def borders_of(model):
    """Rows that lie on the borders of a saved model, and a float's width beside them."""
    rows = []
    for feature in model["features_info"]["float_features"]:
        for border in feature["borders"] or []:
            for value in [border, np.nextafter(np.float32(border), np.float32(9)), border + 1e-12]:
                row = X[RNG.integers(0, 400)].copy()
                row[feature["flat_feature_index"]] = value
                rows.append(row)
    return np.array(rows[:60]).reshape(-1, 4)


def write(name, table, raw, predictions):
    lines = [table]
    for one, other in zip(np.asarray(raw).reshape(len(raw), -1),
                          np.asarray(predictions).reshape(len(raw), -1)):
        spelled = lambda values: " ".join(float(v).hex() for v in values)
        lines.append(f"{spelled(one)};{spelled(other)}")
    (FOLDER / f"{name}.expected.txt").write_text("\n".join(lines) + "\n")


def strip(path):
    """Removes what is not read and differs from run to run, such as times and places."""
    model = json.loads(path.read_text())
    information = model["model_info"]
    kept = {"params": {"loss_function": information["params"]["loss_function"]}}
    if "class_params" in information:
        kept["class_params"] = information["class_params"]
    model["model_info"] = kept
    path.write_text(json.dumps(model))
    return model


def train(name, loss, label, kind="RawFormulaVal", scale=None, **parameters):
    model = catboost.CatBoost({
        "loss_function": loss, "iterations": 8, "depth": 4, "random_seed": 1, "thread_count": 2,
        "learning_rate": 0.3, "allow_writing_files": False, "verbose": 0, **parameters})
    group = np.repeat(np.arange(20), 20) if loss.startswith(("Query", "Yeti", "Pair")) else None
    model.fit(catboost.Pool(X, label, feature_names=NUMBERS, group_id=group))
    if scale:
        model.set_scale_and_bias(*scale)
    path = FOLDER / f"{name}.json"
    model.save_model(str(path), format="json")
    content = strip(path)
    loaded = catboost.CatBoost().load_model(str(path), format="json")
    rows = np.concatenate([special_rows(), borders_of(content)])
    write_table(name, NUMBERS, rows)
    pool = catboost.Pool(rows, feature_names=NUMBERS)
    # The model as trained: CatBoost's own reader of JSON misses the nearest double by a bit or two.
    raw = model.predict(pool, prediction_type="RawFormulaVal")
    predictions = model.predict(pool, prediction_type=kind)
    assert np.allclose(raw, loaded.predict(pool, prediction_type="RawFormulaVal"), 1e-12, 0)
    if kind == "Probability" and np.ndim(raw) == 1:
        predictions = predictions[:, 1]
    write(name, name, raw, predictions)


train("rmse", "RMSE", Y)
train("rmse_deep", "RMSE", Y, depth=10, iterations=3)
train("rmse_max", "RMSE", Y, nan_mode="Max")
train("rmse_scaled", "RMSE", Y, scale=(0.7, -1.25))
train("mae", "MAE", Y)
train("quantile", "Quantile:alpha=0.7", Y)
train("logloss", "Logloss", BINARY, "Probability")
train("cross_entropy", "CrossEntropy", BINARY * 0.8 + 0.1, "Probability")
train("multiclass", "MultiClass", CLASSES, "Probability", iterations=5)
train("multiclass_names", "MultiClass", np.array(["low", "mid", "top"])[CLASSES], "Probability",
      iterations=5)
train("one_vs_all", "MultiClassOneVsAll", CLASSES, "Probability", iterations=5)
train("poisson", "Poisson", COUNTS, "Exponent")
train("tweedie", "Tweedie:variance_power=1.5", COUNTS, "Exponent")
train("multi_rmse", "MultiRMSE", np.stack([Y, COUNTS], 1), iterations=5)
train("query_rmse", "QueryRMSE", Y)
train("yeti_rank", "YetiRank", BINARY)
train("lossguide", "RMSE", Y, grow_policy="Lossguide", max_leaves=12)
train("depthwise", "Logloss", BINARY, "Probability", grow_policy="Depthwise")
train("depthwise_multiclass", "MultiClass", CLASSES, "Probability", grow_policy="Depthwise",
      iterations=4)

# Categories as texts: hashes of every length of text.
frame = pd.DataFrame({
    "word": RNG.choice(WORDS, 600),
    "size": RNG.normal(size=600),
    "kind": RNG.choice(["u", "v", "w"], 600),
})
effect = dict(zip(WORDS, RNG.normal(size=len(WORDS)) * 2))
label = frame["word"].map(effect) + (frame["kind"] == "v") * frame["size"]
model = catboost.CatBoost({
    "iterations": 40, "depth": 5, "one_hot_max_size": 50, "random_seed": 1, "learning_rate": 0.5,
    "allow_writing_files": False, "verbose": 0})
model.fit(catboost.Pool(frame, label, cat_features=["word", "kind"]))
model.save_model(str(FOLDER / "words.json"), format="json")
strip(FOLDER / "words.json")
loaded = catboost.CatBoost().load_model(str(FOLDER / "words.json"), format="json")
rows = pd.concat([frame[:60], pd.DataFrame({
    "word": WORDS + ["never seen", "X"], "size": 0.25, "kind": "v"})])
rows.loc[rows["word"] == "never seen", "kind"] = "neither"
pool = catboost.Pool(rows, cat_features=["word", "kind"])
raw = model.predict(pool)
write_table("words", list(rows.columns), rows.itertuples(index=False))
write("words", "words", raw, raw)

# What is refused: statistics of categories.
model = catboost.CatBoost({
    "iterations": 2, "depth": 2, "one_hot_max_size": 2, "allow_writing_files": False, "verbose": 0})
model.fit(catboost.Pool(frame, label, cat_features=["word", "kind"]))
model.save_model(str(FOLDER / "refused_ctr.txt"), format="json")
content = json.loads((FOLDER / "refused_ctr.txt").read_text())
content.pop("ctr_data", None)
content["model_info"] = {}
(FOLDER / "refused_ctr.txt").write_text(json.dumps(content))
print(sum(f.stat().st_size for f in FOLDER.iterdir()), "bytes", file=sys.stderr)
