"""What the kernel benchmark measures: one entry for each row of its table of goals."""

import dataclasses

MILLION = 1_000_000
FLIGHTS_THRICE = 3 * 336_776


@dataclasses.dataclass(frozen=True)
class Goal:
    """Something to reach: `kind` says what `value` counts."""

    kind: str  # rowsPerSecond, against, againstBest, shareOfPeak, milliseconds
    value: float
    engine: str = ""


@dataclasses.dataclass(frozen=True)
class Case:
    """One model, the rows it scores and who scores them.

    The model and rows of an engine are `models` and `counts` under its name, or under "". Scores of
    Nightshift are compared with those of `reference`, within `tolerance`; 0 asks for the same bits.
    """

    title: str
    table: str
    models: dict[str, str]
    counts: dict[str, int]
    engines: list[str]
    goals: list[Goal]
    reference: str
    tolerance: float = 0.0
    trees: int = 0
    task: str = "score"
    # Multiplications and additions of one row, where a share of the peak is asked for.
    operations: int = 0
    # Peers that this case leaves out, and why.
    left_out: dict[str, str] = dataclasses.field(default_factory=dict)
    single_run: tuple[str, ...] = ()

    def model(self, engine):
        return self.models.get(engine, self.models[""])

    def count(self, engine):
        return self.counts.get(engine, self.counts[""])


CASES = {
    "lightgbm-100x31": Case(
        title="LightGBM 100 × 31 leaves, 28 features",
        table="physics", trees=100,
        models={"": "physics-lightgbm-100x31.txt", "tl2cgen": "physics-lightgbm-100x31.tl2cgen",
                "onnxruntime": "physics-lightgbm-100x31.onnx", "ydf": "physics-ydf-100x31"},
        counts={"": 1 << 20, "nightshift": 1 << 22, "nightshift-fast": 1 << 22},
        engines=["nightshift", "nightshift-fast", "lightgbm", "lleaves", "tl2cgen", "onnxruntime",
                 "ydf"],
        goals=[Goal("rowsPerSecond", 16 * MILLION), Goal("against", 15, "lleaves"),
               Goal("against", 60, "lightgbm")],
        reference="lightgbm"),
    "flights-500x31": Case(
        title="LightGBM 500 × 31 leaves, flights (mixed, missing, categorical)",
        table="flights", trees=500,
        models={"": "flights-lightgbm-500x31.txt"},
        counts={"": FLIGHTS_THRICE, "lightgbm": 336_776},
        engines=["nightshift", "nightshift-fast", "lightgbm", "lleaves"],
        goals=[Goal("rowsPerSecond", 4 * MILLION), Goal("against", 15, "lleaves"),
               Goal("against", 60, "lightgbm")],
        reference="lightgbm"),
    "lightgbm-500x255": Case(
        title="LightGBM 500 × 255 leaves, 28 features",
        table="physics", trees=500,
        models={"": "physics-lightgbm-500x255.txt"},
        counts={"": 1 << 20, "lightgbm": 1 << 16},
        engines=["nightshift", "nightshift-fast", "lightgbm"],
        goals=[Goal("rowsPerSecond", 0.8 * MILLION), Goal("against", 30, "lightgbm")],
        reference="lightgbm",
        left_out={"lleaves": "did not finish compiling a model of this size in 11 minutes of "
                             "processor time and 8 GB"}),
    "xgboost-1000x6": Case(
        title="XGBoost 1000 × depth 6, 28 features",
        table="physics", trees=1000,
        models={"": "physics-xgboost-1000x6.json"},
        counts={"": 1 << 20, "xgboost": 1 << 18},
        engines=["nightshift", "nightshift-fast", "xgboost"],
        goals=[Goal("rowsPerSecond", 1.5 * MILLION), Goal("against", 20, "xgboost")],
        reference="xgboost"),
    "catboost-1000x6": Case(
        title="CatBoost 1000 × depth 6, 28 float features",
        table="physics", trees=1000,
        models={"": "physics-catboost-1000x6.json"},
        counts={"": 1 << 20},
        engines=["nightshift", "nightshift-fast", "catboost"],
        goals=[Goal("against", 2.5, "catboost")],
        reference="catboost", tolerance=1e-9),
    "pipeline": Case(
        title="scikit-learn pipeline (impute, scale, one-hot, logistic) as ONNX, flights",
        table="flights",
        models={"": "flights-pipeline.onnx"},
        counts={"": FLIGHTS_THRICE},
        engines=["nightshift", "onnxruntime", "scikit-learn"],
        goals=[Goal("against", 5, "onnxruntime"), Goal("against", 5, "scikit-learn")],
        reference="onnxruntime", tolerance=1e-5),
    "network": Case(
        title="Network 28-256-256-64-1 (ReLU, sigmoid) as ONNX",
        table="noise", operations=2 * (28 * 256 + 256 * 256 + 256 * 64 + 64),
        models={"": "network.onnx"},
        counts={"": 1 << 20},
        engines=["nightshift", "onnxruntime", "openvino", "numpy-network"],
        goals=[Goal("againstBest", 1.2), Goal("shareOfPeak", 0.7)],
        reference="onnxruntime", tolerance=1e-5),
    "topk": Case(
        title="Top 10 of 50,000 items, 64 factors (a row is a user)",
        table="users", task="topk", operations=2 * 50_000 * 64,
        models={"": ""},
        counts={"": 51_200},
        engines=["nightshift", "faiss", "implicit", "numpy-topk"],
        goals=[Goal("againstBest", 1.2)],
        reference="faiss", tolerance=1e-4),
    "explain-lightgbm": Case(
        title="TreeSHAP of LightGBM 100 × 31 leaves, 28 features",
        table="physics", trees=100, task="explain",
        models={"": "physics-lightgbm-100x31.txt"},
        counts={"": 53_248},
        engines=["nightshift", "lightgbm"],
        goals=[Goal("against", 5, "lightgbm")],
        reference="lightgbm", tolerance=1e-6),
    "explain-xgboost": Case(
        title="TreeSHAP of XGBoost 100 × 31 leaves, 28 features",
        table="physics", trees=100, task="explain",
        models={"": "physics-xgboost-100x31.json"},
        counts={"": 53_248},
        engines=["nightshift", "xgboost"],
        goals=[Goal("against", 5, "xgboost")],
        reference="xgboost", tolerance=1e-6),
    "load": Case(
        title="Load and pack LightGBM 1000 × 31 leaves, ready to score",
        table="physics", trees=1000, task="load",
        models={"": "physics-lightgbm-1000x31.txt"},
        counts={"": 4096},
        engines=["nightshift", "lightgbm-load", "lleaves-compile"],
        goals=[Goal("milliseconds", 20)],
        reference="", single_run=("lleaves-compile",)),
}

# How an engine is called in tables.
NAMES = {
    "nightshift": "Nightshift", "nightshift-fast": "Nightshift, fast mode",
    "lightgbm": "LightGBM", "lleaves": "lleaves", "tl2cgen": "Treelite + tl2cgen (gcc)",
    "onnxruntime": "ONNX Runtime", "ydf": "YDF (its own trees)", "xgboost": "XGBoost",
    "catboost": "CatBoost", "scikit-learn": "scikit-learn", "openvino": "OpenVINO",
    "numpy-network": "numpy", "faiss": "faiss IndexFlatIP", "implicit": "implicit topk",
    "numpy-topk": "numpy", "lleaves-compile": "lleaves compile", "lightgbm-load": "LightGBM load",
}

# Its trees are others, so its scores are not compared.
OTHER_MODELS = {"ydf"}
