"""Compares a published folder with the table and the predictions of format_matrix.py."""

import csv
import datetime
import json
import math
import tempfile
import pathlib

import pyarrow
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

TOLERANCE = 1e-15
NULL_WORDS = {"", "NA", "NULL", "null", "NaN"}


class Differs(Exception):
    """What differs, and where."""


# Published files


def result_files(results):
    """The files of results of a published folder, or of the one folder in it."""
    inner = [path for path in results.glob("prediction-*") if path.is_dir()]
    folder = results if not inner else inner[0]
    if len(inner) > 1:
        raise Differs(f"{results} has {len(inner)} published folders")
    if not (folder / "_SUCCESS").exists():
        raise Differs(f"{folder} has no _SUCCESS")
    files = sorted(folder.glob("prediction.results-*"))
    if not files:
        raise Differs(f"{folder} has no files of results")
    kinds = {path.name.removesuffix(".zst").rpartition(".")[2] for path in files}
    if len(kinds) != 1:
        raise Differs(f"results in several formats: {sorted(kinds)}")
    return files, kinds.pop()


def unpacked(files, scratch):
    """The files as they are, or unpacked below a scratch folder."""
    found = []
    for path in files:
        if path.suffix == ".zst":
            target = pathlib.Path(scratch) / path.stem
            with pyarrow.CompressedInputStream(str(path), "zstd") as stream:
                target.write_bytes(stream.read())
            path = target
        found.append(path)
    return found


# Readers: each gives the rows of a file as dictionaries


def read_pyarrow(path, kind):
    if kind == "jsonl":
        return pyarrow.json.read_json(path).to_pylist()
    if kind == "csv":
        delimiter = delimiter_of(path)
        texts = {name: pyarrow.string() for name in header(path, delimiter)}
        options = pyarrow.csv.ConvertOptions(column_types=texts, strings_can_be_null=True,
                                             quoted_strings_can_be_null=False)
        return pyarrow.csv.read_csv(
            path, convert_options=options, parse_options=pyarrow.csv.ParseOptions(
                newlines_in_values=True, delimiter=delimiter)).to_pylist()
    if kind == "parquet":
        return pyarrow.parquet.read_table(path).to_pylist()
    with pyarrow.OSFile(str(path)) as source:
        return pyarrow.ipc.open_file(source).read_all().to_pylist()


def read_duckdb(path, kind):
    import duckdb
    connection = duckdb.connect()
    # Texts as they stand: what they mean is compared here.
    query = {
        "jsonl": f"read_json('{path}', format = 'newline_delimited', sample_size = -1)",
        "csv": f"read_csv('{path}', header = true, all_varchar = true, sample_size = -1)",
        "parquet": f"read_parquet('{path}')"}.get(kind)
    if query is None:
        return None
    return connection.sql(f"SELECT * FROM {query}").to_arrow_table().to_pylist()


def read_polars(path, kind):
    import polars
    read = {"jsonl": lambda: polars.read_ndjson(path, infer_schema_length=None),
            "csv": lambda: polars.read_csv(path, infer_schema=False,
                                           separator=delimiter_of(path)),
            "parquet": lambda: polars.read_parquet(path),
            "arrow": lambda: polars.read_ipc(path)}[kind]
    return read().to_dicts()


def read_json(path, kind):
    """Without anybody's types, for instances that are arrays of several types."""
    return [json.loads(line) for line in path.read_text().splitlines() if line] \
        if kind == "jsonl" else None


READERS = {"pyarrow": read_pyarrow, "duckdb": read_duckdb, "polars": read_polars,
           "json": read_json}


def delimiter_of(path):
    with open(path, encoding="utf-8-sig") as lines:
        first = lines.readline()
    return max(",;\t|", key=first.count)


def header(path, delimiter):
    with open(path, encoding="utf-8-sig", newline="") as lines:
        return next(csv.reader(lines, delimiter=delimiter))


# Values


def number(value):
    return math.nan if value is None or value in NULL_WORDS else float(value)


def moment(value):
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    return value.replace(tzinfo=datetime.timezone.utc) if value.tzinfo is None \
        else value.astimezone(datetime.timezone.utc)


def is_same(found, wanted):
    """Whether a published value means the table's; text formats have no other nulls than words."""
    if wanted is None:
        return found is None or found in NULL_WORDS or (
            isinstance(found, float) and math.isnan(found))
    if found is None:
        return False
    if isinstance(wanted, datetime.datetime):
        return moment(found) == wanted
    if isinstance(wanted, str):
        return found == wanted
    return float(found) == wanted


def instance_of(row, names):
    """The values of a result row by the names of columns, as far as it has them."""
    instance = row.get("instance")
    if isinstance(instance, dict):
        return instance
    if isinstance(instance, list):
        return dict(zip(names, instance))
    return {name: value for name, value in row.items() if name in names}


def is_close(found, wanted):
    return found == wanted or abs(found - wanted) <= TOLERANCE * abs(wanted)


# All


def expected(folder):
    with open(folder / "expected.csv", newline="") as lines:
        scores = [float(row["prediction"]) for row in csv.DictReader(lines)]
    with pyarrow.OSFile(str(folder / "table.arrow")) as source:
        return pyarrow.ipc.open_file(source).read_all().to_pylist(), scores


def compare_row(row, place, table, scores, in_order, seen):
    """Compares one result; `place` is its ordinal among the results. How many values were equal."""
    names = list(table[0])
    instance = instance_of(row, names)
    key = row.get("key", instance.get("id"))
    if key is None:
        raise Differs(f"result {place:,} has neither key nor id: {sorted(row)}")
    key = int(key)
    if key in seen or not 0 <= key < len(table):
        raise Differs(f"result {place:,} is record {key:,}, which came before or is none")
    if in_order and key != place:
        raise Differs(f"result {place:,} is record {key:,}")
    seen.add(key)
    score = row["prediction"]
    if score is None or not is_close(float(score), scores[key]):
        raise Differs(f"record {key:,}: prediction {score!r}, LightGBM's is {scores[key]!r}")
    for name, value in instance.items():
        if not is_same(value, table[key].get(name)):
            raise Differs(f"record {key:,}, {name}: {value!r} for {table[key].get(name)!r}")
    return len(instance)


def check_with(reader, files, kind, table, scores, in_order):
    rows = []
    for path in files:
        found = READERS[reader](path, kind)
        if found is None:
            return None
        rows += found
    return check_rows(rows, table, scores, in_order)


def check_rows(rows, table, scores, in_order):
    """How many values beside the predictions were compared."""
    seen, values = set(), 0
    for place, row in enumerate(rows):
        values += compare_row(row, place, table, scores, in_order, seen)
    if len(seen) != len(table):
        missing = min(set(range(len(table))) - seen)
        raise Differs(f"{len(table) - len(seen):,} records are missing, {missing:,} the first")
    return values


def has_mixed_arrays(files, kind):
    if kind != "jsonl":
        return False
    with open(files[0]) as lines:
        return isinstance(json.loads(lines.readline()).get("instance"), list)


def sqlite_rows(path, name):
    """The rows of a table in a SQLite file, in the order of the records."""
    import sqlite3
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    columns = [row["name"] for row in connection.execute(f'PRAGMA table_info("{name}")')]
    order = ' ORDER BY "record_ordinal"' if "record_ordinal" in columns else ""
    return [{key: value for key, value in dict(row).items() if key != "record_ordinal"}
            for row in connection.execute(f'SELECT * FROM "{name}"{order}')]


def check_file(path, folder, *, table_name, in_order):
    """A CSV file, as psql's COPY … TO writes one, or a table of a SQLite file."""
    table, scores = expected(folder)
    try:
        if table_name:
            rows = sqlite_rows(path, table_name)
        else:
            rows = read_pyarrow(path, "csv")
        values = check_rows(rows, table, scores, in_order)
    except Differs as error:
        print(f"{path} differs: {error}")
        return 1
    print(f"{len(table):,} predictions and {values:,} other values equal in {path.name}")
    return 0


def check(results, folder, *, readers, in_order):
    table, scores = expected(folder)
    try:
        files, kind = result_files(results)
        with tempfile.TemporaryDirectory() as scratch:
            files = unpacked(files, scratch)
            # Only a reader without types takes arrays of numbers and texts.
            chosen = ["json"] if has_mixed_arrays(files, kind) else \
                readers + (["json"] if kind == "jsonl" else [])
            for reader in chosen:
                values = check_with(reader, files, kind, table, scores, in_order)
                if values is None:
                    print(f"{reader} does not read {kind}")
                else:
                    print(f"{len(table):,} predictions and {values:,} other values equal in "
                          f"{len(files)} {kind} file{'s' if len(files) > 1 else ''}, "
                          f"read by {reader}")
    except Differs as error:
        print(f"{results} differs: {error}")
        return 1
    return 0
