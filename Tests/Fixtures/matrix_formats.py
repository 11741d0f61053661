"""The table of format_matrix.py in every input format."""

import csv
import gzip
import io
import json
import struct
import zlib

import pyarrow
import pyarrow.orc
import pyarrow.parquet

GROUP_ROWS = 700  # five groups, the last one smaller
BGZF_BYTES = 20_000
ZSTD_BYTES = 60_000
SKIPPABLE, SEEKABLE = 0x184D2A5E, 0x8F92EAB1


# Text


def plain_value(value):
    if value is None:
        return "NA"
    if hasattr(value, "isoformat"):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def csv_text(table, *, delimiter=",", line_end="\n", null="NA"):
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(table.column_names)
    for row in zip(*(column.to_pylist() for column in table.columns)):
        writer.writerow([null if value is None else plain_value(value) for value in row])
    return out.getvalue()


def excel_text(table):
    """As Excel saves "CSV UTF-8": a mark of byte order, CR LF, empty cells, quotes where needed."""
    return "\ufeff" + csv_text(table, line_end="\r\n", null="")


def quoted_text(table):
    """As R's write.csv does it: all texts in quotes, numbers and NA without."""
    def cell(value):
        if value is None:
            return "NA"
        text = plain_value(value)
        return text if isinstance(value, (int, float)) else '"' + text.replace('"', '""') + '"'

    rows = zip(*(column.to_pylist() for column in table.columns))
    return "".join(",".join(map(cell, row)) + "\n" for row in [table.column_names, *rows])


def jsonl_text(table):
    """A null is written as null, or its key is left out in every other record."""
    lines = []
    for index, row in enumerate(table.to_pylist()):
        record = {name: plain_value(value) if hasattr(value, "isoformat") else value
                  for name, value in row.items() if value is not None or index % 2}
        lines.append(json.dumps(record, ensure_ascii=index % 3 == 0))
    return "".join(line + "\n" for line in lines)


# Compression


def bgzf(content):
    """Blocks of gzip with their size in an extra field, and an empty one at the end."""
    blocks = [content[start:start + BGZF_BYTES] for start in range(0, len(content), BGZF_BYTES)]
    out = b""
    for block in [*blocks, b""]:
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = packer.compress(block) + packer.flush()
        out += (b"\x1f\x8b\x08\x04\0\0\0\0\0\xff" + struct.pack("<H", 6) + b"BC"
                + struct.pack("<HH", 2, len(packed) + 25) + packed
                + struct.pack("<II", zlib.crc32(block), len(block)))
    return out


def frame(content):
    return pyarrow.compress(content, codec="zstd", asbytes=True)


def frame_with_checksum(content):
    """A frame with the flag of a checksum and the low half of the text's XXH64 at its end."""
    packed = bytearray(frame(content))
    packed[4] |= 4
    return bytes(packed) + struct.pack("<I", xxh64(content) & 0xFFFFFFFF)


def unpacked(content):
    """The text of a frame, whatever its checksum says."""
    content = bytearray(content)
    if content[4] & 4:
        content[4] &= ~4
        del content[-4:]
    with pyarrow.CompressedInputStream(pyarrow.BufferReader(bytes(content)), "zstd") as stream:
        return stream.read()


def xxh64(content):
    """XXH64 with seed 0: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md."""
    mask = (1 << 64) - 1
    primes = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
              0x27D4EB2F165667C5)

    def turned(value, count):
        return (value << count | value >> (64 - count)) & mask

    def mixed(sum_, lane):
        return turned((sum_ + lane * primes[1]) & mask, 31) * primes[0] & mask

    stripes = len(content) // 32 * 32
    if stripes:
        sums = [(primes[0] + primes[1]) & mask, primes[1], 0, -primes[0] & mask]
        for lanes in struct.iter_unpack("<4Q", content[:stripes]):
            sums = [mixed(sum_, lane) for sum_, lane in zip(sums, lanes)]
        value = sum(turned(sum_, count) for sum_, count in zip(sums, (1, 7, 12, 18))) & mask
        for sum_ in sums:
            value = ((value ^ mixed(0, sum_)) * primes[0] + primes[3]) & mask
    else:
        value = primes[4]
    value = (value + len(content)) & mask
    rest = content[stripes:]
    while len(rest) >= 8:
        value ^= mixed(0, struct.unpack("<Q", rest[:8])[0])
        value = (turned(value, 27) * primes[0] + primes[3]) & mask
        rest = rest[8:]
    if len(rest) >= 4:
        value ^= struct.unpack("<I", rest[:4])[0] * primes[0] & mask
        value = (turned(value, 23) * primes[1] + primes[2]) & mask
        rest = rest[4:]
    for byte in rest:
        value = turned(value ^ byte * primes[4] & mask, 11) * primes[0] & mask
    for shift, prime in ((33, primes[1]), (29, primes[2]), (32, 1)):
        value = (value ^ value >> shift) * prime & mask
    return value


def zstd_frames(content, *, with_table):
    """Frames of so many bytes; with a table of them in a skippable frame where it is seekable."""
    pieces = [content[start:start + ZSTD_BYTES] for start in range(0, len(content), ZSTD_BYTES)]
    frames = [frame(piece) for piece in pieces]
    out = b"".join(frames)
    if with_table:
        entries = b"".join(struct.pack("<II", len(packed), len(piece))
                           for packed, piece in zip(frames, pieces))
        footer = struct.pack("<IBI", len(frames), 0, SEEKABLE)
        out += struct.pack("<II", SKIPPABLE, len(entries) + len(footer)) + entries + footer
    return out


# Files that hold columns


def naive(table):
    """Times without a zone, for formats that would write one in their own way."""
    place = table.schema.get_field_index("time_hour")
    return table.set_column(place, "time_hour", table["time_hour"].cast(pyarrow.timestamp("us")))


def arrow_bytes(table, *, is_stream, compression=None):
    out = io.BytesIO()
    make = pyarrow.ipc.new_stream if is_stream else pyarrow.ipc.new_file
    options = pyarrow.ipc.IpcWriteOptions(compression=compression)
    with make(out, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=GROUP_ROWS)
    return out.getvalue()


def dictionaries(table):
    for name in ("carrier", "origin", "dest"):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table[name].dictionary_encode())
    return table


def write_duckdb(table, path):
    import duckdb
    connection = duckdb.connect()
    connection.register("flights", naive(table))
    connection.execute(f"COPY (SELECT * FROM flights) TO '{path}' "
                       "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 2048)")


def write_polars(table, path):
    import polars
    polars.from_arrow(table).write_parquet(path, row_group_size=GROUP_ROWS)


def write_pandas(table, path):
    naive(table).to_pandas().to_parquet(path, compression="snappy")


def write_spark_folder(table, folder):
    """As Spark leaves a folder: parts with odd names, checksums of Hadoop's, and a mark."""
    folder.mkdir(exist_ok=True)
    for part in range(3):
        piece = table.slice(part * 1_000, 1_000)
        name = f"part-{part:05d}-0a1b2c3d-0000-4000-8000-00000000000{part}-c000.snappy.parquet"
        pyarrow.parquet.write_table(piece, folder / name, compression="snappy")
        (folder / f".{name}.crc").write_bytes(b"crc\0\0\0\2\0" + bytes(4))
    (folder / "_SUCCESS").touch()


def write_hive(table, folder, suffix):
    """One folder for each value of `origin`, without that column in the files."""
    for origin in sorted(set(table["origin"].to_pylist())):
        piece = table.filter(pyarrow.compute.equal(table["origin"], origin)).drop(["origin"])
        inner = folder / f"origin={origin}"
        inner.mkdir(parents=True, exist_ok=True)
        if suffix == "csv":
            (inner / "part-0.csv").write_bytes(csv_text(piece).encode())
        else:
            pyarrow.parquet.write_table(piece, inner / "part-0.parquet")


def sql_text(table):
    """What psql reads: a table `flights` and its rows, in another order than that of `id`."""
    kinds = {"int64": "bigint", "double": "double precision", "string": "text"}
    columns = ", ".join(f"{field.name} {kinds.get(str(field.type), 'timestamptz')}"
                        for field in table.schema)
    lines = ["DROP TABLE IF EXISTS flights;", f"CREATE TABLE flights ({columns});",
             "COPY flights FROM STDIN;"]
    marks = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    rows = table.to_pylist()
    for row in rows[1::2] + rows[::2]:
        cells = ["\\N" if value is None else "".join(
            marks.get(letter, letter) for letter in plain_value(value)) for value in row.values()]
        lines.append("\t".join(cells))
    return "\n".join([*lines, "\\.", "ALTER TABLE flights ADD PRIMARY KEY (id);", ""])


# All


def make_all(folder, table):
    """Writes all files; one entry for each input that a job can be given."""
    entries = []

    def add(name, content=None, *, inputs=None, arguments=(), in_order=True, write=None):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if write:
                write(path)
            elif content is not None:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        except ImportError as error:
            entries.append({"name": name, "absent": str(error)})
            return
        entries.append({"name": name, "inputs": inputs or [name], "arguments": list(arguments),
                        "inOrder": in_order})

    text = csv_text(table).encode()
    add("csv/flights.csv", text)
    add("csv/excel.csv", excel_text(table))
    add("csv/quoted.csv", quoted_text(table))
    add("csv/semicolons.csv", csv_text(table, delimiter=";"), arguments=["--delimiter", ";"])
    add("csv/last-line-open.csv", text[:-1])
    add("csv/flights.csv.gz", gzip.compress(text, mtime=0))
    add("csv/two-members.csv.gz",
        gzip.compress(text[:100_000], mtime=0) + gzip.compress(text[100_000:], mtime=0))
    add("csv/blocks.csv.gz", bgzf(text))
    add("csv/one-frame.csv.zst", frame(text))
    add("csv/frames.csv.zst", zstd_frames(text, with_table=False))
    add("csv/seekable.csv.zst", zstd_frames(text, with_table=True))
    (folder / "csv/pieces").mkdir(exist_ok=True)
    for part in range(3):
        (folder / f"csv/pieces/part-{part}.csv").write_text(
            csv_text(table.slice(part * 1_000, 1_000)), newline="")
    add("csv/pieces", inputs=["csv/pieces/part-*.csv"])
    add("csv-hive", in_order=False, arguments=["--hive-partitioning"],
        write=lambda path: write_hive(table, path, "csv"))
    lines = jsonl_text(table).encode()
    add("jsonl/flights.jsonl", lines)
    add("jsonl/flights.jsonl.gz", gzip.compress(lines, mtime=0))
    add("jsonl/blocks.jsonl.gz", bgzf(lines))
    add("jsonl/frames.jsonl.zst", zstd_frames(lines, with_table=False))
    add("jsonl/seekable.jsonl.zst", zstd_frames(lines, with_table=True))
    # Other names for them, in small and large letters.
    add("csv/FLIGHTS.CSV", text)
    add("jsonl/flights.ndjson", lines)
    add("jsonl/FLIGHTS.JSON", lines)
    for compression in ("zstd", "snappy", "gzip", "lz4", "brotli", "none"):
        add(f"parquet/{compression}.parquet", write=lambda path, c=compression:
            pyarrow.parquet.write_table(table, path, compression=c, row_group_size=GROUP_ROWS))
    add("parquet/version-2-pages.parquet", write=lambda path: pyarrow.parquet.write_table(
        table, path, data_page_version="2.0", use_dictionary=False, row_group_size=GROUP_ROWS))
    add("parquet/dictionaries.parquet", write=lambda path: pyarrow.parquet.write_table(
        dictionaries(table), path, row_group_size=GROUP_ROWS))
    add("parquet/duckdb.parquet", write=lambda path: write_duckdb(table, path))
    add("parquet/polars.parquet", write=lambda path: write_polars(table, path))
    add("parquet/pandas.parquet", write=lambda path: write_pandas(table, path))
    # A folder's name does not tell what is in it.
    add("parquet-spark", arguments=["--input-format", "parquet"],
        write=lambda path: write_spark_folder(table, path))
    add("parquet-hive", in_order=False,
        arguments=["--input-format", "parquet", "--hive-partitioning"],
        write=lambda path: write_hive(table, path, "parquet"))
    for compression in ("zstd", "uncompressed"):
        add(f"orc/{compression}.orc", write=lambda path, c=compression: pyarrow.orc.write_table(
            table, str(path), compression=c, stripe_size=1 << 16, batch_size=256))
    add("arrow/flights.arrow", arrow_bytes(table, is_stream=False))
    add("arrow/zstd.arrow", arrow_bytes(table, is_stream=False, compression="zstd"))
    add("arrow/lz4.arrow", arrow_bytes(table, is_stream=False, compression="lz4"))
    add("arrow/dictionaries.arrow", arrow_bytes(
        dictionaries(table).unify_dictionaries(), is_stream=False))
    add("arrow/flights.feather", arrow_bytes(table, is_stream=False))
    add("arrow/FLIGHTS.IPC", arrow_bytes(table, is_stream=False))
    add("arrow/stream.arrows", arrow_bytes(table, is_stream=True))
    add("sql/flights.sql", sql_text(table), inputs=[], arguments=[
        "--query", "SELECT * FROM flights", "--split-column", "id"])
    entries[-1]["sql"] = "sql/flights.sql"
    return entries
