"""Copies of a published folder that differ from it in one place: FOLDER-flip, -swap, -drop, -repeat
and the same with -forged, where the receipt has the changed files' digests and sizes.

Written for pyarrow 26.0.1. The changes are made to rows 40 and 41 of the first results file.
"""

import hashlib
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROW = 40


def frames(data):
    """The stored bytes and the text of the frames of a file that ends with a seek table."""
    count, _, magic = struct.unpack("<IBI", data[-9:])
    assert magic == 0x8F92EAB1
    table = data[-9 - 8 * count : -9]
    all_frames, place = [], 0
    for stored, raw in struct.iter_unpack("<II", table):
        frame = data[place : place + stored]
        text = pa.decompress(frame, decompressed_size=raw, codec="zstd", asbytes=True)
        all_frames.append((frame, text))
        place += stored
    return all_frames


def packed(text):
    """One frame, with a checksum, which pyarrow's have not."""
    return subprocess.run(["zstd", "-q", "-c"], input=text, capture_output=True, check=True).stdout


def with_seek_table(all_frames):
    body, table = b"", b""
    for frame, text in all_frames:
        body += frame
        table += struct.pack("<II", len(frame), len(text))
    table += struct.pack("<IBI", len(all_frames), 0, 0x8F92EAB1)
    return body + struct.pack("<II", 0x184D2A5E, len(table)) + table


def changed_rows(rows, change, flip):
    rows = list(rows)
    if change == "flip":
        rows[ROW] = flip(rows[ROW])
    elif change == "swap":
        rows[ROW], rows[ROW + 1] = rows[ROW + 1], rows[ROW]
    elif change == "drop":
        del rows[ROW]
    else:
        rows.insert(ROW, rows[ROW])
    return rows


def flip_digit(line):
    """Another last digit of the prediction."""
    place = max(line.rfind(digit) for digit in b"0123456789")
    digit = b"1" if line[place : place + 1] == b"2" else b"2"
    return line[:place] + digit + line[place + 1 :]


def changed_text(text, change):
    return b"".join(changed_rows(text.splitlines(keepends=True), change, flip_digit))


def changed_table(table, change):
    def flip(row):
        bits = struct.unpack("<q", struct.pack("<d", row["prediction"]))[0] ^ 1
        return {**row, "prediction": struct.unpack("<d", struct.pack("<q", bits))[0]}

    rows = changed_rows(table.to_pylist(), change, flip)
    return pa.Table.from_pylist(rows, schema=table.schema)


def change_file(path, change):
    if path.suffix == ".parquet":
        table = changed_table(pq.read_table(path), change)
        pq.write_table(table, path, row_group_size=1000, store_schema=False)
    elif path.suffix == ".arrow":
        table = changed_table(pa.ipc.open_file(path).read_all(), change)
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=1000)
    elif path.suffix == ".zst":
        all_frames = frames(path.read_bytes())
        # A frame of CSV may be the header alone.
        place = next(i for i, (_, text) in enumerate(all_frames) if text.count(b"\n") > ROW + 1)
        text = changed_text(all_frames[place][1], change)
        all_frames[place] = (packed(text), text)
        path.write_bytes(with_seek_table(all_frames))
    else:
        path.write_bytes(changed_text(path.read_bytes(), change))


def forge(folder, path):
    data = path.read_bytes()
    receipt = folder / "receipt.json"
    text = receipt.read_text()
    line = re.search(r'\{"name": "%s", .*?\}' % re.escape(path.name), text).group(0)
    forged = re.sub(r'"byteCount": \d+', '"byteCount": %d' % len(data), line)
    digest = hashlib.sha256(data).hexdigest()
    forged = re.sub(r'"sha256": "\w+"', '"sha256": "%s"' % digest, forged)
    receipt.write_text(text.replace(line, forged))
    digest = hashlib.sha256(receipt.read_bytes()).hexdigest()
    (folder / "_SUCCESS").write_text(f"{digest}  receipt.json\n")


def main():
    folder = Path(sys.argv[1])
    for change in ["flip", "swap", "drop", "repeat"]:
        for is_forged in [False, True]:
            copy = Path(f"{folder}-{change}" + ("-forged" if is_forged else ""))
            shutil.copytree(folder, copy)
            path = sorted(copy.glob("prediction.results-*"))[0]
            change_file(path, change)
            if is_forged:
                forge(copy, path)


main()
