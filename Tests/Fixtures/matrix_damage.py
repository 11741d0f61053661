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
BOMB_BYTES, GZIP_BOMB_BYTES, TEXT_BOMB_BYTES = 1 << 30, 256 << 20, 200 << 20
BATCH_BYTES = 600 << 20
# Most memory, in MiB, that a run may take where something is large.
MEMORY = 256
SEED = 4


def make_all(folder, table, score):
    """`score` gives the predictions of a table's rows."""
    folder.mkdir(parents=True, exist_ok=True)
    damage = Damage(folder, table.slice(0, ROWS), score)
    damage.text()
    damage.json_lines()
    damage.compressed()
    damage.columns()
    damage.names_and_schemas()
    (folder / "damage.json").write_text(json.dumps(damage.entries, indent=1) + "\n")
    print(f"{len(damage.entries)} damaged inputs in {folder}")


class Damage:
    def __init__(self, folder, table, score):
        self.folder, self.table, self.entries = folder, table, []
        self.score = score
        self.whole = self.predictions(table)
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

    def predictions(self, table):
        """What is to be published of a table: key and prediction of each row, in order."""
        return [list(pair) for pair in zip(table["id"].to_pylist(), self.score(table))]

    def rows(self, name, content, ok, errors, *, without=(), predictions=None, **options):
        """The first `ok` records but for those `without`, and the error records."""
        if predictions is None:
            predictions = [pair for pair in self.whole if pair[0] not in without][:ok]
        assert len(predictions) == ok, name
        self.add(name, content, "rows" if errors else "readable", predictions=predictions,
                 errors=errors, **options)

    def error(self, code, row, before):
        """An error record; `before` are the lines in front of it, the header among them."""
        return [{"code": code, "row": row, "offset": sum(map(len, before))}]

    def third(self, name, change, code, **options):
        """Seven records whose third is changed and an error."""
        self.rows(name, self.changed(3, change), 6, self.error(code, 3, self.lines[:3]),
                  without=[2], **options)

    def altered(self, row, **values):
        """The predictions of the first seven records where one, from 0, has other values."""
        table = self.table.slice(0, 7)
        for name, value in values.items():
            place = table.schema.get_field_index(name)
            column = table[name].to_pylist()
            column[row] = value
            kind = table[name].type if value is None or isinstance(value, int) else "float64"
            table = table.set_column(place, name, pyarrow.array(column, kind))
        return self.predictions(table)

    def changed(self, row, change):
        """Seven records, of which one's line (from 1) is changed."""
        return b"".join(change(line) if place == row else line
                        for place, line in enumerate(self.lines))

    # Text

    def text(self):
        columns = self.lines[0].decode().rstrip("\n").split(",")
        self.third("csv/ragged.csv", lambda line: line[:-1] + b",more\n", "FIELD_COUNT")
        self.third("csv/short.csv", lambda line: line[:20] + b"\n", "FIELD_COUNT")
        self.third("csv/nuls.csv", lambda line: line.replace(b"N", b"\0", 1), "NOT_A_NUMBER")
        self.rows("csv/nul-in-text.csv", self.changed(
            3, lambda line: line.replace(b",N5", b",\x005", 1)), 7, [])
        self.third("csv/invalid-utf8.csv", lambda line: line.replace(b",N", b",\xff\xfe", 1),
                   "INVALID_UTF8")
        self.third("csv/latin-1.csv", lambda line: line.replace(b",N", b",\xd1", 1),
                   "INVALID_UTF8")
        self.rows("csv/open-quote.csv", self.changed(
            3, lambda line: line.replace(b",N", b',"N', 1)), 2,
            self.error("UNTERMINATED_QUOTE", 3, self.lines[:3]))
        self.third("csv/after-quote.csv", lambda line: line.replace(b",N", b',"N"x', 1),
                   "TEXT_AFTER_QUOTE")
        self.third("csv/not-a-number.csv", lambda line: line.replace(b"2013,", b"2013,x", 1),
                   "NOT_A_NUMBER")
        self.rows("csv/not-a-number-null.csv",
                  self.changed(3, lambda line: line.replace(b"2013,", b"2013,x", 1)), 7, [],
                  predictions=self.altered(2, month=None), arguments=["--on-parse-error", "null"])
        # A number beyond the doubles is infinity.
        self.rows("csv/huge-number.csv", self.changed(3, lambda line: b",".join(
            b"1e999" if place == 6 else field for place, field in enumerate(line.split(b",")))), 7,
            [], predictions=self.altered(2, dep_delay=float("inf")))
        self.third("csv/long-line.csv",
                   lambda line: line.replace(b",N", b"," + b"N" * (17 << 20), 1),
                   "RECORD_TOO_LONG", memory=MEMORY)
        self.rows("csv/header-alone.csv", self.lines[0], 0, [])
        self.add("csv/empty.csv", b"", "refused")
        self.add("csv/utf-16.csv", self.csv.decode().encode("utf-16"), "refused")
        again = ["id", *columns[1:-1], columns[1]]
        self.add("csv/names-twice.csv",
                 ",".join(again).encode() + b"\n" + b"".join(self.lines[1:]), "refused")
        self.rows("csv/name-empty.csv", self.csv.replace(b",tailnum,", b",,", 1), ROWS, [])
        self.add("csv/lacks-column.csv", self.csv.replace(b",dep_delay,", b",delay,", 1),
                 "refused", isLocated=False)

    def json_lines(self):
        lines = self.jsonl.splitlines(keepends=True)[:7]

        def changed(line):
            return b"".join([*lines[:3], line, *lines[4:]])

        def fourth(name, line, code, **options):
            self.rows(name, changed(line), 6, self.error(code, 4, lines[:3]), without=[3],
                      **options)

        whole = lines[3]
        fourth("jsonl/cut-line.jsonl", whole[:40] + b"\n", "INVALID_JSON")
        fourth("jsonl/array.jsonl", b"[1, 2, 3]\n", "FIELD_COUNT")
        fourth("jsonl/two-on-a-line.jsonl", whole[:-1] + b" {}\n", "INVALID_JSON")
        fourth("jsonl/deep.jsonl",
               b'{"id": 3, "tailnum": ' + b"[" * 20_000 + b"]" * 20_000 + b"}\n", "INVALID_JSON")
        fourth("jsonl/wrong-type.jsonl",
               whole.replace(b'"month": ', b'"month": "x", "m": ', 1), "NOT_A_NUMBER")
        fourth("jsonl/invalid-utf8.jsonl",
               whole.replace(b'"tailnum": "', b'"tailnum": "\xff', 1), "INVALID_UTF8")
        fourth("jsonl/control.jsonl",
               whole.replace(b'"tailnum": "', b'"tailnum": "\x01', 1), "INVALID_JSON")
        # Of equal keys the last one counts.
        self.rows("jsonl/key-twice.jsonl", changed(whole[:-2] + b', "month": 7}\n'), 7, [],
                  predictions=self.altered(3, month=7))
        self.rows("jsonl/huge-number.jsonl", changed(
            whole.replace(b'"flight": ', b'"flight": 1e999, "f": ', 1)), 7, [],
            predictions=self.altered(3, flight=float("inf")))
        self.rows("jsonl/blank-lines.jsonl", changed(b"\n \n" + whole), 7, [])
        self.rows("jsonl/last-line-open.jsonl", b"".join(lines)[:-1], 7, [])
        fourth("jsonl/long-line.jsonl",
               whole.replace(b'"tailnum": "', b'"tailnum": "' + b"N" * (17 << 20), 1),
               "RECORD_TOO_LONG", memory=MEMORY)
        self.add("jsonl/not-json.jsonl", self.csv, "refused")

    def compressed(self):
        packed, zstd = gzip.compress(self.csv, mtime=0), formats.frame(self.csv)
        frames = formats.zstd_frames(self.csv, with_table=False)
        marked = formats.frame_with_checksum(self.csv)
        self.add("csv/cut.csv.gz", packed[:len(packed) // 2], "refused", says="breaks off at byte")
        self.add("csv/flipped.csv.gz", flipped(packed, len(packed) // 2), "refused",
                 says="in the member that begins at byte 0")
        self.add("csv/cut-blocks.csv.gz", formats.bgzf(self.csv)[:-40], "refused", says="byte")
        self.add("csv/cut.csv.zst", zstd[:len(zstd) // 2], "refused", says="breaks off at byte")
        self.add("csv/flipped.csv.zst", flipped(zstd, 2), "refused", says="zstd")
        self.rows("csv/checksum.csv.zst", marked, ROWS, [])
        self.add("csv/flipped-checksum.csv.zst", flipped_in_data(marked, len(marked) - 4),
                 "refused", says="checksum")
        self.add("csv/flipped-checksum-threshold.csv.zst",
                 flipped_in_data(marked, len(marked) - 4), "refused", says="checksum",
                 arguments=["--error-threshold", "0"])
        # Nobody can tell: what the text says now is read.
        changed = flipped_in_data(zstd, len(zstd))
        text = formats.unpacked(changed)
        same = set(self.csv.splitlines()) & set(text.splitlines())
        ids = [int(line.split(b",")[0]) for line in same if line[:1].isdigit()]
        self.add("csv/flipped-data.csv.zst", changed, "survives", isPart=True,
                 predictions=[pair for pair in self.whole if pair[0] in ids])
        self.add("csv/cut-frames.csv.zst", frames[:-9], "refused", says="breaks off at byte")
        self.add("csv/rubbish-after.csv.zst", zstd + b"rubbish", "refused", says="at byte")
        self.rows("csv/wrong-table.csv.zst", wrong_seek_table(
            formats.zstd_frames(self.csv, with_table=True)), ROWS, [])
        for name, codec, size in [("csv/bomb.csv.zst", "zstd", BOMB_BYTES),
                                  ("csv/bomb.csv.gz", "gzip", GZIP_BOMB_BYTES)]:
            self.rows(name, bomb(self.lines, codec, size), 6,
                      self.error("RECORD_TOO_LONG", 3, self.lines[:3]), without=[2], memory=MEMORY)

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
                     flipped(whole, place, 1 << int(generator.integers(8))), "survives",
                     predictions=self.whole)
        self.add("parquet/footer-too-long.parquet", whole[:-8] + b"\xff\xff\xff\x7fPAR1", "refused")
        self.add("parquet/encrypted.parquet", whole[:-4] + b"PARE", "refused")
        self.add("parquet/mark-alone.parquet", b"PAR1PAR1", "refused")
        self.add("parquet/wrong-type.parquet", parquet(self.table.set_column(
            self.table.schema.get_field_index("month"), "month",
            self.table["month"].cast("string"))), "readable", predictions=self.whole)
        self.add("parquet/lacks-column.parquet", parquet(self.table.drop(["dep_delay"])),
                 "refused", isLocated=False)
        lists = pyarrow.array([[row] * (row % 3) for row in range(ROWS)])
        self.rows("parquet/list-beside.parquet", parquet(self.table.append_column("lists", lists)),
                  ROWS, [])
        self.add("parquet/list-needed.parquet", parquet(self.table.set_column(
            self.table.schema.get_field_index("month"), "month", lists)), "refused")
        twice = [*self.table.column_names[:-1], "year"]
        self.add("parquet/names-twice.parquet", parquet(self.table.rename_columns(twice)),
                 "refused")
        unpacked = parquet_bomb(self.table.slice(0, 7))
        self.rows("parquet/bomb.parquet", unpacked, 7, [], memory=MEMORY)
        self.add("parquet/bomb-read.parquet", unpacked, "refused", memory=2 * MEMORY,
                 says="row group 0, column tailnum: decoding needs more than",
                 arguments=["--key-field", "tailnum"])
        self.rows("parquet/no-rows.parquet", parquet(self.table.slice(0, 0)), 0, [])
        self.rows("arrow/large-batch.arrow", b"", ROWS, [], memory=2 * MEMORY,
                  arguments=["--filter", "tailnum <> 'x'"])
        large_batch(self.table, self.folder / "arrow/large-batch.arrow")
        arrow = formats.arrow_bytes(self.table, is_stream=False)
        orc = orc_bytes(self.table)
        for name, content in (("arrow/flights.arrow", arrow), ("orc/flights.orc", orc)):
            stem, _, suffix = name.partition(".")
            for share in (0.02, 0.5, 0.97):
                cut = int(len(content) * share)
                self.add(f"{stem}-cut-at-{cut:06d}.{suffix}", content[:cut], "refused")
            for place in sorted(generator.integers(0, len(content), size=FLIPS // 3).tolist()):
                changed = flipped(content, place)
                self.add(f"{stem}-flipped-at-{place:06d}.{suffix}", changed, "survives",
                         predictions=self.read_by_arrow(changed, suffix))

    def read_by_arrow(self, content, suffix):
        """What PyArrow makes of it; where it refuses it, what the file was."""
        try:
            source = pyarrow.BufferReader(content)
            table = pyarrow.ipc.open_file(source).read_all() if suffix == "arrow" \
                else pyarrow.orc.read_table(source)
            table.validate(full=True)
            return self.predictions(table)
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError, KeyError):
            return self.whole

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


class SparseFile(io.FileIO):
    """Takes runs of zeros for holes."""

    def write(self, content):
        view = memoryview(content).cast("B")
        if len(view) > 1 << 16 and bytes(view).count(0) == len(view):
            self.seek(len(view), io.SEEK_CUR)
            return len(view)
        return super().write(view)


def large_batch(table, path):
    """One record batch with texts of NULs, of which the file has none."""
    place = table.schema.get_field_index("tailnum")
    texts = pyarrow.array([bytes(BATCH_BYTES // ROWS).decode()] * table.num_rows)
    table = table.set_column(place, "tailnum", texts).combine_chunks()
    with SparseFile(path, "w") as out, pyarrow.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)


def flipped_in_data(content, end):
    """One bit that unpacking does not notice, and that changes the text."""
    for place in range(end // 2, end):
        changed = flipped(content, place)
        try:
            if formats.unpacked(changed) != formats.unpacked(content):
                return changed
        except OSError:
            continue
    raise AssertionError("every bit is noticed")


def flipped(content, place, mask=0x10):
    changed = bytearray(content)
    changed[place] ^= mask
    return bytes(changed)


def wrong_seek_table(content):
    """A table that tells of frames which are not there."""
    return content[:-17] + bytes(8) + content[-9:]


def bomb(lines, codec, size):
    """Seven records, one of them a line of so many bytes that takes some hundred KB in all."""
    out = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(out, codec) as stream:
        stream.write(b"".join(lines[:3]))
        for _ in range(size >> 24):
            stream.write(b"0" * (1 << 24))
        stream.write(b"\n" + b"".join(lines[4:]))
    return out.getvalue().to_pybytes()
