#!/usr/bin/env python3
"""Makes a table with long texts in columnar formats, and checks what was published of it.

  Tests/Fixtures/long_texts.py make FOLDER
  Tests/Fixtures/long_texts.py check RESULTS FOLDER

`make` writes 700 seeded records with the columns of the flights table, an `id` and a `note` of up
to 6,000 characters (quotes, backslashes, line ends, control characters, letters beyond ASCII) as
table.parquet, table.orc and table.arrow. `check` reads a published folder of JSON lines or CSV by
Python's own readers: each `id` and `note` once, in order, to the last character. Ends with 1 at the
first difference. Needs pyarrow of Tests/requirements.txt.
"""

import csv
import json
import pathlib
import random
import sys

import pyarrow
from pyarrow import feather, orc, parquet

PIECES = ['"', '""', "\\", "\n", "\r\n", ",", "\x01", "\x1f", "\t", "é", "€", "𝄞", "/", "plain text "]


def make(folder):
    generator = random.Random(20130101)
    folder.mkdir(parents=True)
    notes, rows = [], range(700)
    for row in rows:
        length = generator.choice([0, 1, 30, 600, 2_000, 6_000])
        kinds = PIECES if row % 3 else ["\x01"]
        note = "".join(generator.choice(kinds) for _ in range(length))[:length]
        notes.append(None if row % 50 == 49 else note)
    columns = {name: [generator.randrange(1, 12) for _ in rows] for name in [
        "month", "day", "dep_time", "sched_dep_time", "dep_delay", "sched_arr_time", "flight",
        "distance", "hour", "minute"]}
    columns |= {name: ["UA"] * len(rows) for name in ["carrier", "origin", "dest"]}
    table = pyarrow.table({"id": [f"r{row}" for row in rows], **columns, "note": notes})
    parquet.write_table(table, folder / "table.parquet", row_group_size=300, compression="zstd")
    orc.write_table(table, str(folder / "table.orc"))
    feather.write_feather(table, folder / "table.arrow", compression="uncompressed")


def published(results):
    for path in sorted(results.glob("prediction.results*")):
        with open(path, encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                yield from ((row["id"], row["note"]) for row in csv.DictReader(file))
            else:
                instances = (json.loads(line)["instance"] for line in file.read().split("\n") if line)
                yield from ((instance["id"], instance["note"]) for instance in instances)


def check(results, folder):
    csv.field_size_limit(1 << 20)
    table = parquet.read_table(folder / "table.parquet", columns=["id", "note"])
    # A missing text is an empty field.
    expected = [(row["id"], row["note"] or "") for row in table.to_pylist()]
    found = [(key, note or "") for key, note in published(results)]
    if len(found) != len(expected):
        sys.exit(f"{len(found)} records for {len(expected)}")
    for place, (ours, theirs) in enumerate(zip(found, expected)):
        if ours != theirs:
            sys.exit(f"record {place}: {ours[0]} {ours[1][:80]!r} is not {theirs[1][:80]!r}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"] and len(sys.argv) == 3:
        make(pathlib.Path(sys.argv[2]))
    elif sys.argv[1:2] == ["check"] and len(sys.argv) == 4:
        check(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    else:
        sys.exit(64)
