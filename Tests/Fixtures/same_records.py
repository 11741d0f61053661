#!/usr/bin/env python3
"""Tells whether published results hold the same records, whatever else is in their files.

  Tests/Fixtures/same_records.py WANTED FOUND [WANTED FOUND ...]

Each is a folder with prediction.results-* files of one kind (JSONL, CSV, Parquet or Arrow), or
PATH.db:TABLE, a table of a SQLite database, of which the columns are compared by position. Values
have to be equal, numbers bit by bit. Prints what was compared; ends with 1 at the first difference.

Offline; needs pyarrow of Tests/requirements.txt.
"""

import csv
import json
import pathlib
import sqlite3
import sys


def lines_of_csv(path):
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    return [tuple(number(value) for value in row) for row in rows[1:]]


def number(text):
    try:
        return float(text)
    except ValueError:
        return text


def table(path):
    import pyarrow
    import pyarrow.parquet
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path).to_pylist()
    return pyarrow.ipc.open_file(pyarrow.memory_map(str(path))).read_all().to_pylist()


def records(name):
    if ".db:" in name:
        path, table_name = name.rsplit(":", 1)
        with sqlite3.connect(path) as database:
            rows = database.execute(f'SELECT * FROM "{table_name}" ORDER BY rowid').fetchall()
        return [tuple(number(value) for value in row) for row in rows]
    files = sorted(pathlib.Path(name).glob("prediction.results-*"))
    if not files:
        sys.exit(f"{name}: no results")
    found = []
    for path in files:
        if path.suffix == ".jsonl":
            found += [json.loads(line) for line in open(path)]
        else:
            found += lines_of_csv(path) if path.suffix == ".csv" else table(path)
    return found


def main():
    names = sys.argv[1:]
    if not names or len(names) % 2:
        sys.exit(64)
    for wanted, found in zip(names[::2], names[1::2]):
        first, second = records(wanted), records(found)
        if len(first) != len(second):
            sys.exit(f"{found}: {len(second)} records, {len(first)} in {wanted}")
        for place, (one, other) in enumerate(zip(first, second)):
            if one != other:
                sys.exit(f"{found}: record {place} is {other}, {one} in {wanted}")
        print(f"{found}: {len(second)} records as in {wanted}")


if __name__ == "__main__":
    main()
