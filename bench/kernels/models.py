"""The models of the kernel benchmark: trained once, from seeds, and kept in the folder.

Every recipe writes all its files into the folder under the name of the model, the one that
Nightshift reads among them. They are trained on a part of the rows, so that each takes a minute or
two at most; what they predict matters little, their shape does.
"""

import os
import pickle
import shutil
import sys
import time

import numpy

import tables

THREADS = os.cpu_count()


def lightgbm_model(rows, labels, *, trees, leaves, least=20, categorical="auto"):
    import lightgbm
    parameters = {
        "objective": "binary", "num_leaves": leaves, "min_data_in_leaf": least,
        "learning_rate": 0.05, "seed": tables.SEED, "deterministic": True,
        "force_row_wise": True, "num_threads": THREADS, "verbosity": -1,
    }
    data = lightgbm.Dataset(rows, labels, categorical_feature=categorical)
    model = lightgbm.train(parameters, data, num_boost_round=trees)
    found = model.dump_model()["tree_info"]
    assert len(found) == trees
    assert sum(tree["num_leaves"] for tree in found) > 0.9 * trees * leaves, "trees are too small"
    return model


def physics_lightgbm(folder, path, trees, leaves):
    rows, labels = tables.physics_training(100_000)
    lightgbm_model(rows, labels, trees=trees, leaves=leaves).save_model(path)


def flights_lightgbm(folder, path, trees, leaves):
    rows, labels, categorical = tables.flights_training(folder, 120_000)
    model = lightgbm_model(rows, labels, trees=trees, leaves=leaves,
                           categorical=list(map(int, categorical)))
    model.save_model(path)


def xgboost_model(path, rounds, **shape):
    import xgboost
    rows, labels = tables.physics_training(100_000)
    parameters = {"objective": "binary:logistic", "tree_method": "hist", "eta": 0.1,
                  "seed": tables.SEED, "nthread": THREADS} | shape
    model = xgboost.train(parameters, xgboost.QuantileDMatrix(rows, labels), rounds)
    model.save_model(path)


def catboost_model(path, trees, depth):
    import catboost
    rows, labels = tables.physics_training(100_000)
    model = catboost.CatBoostClassifier(
        iterations=trees, depth=depth, random_seed=tables.SEED, thread_count=THREADS,
        verbose=False, allow_writing_files=False, boosting_type="Plain")
    model.fit(rows, labels)
    model.save_model(str(path.with_suffix(".cbm")))
    model.save_model(str(path), format="json")


def pipeline(folder, path):
    """Impute, scale, one-hot and logistic regression over one tensor `float_input`."""
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    rows, labels, categorical = tables.flights_training(folder, 60_000)
    codes = [int(index) for index in categorical]
    numbers = [index for index in range(rows.shape[1]) if index not in codes]
    model = make_pipeline(
        ColumnTransformer([
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            ("codes", make_pipeline(SimpleImputer(strategy="most_frequent"),
                                    OneHotEncoder(handle_unknown="ignore")), codes)]),
        LogisticRegression(max_iter=300))
    model.fit(rows, labels)
    graph = skl2onnx.to_onnx(
        model, initial_types=[("float_input", FloatTensorType([None, rows.shape[1]]))],
        options={id(model): {"zipmap": False}})
    path.write_bytes(graph.SerializeToString())
    path.with_suffix(".pickle").write_bytes(pickle.dumps(model))


MLP_WIDTHS = [28, 256, 256, 64, 1]


def network(path):
    """Gemm and Relu three times, then Gemm and Sigmoid."""
    from onnx import TensorProto, checker, helper, numpy_helper
    generator = numpy.random.default_rng([tables.SEED, 256])
    nodes, initializers, arrays, last = [], [], {}, "rows"
    for layer, (inputs, outputs) in enumerate(zip(MLP_WIDTHS, MLP_WIDTHS[1:])):
        weights = generator.normal(size=(inputs, outputs)) * numpy.sqrt(2 / inputs)
        arrays[f"weights{layer}"] = weights.astype(numpy.float32)
        arrays[f"bias{layer}"] = generator.normal(size=outputs).astype(numpy.float32) / 10
        for name in (f"weights{layer}", f"bias{layer}"):
            initializers.append(numpy_helper.from_array(arrays[name], name))
        is_last = layer == len(MLP_WIDTHS) - 2
        result = "probability" if is_last else f"hidden{layer}"
        nodes.append(helper.make_node(
            "Gemm", [last, f"weights{layer}", f"bias{layer}"], [f"sums{layer}"]))
        nodes.append(helper.make_node("Sigmoid" if is_last else "Relu", [f"sums{layer}"], [result]))
        last = result
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "network", [tensor("rows", TensorProto.FLOAT, ["N", MLP_WIDTHS[0]])],
        [tensor("probability", TensorProto.FLOAT, ["N", 1])], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    numpy.savez(path.with_suffix(".npz"), **arrays)
    path.write_bytes(model.SerializeToString())


# What peers need made from a model


def ydf_model(path, trees, leaves):
    """YDF reads no other library's trees: its own, of the same shape."""
    import pandas
    import ydf
    rows, labels = tables.physics_training(100_000)
    frame = pandas.DataFrame(rows, columns=[f"f{index}" for index in range(rows.shape[1])])
    frame["label"] = labels
    learner = ydf.GradientBoostedTreesLearner(
        label="label", num_trees=trees, growing_strategy="BEST_FIRST_GLOBAL",
        max_num_nodes=leaves, max_depth=-1, shrinkage=0.05, validation_ratio=0.0,
        early_stopping="NONE", min_examples=20, apply_link_function=False,
        num_threads=THREADS, random_seed=tables.SEED,
        features=[(name, ydf.Semantic.NUMERICAL) for name in frame.columns[:-1]],
        include_all_columns=False)
    ydf.verbose(0)
    model = learner.train(frame)
    assert model.num_trees() == trees
    scratch = path.with_name(path.name + ".part")
    shutil.rmtree(scratch, ignore_errors=True)
    model.save(str(scratch))
    os.replace(scratch, path)


def onnx_from_lightgbm(path, source):
    """The raw scores alone: as a regressor it computes neither labels nor probabilities."""
    import lightgbm
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType
    text = source.read_text()
    text = text.replace("\nobjective=binary sigmoid:1\n", "\nobjective=regression\n", 1)
    model = lightgbm.Booster(model_str=text)
    graph = convert_lightgbm(
        model, initial_types=[("rows", FloatTensorType([None, model.num_feature()]))],
        zipmap=False)
    path.write_bytes(graph.SerializeToString())


def tl2cgen_library(path, source):
    import tl2cgen
    import treelite
    model = treelite.frontend.load_lightgbm_model(source)
    notes = path.with_suffix(".annotation.json")
    rows, _ = tables.physics_training(50_000)
    tl2cgen.annotate_branch(model, tl2cgen.DMatrix(rows.astype(float)), path=notes, nthread=1)
    for form, parameters in {"quantize": {"quantize": 1}, "plain": {},
                             "annotated": {"annotate_in": str(notes)}}.items():
        tl2cgen.export_lib(model, toolchain="gcc", libpath=path.with_name(f"{path.stem}-{form}.so"),
                           params=parameters | {"parallel_comp": 8}, nthread=THREADS)
    path.write_text("see the libraries beside\n")


RECIPES = {
    "physics-lightgbm-100x31.txt": lambda folder, path: physics_lightgbm(folder, path, 100, 31),
    "physics-lightgbm-1000x31.txt": lambda folder, path: physics_lightgbm(folder, path, 1000, 31),
    "physics-lightgbm-500x255.txt": lambda folder, path: physics_lightgbm(folder, path, 500, 255),
    "flights-lightgbm-500x31.txt": lambda folder, path: flights_lightgbm(folder, path, 500, 31),
    "physics-xgboost-1000x6.json": lambda folder, path: xgboost_model(path, 1000, max_depth=6),
    "physics-xgboost-100x31.json": lambda folder, path: xgboost_model(
        path, 100, max_depth=0, max_leaves=31, grow_policy="lossguide"),
    "physics-catboost-1000x6.json": lambda folder, path: catboost_model(path, 1000, 6),
    "flights-pipeline.onnx": pipeline,
    "network.onnx": lambda folder, path: network(path),
    "physics-ydf-100x31": lambda folder, path: ydf_model(path, 100, 31),
    "physics-lightgbm-100x31.onnx": lambda folder, path: onnx_from_lightgbm(
        path, prepare(folder, "physics-lightgbm-100x31.txt")),
    "physics-lightgbm-100x31.tl2cgen": lambda folder, path: tl2cgen_library(
        path, prepare(folder, "physics-lightgbm-100x31.txt")),
}


def prepare(folder, name):
    """The path of a model, trained or converted if it is not there."""
    path = folder / name
    if not path.exists():
        print(f"making {name}", file=sys.stderr, flush=True)
        started = time.perf_counter()
        RECIPES[name](folder, path)
        print(f"made {name} in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return path
