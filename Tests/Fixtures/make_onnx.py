"""Makes Tests/ScoringTests/Fixtures/onnx: ONNX files and what ONNX Runtime makes of rows.

Needs scikit-learn 1.9.1, skl2onnx 1.20.0, onnxmltools 1.16.0, onnx 1.23.2, onnxruntime 1.32.0,
lightgbm 4.6.0, xgboost 3.2.0, numpy 2.4.6. Run it from the root of the repository.

Of each NAME.onnx there is a NAME.json: the columns of the input with their values (null where
missing), and for each output its values as ONNX Runtime gives them on one thread.
"""

import json
import os
import pathlib
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import sklearn.datasets
from onnx import TensorProto, helper, numpy_helper

warnings.filterwarnings("ignore")
FOLDER = pathlib.Path("Tests/ScoringTests/Fixtures/onnx")
VERSIONS = {"sklearn": "1.9.1", "skl2onnx": "1.20.0", "onnx": "1.23.2", "onnxruntime": "1.32.0"}
NUMPY_TYPES = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64,
    "tensor(bool)": bool, "tensor(string)": object,
}
refused = {}


def number(value):
    """A number as JSON has it: no NaN, no infinities, of a float only the digits it needs."""
    value = float(str(value)) if isinstance(value, np.float32) else float(value)
    if value == int(value) if np.isfinite(value) else False:
        return int(value)
    if np.isnan(value):
        return None
    if np.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value


def shown(value):
    if isinstance(value, (str, np.str_)):
        return str(value)
    return number(value)


def flat(result, rows):
    """An output as a list of rows, and the names of its elements."""
    if isinstance(result, list) and result and isinstance(result[0], dict):
        names = [str(name) for name in result[0]]
        return [[shown(value) for value in row.values()] for row in result], names
    array = np.asarray(result)
    if array.ndim and array.shape[0] != rows and rows in array.shape:
        array = np.moveaxis(array, array.shape.index(rows), 0)
    return [[shown(value) for value in row] for row in array.reshape(rows, -1)], []


def save(name, model, feeds):
    """Writes a model with rows; `feeds` has an array for each input."""
    # Converters make a name up.
    model.graph.name = name
    data = model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    columns = []
    rows = len(next(iter(feeds.values())))
    inputs = {}
    for port in session.get_inputs():
        array = np.asarray(feeds[port.name])
        inputs[port.name] = array.astype(NUMPY_TYPES[port.type])
        wide = inputs[port.name].reshape(rows, -1)
        for index in range(wide.shape[1]):
            column = port.name if wide.shape[1] == 1 else f"{port.name}[{index}]"
            columns.append({"name": column, "values": [shown(value) for value in wide[:, index]]})
    outputs = []
    for port, result in zip(session.get_outputs(), session.run(None, inputs)):
        values, names = flat(result, rows)
        outputs.append({"name": port.name, "values": values, "names": names})
    (FOLDER / f"{name}.onnx").write_bytes(data)
    text = json.dumps({"columns": columns, "outputs": outputs}, separators=(",", ":"))
    (FOLDER / f"{name}.json").write_text(text + "\n")


def refuse(name, model, operators):
    """Writes a model that cannot be read, and what its error has to name."""
    model.graph.name = name
    data = model.SerializeToString()
    (FOLDER / f"{name}.onnx").write_bytes(data)
    refused[name] = operators


# Graphs made by hand: one operator each.

FLOAT, DOUBLE, INT64, BOOL, STRING = (
    TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.BOOL,
    TensorProto.STRING,
)


def graph(nodes, inputs, outputs, constants=None, version=18, learning=3):
    """A model of nodes; inputs and outputs are (name, type, shape)."""
    ports = [[helper.make_tensor_value_info(*port) for port in ports] for ports in (inputs, outputs)]
    initial = [numpy_helper.from_array(np.asarray(value), key)
               for key, value in (constants or {}).items()]
    made = helper.make_graph(nodes, "graph", ports[0], ports[1], initial)
    model = helper.make_model(made, opset_imports=[
        helper.make_opsetid("", version), helper.make_opsetid("ai.onnx.ml", learning)])
    model.ir_version = 8 if learning < 5 else 10
    return model


def standard():
    """Graphs with the standard operators."""
    random = np.random.default_rng(7)
    x = random.normal(0, 2, (20, 6)).astype(np.float32)
    x[3, 0], x[4, 1], x[5, 2], x[6] = np.nan, np.inf, -np.inf, 0
    finite = np.where(np.isfinite(x), x, 1).astype(np.float32)
    node = helper.make_node
    wide = [("x", FLOAT, [None, 6])]

    def chain(name, nodes, values=x, constants=None, outputs=None, inputs=wide, **more):
        outputs = outputs or [("y", FLOAT, None)]
        feeds = values if isinstance(values, dict) else {"x": values}
        save(f"op_{name}", graph(nodes, inputs, outputs, constants, **more), feeds)

    # Several functions of one number side by side.
    def functions(name, values, operators, version=18):
        nodes, parts = [], []
        for index, (operator, attributes) in enumerate(operators):
            nodes.append(node(operator, ["x"], [f"p{index}"], name=f"n{index}", **attributes))
            parts.append(f"p{index}")
        nodes.append(node("Concat", parts, ["y"], axis=1))
        chain(name, nodes, values, version=version)

    functions("exact", x, [(name, {}) for name in (
        "Abs", "Neg", "Floor", "Ceil", "Round", "Sign", "Relu", "Identity", "Softsign")]
        + [("LeakyRelu", {"alpha": 0.2}), ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}),
           ("Dropout", {})])
    functions("smooth", finite, [(name, {}) for name in (
        "Exp", "Sigmoid", "Tanh", "Erf", "Softplus", "Elu", "Selu", "Sin", "Cos")]
        + [("Gelu", {}), ("Gelu", {"approximate": "tanh"})], version=20)
    functions("positive", np.abs(finite) + 0.1, [("Sqrt", {}), ("Log", {}), ("Reciprocal", {})])
    row = random.normal(0, 1, (1, 6)).astype(np.float32)
    other = random.normal(0, 1, (20, 1)).astype(np.float32)
    for index, operator in enumerate(["Add", "Sub", "Mul", "Div", "Min", "Max", "PRelu"]):
        second = "w" if index % 2 else "c"
        chain(operator.lower(), [node(operator, ["x", second], ["y"])], {"x": finite, "w": other},
              {"c": row}, inputs=wide + [("w", FLOAT, [None, 1])])
    chain("pow", [node("Pow", ["a", "two"], ["p"]), node("Abs", ["x"], ["a"]),
                  node("Pow", ["a", "half"], ["q"]), node("Concat", ["p", "q"], ["y"], axis=1)][1:2]
          + [node("Pow", ["a", "two"], ["p"]), node("Pow", ["a", "half"], ["q"]),
             node("Concat", ["p", "q"], ["y"], axis=1)],
          finite, {"two": np.int64(2), "half": np.float32(0.7)})
    chain("clip", [node("Clip", ["x", "low", "high"], ["y"])], x,
          {"low": np.float32(-1), "high": np.float32(2)})
    compares = ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"]
    chain("compare", [node(operator, ["x", "c"], [f"b{index}"])
                      for index, operator in enumerate(compares)]
          + [node("And", ["b1", "b2"], ["b5"]), node("Or", ["b0", "b3"], ["b6"]),
             node("Not", ["b0"], ["b7"]), node("Xor", ["b1", "b6"], ["b8"]),
             node("IsNaN", ["x"], ["b9"]), node("IsInf", ["x"], ["b10"])]
          + [node("Where", [f"b{index}", "one", "x"], [f"w{index}"]) for index in range(11)]
          + [node("Concat", [f"w{index}" for index in range(11)], ["y"], axis=1)],
          x, {"c": np.round(row * 2), "one": np.float32(7)})
    chain("casts", [node("Cast", ["x"], ["i"], to=INT64), node("Cast", ["i"], ["f"], to=FLOAT),
                    node("Cast", ["x"], ["b"], to=BOOL), node("Cast", ["b"], ["g"], to=FLOAT),
                    node("Cast", ["x"], ["d"], to=DOUBLE), node("Sqrt", ["e"], ["s"]),
                    node("Abs", ["d"], ["e"])][:5]
          + [node("Abs", ["d"], ["e"]), node("Sqrt", ["e"], ["s"]),
             node("Concat", ["f", "g"], ["y"], axis=1)],
          finite, outputs=[("y", FLOAT, None), ("s", DOUBLE, None), ("i", INT64, None)])
    chain("shape_of", [
        node("Shape", ["x"], ["s"]), node("Gather", ["s", "zero"], ["n"]),
        node("Unsqueeze", ["n", "axis"], ["n1"]), node("Concat", ["n1", "two"], ["ns"], axis=0),
        node("ConstantOfShape", ["ns"], ["filled"], value=helper.make_tensor(
            "v", FLOAT, [1], [3.5])),
        node("Concat", ["x", "filled"], ["y"], axis=1)],
        finite, {"zero": np.int64(0), "axis": np.array([0]), "two": np.array([2])})
    chain("moves", [
        node("Reshape", ["x", "s"], ["a"]), node("Transpose", ["a"], ["b"], perm=[0, 2, 1]),
        node("Flatten", ["b"], ["c"]), node("Slice", ["c", "from", "to", "axes", "steps"], ["d"]),
        node("Gather", ["x", "places"], ["e"], axis=1), node("Unsqueeze", ["e", "axes"], ["f"]),
        node("Squeeze", ["f", "axes"], ["g"]), node("Split", ["x"], ["h", "i"], axis=1,
                                                    num_outputs=2),
        node("Tile", ["h", "repeats"], ["j"]), node("Expand", ["k1", "wide"], ["k"]),
        node("Slice", ["x", "zero", "one", "axes"], ["k1"])][:9]
        + [node("Slice", ["x", "zero", "one", "axes"], ["k1"]),
           node("Expand", ["k1", "wide"], ["k"]),
           node("Concat", ["d", "g", "i", "j", "k"], ["y"], axis=1)],
        finite, {"s": np.array([-1, 2, 3]), "from": np.array([-1]), "to": np.array([-7]),
                 "axes": np.array([1]), "steps": np.array([-2]), "places": np.array([5, 0, -2]),
                 "repeats": np.array([1, 2]), "wide": np.array([1, 4]), "zero": np.array([0]),
                 "one": np.array([1])})
    reductions = ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1",
                  "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"]
    chain("reduce", [node(operator, ["x", "axes"], [f"r{index}"])
                     for index, operator in enumerate(reductions)]
          + [node("Concat", [f"r{index}" for index in range(9)], ["y"], axis=1)],
          finite, {"axes": np.array([1])})
    chain("arguments", [
        node("ArgMax", ["x"], ["a"], axis=1), node("ArgMin", ["x"], ["b"], axis=1, keepdims=0),
        node("TopK", ["x", "k"], ["v", "i"], axis=1),
        node("GatherElements", ["x", "i"], ["g"], axis=1),
        node("TopK", ["x", "k"], ["w", "j"], axis=1, largest=0)],
        finite, {"k": np.array([3])},
        outputs=[("a", INT64, None), ("b", INT64, None), ("v", FLOAT, None), ("i", INT64, None),
                 ("g", FLOAT, None), ("w", FLOAT, None), ("j", INT64, None)])
    chain("softmax", [node("Softmax", ["x"], ["a"], axis=1), node("LogSoftmax", ["x"], ["b"]),
                      node("Concat", ["a", "b"], ["y"], axis=1)], finite)
    chain("softmax_old", [node("Softmax", ["x"], ["y"])], finite, version=11)
    scale, shift = (random.normal(1, 0.2, 6).astype(np.float32) for _ in range(2))
    chain("norms", [
        node("BatchNormalization", ["x", "a", "b", "m", "v"], ["p"]),
        node("LayerNormalization", ["x", "a", "b"], ["q"]),
        node("Concat", ["p", "q"], ["y"], axis=1)],
        finite, {"a": scale, "b": shift, "m": shift / 2, "v": np.abs(scale)})
    chain("one_hot", [node("Cast", ["x"], ["i"], to=INT64), node("Abs", ["i"], ["j"]),
                      node("OneHot", ["j", "depth", "values"], ["h"]), node("Flatten", ["h"], ["y"])],
          finite, {"depth": np.int64(4), "values": np.array([0, 1], np.float32)})
    weights = random.normal(0, 1, (6, 4)).astype(np.float32)
    chain("gemm", [
        node("Gemm", ["x", "w", "c"], ["a"], alpha=0.5, beta=2.0), node("Relu", ["a"], ["b"]),
        node("Gemm", ["b", "u", "d"], ["c1"], transB=1), node("Tanh", ["c1"], ["e"]),
        node("MatMul", ["e", "v"], ["f"]), node("Add", ["f", "one"], ["y"])],
        finite, {"w": weights, "c": weights[0], "u": weights[:5], "d": weights[0, :1],
                 "v": random.normal(0, 1, (5, 1)).astype(np.float32), "one": np.float32([1])})
    chain("doubles", [node("MatMul", ["x", "w"], ["a"]), node("Add", ["a", "c"], ["b"]),
                      node("Sigmoid", ["b"], ["y"])], finite,
          {"w": weights.astype(np.float64), "c": weights[0].astype(np.float64)},
          [("y", DOUBLE, None)], [("x", DOUBLE, [None, 6])])
    chain("integers", [
        node("Mod", ["x", "m"], ["a"]), node("Div", ["x", "m"], ["b"]), node("Mul", ["x", "b"], ["c"]),
        node("Concat", ["a", "b", "c"], ["y"], axis=1)],
        np.arange(-20, 21).reshape(-1, 1) * np.array([[1, 3]]), {"m": np.array([7, 4])},
        [("y", INT64, None)], [("x", INT64, [None, 2])])
    chain("folded", [
        node("Constant", [], ["k"], value_floats=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        node("Sqrt", ["k"], ["r"]), node("Mul", ["r", "c"], ["m"]), node("ReduceSum", ["m"], ["s"]),
        node("Add", ["x", "m"], ["z"]), node("Div", ["z", "s"], ["y"])],
        finite, {"c": row})
    refuse("refused_operators", graph(
        [node("CumSum", ["x", "axis"], ["a"], name="running"), node("Relu", ["a"], ["b"]),
         node("Det", ["b"], ["y"], name="area")], wide, [("y", FLOAT, None)],
        {"axis": np.int64(1)}), ["running (CumSum)", "area (Det)"])
    refuse("refused_width", graph(
        [node("Relu", ["x"], ["y"])], [("x", FLOAT, [None, None])], [("y", FLOAT, None)]),
        ["input x", "give names"])
    outside = graph([node("Add", ["x", "c"], ["y"])], wide, [("y", FLOAT, None)], {"c": row})
    constant = outside.graph.initializer[0]
    constant.data_location = TensorProto.EXTERNAL
    constant.ClearField("raw_data")
    constant.external_data.add(key="location", value="weights.bin")
    refuse("refused_outside", outside, ["constant c", "external data"])
    refuse("refused_version", graph([node("Relu", ["x"], ["y"])], wide, [("y", FLOAT, None)],
                                    version=5), ["version 5"])
    refuse("refused_rows", graph(
        [node("ReduceSum", ["x", "axis"], ["y"], name="total")], wide, [("y", FLOAT, None)],
        {"axis": np.array([0])}), ["total (ReduceSum)", "all rows"])


def encoders():
    """Graphs with the encoders of ai.onnx.ml."""
    node = helper.make_node
    words = np.array([["red"], ["green"], ["blue"], [""], ["violet"], ["a rather long colour"],
                      ["été"], ["a rather long colouR"]], dtype=object)
    numbers = np.array([[1.0], [2.5], [np.nan], [-3.0], [0.0], [2.0], [1.5], [7.0]], np.float32)
    domain = {"domain": "ai.onnx.ml"}
    text = [("t", STRING, [None, 1])]
    keys = ["red", "green", "été", "a rather long colour"]
    for name, values in {"floats": {"values_floats": [1.5, 2.5, 3.5, 4.5], "default_float": 9.0},
                         "ints": {"values_int64s": [4, 3, 2, 1], "default_int64": -7},
                         "texts": {"values_strings": ["R", "G", "E", "L"]}}.items():
        kind = {"floats": FLOAT, "ints": INT64, "texts": STRING}[name]
        save(f"labels_to_{name}", graph(
            [node("LabelEncoder", ["t"], ["y"], keys_strings=keys, **values, **domain)],
            text, [("y", kind, None)]), {"t": words})
    save("labels_of_floats", graph(
        [node("LabelEncoder", ["x"], ["y"], keys_floats=[1.0, 2.5, float("nan"), 0.0],
              values_strings=["one", "more", "nothing", "zero"], default_string="other", **domain)],
        [("x", FLOAT, [None, 1])], [("y", STRING, None)]), {"x": numbers})
    save("labels_tensor", graph(
        [node("LabelEncoder", ["t"], ["y"], **domain,
              keys_tensor=helper.make_tensor("k", STRING, [2], [b"red", b"blue"]),
              values_tensor=helper.make_tensor("v", DOUBLE, [2], [0.25, 0.75]),
              default_tensor=helper.make_tensor("d", DOUBLE, [1], [-1.0]))],
        text, [("y", DOUBLE, None)], learning=4), {"t": words})
    save("one_hot_texts", graph(
        [node("OneHotEncoder", ["t"], ["y"], cats_strings=keys, zeros=1, **domain)],
        text, [("y", FLOAT, None)]), {"t": words})
    save("one_hot_numbers", graph(
        [node("OneHotEncoder", ["x"], ["y"], cats_int64s=[1, 2, 7], zeros=1, **domain)],
        [("x", INT64, [None, 1])], [("y", FLOAT, None)]), {"x": np.arange(-1, 9).reshape(-1, 1)})
    save("category_mapper", graph(
        [node("CategoryMapper", ["t"], ["i"], cats_strings=keys, cats_int64s=[10, 20, 30, 40],
              default_int64=-1, **domain),
         node("CategoryMapper", ["i"], ["y"], cats_strings=keys, cats_int64s=[10, 20, 30, 40],
              default_string="none", **domain)],
        text, [("y", STRING, None), ("i", INT64, None)]), {"t": words})
    save("vectorizer", graph(
        [node("Cast", ["i"], ["f"], to=FLOAT),
         node("FeatureVectorizer", ["x", "f"], ["v"], inputdimensions=[1, 2], **domain),
         node("Imputer", ["v"], ["w"], imputed_value_floats=[5.0, 6.0, 7.0],
              replaced_value_float=float("nan"), **domain),
         node("Scaler", ["w"], ["s"], offset=[1.0, 2.0, 3.0], scale=[0.5, 0.25, 2.0], **domain),
         node("Binarizer", ["s"], ["b"], threshold=0.5, **domain),
         node("Normalizer", ["s"], ["n"], norm="L2", **domain),
         node("Concat", ["s", "b", "n"], ["y"], axis=1)],
        [("x", FLOAT, [None, 1]), ("i", INT64, [None, 2])], [("y", FLOAT, None)]),
        {"x": numbers, "i": np.arange(16).reshape(8, 2)})
    for norm in ("MAX", "L1", "L2"):
        save(f"normalizer_{norm.lower()}", graph(
            [node("Normalizer", ["x"], ["y"], norm=norm, **domain)],
            [("x", FLOAT, [None, 3])], [("y", FLOAT, None)]),
            {"x": np.array([[1, -2, 3], [0, 0, 0], [-1, -2, -4], [0.5, 0, 9]], np.float32)})


def trees():
    """Ensembles made by hand: every comparison, aggregate and transform."""
    node = helper.make_node
    random = np.random.default_rng(11)
    x = np.round(random.normal(0, 1.5, (90, 3)) * 2) / 2
    x[::7, 0], x[3], x[4, 1] = np.nan, np.inf, -np.inf
    x = x.astype(np.float32)
    modes = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]

    def arrays(modes, prefix, targets, negative, missing=True):
        """Trees of depth two with random features and thresholds."""
        made = {key: [] for key in ("treeids", "nodeids", "featureids", "modes", "truenodeids",
                                    "falsenodeids", "values", "missing_value_tracks_true")}
        weights = {key: [] for key in ("treeids", "nodeids", "ids", "weights")}
        for tree in range(12):
            for index in range(7):
                is_leaf = index >= 3
                made["treeids"].append(tree)
                made["nodeids"].append(index)
                made["featureids"].append(0 if is_leaf else int(random.integers(3)))
                made["modes"].append("LEAF" if is_leaf else modes[int(random.integers(len(modes)))])
                made["truenodeids"].append(0 if is_leaf else 2 * index + 1)
                made["falsenodeids"].append(0 if is_leaf else 2 * index + 2)
                made["values"].append(0.0 if is_leaf else float(random.integers(-3, 4)) / 2)
                made["missing_value_tracks_true"].append(
                    int(random.integers(2)) if missing and not is_leaf else 0)
                for target in (targets if is_leaf else []):
                    weights["treeids"].append(tree)
                    weights["nodeids"].append(index)
                    weights["ids"].append(target)
                    weights["weights"].append(float(
                        random.normal() if negative else random.random() / 12))
        return ({f"nodes_{key}": value for key, value in made.items()}
                | {f"{prefix}_{key}": value for key, value in weights.items()})

    def regressor(name, kinds, targets=1, **more):
        save(f"trees_{name}", graph(
            [node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", n_targets=targets,
                  **arrays(kinds, "target", range(targets), True), **more)],
            [("x", FLOAT, [None, 3])], [("y", FLOAT, None)]), {"x": x})

    def classifier(name, classes, targets, negative, **more):
        save(f"trees_{name}", graph(
            [node("TreeEnsembleClassifier", ["x"], ["label", "y"], domain="ai.onnx.ml",
                  classlabels_int64s=classes,
                  **arrays(modes[:1], "class", targets, negative), **more)],
            [("x", FLOAT, [None, 3])], [("label", INT64, None), ("y", FLOAT, None)]), {"x": x})

    for mode in modes:
        regressor(mode[7:].lower(), [mode])
    regressor("mixed", modes, base_values=[0.25])
    regressor("ordered", modes[:4], base_values=[0.25], aggregate_function="AVERAGE")
    regressor("wide", modes, 3, base_values=[1.0, 2.0, 3.0])
    regressor("wide_average", modes[:1], 2, aggregate_function="AVERAGE")
    regressor("wide_softmax", modes[:1], 3, post_transform="SOFTMAX")
    regressor("least", modes, aggregate_function="MIN", base_values=[0.5])
    regressor("greatest", modes, 2, aggregate_function="MAX")
    regressor("logistic", modes[:1], post_transform="LOGISTIC")
    for transform in ("NONE", "LOGISTIC"):
        name = transform.lower()
        classifier(f"binary_{name}", [3, 8], [0], True, post_transform=transform)
        classifier(f"binary_base_{name}", [3, 8], [0], True, post_transform=transform,
                   base_values=[0.4])
        classifier(f"binary_bases_{name}", [3, 8], [0], True, post_transform=transform,
                   base_values=[0.4, 0.4])
        classifier(f"binary_positive_{name}", [3, 8], [0], False, post_transform=transform)
        classifier(f"binary_second_{name}", [3, 8], [1], True, post_transform=transform)
        classifier(f"binary_both_{name}", [3, 8], [0, 1], True, post_transform=transform)
    for transform in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
        classifier(f"three_{transform.lower()}", [3, 8, 1], [0, 1, 2], True,
                   post_transform=transform, base_values=[0.1, 0.2, 0.3])
    save("trees_members", graph(
        [node("TreeEnsemble", ["x"], ["y"], domain="ai.onnx.ml", n_targets=2, aggregate_function=1,
              post_transform=0, tree_roots=[0, 2],
              nodes_featureids=[0, 1, 2], nodes_truenodeids=[0, 1, 3], nodes_trueleafs=[1, 1, 1],
              nodes_falsenodeids=[1, 2, 4], nodes_falseleafs=[0, 1, 1],
              nodes_modes=helper.make_tensor("m", TensorProto.UINT8, [3], [6, 0, 6]),
              nodes_splits=helper.make_tensor("s", FLOAT, [3], [0.0, 0.5, 0.0]),
              membership_values=helper.make_tensor(
                  "v", FLOAT, [6], [2.0, 1.0, 3.0, float("nan"), 0.0, 1.0]),
              leaf_targetids=[0, 1, 0, 1, 0],
              leaf_weights=helper.make_tensor("w", FLOAT, [5], [1.5, -2.0, 0.25, 4.0, 8.0]))],
        [("x", FLOAT, [None, 3])], [("y", FLOAT, None)], learning=5, version=21), {"x": x})


def pipelines():
    """Models of scikit-learn through skl2onnx."""
    from sklearn import (cluster, compose, decomposition, discriminant_analysis, ensemble, impute,
                         linear_model, naive_bayes, neighbors, neural_network, pipeline,
                         preprocessing, svm, tree, calibration, feature_selection)
    from skl2onnx import to_onnx

    cancer = sklearn.datasets.load_breast_cancer(return_X_y=True)
    iris = sklearn.datasets.load_iris(return_X_y=True)
    diabetes = sklearn.datasets.load_diabetes(return_X_y=True)

    def convert(name, model, data, rows=40, scaled=False, **options):
        values, target = data
        if scaled:
            values = preprocessing.StandardScaler().fit_transform(values)
        values = values.astype(np.float32)
        model.fit(values, target)
        made = to_onnx(model, values[:1], **options)
        step = max(1, len(values) // rows)
        save(name, made, {made.graph.input[0].name: values[::step]})

    two = (cancer[0][:, :12], cancer[1])
    names = (iris[0], np.array(["setosa", "versicolor", "virginica"])[iris[1]])
    classifiers = {
        "logistic": linear_model.LogisticRegression(),
        "sgd_hinge": linear_model.SGDClassifier(random_state=1),
        "sgd_log": linear_model.SGDClassifier(loss="log_loss", random_state=1),
        "linear_svc": svm.LinearSVC(random_state=1),
        "ridge": linear_model.RidgeClassifier(),
        "lda": discriminant_analysis.LinearDiscriminantAnalysis(),
        "svc": svm.SVC(),
        "svc_poly": svm.SVC(kernel="poly"),
        "svc_sigmoid": svm.SVC(kernel="sigmoid"),
        "svc_probability": svm.SVC(probability=True, random_state=1),
        "tree": tree.DecisionTreeClassifier(max_depth=4, random_state=1),
        "forest": ensemble.RandomForestClassifier(8, max_depth=4, random_state=1),
        "extra": ensemble.ExtraTreesClassifier(8, max_depth=4, random_state=1),
        "boosting": ensemble.GradientBoostingClassifier(n_estimators=8, random_state=1),
        "mlp": neural_network.MLPClassifier((16, 8), max_iter=60, random_state=1),
        "mlp_tanh": neural_network.MLPClassifier((9,), "tanh", max_iter=60, random_state=1),
        "bayes": naive_bayes.GaussianNB(),
        "bernoulli": naive_bayes.BernoulliNB(),
        "bagging": ensemble.BaggingClassifier(n_estimators=3, random_state=1),
        "ada": ensemble.AdaBoostClassifier(n_estimators=3, random_state=1),
        "calibrated": calibration.CalibratedClassifierCV(svm.LinearSVC(random_state=1), cv=2),
        "stacking": ensemble.StackingClassifier([("a", linear_model.LogisticRegression())]),
        "voting": ensemble.VotingClassifier(
            [("a", linear_model.LogisticRegression()), ("b", naive_bayes.GaussianNB())],
            voting="soft", flatten_transform=False),
    }
    for name, model in classifiers.items():
        for suffix, data in (("two", two), ("three", names)):
            try:
                convert(f"skl_{name}_{suffix}", model, data, scaled=True)
            except Exception as error:
                print("not made:", name, suffix, str(error)[:100])
    regressors = {
        "linear": linear_model.LinearRegression(), "ridge_regressor": linear_model.Ridge(),
        "sgd_regressor": linear_model.SGDRegressor(random_state=1), "svr": svm.SVR(),
        "linear_svr": svm.LinearSVR(random_state=1), "poisson": linear_model.PoissonRegressor(),
        "tree_regressor": tree.DecisionTreeRegressor(max_depth=5, random_state=1),
        "forest_regressor": ensemble.RandomForestRegressor(8, max_depth=5, random_state=1),
        "boosting_regressor": ensemble.GradientBoostingRegressor(n_estimators=9, random_state=1),
        "mlp_regressor": neural_network.MLPRegressor(
            hidden_layer_sizes=(16, 8), max_iter=60, random_state=1),
        "means": cluster.KMeans(4, random_state=1, n_init=1), "pca": decomposition.PCA(3),
        "one_class": svm.OneClassSVM(nu=0.1), "svd": decomposition.TruncatedSVD(
            3, random_state=1),
        "standard": preprocessing.StandardScaler(), "minmax": preprocessing.MinMaxScaler(clip=True),
        "robust": preprocessing.RobustScaler(), "normalizer": preprocessing.Normalizer("l1"),
        "binarizer": preprocessing.Binarizer(), "polynomial": preprocessing.PolynomialFeatures(2),
        "power": preprocessing.PowerTransformer(), "bins": preprocessing.KBinsDiscretizer(
            4, encode="ordinal"),
        "select": feature_selection.SelectKBest(feature_selection.f_regression, k=4),
    }
    for name, model in regressors.items():
        convert(f"skl_{name}", model, diabetes, scaled=name in ("mlp_regressor", "svr"))
    for name, model in {
            "hist": ensemble.HistGradientBoostingClassifier(max_iter=8, max_leaf_nodes=8),
            "hist_regressor": ensemble.HistGradientBoostingRegressor(max_iter=8)}.items():
        data = (cancer[0][:, :12], cancer[1]) if name == "hist" else diabetes
        values = data[0].copy()
        values[::9, 2] = np.nan
        convert_boosted(f"skl_{name}", model, values, data[1], to_onnx)
    knn = neighbors.KNeighborsClassifier().fit(*two)
    refuse("refused_neighbours", to_onnx(knn, two[0][:1].astype(np.float32)), ["(Scan)"])
    convert("skl_logistic_double", linear_model.LogisticRegression(), two, scaled=True,
            options={linear_model.LogisticRegression: {"zipmap": False}})
    mixed(compose, impute, linear_model, pipeline, preprocessing, ensemble)


def convert_boosted(name, model, values, target, to_onnx):
    """A histogram gradient boosting model, whose numbers are not plain ones in skl2onnx 1.20.0."""
    values = values.astype(np.float32)
    model.fit(values, target)
    original = helper.make_attribute

    def plain(key, value, *rest, **more):
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if isinstance(value, list):
            value = [item.item() if isinstance(item, np.generic) else item for item in value]
            value = [int(item) if isinstance(item, bool) else item for item in value]
            if any(isinstance(item, float) for item in value):
                value = [float(item) for item in value]
        return original(key, value, *rest, **more)

    helper.make_attribute = plain
    made = to_onnx(model, values[:1])
    helper.make_attribute = original
    save(name, made, {made.graph.input[0].name: values[::12]})


def table(count, seed):
    """Numbers with holes and words, and what is to be predicted."""
    random = np.random.default_rng(seed)
    numbers = random.normal(0, 1, (count, 6)).astype(np.float32)
    numbers[random.random((count, 6)) < 0.08] = np.nan
    words = np.stack([random.choice(list(choices), count) for choices in (
        ("AA", "UA", "DL", "B6"), ("EWR", "JFK", "LGA"),
        [f"destination {index}" for index in range(30)])], axis=1).astype(object)
    score = np.nansum(numbers[:, :3], axis=1) + (words[:, 1] == "JFK") + random.normal(0, 1, count)
    return numbers, words, (score > 0.3).astype(int)


def mixed(compose, impute, linear_model, pipeline, preprocessing, ensemble):
    """Pipelines over columns of numbers and of text."""
    import pandas
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    numbers, words, target = table(600, 5)
    columns = [f"n{index}" for index in range(6)] + ["carrier", "origin", "dest"]
    frame = pandas.DataFrame(dict(zip(columns, list(numbers.T) + list(words.T))))
    types = ([(name, FloatTensorType([None, 1])) for name in columns[:6]]
             + [(name, StringTensorType([None, 1])) for name in columns[6:]])
    rows = slice(0, 60)
    feeds = {name: frame[name].to_numpy()[rows].reshape(-1, 1) for name in columns}
    feeds["carrier"] = feeds["carrier"].copy()
    feeds["carrier"][3, 0] = "unheard of"
    feeds["dest"] = feeds["dest"].copy()
    feeds["dest"][4, 0] = ""
    dense = pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler())
    hot = preprocessing.OneHotEncoder(handle_unknown="ignore")
    ordinal = preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    for name, encoder, last in (
            ("pipeline_logistic", hot, linear_model.LogisticRegression()),
            ("pipeline_forest", ordinal, ensemble.RandomForestClassifier(6, max_depth=4,
                                                                        random_state=1)),
            ("pipeline_hot_forest", hot, ensemble.GradientBoostingRegressor(n_estimators=5,
                                                                           random_state=1))):
        model = pipeline.make_pipeline(compose.ColumnTransformer(
            [("numbers", dense, columns[:6]), ("words", encoder, columns[6:])],
            sparse_threshold=0), last)
        model.fit(frame, target)
        save(name, convert_sklearn(model, initial_types=types), feeds)


def boosters():
    """LightGBM and XGBoost through onnxmltools."""
    import lightgbm
    import xgboost
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType
    values, target = sklearn.datasets.load_breast_cancer(return_X_y=True)
    values = values[:, :10].astype(np.float32)
    many, kinds = sklearn.datasets.load_iris(return_X_y=True)
    types = [("x", FloatTensorType([None, 10]))]
    holes = values[::6].copy()
    holes[::3, 1] = np.nan
    made = {
        "lightgbm_two": (lightgbm.LGBMClassifier(n_estimators=9, num_leaves=7, verbose=-1), target),
        "lightgbm_regressor": (lightgbm.LGBMRegressor(n_estimators=9, num_leaves=7, verbose=-1),
                               values[:, 3] / 100),
    }
    for name, (model, wanted) in made.items():
        model.fit(values, wanted)
        save(f"mltools_{name}", onnxmltools.convert_lightgbm(
            model, initial_types=types, target_opset=15), {"x": holes})
    for name, model, wanted in (
            ("xgboost_two", xgboost.XGBClassifier(n_estimators=9, max_depth=3), target),
            ("xgboost_regressor", xgboost.XGBRegressor(n_estimators=9, max_depth=3),
             values[:, 3] / 100)):
        try:
            model.fit(values, wanted)
            save(f"mltools_{name}", onnxmltools.convert_xgboost(
                model, initial_types=types, target_opset=15), {"x": holes})
        except Exception as error:
            print("not made:", name, str(error)[:100])
    model = lightgbm.LGBMClassifier(n_estimators=5, num_leaves=5, verbose=-1)
    model.fit(many.astype(np.float32), kinds)
    save("mltools_lightgbm_three", onnxmltools.convert_lightgbm(
        model, initial_types=[("x", FloatTensorType([None, 4]))], target_opset=15),
        {"x": many.astype(np.float32)[::4]})


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for module in (onnx, onnxruntime, sklearn):
        wanted = VERSIONS[module.__name__]
        assert module.__version__ == wanted, f"{module.__name__} has to be {wanted}"
    for make in (standard, encoders, trees, pipelines, boosters):
        make()
    (FOLDER / "refused.json").write_text(json.dumps(refused, indent=1) + "\n")


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets reaches the files that converters write.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    main()
