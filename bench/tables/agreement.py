"""Compares what engines found: predictions row by row, and sums of columns."""

import os

import numpy

import inputs
import scorers

SUM_TOLERANCE = 1e-6


# Predictions


def table_files(output):
    """The files of results that an engine published: one, or those below a folder."""
    if output.is_file():
        return [output]
    return sorted(path for path in output.rglob("*")
                  if path.is_file() and not path.name.startswith(("_", "."))
                  and path.suffix not in (".json", ".crc", ".html") and "errors" not in path.name)


def read_scores(output, is_csv):
    """Ids and predictions in the order of the files."""
    import pyarrow
    from pyarrow import csv, parquet
    tables = []
    for path in table_files(output):
        if not is_csv:
            tables.append(parquet.read_table(path))
            continue
        with pyarrow.OSFile(str(path)) as raw:
            packed = raw.read(4) == b"\x28\xb5\x2f\xfd"
        stream = pyarrow.CompressedInputStream(str(path), "zstd") if packed \
            else pyarrow.OSFile(str(path))
        tables.append(csv.read_csv(stream))
    if not tables:
        raise ValueError("no files of predictions")
    ids, scores = [], []
    for table in tables:
        key = "id" if "id" in table.column_names else "key"
        ids.append(table[key].to_numpy().astype(numpy.int64))
        scores.append(table["prediction"].to_numpy())
    return numpy.concatenate(ids), numpy.concatenate(scores)


def reference(bench, case, table):
    """What the model's own library predicts for the table, made once and kept."""
    path = table.with_name(f"{table.name}.{case.model}.npy")
    if path.exists():
        return numpy.load(path)
    from pyarrow import csv, parquet
    found = csv.read_csv(table) if case.is_csv else parquet.read_table(table)
    predictor = scorers.Predictor(inputs.model(bench.folder, case.model), os.cpu_count())
    rows = predictor.rows([found[name].to_numpy() for name in scorers.FEATURES])
    scores = predictor.predict(rows)
    numpy.save(path, scores)
    return scores


def scores(bench, case, table, output):
    """How an engine's predictions compare with those of the model's own library."""
    wanted = numpy.tile(reference(bench, case, table), case.copies)
    ids, found = read_scores(output, case.is_csv)
    if len(ids) != len(wanted):
        return {"agreement": f"**{len(ids):,} of {len(wanted):,} rows**", "agrees": False}
    rows = len(ids) // case.copies
    ids = ids + numpy.arange(len(ids)) // rows * rows if case.copies > 1 else ids
    in_order = bool((ids == numpy.arange(len(ids))).all())
    order = numpy.argsort(ids, kind="stable")
    if not (ids[order] == numpy.arange(len(ids))).all():
        return {"agreement": "**rows twice or lost**", "agrees": False}
    found, wanted = found[order].astype(wanted.dtype).astype(float), wanted.astype(float)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        difference = numpy.where(found == wanted, 0, numpy.abs(found - wanted) / numpy.abs(wanted))
    greatest = float(numpy.nan_to_num(difference, nan=numpy.inf).max(initial=0))
    equal = int((found == wanted).sum())
    text = "equal bits" if equal == len(wanted) else \
        f"{equal / len(wanted):.3%} equal bits, else within {greatest:.1e}"
    return {"agreement": text + ("" if in_order else ", not in order"), "inOrder": in_order,
            "difference": greatest, "agrees": greatest <= case.tolerance}


# Sums


def sums(engines):
    """Notes beside each reader whether it found the same table as the others."""
    chosen = next((engine for engine in ("arrow", "polars", "duckdb") if engine in engines), None)
    agrees = True
    for engine, found in engines.items():
        if chosen is None or engine == chosen:
            found["agreement"] = "reference" if engine == chosen else "nothing to compare with"
            continue
        wrong = differences(found, engines[chosen])
        known = [key for key in ("rows", "sums", "textBytes") if key in found]
        what = {"rows": "rows", "sums": "sums of columns", "textBytes": "bytes of texts"}
        found["agreement"] = f"**DIFFERS**: {', '.join(wrong)[:120]}" if wrong else \
            "same " + ", ".join(what[key] for key in known) if known else "not told"
        if wrong and engine == "nightshift":
            agrees = False
    return agrees


def differences(found, wanted):
    wrong = []
    for key in ("rows", "textBytes"):
        if key in found and found[key] is not None and found[key] != wanted.get(key):
            wrong.append(f"{key} {found[key]} for {wanted.get(key)}")
    for name, sum_ in (found.get("sums") or {}).items():
        other = wanted["sums"].get(name)
        if other is not None and not abs(sum_ - other) <= SUM_TOLERANCE * (
                abs(other) + wanted["rows"]):
            wrong.append(f"sum of {name} {sum_!r} for {other!r}")
    return wrong
