"""Writes a CSV table in formats that are cut into many pieces, for the tests of replay.

Usage: replay_inputs.py TABLE.csv FOLDER

Uses pyarrow 26.0.1; the same table gives the same files.
"""

import struct
import sys
import zlib
from pathlib import Path

import pyarrow
import pyarrow.csv
import pyarrow.feather
import pyarrow.ipc
import pyarrow.orc
import pyarrow.parquet

PIECE = 30_000
ROWS = 500


def blocked_gzip(text):
    """BGZF (SAM specification, 4.1): members that tell their size, an empty one at the end."""
    blocks = []
    for start in list(range(0, len(text), PIECE)) + [len(text)]:
        part = text[start : start + PIECE]
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        body = packer.compress(part) + packer.flush()
        head = struct.pack("<4BI2BH2BHH", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(body) + 25)
        blocks.append(head + body + struct.pack("<II", zlib.crc32(part), len(part)))
    return b"".join(blocks)


def frames(text):
    codec = pyarrow.Codec("zstd")
    parts = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    return b"".join(codec.compress(part, asbytes=True) for part in parts)


def main():
    text = Path(sys.argv[1]).read_bytes()
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.csv").write_bytes(text)
    (folder / "table.csv.gz").write_bytes(blocked_gzip(text))
    (folder / "table.csv.zst").write_bytes(frames(text))
    table = pyarrow.csv.read_csv(
        pyarrow.BufferReader(text),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True),
    ).combine_chunks()
    pyarrow.parquet.write_table(table, folder / "table.parquet", row_group_size=ROWS)
    pyarrow.parquet.write_table(
        table.sort_by("distance"), folder / "sorted.parquet", row_group_size=ROWS
    )
    pyarrow.orc.write_table(table, folder / "table.orc", stripe_size=64 << 10, batch_size=ROWS)
    with pyarrow.ipc.new_file(folder / "table.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=ROWS)


main()
