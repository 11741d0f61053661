#!/usr/bin/env python3
"""Reads a table to columns with one peer, so many times, and prints what it took as JSON.

  bench/tables/readers.py ENGINE TABLE FILE --runs N (--form FORM | --trial FILE)

ENGINE is arrow, polars or duckdb; TABLE is numbers or orders; the end of FILE says its format. Each
run reads all columns, with the types given and one thread. With --trial all forms of the engine
are tried twice on that smaller file, and the fastest is run. Processor time is that of all threads
of the process. Sums of the columns are made after the clock has stopped.
"""

import argparse
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

# The kinds of columns of each table; what is not named is a float.
ORDER_KINDS = {
    "id": "integer", "placed": "text", "country": "text", "city": "text", "customer": "text",
    "email": "text", "product": "text", "quantity": "integer", "price": "number",
    "discount": "number", "weight": "number", "rating": "integer", "channel": "text",
    "gift": "integer", "comment": "text", "score": "number"}
CODES = ["country", "city", "product", "channel"]
KINDS = {"numbers": {f"f{index}": "float" for index in range(28)}, "orders": ORDER_KINDS}


# Arrow C++


class Arrow:
    def __init__(self, kinds, path):
        import pyarrow
        self.pyarrow, self.path, self.version = pyarrow, path, pyarrow.__version__
        pyarrow.set_cpu_count(1)
        pyarrow.set_io_thread_count(1)
        types = {"float": pyarrow.float32(), "number": pyarrow.float64(),
                 "integer": pyarrow.int64(), "text": pyarrow.string(), "boolean": pyarrow.bool_()}
        self.schema = pyarrow.schema([(name, types[kind]) for name, kind in kinds.items()])
        self.codes = [name for name in CODES if name in kinds]
        self.has_lines = "comment" in kinds
        self.forms = {"csv": self.csv_forms, "jsonl": self.jsonl_forms,
                      "parquet": self.parquet_forms}[path.suffix[1:]]()

    def csv_forms(self):
        from pyarrow import csv
        codes = {name: self.pyarrow.dictionary(self.pyarrow.int32(), self.pyarrow.string())
                 for name in self.codes}

        def options(block, with_codes):
            types = {field.name: field.type for field in self.schema}
            return {"read_options": csv.ReadOptions(use_threads=False, block_size=block),
                    "parse_options": csv.ParseOptions(newlines_in_values=self.has_lines),
                    "convert_options": csv.ConvertOptions(
                        column_types=types | (codes if with_codes else {}))}

        def whole(block, with_codes):
            return csv.read_csv(self.path, **options(block, with_codes))

        def stream(block, with_codes):
            return list(csv.open_csv(self.path, **options(block, with_codes)))

        forms = {}
        for with_codes in ([False, True] if codes else [False]):
            suffix = " codes" if with_codes else ""
            for block in (1 << 18, 1 << 20, 1 << 23):
                size = f"{block >> 10} KiB{suffix}"
                forms[f"table {size}"] = lambda b=block, w=with_codes: whole(b, w)
                forms[f"batches {size}"] = lambda b=block, w=with_codes: stream(b, w)
        return forms

    def jsonl_forms(self):
        from pyarrow import json as reader

        def whole(block):
            return reader.read_json(
                self.path, reader.ReadOptions(use_threads=False, block_size=block),
                reader.ParseOptions(explicit_schema=self.schema,
                                    unexpected_field_behavior="ignore"))
        return {f"table {block >> 10} KiB": lambda b=block: whole(b)
                for block in (1 << 18, 1 << 20, 1 << 23)}

    def parquet_forms(self):
        from pyarrow import parquet

        def whole(**options):
            return parquet.read_table(self.path, use_threads=False, partitioning=None, **options)

        def stream(**options):
            file = parquet.ParquetFile(self.path, **options)
            return [file.read_row_group(index, use_threads=False)
                    for index in range(file.metadata.num_row_groups)]

        forms = {
            "table": lambda: whole(pre_buffer=False),
            "table, pre-buffered": lambda: whole(pre_buffer=True),
            "table, mapped": lambda: whole(memory_map=True, pre_buffer=False),
            "row groups": lambda: stream(pre_buffer=False),
            "row groups, mapped": lambda: stream(memory_map=True, pre_buffer=False),
        }
        if self.codes:
            forms |= {"table, codes": lambda: whole(pre_buffer=False, read_dictionary=self.codes),
                      "row groups, codes": lambda: stream(read_dictionary=self.codes)}
        return forms

    def check(self, found):
        import pyarrow.compute
        table = found if isinstance(found, self.pyarrow.Table) \
            else self.pyarrow.Table.from_batches(found) \
            if isinstance(found[0], self.pyarrow.RecordBatch) \
            else self.pyarrow.concat_tables(found)
        table = table.cast(self.schema)
        compute = pyarrow.compute
        texts = [field.name for field in self.schema if self.pyarrow.types.is_string(field.type)]
        sums = {field.name: compute.sum(table[field.name].cast("float64")).as_py()
                for field in self.schema
                if field.name not in texts and not self.pyarrow.types.is_boolean(field.type)}
        return {"rows": table.num_rows, "sums": sums, "textBytes": sum(
            compute.sum(compute.binary_length(table[name])).as_py() for name in texts)}


# Polars


class Polars:
    def __init__(self, kinds, path):
        import polars
        self.polars, self.path, self.version = polars, path, polars.__version__
        types = {"float": polars.Float32, "number": polars.Float64, "integer": polars.Int64,
                 "text": polars.String, "boolean": polars.Boolean}
        self.schema = {name: types[kind] for name, kind in kinds.items()}
        codes = {name: polars.Categorical for name in CODES if name in kinds}
        self.forms = {"csv": self.csv_forms, "jsonl": self.jsonl_forms}[path.suffix[1:]](codes)

    def sums(self):
        polars = self.polars
        return [polars.col(name).str.len_bytes().sum() if kind == polars.String
                else polars.col(name).cast(polars.Float64).sum()
                for name, kind in self.schema.items()] + [polars.len().alias("")]

    def csv_forms(self, codes):
        polars = self.polars
        forms = {}
        for suffix, schema in ([("", self.schema)]
                               + ([(" codes", self.schema | codes)] if codes else [])):
            for is_lean in (False, True):
                name = f"{suffix}{', low memory' if is_lean else ''}"
                options = {"schema": schema, "low_memory": is_lean}
                forms[f"read{name}"] = lambda o=options: polars.read_csv(
                    self.path, **o)
                forms[f"streaming{name}"] = lambda o=options: polars.scan_csv(
                    self.path, **o).collect(engine="streaming")
        forms["streaming, sums only"] = lambda: polars.scan_csv(
            self.path, schema=self.schema).select(self.sums()).collect(engine="streaming")
        return forms

    def jsonl_forms(self, _):
        polars = self.polars
        return {
            "read": lambda: polars.read_ndjson(self.path, schema=self.schema),
            "in memory": lambda: polars.scan_ndjson(self.path, schema=self.schema).collect(
                engine="in-memory"),
            "streaming": lambda: polars.scan_ndjson(self.path, schema=self.schema).collect(
                engine="streaming"),
            "streaming, sums only": lambda: polars.scan_ndjson(
                self.path, schema=self.schema).select(self.sums()).collect(engine="streaming"),
        }

    def check(self, found):
        polars = self.polars
        if "" not in found.columns:
            found = found.with_columns(polars.col(name).cast(polars.String)
                                       for name, kind in found.schema.items()
                                       if kind == polars.Categorical).select(self.sums())
        row = found.row(0, named=True)
        numeric = [name for name, kind in self.schema.items()
                   if kind not in (polars.String, polars.Boolean)]
        return {"rows": row[""], "sums": {name: row[name] for name in numeric},
                "textBytes": sum(row[name] for name, kind in self.schema.items()
                                 if kind == polars.String)}


# DuckDB


class DuckDB:
    def __init__(self, kinds, path):
        import duckdb
        self.version, self.kinds = duckdb.__version__, kinds
        self.connection = duckdb.connect()
        self.connection.execute("SET threads = 1; SET enable_progress_bar = false")
        types = {"float": "FLOAT", "number": "DOUBLE", "integer": "BIGINT", "text": "VARCHAR",
                 "boolean": "BOOLEAN"}
        columns = "{" + ", ".join(f"'{name}': '{types[kind]}'"
                                  for name, kind in kinds.items()) + "}"
        if path.suffix == ".csv":
            source = (f"read_csv('{path}', header = true, delim = ',', quote = '\"', "
                      f"escape = '\"', auto_detect = false, columns = {columns})")
        else:
            source = f"read_json('{path}', format = 'newline_delimited', columns = {columns})"
        sums = ", ".join(self.sum(name, kind) for name, kind in kinds.items())
        self.forms = {
            "arrow table": lambda: self.connection.sql(
                f"SELECT * FROM {source}").to_arrow_table(),
            "own table": lambda: self.stored(source),
            "sums only": lambda: self.run(f"SELECT count(*), {sums} FROM {source}").fetchall()[0],
        }
        self.sums = sums

    @staticmethod
    def sum(name, kind):
        return {"text": f"sum(strlen({name}))", "boolean": f"count({name})"}.get(
            kind, f"sum({name}::DOUBLE)")

    def run(self, query):
        return self.connection.execute(query)

    def stored(self, source):
        self.run(f"CREATE OR REPLACE TEMP TABLE found AS SELECT * FROM {source}")
        return "found"

    def check(self, found):
        if not isinstance(found, tuple):
            if found != "found":
                self.connection.register("arrow_found", found)
                found = "arrow_found"
            found = self.run(f"SELECT count(*), {self.sums} FROM {found}").fetchall()[0]
        row = dict(zip(["", *self.kinds], found))
        return {"rows": row[""],
                "sums": {name: row[name] for name, kind in self.kinds.items()
                         if kind not in ("text", "boolean")},
                "textBytes": int(sum(row[name] for name, kind in self.kinds.items()
                                     if kind == "text"))}


ENGINES = {"arrow": Arrow, "polars": Polars, "duckdb": DuckDB}


def timed(read):
    started, before = time.perf_counter(), time.process_time()
    found = read()
    return time.perf_counter() - started, time.process_time() - before, found


def try_forms(engine):
    """The least processor time of each form, and why others do not work."""
    tried, refused = {}, {}
    for name, read in engine.forms.items():
        try:
            tried[name] = min(timed(read)[1] for _ in range(2))
        except Exception as error:  # a form that a version does not have
            refused[name] = f"{type(error).__name__}: {error}"[:200]
    return tried, refused


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("table", choices=KINDS)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--form")
    parser.add_argument("--trial", type=pathlib.Path)
    options = parser.parse_args()
    os.environ |= {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "ARROW_IO_THREADS": "1"}

    make, kinds = ENGINES[options.engine], KINDS[options.table]
    tried, refused = ({options.form: 0}, {}) if options.form else \
        try_forms(make(kinds, options.trial or options.file))
    if not tried:
        sys.exit(f"Error: no form works: {refused}")
    form, engine = min(tried, key=tried.get), make(kinds, options.file)
    seconds, processor = [], []
    for _ in range(options.runs):
        found = None  # let go of the last table outside the clock
        wall, used, found = timed(engine.forms[form])
        seconds.append(wall)
        processor.append(used)
    print(json.dumps({"bytes": options.file.stat().st_size, "seconds": seconds,
                      "cpuSeconds": processor, "form": form, "formsTried": tried,
                      "formsRefused": refused, "version": engine.version, **engine.check(found)}))


if __name__ == "__main__":
    main()
