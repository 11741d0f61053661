"""What bench/tables measures, with whom, and what is asked for."""

import dataclasses

import inputs

NAMES = {
    "nightshift": "Nightshift", "nightshift-2": "Nightshift, two workers",
    "arrow": "Arrow C++", "polars": "Polars", "duckdb": "DuckDB", "simdjson": "simdjson alone",
    "pandas": "pandas", "ray": "Ray Data", "daft": "Daft", "spark": "Spark", "dask": "Dask",
    "polars-lleaves": "Polars + lleaves",
}
FRAMES = ["pandas", "polars", "duckdb", "ray", "daft", "spark", "dask"]


@dataclasses.dataclass(frozen=True)
class Goal:
    """What is asked for: `kind` says which figure, `value` how much, `rivals` against whom."""

    kind: str  # bytesPerSecond, times (the rivals' best processor time), scaling, memory, minutes
    value: float
    rivals: tuple = ()


@dataclasses.dataclass(frozen=True)
class Reading:
    """A file to columns, each engine in a process with one thread on one core."""

    title: str
    table: str
    form: str
    engines: tuple
    goals: tuple
    scale: float = 1

    @property
    def suffix(self):
        return self.form if self.form in ("csv", "jsonl") else "parquet"

    @property
    def columns(self):
        return inputs.FEATURES if self.table == "numbers" else inputs.ORDER_COLUMNS


@dataclasses.dataclass(frozen=True)
class Scoring:
    """From file to file, whole processes, one thread on one core."""

    title: str
    form: str
    model: str
    engines: tuple
    goals: tuple
    tolerance: float
    copies: int = 1  # so many names of the file in a folder are the input

    @property
    def is_csv(self):
        return self.form == "csv"


@dataclasses.dataclass(frozen=True)
class Lasting:
    """Nightshift alone, with two workers, on one file listed so often under different names."""

    title: str
    byte_count: int
    goals: tuple
    is_on_demand: bool = False
    # The output's format, and bytes of one record of it on disk at the job's end, with partials.
    form: str = "csv"
    row_bytes: float = 23.2


TEXT_READERS = ("nightshift", "arrow", "polars", "duckdb")
ALL = ("arrow", "polars", "duckdb")
PARQUET = ("nightshift", "arrow")
LIMIT = 512 * 10**6

CASES = {
    "csv": Reading(
        "CSV, 28 columns of numbers → float32", "numbers", "csv", TEXT_READERS,
        (Goal("bytesPerSecond", 0.8e9), Goal("times", 2.5, ALL))),
    "csv-mixed": Reading(
        "CSV, 16 columns with texts and quotes", "orders", "csv", TEXT_READERS,
        (Goal("bytesPerSecond", 0.6e9), Goal("times", 2, ALL))),
    "jsonl": Reading(
        "JSON lines, 28 numbers", "numbers", "jsonl", (*TEXT_READERS, "simdjson"),
        (Goal("bytesPerSecond", 0.6e9), Goal("times", 3, ("polars",))), scale=0.5),
    "jsonl-mixed": Reading(
        "JSON lines, 16 fields with texts", "orders", "jsonl", (*TEXT_READERS, "simdjson"),
        (Goal("bytesPerSecond", 0.6e9), Goal("times", 3, ("polars",))), scale=0.5),
    "parquet-zstd": Reading(
        "Parquet in zstd, 28 float32", "numbers", "zstd", PARQUET,
        (Goal("times", 0.9, ("arrow",)),)),
    "parquet-snappy": Reading(
        "Parquet in snappy, 28 float32", "numbers", "snappy", PARQUET,
        (Goal("times", 0.9, ("arrow",)),)),
    "parquet-plain": Reading(
        "Parquet, not compressed, 28 float32", "numbers", "none", PARQUET,
        (Goal("times", 0.9, ("arrow",)),)),
    "parquet-mixed": Reading(
        "Parquet in zstd, 16 columns with texts", "orders", "zstd", PARQUET,
        (Goal("times", 0.9, ("arrow",)),)),
    "lightgbm": Scoring(
        "CSV → LightGBM 100 × 31 → CSV in zstd", "csv", inputs.LIGHTGBM,
        ("nightshift", "nightshift-2", "polars-lleaves", *FRAMES),
        (Goal("bytesPerSecond", 0.5e9), Goal("scaling", 1.9), Goal("times", 30, tuple(FRAMES)),
         Goal("times", 5, ("polars-lleaves",))), 1e-15),
    "lightgbm-long": Scoring(
        "the same, the file under ten names", "csv", inputs.LIGHTGBM,
        ("nightshift", "nightshift-2"),
        (Goal("bytesPerSecond", 0.5e9), Goal("scaling", 1.9)), 1e-15, copies=10),
    "xgboost": Scoring(
        "Parquet → XGBoost 500 × depth 6 → Parquet", "zstd", inputs.XGBOOST,
        ("nightshift", "nightshift-2", *FRAMES), (Goal("times", 15, tuple(FRAMES)),), 1.2e-7),
    "memory": Lasting("memory, 1 GB of CSV", 10**9, (Goal("memory", LIMIT),)),
    "hundred": Lasting("memory, 100 GB of CSV", 10**11, (Goal("memory", LIMIT),), True),
    "terabyte": Lasting(
        "1 TB of CSV, to Parquet", 10**12, (Goal("minutes", 35), Goal("memory", LIMIT)), True,
        form="parquet", row_bytes=16.5),
}
DEFAULT = [name for name, case in CASES.items() if not getattr(case, "is_on_demand", False)]
