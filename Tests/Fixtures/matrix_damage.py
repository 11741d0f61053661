"""Input that must be refused, or read but for some records; see format_matrix.py."""

import gzip
import io
import json

import numpy
import pyarrow
import pyarrow.parquet

import matrix_formats as formats

ROWS = 400
FLIPS, CUTS = 24, 12
BOMB_BYTES, TEXT_BOMB_BYTES = 1 << 30, 200 << 20
SEED = 4


def make_all(folder, table):
    folder.mkdir(parents=True, exist_ok=True)
    damage = Damage(folder, table.slice(0, ROWS))
    damage.text()
    damage.json_lines()
    damage.compressed()
    damage.columns()
    damage.names_and_schemas()
    (folder / "damage.json").write_text(json.dumps(damage.entries, indent=1) + "\n")
    print(f"{len(damage.entries)} damaged inputs in {folder}")


class Damage:
    def __init__(self, folder, table):
        self.folder, self.table, self.entries = folder, table, []
        self.csv = formats.csv_text(table).encode()
        self.jsonl = formats.jsonl_text(table).encode()
        # Lines of the first records, of which none goes over several.
        self.lines = formats.csv_text(table.slice(0, 7)).encode().splitlines(keepends=True)

    def add(self, name, content, expect, *, others=(), arguments=(), **counts):
        """One input; `others` are further files of it, by name."""
        for path, bytes_ in [(name, content), *others]:
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(bytes_)
        self.entries.append({"name": name, "inputs": [name, *(path for path, _ in others)],
                             "arguments": list(arguments), "expect": expect, **counts})

    def rows(self, name, content, ok, errors, **options):
        self.add(name, content, "rows" if errors else "readable", ok=ok, errors=errors, **options)

    def changed(self, row, change):
        """Seven records, of which one's line (from 1) is changed."""
        return b"".join(change(line) if place == row else line
                        for place, line in enumerate(self.lines))

    # Text

    def text(self):
        columns = self.lines[0].decode().rstrip("\n").split(",")
        self.rows("csv/ragged.csv", self.changed(3, lambda line: line[:-1] + b",more\n"), 6, 1)
        self.rows("csv/short.csv", self.changed(3, lambda line: line[:20] + b"\n"), 6, 1)
        self.add("csv/nuls.csv", self.changed(3, lambda line: line.replace(b"N", b"\0", 1)),
                 "survives")
        self.rows("csv/invalid-utf8.csv",
                  self.changed(3, lambda line: line.replace(b",N", b",\xff\xfe", 1)), 6, 1)
        self.rows("csv/latin-1.csv",
                  self.changed(3, lambda line: line.replace(b",N", b",\xd1", 1)), 6, 1)
        self.rows("csv/open-quote.csv",
                  self.changed(3, lambda line: line.replace(b",N", b',"N', 1)), 2, 1)
        self.rows("csv/after-quote.csv",
                  self.changed(3, lambda line: line.replace(b",N", b',"N"x', 1)), 6, 1)
        self.rows("csv/not-a-number.csv",
                  self.changed(3, lambda line: line.replace(b"2013,", b"2013,x", 1)), 6, 1)
        self.rows("csv/not-a-number-null.csv",
                  self.changed(3, lambda line: line.replace(b"2013,", b"2013,x", 1)), 7, 0,
                  arguments=["--on-parse-error", "null"])
        self.rows("csv/long-line.csv", self.changed(
            3, lambda line: line.replace(b",N", b"," + b"N" * (17 << 20), 1)), 6, 1)
        self.rows("csv/header-alone.csv", self.lines[0], 0, 0)
        self.add("csv/empty.csv", b"", "refused")
        self.add("csv/utf-16.csv", self.csv.decode().encode("utf-16"), "refused")
        again = ["id", *columns[1:-1], columns[1]]
        self.add("csv/names-twice.csv",
                 ",".join(again).encode() + b"\n" + b"".join(self.lines[1:]), "refused")
        self.rows("csv/name-empty.csv", self.csv.replace(b",tailnum,", b",,", 1), ROWS, 0)
        self.add("csv/lacks-column.csv", self.csv.replace(b",dep_delay,", b",delay,", 1),
                 "refused", isLocated=False)

    def json_lines(self):
        lines = self.jsonl.splitlines(keepends=True)[:7]

        def changed(line):
            return b"".join([*lines[:3], line, *lines[4:]])

        whole = lines[3]
        self.rows("jsonl/cut-line.jsonl", changed(whole[:40] + b"\n"), 6, 1)
        self.rows("jsonl/array.jsonl", changed(b"[1, 2, 3]\n"), 6, 1)
        self.rows("jsonl/two-on-a-line.jsonl", changed(whole[:-1] + b" {}\n"), 6, 1)
        self.rows("jsonl/deep.jsonl", changed(
            b'{"id": 3, "tailnum": ' + b"[" * 20_000 + b"]" * 20_000 + b"}\n"), 6, 1)
        self.rows("jsonl/wrong-type.jsonl", changed(
            whole.replace(b'"month": ', b'"month": "x", "m": ', 1)), 6, 1)
        self.rows("jsonl/invalid-utf8.jsonl", changed(
            whole.replace(b'"tailnum": "', b'"tailnum": "\xff', 1)), 6, 1)
        self.rows("jsonl/control.jsonl", changed(
            whole.replace(b'"tailnum": "', b'"tailnum": "\x01', 1)), 6, 1)
        self.add("jsonl/key-twice.jsonl", changed(whole[:-2] + b', "month": 7}\n'), "survives")
        self.add("jsonl/huge-number.jsonl", changed(
            whole.replace(b'"flight": ', b'"flight": 1e999, "f": ', 1)), "survives")
        self.rows("jsonl/blank-lines.jsonl", changed(b"\n \n" + whole), 7, 0)
        self.rows("jsonl/last-line-open.jsonl", b"".join(lines)[:-1], 7, 0)
        self.rows("jsonl/long-line.jsonl", changed(
            whole.replace(b'"tailnum": "', b'"tailnum": "' + b"N" * (17 << 20), 1)), 6, 1)
        self.add("jsonl/not-json.jsonl", self.csv, "refused")

    def compressed(self):
        packed, zstd = gzip.compress(self.csv, mtime=0), formats.frame(self.csv)
        frames = formats.zstd_frames(self.csv, with_table=False)
        self.add("csv/cut.csv.gz", packed[:len(packed) // 2], "refused")
        self.add("csv/flipped.csv.gz", flipped(packed, len(packed) // 2), "refused")
        self.add("csv/cut-blocks.csv.gz", formats.bgzf(self.csv)[:-40], "refused")
        self.add("csv/cut.csv.zst", zstd[:len(zstd) // 2], "refused")
        self.add("csv/flipped.csv.zst", flipped(zstd, 2), "refused")
        self.add("csv/cut-frames.csv.zst", frames[:-9], "refused")
        self.add("csv/rubbish-after.csv.zst", zstd + b"rubbish", "refused")
        self.rows("csv/wrong-table.csv.zst", wrong_seek_table(
            formats.zstd_frames(self.csv, with_table=True)), ROWS, 0)
        self.rows("csv/bomb.csv.zst", bomb(self.lines, "zstd"), 6, 1)
        self.rows("csv/bomb.csv.gz", bomb(self.lines, "gzip"), 6, 1)

    # Columns

    def columns(self):
        out = io.BytesIO()
        pyarrow.parquet.write_table(self.table, out, row_group_size=100, compression="zstd",
                                    write_page_checksum=True)
        whole = out.getvalue()
        generator = numpy.random.default_rng(SEED)
        for cut in sorted(generator.integers(0, len(whole), size=CUTS).tolist()):
            self.add(f"parquet/cut-at-{cut:06d}.parquet", whole[:cut], "refused")
        for place in sorted(generator.integers(0, len(whole), size=FLIPS).tolist()):
            self.add(f"parquet/flipped-at-{place:06d}.parquet",
                     flipped(whole, place, 1 << int(generator.integers(8))), "survives")
        self.add("parquet/footer-too-long.parquet", whole[:-8] + b"\xff\xff\xff\x7fPAR1", "refused")
        self.add("parquet/encrypted.parquet", whole[:-4] + b"PARE", "refused")
        self.add("parquet/mark-alone.parquet", b"PAR1PAR1", "refused")
        self.add("parquet/wrong-type.parquet", parquet(self.table.set_column(
            self.table.schema.get_field_index("month"), "month",
            self.table["month"].cast("string"))), "readable")
        self.add("parquet/lacks-column.parquet", parquet(self.table.drop(["dep_delay"])),
                 "refused", isLocated=False)
        lists = pyarrow.array([[row] * (row % 3) for row in range(ROWS)])
        self.rows("parquet/list-beside.parquet", parquet(self.table.append_column("lists", lists)),
                  ROWS, 0, arguments=["--key-field", "id"])
        self.add("parquet/list-needed.parquet", parquet(self.table.set_column(
            self.table.schema.get_field_index("month"), "month", lists)), "refused")
        twice = [*self.table.column_names[:-1], "year"]
        self.add("parquet/names-twice.parquet", parquet(self.table.rename_columns(twice)),
                 "refused")
        self.add("parquet/bomb.parquet", parquet_bomb(self.table.slice(0, 7)), "survives")
        self.rows("parquet/no-rows.parquet", parquet(self.table.slice(0, 0)), 0, 0)
        arrow = formats.arrow_bytes(self.table, is_stream=False)
        orc = orc_bytes(self.table)
        for name, content in (("arrow/flights.arrow", arrow), ("orc/flights.orc", orc)):
            stem, _, suffix = name.partition(".")
            for share in (0.02, 0.5, 0.97):
                cut = int(len(content) * share)
                self.add(f"{stem}-cut-at-{cut:06d}.{suffix}", content[:cut], "refused")
            for place in sorted(generator.integers(0, len(content), size=FLIPS // 3).tolist()):
                self.add(f"{stem}-flipped-at-{place:06d}.{suffix}", flipped(content, place),
                         "survives")

    def names_and_schemas(self):
        whole = parquet(self.table)
        self.add("names/parquet.csv", whole, "refused")
        self.add("names/csv.parquet", self.csv, "refused")
        self.add("names/csv.jsonl", self.csv, "refused")
        self.add("names/gzip.csv", gzip.compress(self.csv, mtime=0), "refused")
        self.add("names/zstd.csv.gz", formats.frame(self.csv), "refused")
        self.add("names/plain.csv.zst", self.csv, "refused")
        self.add("names/arrow.orc", formats.arrow_bytes(self.table, is_stream=False), "refused")
        swapped = self.table.select([*self.table.column_names[1:], "id"])
        self.add("schemas/a.csv", self.csv, "refused",
                 others=[("schemas/b.csv", formats.csv_text(swapped).encode())])
        retyped = self.table.set_column(
            self.table.schema.get_field_index("distance"), "distance",
            self.table["distance"].cast("string"))
        self.add("schemas/a.parquet", whole, "refused", others=[
            ("schemas/b.parquet", parquet(retyped))])
        self.add("schemas/c.parquet", whole, "refused", others=[
            ("schemas/d.parquet", parquet(self.table.drop(["minute"])))])
        self.add("schemas/e.parquet", whole, "refused", others=[("schemas/f.csv", self.csv)])


def parquet(table):
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out, row_group_size=100)
    return out.getvalue()


def parquet_bomb(table):
    """Seven records, of which one has a text of many MiB that takes next to nothing packed."""
    names = table["tailnum"].to_pylist()
    names[3] = "N" * TEXT_BOMB_BYTES
    place = table.schema.get_field_index("tailnum")
    out = io.BytesIO()
    pyarrow.parquet.write_table(table.set_column(place, "tailnum", pyarrow.array(names)), out,
                                compression="zstd", write_statistics=False)
    return out.getvalue()


def orc_bytes(table):
    out = pyarrow.BufferOutputStream()
    pyarrow.orc.write_table(table, out, compression="zstd", stripe_size=1 << 14, batch_size=100)
    return out.getvalue().to_pybytes()


def flipped(content, place, mask=0x10):
    changed = bytearray(content)
    changed[place] ^= mask
    return bytes(changed)


def wrong_seek_table(content):
    """A table that tells of frames which are not there."""
    return content[:-17] + bytes(8) + content[-9:]


def bomb(lines, codec):
    """Seven records, one of them a line of 1 GiB that takes some hundred KB in all."""
    out = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(out, codec) as stream:
        stream.write(b"".join(lines[:3]))
        for _ in range(BOMB_BYTES >> 24):
            stream.write(b"0" * (1 << 24))
        stream.write(b"\n" + b"".join(lines[4:]))
    return out.getvalue().to_pybytes()
