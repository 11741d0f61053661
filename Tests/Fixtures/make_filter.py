"""Makes Tests/TablesTests/Fixtures/filter: a table, and filters with the records DuckDB keeps.

    pip install duckdb==2.0.0
    python3 Tests/Fixtures/make_filter.py

table.csv has a header; texts stand in quotes and missing values are empty. In filters.tsv each
line is a filter, a tab, and for every four records of the table a hexadecimal digit, whose lowest
bit is the first of them.
"""

import datetime
import pathlib
import random

import duckdb

assert duckdb.__version__ == "2.0.0", duckdb.__version__
FOLDER = pathlib.Path(__file__).parent.parent / "TablesTests" / "Fixtures" / "filter"
FOLDER.mkdir(parents=True, exist_ok=True)
RECORD_COUNT = 1_500
FILTER_COUNT = 700
draw = random.Random(20_241_123)

TYPES = {
    "id": "BIGINT",
    "whole": "BIGINT",
    "ratio": "DOUBLE",
    "price": "FLOAT",
    "other": "DOUBLE",
    "word": "VARCHAR",
    "Städte x": "VARCHAR",
    "ok": "BOOLEAN",
    "day": "DATE",
    "time": "TIMESTAMP",
}
WORDS = ["", "a", "ab", "abc", "b", "B", "Zoë", "zoé", "50%", "5_0", "it's", 'say "hi"', "x,y"]
WORDS += ["日本", "日本語", "𝄞 clef", "true", "12", " ab", "ab ", "a\nb", "\\d"]
RATIOS = [0.0, -0.0, 0.1, 0.2, 0.30000000000000004, 1.5, -1.5, 1e300, -2.25, 3.0, 1e-7, 100.0]
PRICES = ["0.1", "0.25", "19.99", "20.0", "-3.5", "16777216.0"]
DAYS = [datetime.date(2024, 2, 28) + datetime.timedelta(days=i) for i in range(5)]
DAYS += [datetime.date(1969, 12, 31), datetime.date(1900, 3, 1)]
MICROS = [0, 1, 500_000, 999_999]
TIMES = [
    datetime.datetime(2024, 2, 28, 23, 59, 58) + datetime.timedelta(seconds=i // 4, microseconds=MICROS[i % 4])
    for i in range(16)
]


def maybe(value):
    return None if draw.random() < 0.12 else value


def record(i):
    whole = maybe(draw.choice([draw.randint(-5, 5), draw.randint(-(2**40), 2**40)]))
    return (
        i,
        whole,
        maybe(draw.choice(RATIOS)),
        maybe(float(draw.choice(PRICES))),
        maybe(draw.choice(RATIOS)),
        maybe(draw.choice(WORDS)),
        maybe(draw.choice(WORDS)),
        maybe(draw.random() < 0.5),
        maybe(draw.choice(DAYS)),
        maybe(draw.choice(TIMES)),
    )


def text(value):
    if value is None:
        return ""
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, (int, float)) else str(value)


def quoted(value):
    return "'" + value.replace("'", "''") + "'"


def name(column):
    return f'"{column}"' if " " in column or draw.random() < 0.2 else column


def literal(column):
    kind = TYPES[column]
    if kind == "BIGINT":
        return draw.choice([str(draw.randint(-6, RECORD_COUNT)), "2.5", "0", "-1", "1e3", "4503599627370496"])
    if kind == "DOUBLE":
        return repr(draw.choice(RATIOS + [0.3, 2.0, 7.5]))
    if kind == "FLOAT":
        return draw.choice(PRICES + ["0.1000001", "5", "16777217"])
    if kind == "VARCHAR":
        return quoted(draw.choice(WORDS + ["abz", "c", "%"]))
    if kind == "BOOLEAN":
        return draw.choice(["TRUE", "FALSE", "true", "False"])
    if kind == "DATE":
        return draw.choice(["", "DATE "]) + quoted(str(draw.choice(DAYS)))
    value = draw.choice(TIMES)
    return draw.choice(["", "TIMESTAMP "]) + quoted(draw.choice([str(value), value.isoformat(), "2024-02-29"]))


def keyword(word):
    return draw.choice([word, word, word.lower(), word.capitalize()])


def pattern():
    marks = ["%", "_", "a", "b", "ab", "o", "日", "x", " ", "5", "%%", "é", "'"]
    return "".join(draw.choice(marks) for _ in range(draw.randint(0, 4)))


def comparison():
    return draw.choice(["=", "<>", "!=", "<", "<=", ">", ">=", "=="])


def pair():
    pairs = [("ratio", "other"), ("word", "Städte x"), ("whole", "id"), ("day", "time"), ("ratio", "whole")]
    left, right = draw.choice(pairs)
    if draw.random() < 0.5:
        left, right = right, left
    return f"{name(left)} {comparison()} {name(right)}"


def leaf():
    column = draw.choice(list(TYPES))
    negation = draw.choice(["", "", keyword("NOT") + " "])
    choice = draw.randrange(9)
    if choice == 0:
        return f"{name(column)} {keyword('IS')} {negation}{keyword('NULL')}"
    if choice == 1:
        values = ", ".join(literal(column) for _ in range(draw.randint(1, 5)))
        return f"{name(column)} {negation}{keyword('IN')} ({values})"
    if choice == 2 and TYPES[column] != "BOOLEAN":
        return f"{name(column)} {negation}{keyword('BETWEEN')} {literal(column)} {keyword('AND')} {literal(column)}"
    if choice == 3:
        if draw.random() < 0.3:
            return f"word {negation}LIKE '%!{draw.choice('%_!')}%' ESCAPE '!'"
        return f"{name(draw.choice(['word', 'Städte x']))} {negation}{keyword('LIKE')} {quoted(pattern())}"
    if choice == 4:
        return draw.choice(["ok", '"ok"', "NOT ok", "TRUE", "1 < 2", "'a' > 'b'"])
    if choice == 5:
        return pair()
    if choice == 6:
        return f"{literal(column)} {comparison()} {name(column)}"
    return f"{name(column)} {comparison()} {literal(column)}"


def expression(depth):
    if depth == 0 or draw.random() < 0.25:
        return leaf()
    choice = draw.randrange(4)
    if choice == 0:
        return f"{keyword('NOT')} ({expression(depth - 1)})"
    if choice == 1:
        return f"({expression(depth - 1)})"
    word = f" {keyword(draw.choice(['AND', 'OR']))} "
    return word.join(expression(depth - 1) for _ in range(draw.randint(2, 3)))


def main():
    records = [record(i) for i in range(RECORD_COUNT)]
    database = duckdb.connect()
    columns = ", ".join(f'"{column}" {kind}' for column, kind in TYPES.items())
    database.execute(f"CREATE TABLE data ({columns})")
    marks = ", ".join("?" for _ in TYPES)
    database.executemany(f"INSERT INTO data VALUES ({marks})", records)
    rows = [",".join(TYPES)] + [",".join(text(value) for value in row) for row in records]
    (FOLDER / "table.csv").write_text("\n".join(rows) + "\n")
    lines = []
    for index in range(FILTER_COUNT):
        filter_text = expression(index % 4)
        found = database.execute(f"SELECT id FROM data WHERE {filter_text}").fetchall()
        kept = sum(1 << i for (i,) in found)
        digits = format(kept, f"0{(RECORD_COUNT + 3) // 4}x")[::-1]
        lines.append(f"{filter_text}\t{digits}")
    (FOLDER / "filters.tsv").write_text("\n".join(line.replace("\n", "␤") for line in lines) + "\n")


main()
