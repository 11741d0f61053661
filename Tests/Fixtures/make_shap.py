"""Makes the fixtures of ShapKernelTests: trees, ranked rows and the libraries' contributions.

Run with Python 3.11, lightgbm 4.6.0, xgboost 3.2.0 and numpy 2.4:

    python3 Tests/Fixtures/make_shap.py

Each file of Tests/ScoringTests/Fixtures/shap is lines of numbers separated by spaces:

    the library and its version
    nodes trees outputs features columns rows
    the bias of each output
    a line for each tree:  first node, node count, output
    a line for each node:  cover value left right column feature rank
    a line for each row:   its ranks, two hexadecimal digits for each column
    a line for each row:   its contributions as the library gives them, output by output
"""

import json
import pathlib

import lightgbm
import numpy as np
import xgboost

FOLDER = pathlib.Path(__file__).parent.parent / "ScoringTests" / "Fixtures" / "shap"
PINNED = {"lightgbm": "4.6.0", "xgboost": "3.2.0"}
CHUNK = 255  # thresholds that the byte ranks of one column tell apart


class Ensemble:
    """Trees over byte ranks, whose columns are known once all nodes are."""

    def __init__(self, output_count, feature_count):
        self.output_count = output_count
        self.feature_count = feature_count
        self.biases = [0.0] * output_count
        self.trees = []  # (first node, node count, output)
        self.nodes = []  # [cover, value, left, right, test, threshold, feature]
        self.tests = {}  # test -> thresholds; a test is (feature, policy)

    def add_split(self, cover, feature, policy, threshold):
        test = (feature, policy)
        self.tests.setdefault(test, set()).add(threshold)
        self.nodes.append([cover, 0.0, 0, 0, test, threshold, feature])
        return self.nodes[-1]

    def finish(self):
        """Gives every test its columns, one for each CHUNK thresholds."""
        self.first_column, self.column_count = {}, 0
        for test, thresholds in self.tests.items():
            self.tests[test] = np.array(sorted(thresholds))
            self.first_column[test] = self.column_count
            self.column_count += -(-len(thresholds) // CHUNK)

    def flat(self):
        for cover, value, left, right, test, threshold, feature in self.nodes:
            column = rank = 0
            if test is not None:
                index = int(np.searchsorted(self.tests[test], threshold))
                column, rank = self.first_column[test] + index // CHUNK, index % CHUNK
            yield cover, value, left, right, column, feature, rank

    def ranks(self, rows):
        """Column-major bytes."""
        columns = np.zeros((self.column_count, len(rows)), dtype=np.uint8)
        for test, thresholds in self.tests.items():
            ranks = test[1].ranks(rows[:, test[0]], thresholds)
            for chunk in range(-(-len(thresholds) // CHUNK)):
                columns[self.first_column[test] + chunk] = np.clip(ranks - chunk * CHUNK, 0, 255)
        return columns


class LightGBMNumber(tuple):
    """(missing type, default left): how a column of a numeric split treats missing values."""

    def ranks(self, values, thresholds):
        missing_type, default_left = self
        values = values.astype(np.float64)
        missing = np.isnan(values)
        if missing_type != "NaN":
            values = np.where(missing, 0.0, values)
            missing = np.abs(values) <= np.float32(1e-35)
        if missing_type == "None":
            missing[:] = False
        ranks = np.searchsorted(thresholds, values, side="left")
        return np.where(missing, 0 if default_left else len(thresholds), ranks)


class Categories(frozenset):
    """The categories that go left; the only threshold is 0."""

    def ranks(self, values, thresholds):
        return np.array([0 if v == v and v >= 0 and int(v) in self else 1 for v in values])


class XGBoostNumber(tuple):
    """(default left,): float32, left if below the threshold."""

    def ranks(self, values, thresholds):
        ranks = np.searchsorted(thresholds, values.astype(np.float32), side="right")
        return np.where(np.isnan(values), 0 if self[0] else len(thresholds), ranks)


def from_lightgbm(booster):
    dump = booster.dump_model()
    result = Ensemble(dump["num_tree_per_iteration"], dump["max_feature_idx"] + 1)

    def add(node, first):
        index = len(result.nodes) - first
        if "split_feature" not in node:
            cover = float(node.get("leaf_count", 1))
            result.nodes.append([cover, node["leaf_value"], 0, 0, None, 0, 0])
            return index
        if node["decision_type"] == "==":
            policy = Categories(int(v) for v in node["threshold"].split("||"))
            threshold = 0
        else:
            missing = node["missing_type"]
            policy = LightGBMNumber((missing, node["default_left"] and missing != "None"))
            threshold = node["threshold"]
        made = result.add_split(
            float(node["internal_count"]), node["split_feature"], policy, threshold)
        made[2] = add(node["left_child"], first)
        made[3] = add(node["right_child"], first)
        return index

    for number, tree in enumerate(dump["tree_info"]):
        first = len(result.nodes)
        add(tree["tree_structure"], first)
        result.trees.append((first, len(result.nodes) - first, number % result.output_count))
    result.finish()
    return result


def xgboost_biases(booster):
    learner = json.loads(booster.save_raw("json"))["learner"]
    count = max(1, int(learner["learner_model_param"]["num_class"]))
    scores = np.array(json.loads(learner["learner_model_param"]["base_score"]), dtype=np.float64)
    scores = np.broadcast_to(np.atleast_1d(scores), (count,))
    if learner["objective"]["name"] == "binary:logistic":
        scores = np.log(scores / (1 - scores))
    return [float(v) for v in scores]


def from_xgboost(booster):
    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
    biases = xgboost_biases(booster)
    result = Ensemble(len(biases), booster.num_features())
    result.biases = biases
    for tree, output in zip(model["trees"], model["tree_info"]):
        first = len(result.nodes)
        for i, left in enumerate(tree["left_children"]):
            cover, condition = tree["sum_hessian"][i], np.float32(tree["split_conditions"][i])
            if left == -1:
                result.nodes.append([cover, float(condition), 0, 0, None, 0, 0])
                continue
            policy = XGBoostNumber((bool(tree["default_left"][i]),))
            made = result.add_split(cover, tree["split_indices"][i], policy, condition)
            made[2:4] = left, tree["right_children"][i]
        result.trees.append((first, len(result.nodes) - first, output))
    result.finish()
    return result


def write(name, library, ensemble, rows, contributions, digits):
    counts = [len(ensemble.nodes), len(ensemble.trees), ensemble.output_count,
              ensemble.feature_count, ensemble.column_count, len(rows)]
    lines = [f"{library} {PINNED[library]}", " ".join(map(str, counts)),
             " ".join(f"{v:.17g}" for v in ensemble.biases)]
    lines += [" ".join(map(str, tree)) for tree in ensemble.trees]
    lines += [" ".join([f"{cover:.17g}", f"{value:.17g}", *map(str, rest)])
              for cover, value, *rest in ensemble.flat()]
    lines += [bytes(row).hex() for row in ensemble.ranks(rows).T]
    lines += [" ".join(f"{v:.{digits}g}" for v in row) for row in contributions]
    (FOLDER / f"{name}.txt").write_text("\n".join(lines) + "\n")


def data(seed, row_count, feature_count, missing=0.0, zeros=0.0):
    random = np.random.default_rng(seed)
    rows = random.normal(size=(row_count, feature_count))
    signal = rows[:, 0] * rows[:, 1] + np.sin(2 * rows[:, 2]) + 0.5 * rows[:, 3] ** 2
    signal += rows @ random.normal(size=feature_count) * 0.3
    rows[random.random(rows.shape) < missing] = np.nan
    rows[random.random(rows.shape) < zeros] = 0.0
    return rows, signal, random


def lightgbm_case(name, parameters, rows, target, round_count, kept, **options):
    parameters = {"verbose": -1, "num_threads": 1, "seed": 1, "deterministic": True, **parameters}
    booster = lightgbm.train(
        parameters, lightgbm.Dataset(rows, target, **options), num_boost_round=round_count)
    ensemble = from_lightgbm(booster)
    contributions = booster.predict(rows[:kept], pred_contrib=True)
    write(name, "lightgbm", ensemble, rows[:kept], contributions, 17)


def xgboost_case(name, parameters, rows, target, round_count, kept):
    parameters = {"nthread": 1, "seed": 1, **parameters}
    booster = xgboost.train(parameters, xgboost.DMatrix(rows, target), round_count)
    ensemble = from_xgboost(booster)
    contributions = booster.predict(xgboost.DMatrix(rows[:kept]), pred_contribs=True)
    write(name, "xgboost", ensemble, rows[:kept], contributions.reshape(kept, -1), 9)


def make_lightgbm():
    rows, signal, random = data(1, 3000, 8, missing=0.1, zeros=0.05)
    lightgbm_case("lightgbm_missing", {"objective": "binary", "num_leaves": 31}, rows,
                  signal > 0.3, 20, 200)
    lightgbm_case("lightgbm_zero_missing",
                  {"objective": "regression", "zero_as_missing": True}, rows, signal, 5, 100)
    rows[:, 4] = random.integers(0, 12, len(rows))
    rows[:, 5] = random.integers(0, 70, len(rows))
    rows[random.random(len(rows)) < 0.1, 5] = np.nan
    signal += np.isin(rows[:, 4], [1, 4, 7, 11]) + np.sin(np.nan_to_num(rows[:, 5]))
    lightgbm_case("lightgbm_categories", {"objective": "regression", "min_data_per_group": 10},
                  rows, signal, 15, 150, categorical_feature=[4, 5])
    classes = np.digitize(signal, np.quantile(signal, [0.3, 0.7]))
    rows, signal, _ = data(2, 4000, 6)
    classes = np.digitize(signal, np.quantile(signal, [0.3, 0.7]))
    lightgbm_case("lightgbm_multiclass",
                  {"objective": "multiclass", "num_class": 3, "num_leaves": 15}, rows, classes,
                  8, 150)
    lightgbm_case("lightgbm_forest",
                  {"objective": "regression", "boosting": "rf", "bagging_freq": 1,
                   "bagging_fraction": 0.6}, rows, signal, 5, 50)
    rows, signal, _ = data(3, 6000, 5)
    lightgbm_case("lightgbm_deep",
                  {"objective": "regression", "num_leaves": 400, "min_data_in_leaf": 1,
                   "min_sum_hessian_in_leaf": 0, "max_bin": 1000}, rows, signal, 2, 150)
    rows, signal, _ = data(4, 4000, 40)
    lightgbm_case("lightgbm_wide",
                  {"objective": "regression", "num_leaves": 250, "min_data_in_leaf": 1,
                   "learning_rate": 1.0}, rows, np.exp(signal), 2, 50)
    lightgbm_case("lightgbm_single_leaf",
                  {"objective": "regression", "min_data_in_leaf": 1000}, rows[:60], signal[:60],
                  1, 20)


def make_xgboost():
    rows, signal, _ = data(5, 3000, 8, missing=0.1)
    xgboost_case("xgboost_missing", {"objective": "binary:logistic", "max_depth": 6}, rows,
                 signal > 0.3, 20, 150)
    xgboost_case("xgboost_regression",
                 {"objective": "reg:squarederror", "max_depth": 5, "base_score": 3.5}, rows,
                 signal, 15, 100)
    xgboost_case("xgboost_deep",
                 {"objective": "reg:squarederror", "grow_policy": "lossguide", "max_leaves": 300,
                  "max_depth": 0, "min_child_weight": 0, "max_bin": 1024}, rows, signal, 2, 100)
    rows, signal, _ = data(6, 3000, 6)
    classes = np.digitize(signal, np.quantile(signal, [0.3, 0.7]))
    xgboost_case("xgboost_multiclass",
                 {"objective": "multi:softprob", "num_class": 3, "max_depth": 4}, rows, classes,
                 6, 100)


if __name__ == "__main__":
    for module in (lightgbm, xgboost):
        if module.__version__ != PINNED[module.__name__]:
            raise SystemExit(f"{module.__name__} must be {PINNED[module.__name__]}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    make_lightgbm()
    make_xgboost()
