"""Writes the columnar test files and what must be read from them.

Made with pyarrow 26.0.1, pandas 3.1.1, polars 2.1.0 and numpy; run from anywhere:

    python3 Tests/Fixtures/make_columnar.py

Values are seeded. `expected.json` holds for each table its columns: numbers as the 16 hexadecimal
digits of a double's bits and texts, null where there is no value.
"""

import base64
import datetime
import decimal
import json
import math
import pathlib
import random
import struct

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.orc as orc
import pyarrow.parquet as pq

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "ColumnarTests" / "Fixtures"
ROWS = 250
GROUP = 100
chance = random.Random(4)


def bits(value):
    return struct.pack(">d", value).hex()


def sprinkle(values):
    """The values with about one in seven missing."""
    return [None if chance.random() < 0.15 else value for value in values]


def number_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return None if math.isnan(value) or math.isinf(value) else repr(value)
    return str(value)


class Column:
    """A column's Arrow array and what must be read from it."""

    def __init__(self, name, array, kind, numbers, texts):
        self.name, self.array, self.kind = name, array, kind
        self.numbers = [None if number is None else bits(float(number)) for number in numbers]
        self.texts = texts

    def expected(self):
        return {
            "name": self.name, "type": self.kind, "numbers": self.numbers, "texts": self.texts}


def plain(name, values, arrow, kind):
    texts = [None if value is None else number_text(value) for value in values]
    return Column(name, pa.array(values, arrow), kind, values, texts)


def floats(name, values, arrow, kind, numpy_type):
    stored = [None if v is None else numpy_type(v) for v in values]
    texts = [
        None if v is None or not np.isfinite(v) else str(
            v if numpy_type is float else np.float32(v)) for v in stored]
    return Column(name, pa.array(stored, arrow), kind, stored, texts)


def text_column(name, values, arrow):
    return Column(name, pa.array(values, arrow), "text", [None] * len(values), values)


def dictionary_column(name, values, value_type, index_type):
    array = pa.array(values, value_type).dictionary_encode()
    array = array.cast(pa.dictionary(index_type, value_type))
    return Column(name, array, "text", [None] * len(values), values)


def binary_column(name, values, arrow):
    texts = [None if v is None else base64.b64encode(v).decode() for v in values]
    return Column(name, pa.array(values, arrow), "binary", [None] * len(values), texts)


def clock_text(nanoseconds):
    seconds, fraction = divmod(nanoseconds, 10**9)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if fraction == 0:
        return text
    return f"{text}.{fraction:09}".rstrip("0")


def stamp_text(nanoseconds, zone):
    day, rest = divmod(nanoseconds, 86_400 * 10**9)
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
    return f"{date.isoformat()}T{clock_text(rest)}{'Z' if zone else ''}"


def timestamp_column(name, values, unit, zone):
    factor = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
    numbers = [None if v is None else v * factor // 1000 for v in values]
    texts = [None if v is None else stamp_text(v * factor, zone) for v in values]
    return Column(name, pa.array(values, pa.timestamp(unit, zone)), "timestamp", numbers, texts)


def time_column(name, values, arrow, factor):
    numbers = [None if v is None else v / (10**9 / factor) for v in values]
    texts = [None if v is None else clock_text(v * factor) for v in values]
    return Column(name, pa.array(values, arrow), "text", numbers, texts)


def decimal_column(name, unscaled, precision, scale, arrow):
    context = decimal.Context(prec=90)
    values = [
        None if v is None else decimal.Decimal(v).scaleb(-scale, context) for v in unscaled]
    texts = [None if v is None else f"{v:f}" for v in values]
    return Column(name, pa.array(values, arrow(precision, scale)), "number",
                  [None if v is None else float(v) for v in values], texts)


def integers(low, high):
    edge = [low, high, 0, low + 1, high - 1, 1]
    return sprinkle(edge + [chance.randint(low, high) for _ in range(ROWS - len(edge))])


def all_columns():
    words = ["", "a", "JFK", "naïve", "quote \" and , comma", "line\nfeed", "x" * 70, "日本"]
    some = [chance.choice(words) for _ in range(ROWS)]
    columns = [plain("boolean", sprinkle([chance.random() < 0.5 for _ in range(ROWS)]),
                     pa.bool_(), "boolean")]
    for width in (8, 16, 32, 64):
        columns.append(plain(f"int{width}", integers(-2 ** (width - 1), 2 ** (width - 1) - 1),
                             getattr(pa, f"int{width}")(), "integer"))
        columns.append(plain(f"uint{width}", integers(0, 2**width - 1),
                             getattr(pa, f"uint{width}")(), "integer"))
    special = [0.1, -0.0, float("nan"), float("inf"), -float("inf"), 1.5, 100.0, 3e-3]
    doubles = special + [round(chance.gauss(0, 100), 4) for _ in range(ROWS - len(special))]
    columns.append(floats("double", sprinkle(doubles), pa.float64(), "number", float))
    columns.append(floats("float", sprinkle(doubles), pa.float32(), "float", np.float32))
    days = sprinkle([0, -1, 20_000, -719_162, 2_932_896]
                    + [chance.randint(-30_000, 40_000) for _ in range(ROWS - 5)])
    date_texts = [
        None if v is None
        else (datetime.date(1970, 1, 1) + datetime.timedelta(days=v)).isoformat() for v in days]
    columns.append(Column("date32", pa.array(days, pa.date32()), "date", days, date_texts))
    seconds = [0, -1, 1_700_000_000, -9_000_000_000]
    seconds += [chance.randint(-10**9, 2 * 10**9) for _ in range(ROWS - len(seconds))]
    for unit, factor in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)):
        stamps = [v * factor + (0 if chance.random() < 0.5 else chance.randint(0, factor - 1))
                  for v in seconds]
        if unit == "ns":
            stamps = [v for v in stamps if abs(v) < 2**63] + [1] * ROWS
        columns.append(timestamp_column(
            f"timestamp_{unit}", sprinkle(stamps[:ROWS]), unit, "UTC" if unit == "us" else None))
    columns.append(time_column("time32", sprinkle(
        [chance.randint(0, 86_399_999) for _ in range(ROWS)]), pa.time32("ms"), 10**6))
    columns.append(time_column("time64", sprinkle(
        [chance.randint(0, 86_399_999_999) for _ in range(ROWS)]), pa.time64("us"), 10**3))
    columns.append(decimal_column("decimal128", integers(-10**37, 10**37), 38, 10, pa.decimal128))
    columns.append(decimal_column("price", integers(-10**8, 10**8), 9, 2, pa.decimal128))
    columns.append(text_column("text", sprinkle(some), pa.string()))
    columns.append(text_column("key", [f"id-{i * 7919 % 1000}" for i in range(ROWS)], pa.string()))
    columns.append(binary_column("binary", sprinkle(
        [chance.randbytes(chance.randint(0, 5)) for _ in range(ROWS)]), pa.binary()))
    return columns


def arrow_columns():
    """Types that only some of the formats have."""
    words = ["red", "green", "blue", "ultraviolet and beyond"]
    some = sprinkle([chance.choice(words) for _ in range(ROWS)])
    halves = sprinkle([0.5, -2.0, 65504.0, 6e-8] + [chance.randint(-100, 100) / 8.0
                                                    for _ in range(ROWS - 4)])
    columns = [
        dictionary_column("dictionary", some, pa.string(), pa.int32()),
        text_column("large_text", some, pa.large_string()),
        binary_column("fixed", sprinkle([chance.randbytes(5) for _ in range(ROWS)]), pa.binary(5)),
        Column("nothing", pa.nulls(ROWS), "text", [None] * ROWS, [None] * ROWS),
        decimal_column("decimal256", integers(-10**70, 10**70), 76, 20, pa.decimal256),
        floats("half", halves, pa.float16(), "float", np.float16),
        Column("date64", pa.array([i * 86_400_000 for i in range(ROWS)], pa.date64()), "date",
               range(ROWS), [(datetime.date(1970, 1, 1) + datetime.timedelta(days=i)).isoformat()
                             for i in range(ROWS)]),
    ]
    return columns


def ipc_columns():
    """Types that only Arrow IPC has."""
    words = ["red", "green", "blue", "a text longer than twelve bytes"]
    some = sprinkle([chance.choice(words) for _ in range(ROWS)])
    durations = integers(-10**6, 10**6)
    return [
        text_column("text_view", some, pa.string_view()),
        binary_column("binary_view", [None if v is None else v.encode() for v in some],
                      pa.binary_view()),
        dictionary_column("small_dictionary", some, pa.string(), pa.int8()),
        dictionary_column("large_dictionary", some, pa.large_string(), pa.uint16()),
        plain("duration", durations, pa.duration("ms"), "integer"),
        decimal_column("decimal32", integers(-10**8, 10**8), 9, 3, pa.decimal32),
        decimal_column("decimal64", integers(-10**17, 10**17), 18, 0, pa.decimal64),
    ]


def table_of(columns):
    return pa.table({column.name: column.array for column in columns})


def write_parquet(table, arrow):
    def write(name, source=table, **options):
        pq.write_table(source, FOLDER / f"{name}.parquet", row_group_size=GROUP, **options)

    for codec in ("none", "snappy", "gzip", "zstd", "lz4", "brotli"):
        write(codec, compression=codec)
    write("pages-v2", compression="zstd", data_page_version="2.0", version="2.6",
          data_page_size=256)
    write("plain-encoding", compression="none", use_dictionary=False)
    write("small-dictionary", compression="none", dictionary_pagesize_limit=64,
          data_page_size=128)
    write("checksums", compression="snappy", write_page_checksum=True)
    write("int96", table.select(["timestamp_ns", "key"]), use_deprecated_int96_timestamps=True)
    write("other-encodings", table.select(["int32", "int64", "double", "text", "key"]),
          use_dictionary=False, data_page_version="2.0",
          column_encoding={"int32": "DELTA_BINARY_PACKED", "int64": "DELTA_BINARY_PACKED",
                           "double": "BYTE_STREAM_SPLIT", "text": "DELTA_LENGTH_BYTE_ARRAY",
                           "key": "DELTA_BYTE_ARRAY"})
    write("arrow-types", arrow, compression="zstd")
    write("no-rows", table.slice(0, 0))
    writer = pq.ParquetWriter(FOLDER / "no-row-groups.parquet", table.schema)
    writer.close()
    nested = pa.table({
        "id": pa.array([1, 2, 3]),
        "list": pa.array([[1], [], [2, 3]]),
        "struct": pa.array([{"a": 1}, {"a": 2}, None]),
        "label": pa.array(["x", "y", "z"]),
    })
    write("nested", nested)


def write_arrow(table, arrow, ipc):
    def write(name, source, make, codec=None):
        options = pa.ipc.IpcWriteOptions(compression=codec)
        with make(FOLDER / f"{name}.arrow", source.schema, options=options) as writer:
            for batch in source.to_batches(max_chunksize=GROUP):
                writer.write_batch(batch)

    write("file", table, pa.ipc.new_file)
    write("file-zstd", table, pa.ipc.new_file, "zstd")
    write("stream", table, pa.ipc.new_stream)
    write("stream-lz4", table, pa.ipc.new_stream, "lz4")
    write("types-file", arrow, pa.ipc.new_file)
    write("types-stream", arrow, pa.ipc.new_stream)
    write("ipc-types", ipc, pa.ipc.new_file)
    write("ipc-types-stream", ipc, pa.ipc.new_stream, "zstd")
    write("no-batches", table.slice(0, 0), pa.ipc.new_file)
    write("no-batches-stream", table.slice(0, 0), pa.ipc.new_stream)
    # Dictionaries that change from batch to batch, by replacement and by additions.
    words = [["a", "b", None, "a"], ["b", "c"], ["d", None, "a"]]
    schema = pa.schema([("word", pa.dictionary(pa.int32(), pa.string()))])
    for name, deltas in (("replaced", False), ("deltas", True)):
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=deltas)
        known = []
        with pa.ipc.new_stream(FOLDER / f"{name}-stream.arrow", schema, options=options) as writer:
            for part in words:
                fresh = [w for w in dict.fromkeys(part) if w is not None and w not in known]
                known = known + fresh if deltas else [w for w in dict.fromkeys(part) if w]
                indices = pa.array(
                    [None if w is None else known.index(w) for w in part], pa.int32())
                array = pa.DictionaryArray.from_arrays(indices, pa.array(known, pa.string()))
                writer.write_batch(pa.record_batch([array], schema=schema))
    feather.write_feather(table.select(["key"]), FOLDER / "old-feather.arrow", version=1)
    return [word for part in words for word in part]


def write_orc(table):
    names = [
        "boolean", "int8", "int16", "int32", "int64", "double", "float", "date32", "timestamp_us",
        "timestamp_ns", "decimal128", "price", "text", "key", "binary"]
    subset = table.select(names)
    for codec in ("uncompressed", "zlib", "snappy", "zstd", "lz4"):
        orc.write_table(subset, FOLDER / f"{codec}.orc", compression=codec, stripe_size=1024,
                        batch_size=64, dictionary_key_size_threshold=1.0)
    orc.write_table(subset.slice(0, 0), FOLDER / "no-rows.orc")
    return names


def write_others():
    """As pandas and polars write by themselves, with an index, categories and their own types."""
    frame = pd.DataFrame({
        "number": [1.5, None, 3.0], "category": pd.Categorical(["x", None, "y"]),
        "when": pd.to_datetime(["2024-01-01 00:00", None, "2024-02-29 12:30"]),
        "text": ["a", None, "c"], "flag": [True, False, True]}, index=[10, 20, 30])
    frame.to_parquet(FOLDER / "pandas.parquet")
    polars = pl.DataFrame({
        "number": [1.5, None, 3.0], "text": ["a", None, "text of some more bytes"],
        "category": pl.Series(["x", None, "y"], dtype=pl.Categorical)})
    polars.write_parquet(FOLDER / "polars.parquet")
    polars.write_ipc(FOLDER / "polars.arrow")


def write_special():
    """Row groups that statistics tell apart, text that is no UTF-8, and very long text."""
    count = 350
    rows = pa.table({
        "number": pa.array(range(count), pa.int32()),
        "text": [f"row-{i:03}-" + "x" * (i % 3) for i in range(count)],
        "day": pa.array([150 + i for i in range(count)], pa.date32()),
    })
    pq.write_table(rows, FOLDER / "sorted.parquet", row_group_size=GROUP)
    texts = pa.array([b"good", b"b\xffd", None, b"\xc3"], pa.binary())
    damaged = pa.StringArray.from_buffers(4, texts.buffers()[1], texts.buffers()[2],
                                          texts.buffers()[0])
    bad = pa.table({"number": [1, 2, 3, 4], "text": damaged})
    pq.write_table(bad, FOLDER / "no-utf8.parquet")
    with pa.ipc.new_file(FOLDER / "no-utf8.arrow", bad.schema) as writer:
        writer.write_table(bad)
    long = pa.table({"text": ["abc", "x" * 5_000_000, "y" * 17_000_000, "z" * 3_000_000,
                              "w" * 2_000_000, "1", "", None]})
    pq.write_table(long, FOLDER / "long.parquet", compression="zstd", use_dictionary=False,
                   write_statistics=False)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    common, arrow, ipc = all_columns(), arrow_columns(), ipc_columns()
    write_parquet(table_of(common), table_of(arrow))
    words = write_arrow(table_of(common), table_of(arrow), table_of(ipc))
    write_orc(table_of(common))
    write_others()
    write_special()
    expected = {
        "common": [column.expected() for column in common],
        "arrow": [column.expected() for column in arrow],
        "ipc": [column.expected() for column in ipc],
        "words": [{"name": "word", "type": "text", "numbers": [None] * len(words),
                   "texts": words}],
    }
    (FOLDER / "expected.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")


main()
