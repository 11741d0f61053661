"""Reads a folder of result files with independent readers and compares every value.

  python3 read_columnar.py FOLDER

FOLDER has *.parquet, *.arrow and expected.jsonl: a line for each row, over all files of a kind in
the order of their names, {"column": value}. Numbers are hexadecimal floats, bytes hexadecimal
digits, dates days since 1970, timestamps microseconds since 1970.
"""

import datetime
import json
import pathlib
import sys

import duckdb
import polars
import pyarrow
import pyarrow.ipc
import pyarrow.parquet

TYPES = {
    "boolean": pyarrow.bool_(), "integer": pyarrow.int64(), "number": pyarrow.float64(),
    "float": pyarrow.float32(), "text": pyarrow.string(), "binary": pyarrow.binary(),
    "date": pyarrow.date32(), "timestamp": pyarrow.timestamp("us", "UTC"),
}
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def plain(value):
    """A value as expected.jsonl has it."""
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, datetime.datetime):
        return (value.astimezone(datetime.timezone.utc) - EPOCH) // datetime.timedelta(microseconds=1)
    if isinstance(value, datetime.date):
        return (value - EPOCH.date()).days
    return value


def check(reader, rows, expected):
    assert len(rows) == len(expected), f"{reader}: {len(rows)} rows, not {len(expected)}"
    for number, (row, wanted) in enumerate(zip(rows, expected)):
        row = {name: plain(value) for name, value in row.items()}
        assert row == wanted, f"{reader}, row {number}: {row}, not {wanted}"
        assert list(row) == list(wanted), f"{reader}: columns {list(row)}"
    print(f"{reader}: {len(rows)} rows")


def check_types(path, schema):
    for field in schema:
        kind = field.name.removeprefix("c_")
        if kind in TYPES:
            assert field.type == TYPES[kind], f"{path}: {field}"


folder = pathlib.Path(sys.argv[1])
parquet = sorted(folder.glob("*.parquet"))
arrow = sorted(folder.glob("*.arrow"))
expected = [json.loads(line) for line in (folder / "expected.jsonl").read_text().splitlines()]

rows = []
for path in parquet:
    file = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
    assert file.metadata.created_by.startswith("nightshift version "), file.metadata.created_by
    assert file.metadata.metadata[b"nightshift.job"], file.metadata.metadata
    check_types(path, file.schema_arrow)
    rows += file.read().to_pylist()
check("pyarrow, Parquet", rows, expected)
check("pyarrow, folder", pyarrow.parquet.read_table(parquet).to_pylist(), expected)
rows = []
for path in arrow:
    with pyarrow.ipc.open_file(str(path)) as file:
        assert file.metadata[b"nightshift.job"], file.metadata
        check_types(path, file.schema)
        rows += file.read_all().to_pylist()
check("pyarrow, Arrow", rows, expected)

check("Polars, Parquet", polars.read_parquet(folder / "*.parquet").to_dicts(), expected)
check("Polars, Arrow", polars.read_ipc(folder / "*.arrow").to_dicts(), expected)

duckdb.sql("SET TimeZone = 'UTC'")
found = duckdb.sql(f"SELECT * FROM read_parquet('{folder}/*.parquet')")
names = [column[0] for column in found.description]
# Without pytz DuckDB hands out no timestamps with a zone: they are asked for as numbers.
columns = ", ".join(
    f'epoch_us("{name}") AS "{name}"' if str(kind).startswith("TIMESTAMP") else f'"{name}"'
    for name, kind in zip(found.columns, found.types))
values = duckdb.sql(
    f"SELECT {columns} FROM read_parquet('{folder}/*.parquet', filename = true, file_row_number = true) "
    "ORDER BY filename, file_row_number").fetchall()
check("DuckDB, Parquet", [dict(zip(names, value)) for value in values], expected)
counted = duckdb.sql(f"SELECT count(*) FROM '{folder}/*.parquet'").fetchall()[0][0]
assert counted == len(expected), counted
