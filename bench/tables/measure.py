"""The three kinds of measurements: reading, scoring, and lasting."""

import json
import pathlib
import shutil
import sys

import agreement
import inputs
import plot
import processes
from cases import CASES

HERE = pathlib.Path(__file__).resolve().parent
ONE_THREAD = {name: "1" for name in [
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS",
    "ARROW_IO_THREADS", "NUMEXPR_NUM_THREADS"]}
TRIAL_SHARE = 1 / 8
FREE_SPARE_BYTES = 2 * 10**9
LASTING_LIMIT_SECONDS = 6 * 3600


def note(text):
    print(text, file=sys.stderr, flush=True)


def answer(output):
    """The JSON object that ends what a program printed."""
    try:
        return json.loads(output[output.index("{"):])
    except ValueError:
        raise processes.Failed(f"no JSON in what it printed: {output[-200:]!r}") from None


class Bench:
    """Where things are, and how everything is called."""

    def __init__(self, options):
        self.folder, self.scale, self.runs = options.folder, options.scale, options.runs
        self.cores = options.cores.split(",")
        self.limit = options.limit
        self.program = options.binaries / "nightshift"
        self.bench_program = options.binaries / "nightshift-bench"
        self.chosen = [name for name in options.engines.split(",") if name]

    def engines(self, case):
        return [engine for engine in case.engines if not self.chosen or engine in self.chosen]

    def check_program(self, path):
        if not path.exists():
            raise processes.Failed(f"there is no {path.name}; build it, or name its folder with "
                                   "--binaries")

    # Reading

    def reading_command(self, case, engine, file, trial, form):
        if engine == "nightshift":
            self.check_program(self.bench_program)
            return [self.bench_program, "tables", case.suffix, file, "--columns",
                    ",".join(case.columns), "--runs", 3, "--output", "json"]
        if engine == "simdjson":
            program = inputs.program(self.folder, "simdjson_columns.cpp",
                                     ["c++", "-O2", "-std=c++20"])
            kinds = {"text": "t", "boolean": "b"}
            import readers
            columns = readers.KINDS[case.table]
            list_ = ",".join(f"{name}:{kinds.get(kind, 'n')}" for name, kind in columns.items())
            return [program, file, list_, 3, "many"]
        command = [sys.executable, HERE / "readers.py", engine, case.table, file, "--runs", 3]
        return command + (["--form", form] if form else ["--trial", trial])

    def read(self, name, engine, found):
        """One process of an engine; the first of its three runs meets fresh memory, and is out."""
        case = CASES[name]
        file = inputs.prepare(self.folder, case.table, case.form, self.scale * case.scale)
        trial = inputs.prepare(self.folder, case.table, case.form,
                               self.scale * case.scale * TRIAL_SHARE)
        inputs.in_page_cache(file)
        form = found.get("form") if found else None
        measured = processes.run(
            self.reading_command(case, engine, file, trial, form), cores=self.cores[0],
            environment=ONE_THREAD, limit_seconds=self.limit)
        printed = answer(measured["output"])
        seconds = printed.get("cpuSeconds") or printed["seconds"]
        return printed | {"bytes": file.stat().st_size, "each": seconds[1:] or seconds,
                          "wall": printed["seconds"][1:] or printed["seconds"]}

    # Scoring

    def scoring_command(self, case, engine, table, output):
        model = inputs.model(self.folder, case.model)
        if engine.startswith("nightshift"):
            self.check_program(self.program)
            return [self.program, "run", "--model", model, "--input", table, "--output", output,
                    "--format", "csv" if case.is_csv else "parquet", "--compression", "zstd",
                    "--key-field", "id", "--workers", 2 if engine.endswith("-2") else 1,
                    "--threads", 1, "--quiet", "--summary", "json"]
        if engine == "polars-lleaves":
            inputs.compiled(self.folder, case.model)
        return [sys.executable, HERE / "scorers.py", engine, model, table, output]

    def score(self, name, engine, found):
        """A whole process from file to file, and how its predictions compare, the first time."""
        case = CASES[name]
        table = inputs.prepare(self.folder, "scoring", case.form, self.scale)
        output = self.folder / f"scored-{name}-{engine}{'.csv.zst' if case.is_csv else '.parquet'}"
        remove(output)
        links = link(self.folder, table, case.copies) if case.copies > 1 else None
        command = self.scoring_command(case, engine, links or table, output)
        inputs.in_page_cache(table)
        cores = ",".join(self.cores[:2]) if engine.endswith("-2") else self.cores[0]
        measured = processes.run(command, cores=cores, limit_seconds=self.limit,
                                 environment=ONE_THREAD)
        printed = answer(measured["output"])
        result = {"each": [measured["cpuSeconds"]], "wall": [measured["seconds"]],
                  "bytes": table.stat().st_size * case.copies,
                  "rows": inputs.block_count("scoring", self.scale) * inputs.BLOCK_ROWS
                  * case.copies}
        if "version" in printed:
            result["version"] = printed["version"]
        if not found:
            result |= agreement.scores(self, case, table, output)
        remove(output)
        return result

    # Lasting

    def last(self, name):
        """Nightshift on one file under many names: how long, how much memory, one receipt."""
        case = CASES[name]
        self.check_program(self.program)
        table = inputs.prepare(self.folder, "scoring", "csv", self.scale)
        count = -(-case.byte_count // table.stat().st_size)
        links = link(self.folder, table, count)
        rows = inputs.block_count("scoring", self.scale) * inputs.BLOCK_ROWS * count
        output = self.folder / f"lasting-{name}"
        remove(output)
        needed = rows * case.row_bytes + FREE_SPARE_BYTES
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise processes.Failed(f"needs {needed / 1e9:.0f} GB of free disk for its output, "
                                   f"there are {free / 1e9:.0f} GB")
        inputs.in_page_cache(table)
        try:
            return self.last_over(name, table, links, count, rows, output)
        finally:
            remove(output)
            shutil.rmtree(links, ignore_errors=True)

    def last_over(self, name, table, links, count, rows, output):
        case, lowest, free = CASES[name], [], shutil.disk_usage(self.folder).free
        measured = processes.run(
            [self.program, "run", "--model", inputs.model(self.folder, inputs.LIGHTGBM),
             "--input", links, "--output", output, "--format", case.form, "--compression", "zstd",
             "--key-field", "id", "--workers", 2, "--threads", 1, "--quiet", "--summary", "json"],
            cores=",".join(self.cores[:2]), limit_seconds=LASTING_LIMIT_SECONDS,
            interval_seconds=0.1 if case.byte_count <= 10**10 else 0.5,
            watch=lambda sampler: watch_disk(sampler, self.folder, lowest))
        job = answer(measured["output"])
        folder = pathlib.Path(job["outputInfo"]["outputDirectory"])
        receipts = list(output.rglob("receipt.json"))
        found = job["completionStats"]
        if len(receipts) != 1 or int(found["successfulCount"]) != rows:
            raise processes.Failed(f"{len(receipts)} receipts and {found} for {rows:,} records")
        verified = processes.run([self.program, "verify", folder], cores=self.cores[0],
                                 limit_seconds=LASTING_LIMIT_SECONDS)
        result = summary(measured) | {
            "bytes": table.stat().st_size * count, "files": count, "rows": rows,
            "outputBytes": sum(path.stat().st_size for path in folder.iterdir()),
            "diskBytes": free - min(lowest, default=free), "receipts": 1,
            "verified": verified["output"].strip().split("\n")[-1].rpartition("Z: ")[2][:120]}
        (self.folder / f"curve-{name}.svg").write_text(
            plot.svg(case.title, result["curves"], case_limit(case)))
        return result


def case_limit(case):
    return next(goal.value for goal in case.goals if goal.kind == "memory")


def remove(path):
    """A file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def link(folder, table, count):
    """A folder in which a file stands under so many names."""
    links = folder / f"links-{count}"
    if links.exists():
        shutil.rmtree(links)
    links.mkdir()
    for index in range(count):
        (links / f"part-{index:06d}.csv").hardlink_to(table)
    return links


def watch_disk(sampler, folder, lowest):
    look = sampler.look

    def look_at_disk_too():
        look()
        lowest[:] = [min([shutil.disk_usage(folder).free, *lowest])]

    sampler.look = look_at_disk_too


def summary(measured):
    """Curves of the coordinator and its workers, their peaks, and their size at each quarter."""
    # The coordinator is in the first process; workers may be seen at the same time.
    numbers = sorted(measured["samples"], key=lambda number: (
        number != measured["process"], measured["samples"][number][0][0]))
    processes_ = []
    curves = []
    for number in numbers:
        samples = measured["samples"][number]
        if len(samples) < 3:
            continue  # something short, such as the command that looks at the machine
        role = "coordinator" if number == measured["process"] else "worker"
        quarters = [min(samples, key=lambda sample: abs(
            sample[0] - measured["seconds"] * quarter / 4))[1] for quarter in (1, 2, 3, 4)]
        processes_.append({"role": role, "peakBytes": max(sample[1] for sample in samples),
                           "peakWithFiles": max(sample[2] for sample in samples),
                           "quarters": quarters})
        curves.append((role, plot.thinned(samples)))
    return {"wall": [measured["seconds"]], "each": [measured["cpuSeconds"]],
            "processes": processes_, "curves": curves}
