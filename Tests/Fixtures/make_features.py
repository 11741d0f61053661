"""Makes Tests/FeaturesTests/Fixtures: preprocessing plans and what the reference makes of tables.

Reference: scikit-learn 1.9.1, numpy 2.4.6, scipy 1.17.1, pandas 3 or later for dates. Run it from
the root of the repository: python3 Tests/Fixtures/make_features.py
"""

import json
import math
import pathlib

import numpy as np
import pandas as pd
import sklearn
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import (
    KBinsDiscretizer, MaxAbsScaler, MinMaxScaler, OneHotEncoder, OrdinalEncoder, PowerTransformer,
    RobustScaler, StandardScaler, TargetEncoder)

assert sklearn.__version__ == "1.9.1", sklearn.__version__

FOLDER = pathlib.Path(__file__).parent.parent / "FeaturesTests" / "Fixtures"
RANDOM = np.random.default_rng(20240229)
FIT_ROWS, APPLY_ROWS = 230, 90
WORDS = ("the quick brown fox jumps over a lazy dog Größe STRASSE straße Ünïcode naïve café CAFÉ "
         "Ελλάδα МОСКВА москва 東京 大阪 x1 2024 don't e-mail snake_case 𝒳yz I o'clock ½ Ⅷ").split()
TEXT_EXTRAS = ["", " ", "a", "!?", "  two   blanks\tand\n\nlines  ", "ｗｉｄｅ text", "ab",
               "repeat repeat repeat repeat", "tab\tseparated", "Ünïcode ÜNÏCODE ünïcode"]


def numbers(count):
    """Columns of numbers, of which some are missing."""
    columns = {
        "normal": RANDOM.normal(3, 2, count),
        "positive": RANDOM.lognormal(1, 1.5, count),
        "whole": RANDOM.integers(-3, 9, count).astype(float),
        "constant": np.full(count, 7.25),
        "wide": RANDOM.normal(0, 1, count) * 10.0 ** RANDOM.integers(-8, 9, count),
    }
    for name in ("normal", "positive", "whole"):
        columns[name][RANDOM.random(count) < 0.1] = np.nan
    return columns


def texts(count, words, missing=0.1):
    values = [words[i] for i in RANDOM.integers(0, len(words), count)]
    return [None if RANDOM.random() < missing else value for value in values]


def documents(count):
    rows = []
    for _ in range(count):
        chosen = [WORDS[i] for i in RANDOM.integers(0, len(WORDS), RANDOM.integers(0, 14))]
        rows.append((" " if RANDOM.random() < 0.9 else ", ").join(chosen))
    return TEXT_EXTRAS + rows[len(TEXT_EXTRAS):]


def plain(value):
    """Numbers and texts as JSON has them; NaN stays a word of its own."""
    if value is None or isinstance(value, str):
        return value
    value = float(value)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def lists(columns):
    return [[plain(value) for value in column] for column in columns]


def write(name, fit, apply, steps, expected, features, inputs=None, fit_tolerance=1e-12):
    """One case: a fitted plan, a table it is fitted to, one it is applied to, and the result."""
    expected = np.asarray(expected, dtype=float)
    plan = {"version": 1, "steps": steps, "features": features}
    if inputs:
        plan["inputs"] = inputs
    case = {
        "plan": plan,
        "fit": {key: [plain(value) for value in column] for key, column in fit.items()},
        "apply": {key: [plain(value) for value in column] for key, column in apply.items()},
        "fit_tolerance": fit_tolerance,
        "width": expected.shape[1],
        # Row, column and value of what is not 0.
        "expected": [[int(row), int(column), plain(expected[row, column])]
                     for row, column in np.argwhere(expected != 0)],
    }
    text = json.dumps(case, ensure_ascii=False, separators=(",", ":"))
    (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def step(op, inputs, outputs=None, **members):
    return {"op": op, "inputs": inputs, **({"outputs": outputs} if outputs else {}), **members}


def stacked(columns, names):
    return np.column_stack([columns[name] for name in names])


def make_imputers(fit, apply):
    names = ["normal", "positive", "whole"]
    for strategy in ("mean", "median", "most_frequent"):
        imputer = SimpleImputer(strategy=strategy).fit(stacked(fit, names))
        indicator = MissingIndicator(features="all").fit(stacked(fit, names))
        matrix = stacked(apply, names)
        expected = np.hstack([imputer.transform(matrix), indicator.transform(matrix)])
        write(f"impute_{strategy}", fit, apply,
              [step("impute", names, strategy=strategy, indicator=True,
                    fitted={"values": [plain(v) for v in imputer.statistics_]})],
              expected, names + [f"{name}_missing" for name in names],
              inputs={name: "number" for name in names})


def make_scalers(fit, apply):
    names = ["normal", "positive", "whole", "constant", "wide"]
    cases = {
        "standard": (StandardScaler(), {"method": "standard"}),
        "standard_center": (StandardScaler(with_std=False), {"method": "standard", "scale": False}),
        "min_max": (MinMaxScaler((-1, 3), clip=True),
                    {"method": "min_max", "range": [-1, 3], "clip": True}),
        "robust": (RobustScaler(), {"method": "robust"}),
        "robust_wide": (RobustScaler(quantile_range=(5, 90), with_centering=False),
                        {"method": "robust", "quantiles": [5, 90], "center": False}),
        "max_abs": (MaxAbsScaler(), {"method": "max_abs"}),
    }
    for name, (scaler, members) in cases.items():
        scaler.fit(stacked(fit, names))
        if members["method"] == "min_max":
            fitted = {"minimum": scaler.data_min_, "maximum": scaler.data_max_}
        else:
            zeros, ones = np.zeros(len(names)), np.ones(len(names))
            center = getattr(scaler, "mean_", getattr(scaler, "center_", None))
            fitted = {"center": zeros if center is None else center,
                      "scale": ones if scaler.scale_ is None else scaler.scale_}
        fitted = {key: [plain(v) for v in value] for key, value in fitted.items()}
        write(f"scale_{name}", fit, apply, [step("scale", names, **members, fitted=fitted)],
              scaler.transform(stacked(apply, names)), names)


def make_curves(fit, apply):
    matrix = stacked(apply, ["normal", "wide"])
    transformer = PowerTransformer(standardize=False).fit(stacked(fit, ["normal", "wide"]))
    write("power_yeo_johnson", fit, apply,
          [step("power", ["normal", "wide"], method="yeo_johnson",
                fitted={"lambda": transformer.lambdas_.tolist()})],
          transformer.transform(matrix), ["normal", "wide"], fit_tolerance=1e-5)
    transformer = PowerTransformer("box-cox", standardize=False).fit(stacked(fit, ["positive"]))
    write("power_box_cox", fit, apply,
          [step("power", ["positive"], method="box_cox",
                fitted={"lambda": transformer.lambdas_.tolist()})],
          transformer.transform(stacked(apply, ["positive"])), ["positive"], fit_tolerance=1e-5)
    positive, normal = apply["positive"], apply["normal"]
    expected = [np.log(positive + 0.5), np.log1p(positive), np.clip(normal, -1, 4),
                np.power(positive, 1.7), np.power(normal, 3), np.sqrt(positive), 1 / normal,
                np.clip(normal, None, 2)]
    write("curves", {}, apply,
          [step("log", ["positive"], ["log"], offset=0.5),
           step("log", ["positive"], ["log1p"], method="log1p"),
           step("clip", ["normal"], ["clip"], lower=-1, upper=4),
           step("power", ["positive"], ["power"], exponent=1.7),
           step("power", ["normal"], ["cube"], exponent=3),
           step("power", ["positive"], ["root"], exponent=0.5),
           step("power", ["normal"], ["inverse"], exponent=-1),
           step("clip", ["normal"], ["upper"], upper=2)],
          np.column_stack(expected),
          ["log", "log1p", "clip", "power", "cube", "root", "inverse", "upper"])


def make_chain(fit, apply):
    names = ["normal", "positive"]
    imputer = SimpleImputer(strategy="median").fit(stacked(fit, names))
    scaler = StandardScaler().fit(imputer.transform(stacked(fit, names)))
    expected = np.clip(scaler.transform(imputer.transform(stacked(apply, names))), -2, 2)
    write("chain", fit, apply,
          [step("impute", names, strategy="median",
                fitted={"values": imputer.statistics_.tolist()}),
           step("scale", names, method="standard",
                fitted={"center": scaler.mean_.tolist(), "scale": scaler.scale_.tolist()}),
           step("clip", names, lower=-2, upper=2)],
          expected, names)


def make_buckets(fit, apply):
    edges = [-1, 0, 2.5, 4]
    normal, whole = apply["normal"], apply["whole"]
    expected = [np.digitize(normal, edges).astype(float), np.digitize(whole, edges).astype(float),
                np.digitize(whole, edges, right=True).astype(float)]
    for column, source in zip(expected, (normal, whole, whole)):
        column[np.isnan(source)] = np.nan
    write("bucketize_edges", {}, apply,
          [step("bucketize", ["normal", "whole"], ["n", "w"], edges=edges),
           step("bucketize", ["whole"], ["r"], edges=edges, right=True)],
          np.column_stack(expected), ["n", "w", "r"])
    for strategy, members in (("quantile", {"quantile_method": "linear"}), ("uniform", {})):
        bins = KBinsDiscretizer(40, encode="ordinal", strategy=strategy, subsample=None, **members)
        bins.fit(stacked(fit, ["complete"]))
        write(f"bucketize_{strategy}", fit, apply,
              [step("bucketize", ["complete"], buckets=40, strategy=strategy,
                    fitted={"edges": [e[1:-1].tolist() for e in bins.bin_edges_]})],
              bins.transform(stacked(apply, ["complete"])), ["complete"])


def objects(column, missing=None):
    return np.array([missing if v is None else v for v in column], dtype=object).reshape(-1, 1)


def make_categories():
    fit = {"carrier": texts(FIT_ROWS, ["AA", "UA", "b6", "Ä", "zz", "", "大", "𝒳"]),
           "code": [plain(v) for v in RANDOM.integers(0, 6, FIT_ROWS) * 1.5],
           "target": (RANDOM.random(FIT_ROWS) < 0.3).astype(float)}
    apply = {"carrier": texts(APPLY_ROWS, ["AA", "UA", "b6", "Ä", "new", "", "大", "𝒳"]),
             "code": [plain(v) for v in RANDOM.integers(0, 8, APPLY_ROWS) * 1.5],
             "target": np.zeros(APPLY_ROWS)}
    known = sorted({v for v in fit["carrier"] if v is not None})
    codes = sorted(set(fit["code"]))
    kinds = {"code": "number"}
    carrier, code = objects(apply["carrier"], "?"), np.array(apply["code"], float).reshape(-1, 1)
    one_hot = [
        OneHotEncoder(categories=[known], handle_unknown="ignore", sparse_output=False)
        .fit(objects(fit["carrier"], known[0])).transform(carrier),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        .fit(np.array(fit["code"], float).reshape(-1, 1)).transform(code)]
    extra = [[float(v is not None and v not in known), float(v is None)] for v in apply["carrier"]]
    both = lists([known]) + lists([codes])
    write("one_hot", fit, apply,
          [step("one_hot", ["carrier", "code"], unknown="category", missing="category",
                fitted={"categories": both})],
          np.hstack([one_hot[0], extra, one_hot[1]]),
          ["carrier"] + [f"code_{plain(v)}" for v in codes], inputs=kinds)
    dropped = OneHotEncoder(drop="first", handle_unknown="ignore", sparse_output=False)
    dropped.fit(np.array(fit["code"], float).reshape(-1, 1))
    write("one_hot_drop", fit, apply,
          [step("one_hot", ["code"], drop_first=True, fitted={"categories": lists([codes])})],
          dropped.transform(code), ["code"], inputs=kinds)
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    ordinal.fit(np.array(fit["code"], float).reshape(-1, 1))
    places = [-2 if v is None else known.index(v) if v in known else -1 for v in apply["carrier"]]
    write("ordinal", fit, apply,
          [step("ordinal", ["carrier", "code"], unknown_value=-1, missing_value=-2,
                fitted={"categories": both})],
          np.column_stack([places, ordinal.transform(code)]), ["carrier", "code"], inputs=kinds)
    present = [v for v in fit["carrier"] if v is not None]
    shares = [present.count(v) / len(present) for v in known]
    share = {**dict(zip(known, shares)), None: np.nan}
    write("frequency", fit, apply,
          [step("frequency", ["carrier"], fitted={"categories": [known], "values": [shares]})],
          np.array([[share.get(v, 0.0)] for v in apply["carrier"]]), ["carrier"])
    encoder = TargetEncoder(smooth=10.0, target_type="continuous")
    encoder.fit(np.array(fit["code"], float).reshape(-1, 1), fit["target"])
    write("target", fit, apply,
          [step("target", ["code"], target="target", smooth=10,
                fitted={"categories": lists(encoder.categories_),
                        "values": [e.tolist() for e in encoder.encodings_],
                        "default": [float(encoder.target_mean_)]})],
          encoder.transform(code), ["code"], inputs=kinds)
    frequent = sorted(sorted(known, key=lambda v: (-present.count(v), known.index(v)))[:3])
    write("one_hot_limit", fit, apply,
          [step("one_hot", ["carrier"], max_categories=3, fitted={"categories": [frequent]})],
          np.array([[float(v == c) for c in frequent] for v in apply["carrier"]]), ["carrier"])
    crossed = [None if a is None else f"{a}|{plain(b)}"
               for a, b in zip(apply["carrier"], apply["code"])]
    kept = sorted({c for c in crossed if c is not None})[::2]
    write("cross", {}, apply,
          [step("cross", ["carrier", "code"], ["both"], separator="|"),
           step("one_hot", ["both"], categories=[kept])],
          np.array([[float(v == c) for c in kept] for v in crossed]), ["both"], inputs=kinds)
    rows = [{**({} if a is None else {"carrier": a}), "code": b}
            for a, b in zip(apply["carrier"], apply["code"])]
    for signed in (True, False):
        hasher = FeatureHasher(7, input_type="dict", alternate_sign=signed)
        write(f"hash_{'signed' if signed else 'unsigned'}", {}, apply,
              [step("hash", ["carrier", "code"], ["h"], buckets=7, signed=signed)],
              hasher.transform(rows).toarray(), ["h"], inputs=kinds)


def make_dates():
    moments = ["2024-02-29", "1999-12-31T23:59:59", "1970-01-01 00:00:00", "2000-03-01T12:30:15.25Z",
               "0001-01-01", "9999-12-31T23:59:59.999", "2023-07-04T05:06:07+02:00",
               "1900-02-28T01:02-0530", "20240301", "2100-03-01", "1969-12-31T23:59:59Z"]
    bad = ["", "2023-02-29", "2024-13-01", "yesterday", "2024-01-01T24:00", "2024-1-1", None,
           "2024-01-01T10:00x", "2024-01-01T", "10000-01-01"]
    rows, expected = moments + bad, []
    for text in moments:
        time = pd.Timestamp(text)
        seconds = time.second + time.microsecond / 1e6
        local = time.tz_localize(None) if time.tzinfo else time
        offset = time.utcoffset().total_seconds() if time.tzinfo else 0
        epoch = (local - pd.Timestamp("1970-01-01")) / pd.Timedelta(1, "us") / 1e6 - offset
        expected.append([time.year, time.month, time.day, time.weekday(), time.hour, time.minute,
                         seconds, time.day_of_year, float(time.weekday() >= 5), epoch])
    expected += [[np.nan] * 10] * len(bad)
    parts = ["year", "month", "day", "weekday", "hour", "minute", "second", "day_of_year",
             "is_weekend", "epoch"]
    write("dates", {}, {"at": rows}, [step("date_parts", ["at"], parts=parts)], expected, ["at"])
    seconds = np.concatenate([RANDOM.integers(-62135596800, 253402300800, 200).astype(float),
                              RANDOM.integers(0, 2**31, 50) + 0.5, [0, -1, -0.5, np.nan, np.inf]])
    expected = []
    for second in seconds:
        if not math.isfinite(second):
            expected.append([np.nan] * 10)
            continue
        time = np.datetime64(int(math.floor(second)), "s").item()
        expected.append([time.year, time.month, time.day, time.weekday(), time.hour, time.minute,
                         time.second + second - math.floor(second), time.timetuple().tm_yday,
                         float(time.weekday() >= 5), second])
    write("epochs", {}, {"at": seconds}, [step("date_parts", ["at"], parts=parts)], expected,
          ["at"], inputs={"at": "number"})


def make_texts():
    fit, apply = {"text": documents(FIT_ROWS)}, {"text": documents(APPLY_ROWS)}
    cases = {
        "plain": ({}, {}),
        "bigrams": ({"ngram_range": (1, 2), "sublinear_tf": True, "norm": "l1", "min_df": 2},
                    {"ngrams": [1, 2], "sublinear": True, "norm": "l1", "min_rows": 2}),
        "characters": ({"analyzer": "char", "ngram_range": (2, 3), "max_features": 300},
                       {"analyzer": "char", "ngrams": [2, 3], "max_terms": 300}),
        "within_words": ({"analyzer": "char_wb", "ngram_range": (1, 4), "smooth_idf": False,
                          "max_df": 0.5, "lowercase": False, "min_df": 3},
                         {"analyzer": "char_wb", "ngrams": [1, 4], "smooth": False,
                          "max_share": 0.5, "lowercase": False, "min_rows": 3}),
        "counts": ({"use_idf": False, "norm": None, "binary": True},
                   {"idf": False, "norm": "none", "binary": True}),
    }
    for name, (theirs, ours) in cases.items():
        # A tie among the least frequent terms that are kept would be broken at random.
        if "max_features" in theirs:
            theirs = dict(theirs, max_features=untied(fit["text"], theirs))
            ours = dict(ours, max_terms=theirs["max_features"])
        vectorizer = TfidfVectorizer(**theirs).fit(fit["text"])
        terms = vectorizer.get_feature_names_out().tolist()
        idf = vectorizer.idf_.tolist() if theirs.get("use_idf", True) else [1] * len(terms)
        write(f"tfidf_{name}", fit, apply,
              [step("tfidf", ["text"], **ours, fitted={"terms": [terms], "idf": [lists([idf])[0]]})],
              vectorizer.transform(apply["text"]).toarray(), ["text"])
    cases = {
        "plain": ({}, {}),
        "bigrams": ({"ngram_range": (1, 3), "alternate_sign": False, "norm": "l1"},
                    {"ngrams": [1, 3], "signed": False, "norm": "l1"}),
        "characters": ({"analyzer": "char_wb", "ngram_range": (2, 5), "norm": None},
                       {"analyzer": "char_wb", "ngrams": [2, 5], "norm": "none"}),
        "binary": ({"analyzer": "char", "binary": True, "lowercase": False},
                   {"analyzer": "char", "binary": True, "lowercase": False}),
    }
    for name, (theirs, ours) in cases.items():
        vectorizer = HashingVectorizer(n_features=64, **theirs)
        write(f"hash_text_{name}", {}, apply, [step("hash_text", ["text"], buckets=64, **ours)],
              vectorizer.transform(apply["text"]).toarray(), ["text"])
    lowered = [None, "GROẞE", *TEXT_EXTRAS, "ÀÉÎ ΣΑΣ Ⅷ Ǆ 𐐀 Ā"]
    seen = ["größe", "groß" + "e", "àéî σασ ⅷ ǆ 𐐨 ā", "ünïcode ünïcode ünïcode", ""]
    write("lowercase", {}, {"text": lowered},
          [step("lowercase", ["text"]), step("one_hot", ["text"], categories=[seen])],
          np.array([[float(v is not None and simple_lower(v) == c) for c in seen]
                    for v in lowered]), ["text"])


def simple_lower(text):
    return "".join(character.lower() for character in text)


def untied(rows, members):
    """The number of terms nearest to max_features that does not part equally frequent ones."""
    matrix = TfidfVectorizer(**dict(members, max_features=None, use_idf=False, norm=None))
    counts = np.sort(np.asarray(matrix.fit_transform(rows).sum(axis=0)).ravel())[::-1]
    limit = members["max_features"]
    while limit < len(counts) and counts[limit] == counts[limit - 1]:
        limit += 1
    return limit


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    fit, apply = numbers(FIT_ROWS), numbers(APPLY_ROWS)
    for columns, count in ((fit, FIT_ROWS), (apply, APPLY_ROWS)):
        columns["complete"] = RANDOM.normal(0, 1, count)
    make_imputers(fit, apply)
    make_scalers(fit, apply)
    make_curves(fit, apply)
    make_chain(fit, apply)
    make_buckets(fit, apply)
    make_categories()
    make_dates()
    make_texts()


if __name__ == "__main__":
    main()
