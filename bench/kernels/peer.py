#!/usr/bin/env python3
"""Scores rows with one of the peers, as bench/kernels/run asks it to; prints JSON.

  bench/kernels/peer.py ENGINE MODEL ROWS.NPY --count N [--task score|explain] [--form FORM]
                        [--items ITEMS.NPY] [--output SCORES.NPY]

The rows are converted to what the peer likes best before the clock starts. Without --form all forms
of the peer are tried on a sixteenth of the rows first, and the fastest is taken. Seconds are
processor time of the whole process, all its threads; it should run on one core alone.
"""

import argparse
import contextlib
import hashlib
import importlib.metadata
import json
import os
import pathlib
import sys
import time

import numpy

K = 10


def batches(score, rows, size, output):
    """A function that scores so many rows at a time into one array."""
    def run():
        for start in range(0, len(rows), size):
            output[start:start + size] = score(rows[start:start + size])
        return output
    return run


class Peer:
    """One engine with a loaded model.

    `forms` names the ways to call it; `prepare` turns rows into a function that scores them once.
    """

    package = None
    forms = ["only"]

    def __init__(self, model, options):
        self.model = model
        self.options = options

    def prepare(self, form, rows):
        raise NotImplementedError


class LightGBM(Peer):
    package = "lightgbm"
    forms = ["float64", "float32"]

    def __init__(self, model, options):
        import lightgbm
        self.booster = lightgbm.Booster(model_file=model)
        self.explains = options.task == "explain"

    def prepare(self, form, rows):
        rows = numpy.ascontiguousarray(rows, form)
        return lambda: self.booster.predict(
            rows, raw_score=not self.explains, pred_contrib=self.explains, num_threads=1,
            predict_disable_shape_check=True)


class LLeaves(Peer):
    """Two LLVM code models; the small one is for small models only, as lleaves says."""

    package = "lleaves"
    def __init__(self, model, options):
        import lleaves
        self.path = model
        self.models = {}
        self.make = lleaves.Model
        self.forms = ["large"] + (["small"] if lleaves.Model(model).num_trees() <= 100 else [])

    def prepare(self, form, rows):
        if form not in self.models:
            model = self.models[form] = self.make(self.path)
            # It does not check that a cache belongs to the model.
            digest = hashlib.sha256(pathlib.Path(self.path).read_bytes()).hexdigest()[:12]
            cache = pathlib.Path(self.path).with_suffix(f".lleaves-{form}-{digest}")
            model.compile(cache=str(cache), raw_score=True, fcodemodel=form)
        rows = numpy.ascontiguousarray(rows, numpy.float64)
        return lambda: self.models[form].predict(rows, n_jobs=1)


class Compiled(Peer):
    """What Treelite reads and tl2cgen turns into C, compiled with gcc."""

    package = "tl2cgen"
    forms = ["quantize", "plain", "annotated"]

    def __init__(self, model, options):
        import tl2cgen
        self.tl2cgen = tl2cgen
        path = pathlib.Path(model)
        self.predictors = {
            form: tl2cgen.Predictor(path.with_name(f"{path.stem}-{form}.so"), nthread=1)
            for form in self.forms}

    def prepare(self, form, rows):
        matrix = self.tl2cgen.DMatrix(numpy.ascontiguousarray(rows, numpy.float64))
        return lambda: self.predictors[form].predict(matrix, pred_margin=True).reshape(len(rows))


class ONNXRuntime(Peer):
    package = "onnxruntime"
    forms = ["batch 256", "batch 1024", "batch 4096", "batch 16384", "batch 131072"]

    def __init__(self, model, options):
        import onnxruntime
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        settings.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            model, settings, providers=["CPUExecutionProvider"])
        # Of a classifier the probabilities alone are asked for: they stand behind the labels.
        self.output = self.session.get_outputs()[-1].name
        self.input = self.session.get_inputs()[0].name

    def prepare(self, form, rows):
        rows = numpy.ascontiguousarray(rows, numpy.float32)

        def score(batch):
            return self.session.run([self.output], {self.input: batch})[0]
        output = numpy.empty((len(rows), score(rows[:1]).shape[1]), numpy.float32)
        return batches(score, rows, int(form.split()[1]), output)


class YDF(Peer):
    """Its own trees of the same shape; `engine` is its C++ benchmark over prepared examples."""

    package = "ydf"
    forms = ["predict", "engine"]

    def __init__(self, model, options):
        import ydf
        ydf.verbose(0)
        self.ydf = ydf
        self.trees = ydf.load_model(model)

    def prepare(self, form, rows):
        columns = {f"f{index}": numpy.ascontiguousarray(rows[:, index])
                   for index in range(rows.shape[1])}
        columns["label"] = numpy.zeros(len(rows), numpy.int64)  # it insists, and does not read it
        data = self.ydf.create_vertical_dataset(columns, data_spec=self.trees.data_spec())
        if form == "predict":
            return lambda: self.trees.predict(data, num_threads=1)

        def benchmark():
            # Timed inside, and over and over again: what it says is scaled to one pass.
            found = self.trees.benchmark(data, benchmark_duration=2, warmup_duration=0.2,
                                         batch_size=1000, num_threads=1)
            benchmark.seconds = float(found.duration_per_example) * len(rows)
        return benchmark


class XGBoost(Peer):
    package = "xgboost"

    def __init__(self, model, options):
        import xgboost
        self.xgboost = xgboost
        self.booster = xgboost.Booster({"nthread": 1}, model_file=model)
        self.booster.set_param({"nthread": 1})
        self.explains = options.task == "explain"
        self.forms = ["DMatrix"] if self.explains else ["inplace_predict", "DMatrix"]

    def prepare(self, form, rows):
        rows = numpy.ascontiguousarray(rows, numpy.float32)
        if form == "inplace_predict":
            return lambda: self.booster.inplace_predict(rows, predict_type="margin")
        matrix = self.xgboost.DMatrix(rows, nthread=1)
        if self.explains:
            return lambda: self.booster.predict(matrix, pred_contribs=True)
        return lambda: self.booster.predict(matrix, output_margin=True)


class CatBoost(Peer):
    package = "catboost"
    forms = ["rows", "columns", "pool"]

    def __init__(self, model, options):
        import catboost
        self.catboost = catboost
        self.trees = catboost.CatBoost().load_model(str(pathlib.Path(model).with_suffix(".cbm")))

    def prepare(self, form, rows):
        order = {"rows": "C", "columns": "F", "pool": "C"}[form]
        data = numpy.asarray(rows, numpy.float32, order=order)
        if form == "pool":
            data = self.catboost.Pool(data, thread_count=1)
        return lambda: self.trees.predict(data, prediction_type="RawFormulaVal", thread_count=1)


class ScikitLearn(Peer):
    package = "scikit-learn"
    forms = ["float32 batch 4096", "float64 batch 4096", "float32 batch 32768",
             "float64 batch 32768"]

    def __init__(self, model, options):
        import pickle
        self.pipeline = pickle.loads(pathlib.Path(model).with_suffix(".pickle").read_bytes())

    def prepare(self, form, rows):
        kind, _, size = form.split()
        rows = numpy.ascontiguousarray(rows, kind)
        return batches(self.pipeline.predict_proba, rows, int(size), numpy.empty((len(rows), 2)))


class OpenVINO(Peer):
    """Compiled for one static batch, which it likes better than a dynamic one."""

    package = "openvino"
    forms = ["batch 128", "batch 512", "batch 2048"]

    def __init__(self, model, options):
        import openvino
        self.core = openvino.Core()
        self.path = model
        self.requests = {}

    def request(self, form):
        if form not in self.requests:
            model = self.core.read_model(self.path)
            model.reshape([int(form.split()[1]), model.input().partial_shape[1]])
            compiled = self.core.compile_model(model, "CPU", {
                "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False,
                "PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"})
            self.requests[form] = compiled.create_infer_request()
        return self.requests[form]

    def prepare(self, form, rows):
        request = self.request(form)
        assert len(rows) % 2048 == 0, "static batches need whole ones"

        def score(batch):
            return request.infer({0: batch}, share_inputs=True, share_outputs=True)[0]
        output = numpy.empty((len(rows), 1), numpy.float32)
        return batches(score, rows, int(form.split()[1]), output)


class NumpyNetwork(Peer):
    package = "numpy"
    forms = ["batch 256", "batch 1024", "batch 4096", "batch 16384"]

    def __init__(self, model, options):
        arrays = numpy.load(pathlib.Path(model).with_suffix(".npz"))
        self.layers = [(arrays[f"weights{layer}"], arrays[f"bias{layer}"])
                       for layer in range(len(arrays) // 2)]

    def score(self, rows):
        for layer, (weights, bias) in enumerate(self.layers):
            rows = rows @ weights
            rows += bias
            if layer < len(self.layers) - 1:
                numpy.maximum(rows, 0, out=rows)
        numpy.negative(rows, out=rows)
        numpy.exp(rows, out=rows)
        rows += 1
        return numpy.reciprocal(rows, out=rows)

    def prepare(self, form, rows):
        output = numpy.empty((len(rows), 1), numpy.float32)
        return batches(self.score, rows, int(form.split()[1]), output)


class TopK(Peer):
    """Best items of each user: an array of item numbers, the best first."""

    def __init__(self, model, options):
        self.items = numpy.load(options.items)


class Faiss(TopK):
    package = "faiss-cpu"
    forms = ["batch 256", "batch 4096", "batch 16384"]

    def __init__(self, model, options):
        super().__init__(model, options)
        import faiss
        faiss.omp_set_num_threads(1)
        self.index = faiss.IndexFlatIP(self.items.shape[1])
        self.index.add(self.items)

    def prepare(self, form, rows):
        output = numpy.empty((len(rows), K), numpy.int64)
        return batches(lambda users: self.index.search(users, K)[1], rows, int(form.split()[1]),
                       output)


class Implicit(TopK):
    package = "implicit"
    forms = ["batch 64", "batch 1024", "batch 16384"]

    def prepare(self, form, rows):
        from implicit.cpu.topk import topk
        output = numpy.empty((len(rows), K), numpy.int64)
        return batches(lambda users: topk(self.items, users, K, num_threads=1)[0], rows,
                       int(form.split()[1]), output)


class NumpyTopK(TopK):
    package = "numpy"
    forms = ["batch 64", "batch 256", "batch 1024"]

    def best(self, users):
        scores = users @ self.items.T
        best = numpy.argpartition(scores, -K, axis=1)[:, -K:]
        order = numpy.argsort(-numpy.take_along_axis(scores, best, 1), axis=1)
        return numpy.take_along_axis(best, order, 1)

    def prepare(self, form, rows):
        output = numpy.empty((len(rows), K), numpy.int64)
        return batches(self.best, rows, int(form.split()[1]), output)


class LLeavesCompile(Peer):
    """What lleaves does before its first prediction; nothing is scored."""

    package = "lleaves"

    def prepare(self, form, rows):
        def compile_():
            import lleaves
            lleaves.Model(self.model).compile(raw_score=True)
        return compile_


class LightGBMLoad(Peer):
    package = "lightgbm"

    def prepare(self, form, rows):
        import lightgbm
        return lambda: lightgbm.Booster(model_file=self.model) and None


PEERS = {
    "lightgbm": LightGBM, "lleaves": LLeaves, "tl2cgen": Compiled, "onnxruntime": ONNXRuntime,
    "ydf": YDF, "xgboost": XGBoost, "catboost": CatBoost, "scikit-learn": ScikitLearn,
    "openvino": OpenVINO, "numpy-network": NumpyNetwork, "faiss": Faiss, "implicit": Implicit,
    "numpy-topk": NumpyTopK, "lleaves-compile": LLeavesCompile, "lightgbm-load": LightGBMLoad,
}


def version(package):
    """Of a package, or of its variant for CPUs alone."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return importlib.metadata.version(f"{package}-cpu")


def timed(score):
    """Result, processor seconds and wall seconds of one call."""
    wall, started = time.perf_counter(), time.process_time()
    result = score()
    seconds, wall = time.process_time() - started, time.perf_counter() - wall
    inside = getattr(score, "seconds", None)
    return (result, inside, inside) if inside is not None else (result, seconds, wall)


def fastest(peer, rows):
    """The form that scores a sixteenth of the rows in the least time, and the time of each."""
    if len(peer.forms) == 1:
        return peer.forms[0], {}
    sample = rows[:max(4096, len(rows) // 16)]
    seconds = {form: min(timed(peer.prepare(form, sample))[1] for _ in range(2))
               for form in peer.forms}
    return min(seconds, key=seconds.get), {
        form: value / len(sample) * 1e9 for form, value in seconds.items()}


def measure(options):
    rows = numpy.array(numpy.load(options.rows, mmap_mode="r")[:options.count])
    started = time.process_time()
    peer = PEERS[options.engine](options.model, options)
    loaded = time.process_time() - started
    form, tried = (options.form, {}) if options.form else fastest(peer, rows)
    score = peer.prepare(form, rows)
    if not options.cold:
        timed(peer.prepare(form, rows[:4096]))
    result, seconds, wall = timed(score)
    if result is not None and options.output:
        numpy.save(options.output, result)
    return {"rows": len(rows), "features": rows.shape[1], "loadSeconds": loaded,
            "seconds": [seconds], "wallSeconds": [wall], "form": form, "formsTried": tried,
            "version": version(peer.package)}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=PEERS)
    parser.add_argument("model")
    parser.add_argument("rows")
    parser.add_argument("--count", type=int)
    parser.add_argument("--task", choices=["score", "explain"], default="score")
    parser.add_argument("--form")
    parser.add_argument("--items")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--output")
    options = parser.parse_args()
    # Some of them talk on standard output; the answer alone shall stand there.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with contextlib.redirect_stdout(sys.stderr):
        measured = measure(options)
    print(json.dumps(measured), file=answer)


if __name__ == "__main__":
    main()
