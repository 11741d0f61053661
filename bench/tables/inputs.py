"""The tables that bench/tables reads and scores, made once from seeds and kept in the folder.

`numbers` has the 28 columns of the kernel benchmark's physics rows as the shortest digits of their
float32; `scoring` has a column `id` before them; `orders` has numbers, codes, names, times and
comments, of which some need quotes, contain quotes, or go over two lines. A table comes in whole
blocks of 65,536 rows, so that the first rows of a larger one are those of a smaller one.
"""

import os
import pathlib
import subprocess
import sys
import time

import numpy

KERNELS = pathlib.Path(__file__).resolve().parent.parent / "kernels"
sys.path.append(str(KERNELS))

import models  # noqa: E402  (of bench/kernels)
import tables  # noqa: E402  (of bench/kernels)

BLOCK_ROWS = tables.BLOCK_ROWS
FEATURES = [f"f{index}" for index in range(tables.PHYSICS_FEATURES)]
GROUP_ROWS = 2 * BLOCK_ROWS  # of a Parquet file: 14 MB of float32
# Blocks of each table at scale 1: files of about 0.5 GB, but where scoring is what takes long.
BLOCKS = {"numbers": 32, "scoring": 32, "orders": 40}

ORDER_COLUMNS = ["id", "placed", "country", "city", "customer", "email", "product", "quantity",
                 "price", "discount", "weight", "rating", "channel", "gift", "comment", "score"]

LIGHTGBM, XGBOOST = "scoring-lightgbm-100x31.txt", "scoring-xgboost-500x6.json"


def block_count(table, scale):
    return max(1, round(BLOCKS[table] * scale))


# Rows


def numbers_block(block):
    import polars
    rows = tables.physics_block(block)
    return polars.DataFrame({name: rows[:, index] for index, name in enumerate(FEATURES)})


def scoring_block(block):
    import polars
    first = block * BLOCK_ROWS
    ids = polars.Series("id", numpy.arange(first, first + BLOCK_ROWS))
    return numbers_block(block).insert_column(0, ids)


def words(generator, count, alphabet="abcdefghijklmnopqrstuvwxyz"):
    letters = numpy.array(list(alphabet))
    return ["".join(letters[generator.integers(len(letters), size=size)])
            for size in generator.integers(3, 10, size=count)]


class Pools:
    """The texts that orders are put together from, the same for every block."""

    def __init__(self):
        generator = numpy.random.default_rng([tables.SEED, 4])
        lexicon = words(generator, 600)
        names = [word.capitalize() for word in words(generator, 400)]
        self.country = [a + b for a in "ABCDEFGH" for b in "KLMNT"]
        self.city = [name if index % 4 else f"{name}, {names[index + 1][:2].upper()}"
                     for index, name in enumerate(names[:200])]
        self.customer = [self.name(names, *choice) for choice in
                         generator.integers(len(names) - 1, size=(5_000, 2)).tolist()]
        self.product = [f"SKU-{number:06d}" for number in
                        generator.choice(1_000_000, 300, replace=False)]
        self.channel = ["web", "app", "store", "phone", "partner"]
        self.comment = [self.sentence(lexicon, generator, index) for index in range(20_000)]

    @staticmethod
    def name(names, first, last):
        if (first + last) % 10 == 0:
            return f'{names[first]} "{names[first + 1][:3]}" {names[last]}'
        return f"{names[first]} {names[last]}"

    @staticmethod
    def sentence(lexicon, generator, index):
        """Three of ten are empty; of the rest half need quotes, some for a quote or a new line."""
        if index % 10 < 3:
            return None
        chosen = [lexicon[place] for place in generator.integers(len(lexicon), size=index % 9 + 4)]
        if index % 2:
            return " ".join(chosen)
        if index % 100 == 50:
            return " ".join(chosen[:3]) + "\n" + " ".join(chosen[3:])
        text = ", ".join([" ".join(chosen[:3]), " ".join(chosen[3:])])
        return f'they said "{text}"' if index % 20 == 6 else text


def orders_block(block, pools):
    import polars
    generator = numpy.random.default_rng([tables.SEED, 4, block])

    def pick(pool, skew=1.0):
        place = (generator.random(BLOCK_ROWS) ** skew * len(pool)).astype(numpy.int64)
        return polars.Series(pool).gather(place)

    def some(values, share):
        missing = polars.Series(generator.random(BLOCK_ROWS) < share)
        return polars.select(polars.when(missing).then(None).otherwise(
            polars.Series(values))).to_series()

    first = block * BLOCK_ROWS
    ids = numpy.arange(first, first + BLOCK_ROWS)
    seconds = numpy.datetime64("2026-03-01T00:00:00") + (ids * 3 + generator.integers(
        3, size=BLOCK_ROWS)).astype("timedelta64[s]")
    customer = pick(pools.customer)
    return polars.DataFrame({
        "id": ids,
        "placed": polars.Series(seconds.astype("datetime64[ms]")).dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "country": pick(pools.country, 3), "city": pick(pools.city, 2), "customer": customer,
        "email": "u" + polars.Series(generator.integers(10**7, size=BLOCK_ROWS)).cast(
            polars.String) + "@mail.example",
        "product": pick(pools.product, 2),
        "quantity": generator.geometric(0.4, size=BLOCK_ROWS),
        "price": numpy.round(generator.lognormal(3, 1, size=BLOCK_ROWS), 2),
        "discount": some(numpy.round(generator.random(BLOCK_ROWS) / 2, 2), 0.3),
        "weight": generator.exponential(size=BLOCK_ROWS).astype(numpy.float32),
        "rating": some(generator.integers(1, 6, size=BLOCK_ROWS), 0.5),
        "channel": pick(pools.channel),
        "gift": (generator.random(BLOCK_ROWS) < 0.1).astype(numpy.int64),
        "comment": pick(pools.comment),
        "score": generator.normal(size=BLOCK_ROWS),
    }).select(ORDER_COLUMNS)


def blocks(table, scale):
    """The blocks of a table as Polars frames."""
    count = block_count(table, scale)
    if table == "orders":
        pools = Pools()
        return (orders_block(block, pools) for block in range(count))
    make = {"numbers": numbers_block, "scoring": scoring_block}[table]
    return (make(block) for block in range(count))


# Files


def write_text(frames, path, form):
    with open(path, "wb") as out:
        for index, frame in enumerate(frames):
            if form == "jsonl":
                frame.write_ndjson(out)
            else:
                frame.write_csv(out, include_header=index == 0, quote_style="necessary")
        out.flush()
        # Without this the kernel would be writing while something is measured.
        os.fsync(out.fileno())


def write_parquet(frames, path, compression):
    import pyarrow
    import pyarrow.parquet
    writer, held = None, []
    for frame in frames:
        arrow = frame.to_arrow(compat_level=None)
        schema = pyarrow.schema([
            (field.name, pyarrow.string() if pyarrow.types.is_large_string(field.type)
             or pyarrow.types.is_string_view(field.type) else field.type)
            for field in arrow.schema])
        writer = writer or pyarrow.parquet.ParquetWriter(path, schema, compression=compression)
        held.append(arrow.cast(schema))
        if len(held) * BLOCK_ROWS == GROUP_ROWS:
            writer.write_table(pyarrow.concat_tables(held), row_group_size=GROUP_ROWS)
            held = []
    if held:
        writer.write_table(pyarrow.concat_tables(held), row_group_size=GROUP_ROWS)
    writer.close()


def prepare(folder, table, form, scale):
    """The path of a table in a form: csv, jsonl, or the compression of a Parquet file."""
    count = block_count(table, scale) * BLOCK_ROWS
    suffix = form if form in ("csv", "jsonl") else f"{form}.parquet"
    path = folder / f"{table}-{count}.{suffix}"
    if path.exists():
        return path
    print(f"making {path.name}", file=sys.stderr, flush=True)
    started = time.perf_counter()
    scratch = path.with_name(path.name + ".part")
    if form in ("csv", "jsonl"):
        write_text(blocks(table, scale), scratch, form)
    else:
        write_parquet(blocks(table, scale), scratch, form)
    os.replace(scratch, path)
    print(f"made {path.name}, {path.stat().st_size / 1e6:,.0f} MB, in "
          f"{time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return path


def train_lightgbm(path):
    import pandas
    rows, labels = tables.physics_training(100_000)
    models.lightgbm_model(pandas.DataFrame(rows, columns=FEATURES), labels, trees=100,
                          leaves=31).save_model(path)


def train_xgboost(path):
    import pandas
    import xgboost
    rows, labels = tables.physics_training(100_000)
    data = xgboost.QuantileDMatrix(pandas.DataFrame(rows, columns=FEATURES), labels)
    xgboost.train({"objective": "binary:logistic", "tree_method": "hist", "eta": 0.1,
                   "max_depth": 6, "seed": tables.SEED, "nthread": models.THREADS},
                  data, 500).save_model(path)


def model(folder, name):
    """The path of a model of the scoring table's features, trained if it is not there."""
    path = folder / name
    if not path.exists():
        print(f"training {name}", file=sys.stderr, flush=True)
        {LIGHTGBM: train_lightgbm, XGBOOST: train_xgboost}[name](path)
    return path


def compiled(folder, name):
    """A LightGBM model compiled by lleaves, kept beside it."""
    import lleaves
    path = model(folder, name)
    cache = path.with_suffix(".lleaves")
    if not cache.exists():
        lleaves.Model(model_file=path).compile(cache=cache)
    return cache


def in_page_cache(path):
    """Reads a file once, so that all who are measured find it in memory."""
    with open(path, "rb", buffering=0) as file:
        while file.read(8 << 20):
            pass


def program(folder, name, command):
    """The path of a small C++ program of this folder, built if its source is newer."""
    source = pathlib.Path(__file__).resolve().parent / name
    target = folder / source.stem
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        subprocess.run([*command, source, "-o", target, "-lsimdjson"], check=True,
                       stdout=sys.stderr)
    return target
