#!/usr/bin/env python3
"""Makes one table in every input format, checks what was published of it, and makes bad input.

  Tests/Fixtures/format_matrix.py make FOLDER          [--model bench/models/flights.txt]
  Tests/Fixtures/format_matrix.py check RESULTS FOLDER [--any-order] [--readers pyarrow,duckdb,…]
                                                       [--table NAME]
  Tests/Fixtures/format_matrix.py damage FOLDER

`make` writes 3,000 seeded records with the columns of the flights table and an `id` (their ordinal,
from 0), the expected predictions by LightGBM (expected.csv), the table itself (table.arrow), and
matrix.json: a list of objects with `name`, `inputs`, `arguments` for the command line, `inOrder`
(whether the inputs, read by path, have the records in order) or, where a format cannot be made,
`absent` with the reason. Paths are relative to FOLDER. The entry of PostgreSQL has `sql`, to be fed
to psql.

`check` reads a published folder, JSONL, CSV, Parquet or Arrow, with PyArrow, DuckDB and Polars, and
compares: every record once and in order (unless --any-order), the key or every value of the
instance, and every prediction, within 1e-15 of LightGBM's own. RESULTS may be a file too: CSV, as
psql writes it, or with --table a SQLite database. Prints what was compared; ends with 1 at the
first difference.

`damage` writes files that must be refused, or read but for some records, and damage.json: `name`,
`inputs`, `arguments`, and `expect`. It is `refused` (nothing published, an error that names the
file, unless `isLocated` is false, and has the words `says`), `rows` with the error records `errors`
(`code`, `row`, `offset`), `readable` (all records, as if nothing were wrong), or `survives`:
refused or not, which depends on the bit that was hit, but the program ends by itself, and in time.
What is published has to be `predictions`, pairs of key and prediction in order, as LightGBM gives
them for what PyArrow reads (or, with `isPart`, to have them among others). `memory` is the most
that the run may take, in MiB.

Offline; needs pyarrow, duckdb, polars, numpy and lightgbm of Tests/requirements.txt. One entry is
written with pandas where there is one. Ends with 64 if it is called wrongly.
"""

import argparse
import datetime
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODEL = ROOT / "bench/models/flights.txt"
SEED, ROWS = 20130101, 3_000
FEATURES = [
    "month", "day", "dep_time", "sched_dep_time", "dep_delay", "sched_arr_time", "carrier",
    "flight", "origin", "dest", "distance", "hour", "minute",
]
CODES = ["carrier", "origin", "dest"]


def load_model(path):
    import lightgbm
    if lightgbm.__version__ != "4.6.0":
        sys.exit(f"needs lightgbm==4.6.0, this is {lightgbm.__version__}")
    return lightgbm.Booster(model_file=path)


# The table


def make_table(model):
    """Records like the flights: numbers, some with halves, codes, gaps, and odd tail names."""
    import numpy
    import pyarrow
    generator = numpy.random.default_rng(SEED)
    categories = dict(zip(CODES, model.pandas_categorical))

    def whole(low, high):
        return generator.integers(low, high, size=ROWS)

    def gaps(values, kind, share=0.03):
        return pyarrow.array(values, kind, mask=generator.random(ROWS) < share)

    def codes(name, share):
        """Mostly codes that the model knows, a few that it does not, and a few missing."""
        known = numpy.array(categories[name], object)[whole(0, len(categories[name]))]
        known[generator.random(ROWS) < 0.02] = "ZZ"
        return gaps(known, pyarrow.string(), share)

    hour, minute = whole(5, 24), whole(0, 60)
    delay = numpy.round(generator.gamma(0.6, 40, ROWS) * 2) / 2 - 12
    start = datetime.datetime(2013, 1, 1, tzinfo=datetime.timezone.utc)
    times = [start + datetime.timedelta(hours=int(hours)) for hours in whole(0, 8_760)]
    integer, text = pyarrow.int64(), pyarrow.string()
    return pyarrow.table({
        "id": numpy.arange(ROWS), "year": numpy.full(ROWS, 2013), "month": whole(1, 13),
        "day": whole(1, 32), "dep_time": gaps(whole(1, 2_401), integer),
        "sched_dep_time": hour * 100 + minute, "dep_delay": gaps(delay, pyarrow.float64()),
        "arr_time": gaps(whole(1, 2_401), integer), "sched_arr_time": whole(1, 2_360),
        "arr_delay": gaps(whole(-60, 300), integer), "carrier": codes("carrier", 0.01),
        "flight": whole(1, 8_500), "tailnum": gaps(tail_names(generator), text),
        "origin": codes("origin", 0), "dest": codes("dest", 0.01),
        "air_time": gaps(whole(20, 700), integer), "distance": whole(17, 4_983), "hour": hour,
        "minute": minute, "time_hour": pyarrow.array(times, pyarrow.timestamp("us", "UTC")),
    })


def tail_names(generator):
    """Names of which one in fifty has commas, quotes, a line end or letters beyond ASCII."""
    odd = ['N,1', 'say "N2"', '"N3"', "N\n4", "N\r\n5", "Ñ6 東京", "N'7", " N8 ", "N\t9", "\\N10"]
    return [odd[row // 50 % len(odd)] if row % 50 == 7 else f"N{number}"
            for row, number in enumerate(generator.integers(10_000, 99_999, size=ROWS))]


def predictions(model, table):
    import numpy
    rows = numpy.empty((table.num_rows, len(FEATURES)))
    for place, name in enumerate(FEATURES):
        if name in CODES:
            codes = {code: place for place, code in
                     enumerate(model.pandas_categorical[CODES.index(name)])}
            rows[:, place] = [codes.get(value, numpy.nan) for value in table[name].to_pylist()]
        else:
            # The nearest doubles, also of whole numbers that no double is.
            rows[:, place] = table[name].cast("float64", safe=False).to_numpy()
    return model.predict(rows, num_threads=1)


# Made tables


def make(folder, model_path):
    import matrix_formats
    import pyarrow
    model = load_model(model_path)
    table = make_table(model)
    folder.mkdir(parents=True, exist_ok=True)
    with pyarrow.OSFile(str(folder / "table.arrow"), "wb") as out:
        with pyarrow.ipc.new_file(out, table.schema) as writer:
            writer.write_table(table)
    scores = predictions(model, table).tolist()
    (folder / "expected.csv").write_text("id,prediction\n" + "".join(
        f"{row},{score!r}\n" for row, score in enumerate(scores)))
    entries = matrix_formats.make_all(folder, table)
    (folder / "matrix.json").write_text(json.dumps(entries, indent=1) + "\n")
    absent = [entry["name"] for entry in entries if "absent" in entry]
    print(f"{len(entries) - len(absent)} inputs of {ROWS:,} records in {folder}"
          + (f"; not made: {', '.join(absent)}" if absent else ""))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("folder", type=pathlib.Path)
    making.add_argument("--model", type=pathlib.Path, default=MODEL)
    checking = commands.add_parser("check")
    checking.add_argument("results", type=pathlib.Path)
    checking.add_argument("folder", type=pathlib.Path)
    checking.add_argument("--any-order", action="store_true")
    checking.add_argument("--readers", default="pyarrow,duckdb,polars")
    checking.add_argument("--table")
    damaging = commands.add_parser("damage")
    damaging.add_argument("folder", type=pathlib.Path)
    try:
        options = parser.parse_args()
    except SystemExit as error:
        sys.exit(64 if error.code else 0)
    if options.command == "make":
        make(options.folder, options.model)
    elif options.command == "check":
        import matrix_check
        if options.results.is_file():
            sys.exit(matrix_check.check_file(options.results, options.folder,
                                             table_name=options.table,
                                             in_order=not options.any_order))
        sys.exit(matrix_check.check(options.results, options.folder,
                                    readers=options.readers.split(","),
                                    in_order=not options.any_order))
    else:
        import matrix_damage
        model = load_model(MODEL)
        matrix_damage.make_all(options.folder, make_table(model),
                               lambda table: predictions(model, table).tolist())


if __name__ == "__main__":
    main()
