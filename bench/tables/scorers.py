#!/usr/bin/env python3
"""Scores a table with one peer and the library that made the model, from file to file.

  bench/tables/scorers.py ENGINE MODEL INPUT OUTPUT [--threads 1]

ENGINE is one of pandas, polars, duckdb, ray, daft, spark, dask; or polars-lleaves, whose MODEL is a
LightGBM model compiled by lleaves (MODEL.txt, with MODEL.lleaves beside it). A MODEL that ends with
.txt is LightGBM's and goes from CSV to CSV in zstd, one that ends with .json is XGBoost's and goes
from Parquet to Parquet in zstd. INPUT has the columns id, f0 … f27; OUTPUT, a file or a folder of
files, gets id and prediction for each row. Prints versions as JSON; README.md says how each peer is
set up.
"""

import argparse
import functools
import importlib.metadata
import json
import os
import pathlib
import sys

FEATURES = [f"f{index}" for index in range(28)]
COLUMNS = ["id", *FEATURES]
BATCH_ROWS = 1 << 16
SPARK_MEMORY = "6g"


# Models


class Predictor:
    """One model of any of the libraries; rows come as a C-ordered array of its type."""

    def __init__(self, path, threads, is_compiled=False):
        path = pathlib.Path(path)
        self.type = "float64"
        if is_compiled:
            import lleaves
            self.model = lleaves.Model(model_file=path)
            self.model.compile(cache=path.with_suffix(".lleaves"))
            self.predict = lambda rows: self.model.predict(rows, n_jobs=threads)
        elif path.suffix == ".txt":
            import lightgbm
            self.model = lightgbm.Booster(model_file=path)
            self.predict = lambda rows: self.model.predict(rows, num_threads=threads)
        else:
            import xgboost
            self.type = "float32"
            self.model = xgboost.Booster(model_file=path)
            self.model.set_param({"nthread": threads})
            self.predict = self.model.inplace_predict

    def rows(self, columns):
        """28 arrays of one length side by side."""
        import numpy
        rows = numpy.empty((len(columns[0]), len(columns)), self.type)
        for index, column in enumerate(columns):
            rows[:, index] = column
        return rows

    def score_arrow(self, batch):
        """Ids and predictions for a batch or table of Arrow's."""
        import pyarrow
        columns = [batch.column(name).to_numpy(zero_copy_only=False)
                   if isinstance(batch, pyarrow.RecordBatch) else batch.column(name).to_numpy()
                   for name in FEATURES]
        found = self.predict(self.rows(columns))
        return pyarrow.RecordBatch.from_arrays(
            [array_of(batch.column("id")), pyarrow.array(found)], ["id", "prediction"])


def array_of(column):
    return column.combine_chunks() if hasattr(column, "combine_chunks") else column


@functools.cache
def predictor(path, threads):
    """One for each process of a peer that has many."""
    return Predictor(path, threads)


# Files, through Arrow: for peers that have no writer of zstd of their own


class Writer:
    """Writes batches of id and prediction as CSV in zstd, or as Parquet in zstd."""

    def __init__(self, path, is_csv):
        self.path, self.is_csv, self.writer = path, is_csv, None

    def write(self, batch):
        if self.writer is None:
            if self.is_csv:
                import pyarrow
                from pyarrow import csv
                self.stream = pyarrow.CompressedOutputStream(str(self.path), "zstd")
                self.writer = csv.CSVWriter(self.stream, batch.schema)
            else:
                from pyarrow import parquet
                self.writer = parquet.ParquetWriter(self.path, batch.schema, compression="zstd")
        self.writer.write(batch)

    def close(self):
        self.writer.close()
        if self.is_csv:
            self.stream.close()


class Task:
    """What an engine is asked to do."""

    def __init__(self, options):
        self.model, self.threads = str(options.model), options.threads
        self.input, self.output = str(options.input), options.output
        self.is_csv = options.model.suffix == ".txt"

    def predictor(self):
        return predictor(self.model, self.threads)

    def write(self, batches):
        writer = Writer(self.output, self.is_csv)
        for batch in batches:
            writer.write(batch)
        writer.close()


# Engines


def run_pandas(task):
    import pandas
    import pyarrow
    pyarrow.set_cpu_count(task.threads)
    model = task.predictor()
    if task.is_csv:
        frame = pandas.read_csv(task.input, engine="pyarrow")
    else:
        frame = pandas.read_parquet(task.input, engine="pyarrow", use_threads=task.threads > 1)
    found = model.predict(model.rows([frame[name].to_numpy() for name in FEATURES]))
    result = pandas.DataFrame({"id": frame["id"], "prediction": found}, copy=False)
    if task.is_csv:
        # Its own to_csv takes several times as long as Arrow's writer.
        task.write(pyarrow.Table.from_pandas(result, preserve_index=False).to_batches())
    else:
        result.to_parquet(task.output, compression="zstd", index=False)


def run_polars(task, is_compiled=False):
    import polars
    model = Predictor(task.model, task.threads, True) if is_compiled else task.predictor()

    def score(frame):
        found = model.predict(frame.select(FEATURES).to_numpy(order="c"))
        return polars.DataFrame({"id": frame["id"], "prediction": found})

    if task.is_csv:
        schema = {"id": polars.Int64} | {name: polars.Float64 for name in FEATURES}
        table = polars.scan_csv(task.input, schema=schema)
    else:
        table = polars.scan_parquet(task.input)
    schema = {"id": polars.Int64, "prediction": polars.Float64 if task.is_csv else polars.Float32}
    scored = table.map_batches(score, streamable=True, schema=schema)
    if task.is_csv:
        scored.sink_csv(task.output, compression="zstd", compression_level=1, engine="streaming")
    else:
        scored.sink_parquet(task.output, compression="zstd", engine="streaming")


def run_duckdb(task):
    import duckdb
    import pyarrow
    settings = {"threads": task.threads}
    source, sink = duckdb.connect(config=settings), duckdb.connect(config=settings)
    if task.is_csv:
        columns = {"id": "BIGINT"} | {name: "DOUBLE" for name in FEATURES}
        text = ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items())
        query = (f"SELECT * FROM read_csv('{task.input}', header = true, delim = ',', "
                 f"auto_detect = false, columns = {{{text}}})")
    else:
        query = f"SELECT * FROM read_parquet('{task.input}')"
    model = task.predictor()
    batches = source.sql(query).to_arrow_reader(BATCH_ROWS)
    kind = pyarrow.float64() if task.is_csv else pyarrow.float32()
    schema = pyarrow.schema([("id", pyarrow.int64()), ("prediction", kind)])
    scored = pyarrow.RecordBatchReader.from_batches(schema, map(model.score_arrow, batches))
    form = "FORMAT csv, HEADER, COMPRESSION zstd" if task.is_csv \
        else "FORMAT parquet, COMPRESSION zstd"
    sink.register("scored", scored)
    sink.execute(f"COPY (SELECT * FROM scored) TO '{task.output}' ({form})")


def run_ray(task):
    import logging
    import pyarrow
    import ray
    import ray.data
    from pyarrow import csv
    ray.init(num_cpus=task.threads, include_dashboard=False, logging_level=logging.ERROR,
             log_to_driver=False, configure_logging=False,
             runtime_env={"env_vars": {"OMP_NUM_THREADS": str(task.threads)}})
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    path, threads = task.model, task.threads

    def score(batch):
        return pyarrow.Table.from_batches([Remote.predictor(path, threads).score_arrow(batch)])

    if task.is_csv:
        types = {"id": pyarrow.int64()} | {name: pyarrow.float64() for name in FEATURES}
        table = ray.data.read_csv(
            task.input, convert_options=csv.ConvertOptions(column_types=types),
            read_options=csv.ReadOptions(use_threads=False, block_size=1 << 23))
    else:
        table = ray.data.read_parquet(task.input)
    scored = table.map_batches(score, batch_format="pyarrow", batch_size=BATCH_ROWS,
                               zero_copy_batch=True)
    if task.is_csv:
        scored.write_csv(str(task.output), arrow_open_stream_args={"compression": "zstd"})
    else:
        scored.write_parquet(str(task.output), compression="zstd")
    ray.shutdown()


class Remote:
    """What processes of Ray and Spark import, so that each reads the model once."""

    @staticmethod
    def predictor(path, threads):
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
        import scorers
        return scorers.predictor(path, threads)


def run_daft(task):
    import daft
    daft.set_runner_native(num_threads=task.threads)
    model = task.predictor()
    if task.is_csv:
        kinds = {"id": daft.DataType.int64()} | {
            name: daft.DataType.float64() for name in FEATURES}
        table = daft.read_csv(task.input, infer_schema=False, schema=kinds)
    else:
        table = daft.read_parquet(task.input)
    task.write(map(model.score_arrow, table.to_arrow_iter()))


def run_spark(task):
    import pyspark.sql
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(pathlib.Path(__file__).resolve().parent), os.environ.get("PYTHONPATH", "")])
    # The classes are read from the wheel; nothing leaves this machine.
    session = (pyspark.sql.SparkSession.builder.master(f"local[{task.threads}]")
               .config("spark.driver.memory", SPARK_MEMORY)
               .config("spark.driver.host", "127.0.0.1")
               .config("spark.driver.bindAddress", "127.0.0.1")
               .config("spark.ui.enabled", "false")
               .config("spark.sql.execution.arrow.maxRecordsPerBatch", str(BATCH_ROWS))
               .config("spark.sql.files.maxPartitionBytes", str(64 << 20))
               .config("spark.driver.extraJavaOptions", "-XX:+UseSerialGC")
               .getOrCreate())
    session.sparkContext.setLogLevel("ERROR")
    path, threads = task.model, task.threads

    def score(batches):
        model = Remote.predictor(path, threads)
        for batch in batches:
            yield model.score_arrow(batch)

    if task.is_csv:
        kinds = ", ".join(["id BIGINT", *(f"{name} DOUBLE" for name in FEATURES)])
        table = session.read.csv(task.input, header=True, schema=kinds)
        scored = table.mapInArrow(score, "id BIGINT, prediction DOUBLE")
        scored.write.csv(str(task.output), header=True, compression="none", mode="overwrite")
    else:
        scored = session.read.parquet(task.input).mapInArrow(score, "id BIGINT, prediction FLOAT")
        scored.write.parquet(str(task.output), compression="zstd", mode="overwrite")
    session.stop()
    if task.is_csv:
        # Hadoop's zstd needs a native library that the wheel does not have.
        import subprocess
        subprocess.run(["zstd", "-1", "--quiet", "--rm", *map(str, task.output.glob("*.csv"))],
                       check=True)


def run_dask(task):
    import dask
    import dask.dataframe
    import numpy
    import pandas
    import pyarrow
    dask.config.set(scheduler="synchronous" if task.threads == 1 else "threads",
                    num_workers=task.threads)
    pyarrow.set_cpu_count(task.threads)
    model = task.predictor()
    if task.is_csv:
        kinds = {"id": numpy.int64} | {name: numpy.float64 for name in FEATURES}
        # The exact parser; the default one is off by a bit now and then.
        table = dask.dataframe.read_csv(task.input, dtype=kinds, blocksize="32MB",
                                        float_precision="round_trip")
    else:
        table = dask.dataframe.read_parquet(task.input, split_row_groups=True)

    def score(frame):
        found = model.predict(model.rows([frame[name].to_numpy() for name in FEATURES]))
        return pandas.DataFrame({"id": frame["id"], "prediction": found})

    kind = "float64" if task.is_csv else "float32"
    scored = table.map_partitions(score, meta={"id": "int64", "prediction": kind})
    if task.is_csv:
        scored.to_csv(str(task.output / "part-*.csv.zst"), index=False, compression="zstd")
    else:
        scored.to_parquet(task.output, compression="zstd", write_index=False)


ENGINES = {
    "pandas": run_pandas, "polars": run_polars, "duckdb": run_duckdb, "ray": run_ray,
    "daft": run_daft, "spark": run_spark, "dask": run_dask,
    "polars-lleaves": lambda task: run_polars(task, is_compiled=True)}
# Those that write a folder of files.
FOLDERS = {"ray", "spark", "dask"}
PACKAGES = {"polars-lleaves": "polars", "spark": "pyspark"}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("input", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    os.environ |= {name: str(options.threads) for name in (
        "POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_IO_THREADS")}
    # Nobody is told of a measurement.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "DAFT_ANALYTICS_ENABLED": "0",
                   "SCARF_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1"}
    if options.engine in FOLDERS:
        options.output.mkdir(parents=True, exist_ok=True)
    ENGINES[options.engine](Task(options))
    name = PACKAGES.get(options.engine, options.engine)
    print(json.dumps({"version": importlib.metadata.version(name)}))


if __name__ == "__main__":
    main()
