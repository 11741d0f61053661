"""The rows that the kernel benchmark scores and trains on, as row-major float32 .npy files.

`physics` is made from seeds, `flights` are real rows, `noise` feeds the small network. Rows that
are scored come from other seeds than rows that are trained on. A file is made once for each length;
the first rows of a longer file are those of a shorter one.
"""

import os
import pathlib
import subprocess
import sys

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SEED = 20130101
BLOCK_ROWS = 1 << 16
# Blocks from here on are trained on, those before it are scored.
FIRST_TRAINING_BLOCK = 1 << 20
PHYSICS_FEATURES = 28
FLIGHTS_ROWS = 336_776
TOPK_ITEMS, TOPK_FACTORS = 50_000, 64


def save(path, array):
    """Writes an .npy file whole or not at all."""
    scratch = path.with_name(path.name + ".part")
    with open(scratch, "wb") as file:
        numpy.save(file, array)
    os.replace(scratch, path)


# Physics


def physics_block(block):
    """65,536 rows shaped like the HIGGS table: 12 bell-shaped, 8 heavy-tailed, 8 few-valued."""
    generator = numpy.random.default_rng([SEED, block])
    rows = numpy.empty((BLOCK_ROWS, PHYSICS_FEATURES), numpy.float32)
    bells = generator.normal(size=(BLOCK_ROWS, 12))
    bells[:, 6:] += 0.5 * bells[:, :6]
    rows[:, :12] = bells
    rows[:, 12:16] = generator.lognormal(sigma=[0.5, 0.8, 1.2, 2.0], size=(BLOCK_ROWS, 4))
    rows[:, 16:18] = generator.standard_cauchy(size=(BLOCK_ROWS, 2))
    rows[:, 18:20] = generator.exponential(size=(BLOCK_ROWS, 2)) + numpy.abs(bells[:, :2])
    tags = numpy.array([0, 1.0865, 2.1731, 3.2596], numpy.float32)
    rows[:, 20:23] = tags[generator.choice(4, p=[0.5, 0.25, 0.15, 0.1], size=(BLOCK_ROWS, 3))]
    rows[:, 23:26] = generator.integers(0, [4, 10, 60], size=(BLOCK_ROWS, 3))
    rows[:, 26:] = generator.random((BLOCK_ROWS, 2)) < [0.5, 0.05]
    return rows


def physics(count, first_block=0):
    blocks = range(first_block, first_block + -(-count // BLOCK_ROWS))
    rows = numpy.empty((len(blocks) * BLOCK_ROWS, PHYSICS_FEATURES), numpy.float32)
    for index, block in enumerate(blocks):
        rows[index * BLOCK_ROWS:(index + 1) * BLOCK_ROWS] = physics_block(block)
    return rows[:count]


def physics_training(count):
    """Rows and labels 0 and 1, about half of them 1, that depend on all columns."""
    rows = physics(count, FIRST_TRAINING_BLOCK)
    generator = numpy.random.default_rng([SEED, 7])
    columns = rows.astype(float)
    tails = numpy.arctan(columns[:, 12:20])
    score = columns[:, 0] * columns[:, 1] + numpy.abs(columns[:, 2]) - columns[:, 3]
    score += numpy.sin(2 * columns[:, 4]) * tails[:, 0] * 2 + tails[:, 4] * columns[:, 5]
    score += tails @ generator.normal(size=8) + columns[:, 6:12] @ generator.normal(size=6) / 3
    score += (columns[:, 20] > 1) * columns[:, 7] + (columns[:, 23] == 2) - columns[:, 26] / 2
    score += numpy.cos(columns[:, 25] / 5) * columns[:, 8] + columns[:, 24] / 10
    score += generator.logistic(size=count) / 2
    return rows, (score > numpy.median(score)).astype(int)


# Flights


def flights_table(folder):
    """All flights as numbers, and their delays: missing values NaN, codes in alphabetical order."""
    path = folder / "flights-table.npz"
    if not path.exists():
        subprocess.run([ROOT / "bench/flights/prepare", folder], check=True, stdout=sys.stderr)
        sys.path.insert(0, str(ROOT / "bench/flights"))
        from table import CATEGORICAL, FEATURES, read_flights
        table = read_flights(folder / "flights.csv")
        for name in CATEGORICAL:
            codes = table[name].astype(object)
            table[name] = codes.astype("category").cat.codes.astype(float).replace(-1.0, numpy.nan)
        categorical = [FEATURES.index(name) for name in CATEGORICAL]
        numpy.savez(path, rows=table[FEATURES].to_numpy(numpy.float32), categorical=categorical,
                    delays=table["arr_delay"].to_numpy(float))
    return numpy.load(path)


def flights(folder, count):
    """All flights, and beyond that all of them again, each time in another order."""
    rows = flights_table(folder)["rows"]
    orders = [numpy.random.default_rng([SEED, turn]).permutation(len(rows))
              for turn in range(-(-count // len(rows)))]
    return rows[numpy.concatenate(orders)[:count]]


def flights_training(folder, count):
    """Some flights, whether they were over 15 minutes late or never came, and the code columns.

    Those that never left have no departure, so that the model learns where missing values go.
    """
    table = flights_table(folder)
    generator = numpy.random.default_rng([SEED, 15])
    chosen = numpy.sort(generator.choice(len(table["rows"]), count, replace=False))
    late = ~(table["delays"][chosen] <= 15)
    return table["rows"][chosen], late.astype(int), table["categorical"]


# Files


def noise(count):
    return numpy.random.default_rng([SEED, 28]).standard_normal((count, 28), numpy.float32)


def factors(count, seed):
    generator = numpy.random.default_rng([SEED, seed])
    rows = generator.standard_normal((count, TOPK_FACTORS), numpy.float32)
    return rows * generator.gamma(2, size=(count, 1)).astype(numpy.float32) / 8


def prepare(folder, name, count):
    """The path of a file with so many rows of a table, made if it is not there."""
    path = folder / f"{name}-{count}.npy"
    if not path.exists():
        make = {"physics": lambda: physics(count), "flights": lambda: flights(folder, count),
                "noise": lambda: noise(count), "users": lambda: factors(count, 50),
                "items": lambda: factors(count, 10)}
        print(f"making {path.name}", file=sys.stderr, flush=True)
        save(path, numpy.ascontiguousarray(make[name](), numpy.float32))
    return path
