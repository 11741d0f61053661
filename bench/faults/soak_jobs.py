"""The jobs of a soak: what they read and write, and whether it is what it must be."""

import collections
import csv
import json
import os
import random
import shutil
import subprocess
import time

from fleet import ENVIRONMENT, MODEL, PARTLY, Finding, Program, write_tables

# Jobs under way at once, and seconds from one submission to the next: gentle on a shared machine.
OPEN_LIMIT = 3
PACE = 3
# Seconds after which a job that has not ended is a finding.
PATIENCE = 240
CANCELLED_SHARE = 0.15
# Models that differ in a line feed: more than one is kept and forgotten.
MODELS = 2
# Large enough for a job to take a second or two, so that blows hit it.
FILES, ROWS = 6, 5_000
NUMBERS = {"month", "day", "dep_time", "sched_dep_time", "dep_delay", "sched_arr_time", "flight",
           "distance", "hour", "minute"}
# Input, output format, store, whether some records are bad.
KINDS = [
    ("csv", "jsonl", "folder", True), ("csv", "csv", "folder", True),
    ("csv", "parquet", "store", True), ("jsonl", "jsonl", "folder", False),
    ("jsonl", "csv", "store", True), ("parquet", "arrow", "folder", False),
    ("parquet", "parquet", "folder", False), ("csv", "jsonl", "store", False),
]
# Of a receipt, what every run of a job has the same.
SAME = ("counts", "conservation", "plan", "inputs", "shards", "resultColumns")
ENDS = {"SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "CANCELLED"}


class Kind:
    """One kind of job: its table, its options, and what an undisturbed run makes of it."""

    def __init__(self, source, output_format, place, has_errors):
        self.name = f"{source} to {output_format}, {place}{', bad records' if has_errors else ''}"
        self.source, self.format = source, output_format
        self.is_stored, self.has_errors = place == "store", has_errors
        self.tables = None
        # By model: bytes by name, and of the receipt what is always the same.
        self.expected = {}

    @property
    def ending(self):
        return "PARTIALLY_SUCCEEDED" if self.has_errors else "SUCCEEDED"


class Catalog:
    """The tables and kinds, each with what one process that nothing happens to makes of it."""

    def __init__(self, bench, sandbox, store, note):
        self.bench, self.sandbox = bench, sandbox
        self.folder = sandbox.folder / "tables"
        self.models = []
        for number in range(MODELS):
            self.models.append(sandbox.folder / f"model-{number}.txt")
            self.models[-1].write_text(MODEL.read_text() + "\n" * number)
        self.kinds = [kind for kind in (Kind(*words) for words in KINDS)
                      if store.is_there or not kind.is_stored]
        for kind in self.kinds:
            kind.tables = self.write(kind)
        self.kinds = [kind for kind in self.kinds if kind.tables]
        for kind in self.kinds:
            for model in self.models:
                kind.expected[model] = self.run_undisturbed(kind, model)
        note(", ".join(kind.name for kind in self.kinds))

    def write(self, kind):
        """The tables of a kind, made once; `None` where this machine cannot make them."""
        folder = self.folder / f"{kind.source}-{kind.has_errors}"
        if folder.exists():
            return folder
        plain = self.folder / "plain"
        if not plain.exists():
            write_tables(plain, FILES, ROWS)
        folder.mkdir()
        for table in sorted(plain.iterdir()):
            text = table.read_text()
            if not kind.has_errors:
                text = text.replace("not a month", "1")
            if not WRITERS[kind.source](text, folder / f"{table.stem}.{kind.source}"):
                folder.rmdir()
                return None
        return folder

    def options(self, kind, model):
        """The job as options, the output left out."""
        return ["--model", model, "--input", kind.tables, "--key-field", "id", "--block-size",
                "4096", "--format", kind.format]

    def run_undisturbed(self, kind, model):
        output = self.sandbox.folder / "undisturbed"
        run = Program([self.bench.program, "run", *self.options(kind, model),
                       "--output", output, "--threads", "1", "--workers", "1", "--quiet"],
                      self.sandbox)
        status = run.wait(120)
        if status != (PARTLY if kind.has_errors else 0):
            raise SystemExit(f"the undisturbed run of {kind.name} failed: {run.last_words()}")
        found = content(files(output))
        shutil.rmtree(output)
        return found


def rows(text):
    """The records of a table, numbers as numbers where all of them are some."""
    for record in csv.DictReader(text.splitlines(keepends=True)):
        yield {name: number(value) if name in NUMBERS else value for name, value in record.items()}


def number(value):
    try:
        return int(value)
    except ValueError:
        return None if value == "NA" else value


def write_csv(text, path):
    path.write_text(text)
    return True


def write_jsonl(text, path):
    path.write_text("".join(json.dumps(record) + "\n" for record in rows(text)))
    return True


def write_parquet(text, path):
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return False
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows(text))), path,
                                row_group_size=100)
    return True


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}


def names(folder):
    """Paths of all files below a folder; what is being removed is passed over."""
    return sorted(os.path.relpath(os.path.join(below, name), folder)
                  for below, folders, found in os.walk(folder) for name in found + folders)


def files(folder):
    """Bytes of all published files below a folder, by their path in it."""
    return {name: (folder / name).read_bytes() for name in names(folder)
            if name.startswith("prediction-") and (folder / name).is_file()}


def content(found):
    """Of one publication: the bytes that every run has the same, and so much of the receipt.

    The receipt's digests are compared because the bytes are; that both agree is `verify`'s.
    """
    # What the clean-up has not yet removed stands beside it, and is looked for later.
    publications = {name.split("/")[0] for name in found if name.startswith("prediction-")}
    if len(publications) != 1:
        raise Finding(f"{len(publications)} publications: {sorted(found)[:4]}")
    named = {name.split("/", 1)[1]: value for name, value in found.items()
             if name.startswith("prediction-")}
    if "_SUCCESS" not in named:
        raise Finding(f"a publication without _SUCCESS: {sorted(named)}")
    receipt = json.loads(next(
        (value for name, value in named.items() if name.endswith("receipt.json")), b"{}"))
    same = {key: receipt.get(key) for key in SAME}
    same["outputs"] = [entry for entry in receipt.get("outputs", [])
                       if "stats" not in json.dumps(entry)]
    results = {name: value for name, value in named.items()
               if name.startswith("prediction.") and name != "prediction.stats.json"}
    if not results or not receipt:
        raise Finding(f"no results or no receipt: {sorted(named)}")
    return results, same


class Job:
    """One job of the stream."""

    def __init__(self, number, kind, model, place, cancel_after):
        self.number, self.kind, self.model, self.place = number, kind, model, place
        self.name = f"soak-{number}"
        self.id = None
        self.submitted = time.monotonic()
        self.cancel_at = self.submitted + cancel_after if cancel_after is not None else None
        self.is_cancelled = False
        self.is_late = False
        self.state = None

    def __str__(self):
        return f"{self.name} {self.id or ''} ({self.kind.name}, {self.state})"


class Jobs:
    """Submits jobs, watches them and compares what they publish."""

    def __init__(self, soak, catalog, store):
        self.soak, self.catalog, self.store = soak, catalog, store
        self.draw = random.Random(f"{soak.options.seed} jobs")
        self.open = []
        self.ended = []
        self.counts = collections.Counter()
        self.kinds = collections.Counter()
        self.next_submission = self.next_look = time.monotonic()
        # Jobs submitted while none is deleted.
        self.first_half_count = 0

    def ask(self, *words, seconds=40):
        """What a command prints; `None` where it fails, as while the coordinator is away."""
        try:
            done = subprocess.run(
                [str(word) for word in (self.catalog.bench.program, *words,
                                        *self.soak.fleet.client_options())],
                capture_output=True, text=True, check=False, timeout=seconds,
                stdin=subprocess.DEVNULL, env=self.environment())
        except subprocess.TimeoutExpired:
            self.soak.find(f"`{words[0]}` has not ended after {seconds} s")
            return None
        if done.returncode < 0:
            self.soak.find(f"`{words[0]}` ended with {done.returncode}: {done.stderr[-300:]}")
        return done.stdout if done.returncode == 0 else None

    def environment(self):
        return os.environ | ENVIRONMENT | self.soak.environment

    # MARK: The stream

    def step(self, is_submitting):
        if is_submitting and len(self.open) < OPEN_LIMIT \
                and time.monotonic() >= self.next_submission:
            self.next_submission = time.monotonic() + PACE
            self.submit(self.new_job())
        self.cancel()
        if time.monotonic() < self.next_look:
            return
        self.next_look = time.monotonic() + 1.5
        self.watch()
        if self.soak.is_second_half or not is_submitting:
            self.forget(self.ended)

    def new_job(self):
        number = self.counts["submitted"]
        kind = self.draw.choice(self.catalog.kinds)
        self.counts["submitted"] += 1
        self.first_half_count += not self.soak.is_second_half
        self.kinds[kind.name] += 1
        model = self.draw.choice(self.catalog.models)
        place = f"s3://soak/{number}/" if kind.is_stored else self.soak.fleet.output / str(number)
        cancel_after = self.draw.uniform(0, 1) if self.draw.random() < CANCELLED_SHARE else None
        job = Job(number, kind, model, place, cancel_after)
        self.open.append(job)
        return job

    def submit(self, job):
        """Hands a job in; where that fails it may be in all the same, and is looked for."""
        answer = self.ask(
            "submit", *self.catalog.options(job.kind, job.model), "--output", job.place,
            "--display-name", job.name, "--quiet")
        if answer is not None:
            job.id = answer.split()[-1]

    def watch(self):
        answer = self.ask("list", "--output", "json")
        if answer is None:
            return
        listed = {entry["displayName"]: entry for entry in json.loads(answer)["jobs"]}
        for job in list(self.open):
            entry = listed.get(job.name)
            if entry is None:
                if job.id is not None:
                    self.soak.find(f"{job} is not known any more")
                    self.open.remove(job)
                else:
                    self.submit(job)
                continue
            job.id = entry["id"]
            job.state = entry["state"].removeprefix("JOB_STATE_")
            self.tend(job)

    def tend(self, job):
        """Cancels, resumes, or takes note of the end."""
        now = time.monotonic()
        if job.state in ENDS:
            self.open.remove(job)
            self.ended.append(job)
            try:
                self.check(job)
            except (Finding, OSError) as finding:
                self.soak.find(f"{job}: {finding}")
            return
        if job.state == "PAUSED":
            self.counts["resumed"] += 1
            self.ask("resume", job.id)
        if now - job.submitted > PATIENCE and not job.is_late:
            job.is_late = True
            self.soak.find(f"{job} has not ended after {PATIENCE} s")

    def cancel(self):
        """Cancels what is due; a job may end before that."""
        for job in self.open:
            if job.id is None or job.cancel_at is None or time.monotonic() < job.cancel_at:
                continue
            job.is_cancelled = True
            if self.ask("cancel", job.id) is not None:
                job.cancel_at = None

    # MARK: What came of it

    def check(self, job):
        if job.state == "CANCELLED":
            if not job.is_cancelled:
                raise Finding("nobody has cancelled it")
            self.wait_until_empty(job)
            self.counts["cancelled"] += 1
            return
        if job.state != job.kind.ending:
            raise Finding(f"ended otherwise: {self.ask('describe', job.id)}"[:600])
        results, receipt = content(self.found(job))
        expected_results, expected_receipt = job.kind.expected[job.model]
        if results != expected_results:
            wrong = [name for name in set(results) | set(expected_results)
                     if results.get(name) != expected_results.get(name)]
            raise Finding(f"other bytes than those of an undisturbed run: {sorted(wrong)}")
        if receipt != expected_receipt:
            wrong = [key for key in receipt if receipt[key] != expected_receipt[key]]
            raise Finding(f"another receipt than that of an undisturbed run: {sorted(wrong)}")
        if not job.kind.is_stored and self.counts["compared"] % 8 == 0:
            self.verify(job)
        self.counts["compared"] += 1
        self.remove(job)

    def found(self, job):
        return self.store.objects(f"{job.number}/") if job.kind.is_stored else files(job.place)

    def verify(self, job):
        folder = next(job.place.glob("prediction-*"))
        done = subprocess.run([self.catalog.bench.program, "verify", folder], capture_output=True,
                              text=True, check=False, timeout=60)
        self.counts["verified"] += 1
        if done.returncode != 0:
            raise Finding(f"verify: {done.stdout[-300:]} {done.stderr[-300:]}")

    def remove(self, job):
        """Takes a publication away, and sees that it was all there was."""
        if job.kind.is_stored:
            self.store.remove(f"{job.number}/prediction-")
        else:
            for folder in job.place.glob("prediction-*"):
                shutil.rmtree(folder)
        self.wait_until_empty(job)

    def wait_until_empty(self, job):
        end = time.monotonic() + 15
        while found := (self.store.names(f"{job.number}/") if job.kind.is_stored
                        else names(job.place)):
            if time.monotonic() > end:
                raise Finding(f"leaves {sorted(found)[:4]}")
            time.sleep(0.2)
        if not job.kind.is_stored and job.place.is_dir():
            job.place.rmdir()

    # MARK: Forgetting

    def forget(self, jobs):
        """Has the coordinator forget jobs that have ended, some at a time."""
        for job in jobs[:5]:
            if self.ask("delete", job.id) is not None:
                self.counts["deleted"] += 1
                jobs.remove(job)

    def forget_all(self):
        end = time.monotonic() + 120
        while self.ended and time.monotonic() < end:
            self.forget(self.ended)
        if self.ended:
            self.soak.find(f"{len(self.ended)} jobs cannot be deleted")
