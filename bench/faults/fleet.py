"""Real processes of Nightshift on one small job, and what they published."""

import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
MODEL = REPOSITORY / "bench/models/flights.txt"
# Short times, so that an expiry takes a second and not ten.
SHORT = ["--lease-duration", "2", "--heartbeat-interval", "0.3"]
# A trace of a process that ends itself takes longer than the rest of the run.
ENVIRONMENT = {"SWIFT_BACKTRACE": "enable=no"}
# Some records are in the error file: a job of these tables ends with this.
PARTLY = 2
HEADER = ("id,month,day,dep_time,sched_dep_time,dep_delay,sched_arr_time,carrier,flight,origin,"
          "dest,distance,hour,minute,note\n")


class Finding(Exception):
    """Something that must not happen."""


class NotRun(Exception):
    """This machine cannot do what a part needs."""


def wait_until(condition, seconds, pause=0.01):
    """Whether a condition becomes true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def write_tables(folder, files=4, rows=700):
    """CSV files with quoted line feeds and records that cannot be scored, always the same."""
    folder.mkdir(parents=True)
    draw = random.Random(20130101)
    for number in range(files):
        lines = [HEADER]
        for row in range(number * rows, (number + 1) * rows):
            hour, minute = draw.randint(5, 22), draw.randint(0, 59)
            delay = draw.randint(0, 400) if draw.random() < 0.25 else -3
            departure = "NA" if draw.random() < 0.02 else hour * 100 + minute
            note = f'"first,\nsecond ""quoted""\n{row}"' if row % 50 == 7 else "plain"
            month = "not a month" if row % 401 == 5 else row % 12 + 1
            lines.append(
                f"r{row},{month},{row % 28 + 1},{departure},{hour * 100 + minute},{delay},"
                f"{min(2359, hour * 100 + minute + 130)},"
                f"{draw.choice(['UA', 'AA', 'B6', 'DL', 'ZZ'])},{row % 900},"
                f"{draw.choice(['EWR', 'LGA', 'JFK'])},{draw.choice(['IAH', 'MIA', 'XXX'])},"
                f"{100 + row % 2400},{hour},{minute},{note}\n")
        (folder / f"table-{number}.csv").write_text("".join(lines))


def published(folder):
    """The files of the only publication below a folder that are the same on every run."""
    folders = list(folder.glob("prediction-*")) if folder.is_dir() else []
    if len(folders) != 1:
        raise Finding(f"{len(folders)} publications")
    if not (folders[0] / "_SUCCESS").is_file():
        raise Finding("a publication without _SUCCESS")
    return {path.name: path.read_bytes() for path in sorted(folders[0].glob("prediction.*"))
            if path.name != "prediction.stats.json"}


class Program:
    """One process, its output in files."""

    def __init__(self, command, sandbox, environment=None, before=None):
        number = sandbox.next_number()
        self.output_path = sandbox.folder / f"{number}.out"
        self.error_path = sandbox.folder / f"{number}.err"
        self.started = time.monotonic()
        self.has_failpoint = "NIGHTSHIFT_FAILPOINT" in (environment or {})
        with open(self.output_path, "wb") as output, open(self.error_path, "wb") as errors:
            self.process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output,
                stderr=errors, preexec_fn=before,
                env=os.environ | ENVIRONMENT | {"NIGHTSHIFT_STATE": str(sandbox.state)}
                | (environment or {}))
        sandbox.programs.append(self)

    @property
    def output(self):
        return self.output_path.read_text(errors="replace")

    @property
    def errors(self):
        return self.error_path.read_text(errors="replace")

    @property
    def is_running(self):
        return self.process.poll() is None

    def signal(self, number):
        if self.is_running:
            self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.process.wait()

    def wait(self, seconds=60):
        """The exit status, negative for a signal; a process that does not end is a finding."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Finding(f"still running after {seconds} s: {self.last_words()}") from None

    def last_words(self):
        return (self.output + self.errors).strip()[-600:]


class Sandbox:
    """A folder for one run; its processes are killed and it is removed in the end."""

    def __init__(self, bench, at=None):
        self.bench = bench
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=at or bench.folder))
        self.state = self.folder / "state"
        self.programs = []
        self.count = 0

    def next_number(self):
        self.count += 1
        return self.count

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        for program in self.programs:
            program.kill()
        if not (self.bench.keeps and isinstance(error, Finding)):
            shutil.rmtree(self.folder, ignore_errors=True)


class Bench:
    """What all runs share: the program, the tables and what they make undisturbed."""

    def __init__(self, options):
        self.folder = options.folder
        self.keeps = options.keep
        self.seed = options.seed
        self.program = self.folder / "nightshift"
        shutil.copy2(options.binaries / "nightshift", self.program)  # a build may go on meanwhile
        self.tables = self.folder / "tables"
        shutil.rmtree(self.tables, ignore_errors=True)
        write_tables(self.tables)
        with Sandbox(self) as sandbox:
            self.expected = self.undisturbed(sandbox, self.tables)

    def run_command(self, tables, output, *more):
        return [self.program, "run", "--model", MODEL, "--input", tables, "--output", output,
                "--key-field", "id", "--block-size", "4096", "--threads", "1", "--quiet", *more]

    def undisturbed(self, sandbox, tables):
        """What one process that nothing happens to makes of a table."""
        output = sandbox.folder / "undisturbed"
        run = Program(self.run_command(tables, output, "--workers", "1"), sandbox)
        if run.wait() != PARTLY:
            raise SystemExit(f"the undisturbed run failed: {run.last_words()}")
        return published(output)


class Fleet:
    """A coordinator on loopback or elsewhere, its workers, and one job."""

    def __init__(self, sandbox, tables=None, timing=SHORT, host="127.0.0.1", state=None,
                 output=None, ports=(20_000, 32_000)):
        self.sandbox = sandbox
        self.bench = sandbox.bench
        self.timing = timing
        self.host = host
        self.port = free_ports(*ports)
        self.tables = tables or self.bench.tables
        self.state = state or sandbox.state
        self.output = output or sandbox.folder / "predictions"
        self.scratch = sandbox.folder / "scratch"
        self.coordinator = None

    @property
    def address(self):
        return f"tcp://{self.host}:{self.port}"

    def start_coordinator(self, failpoint=None, environment=None, launcher=(), more=(), wait=True):
        environment = dict(environment or {})
        if failpoint:
            environment["NIGHTSHIFT_FAILPOINT"] = failpoint
        self.coordinator = Program(
            [*launcher, self.bench.program, "coordinator", "--state", self.state, "--listen",
             self.address, *self.timing, *more], self.sandbox, environment)
        if wait:
            self.wait_for_coordinator()
        return self.coordinator

    def wait_for_coordinator(self):
        coordinator = self.coordinator
        wait_until(lambda: "\n" in coordinator.output or not coordinator.is_running, 20)
        if "\n" not in coordinator.output:
            raise Finding(f"no coordinator: {coordinator.last_words()}")

    def start_worker(self, failpoint=None, environment=None, launcher=(), more=()):
        environment = dict(environment or {})
        if failpoint:
            environment["NIGHTSHIFT_FAILPOINT"] = failpoint
        return Program(
            [*launcher, self.bench.program, "worker", "--join", self.address, "--state",
             self.state, "--threads", "1", "--scratch", self.scratch, *more],
            self.sandbox, environment)

    def submit(self, block=4096, tables=None, launcher=(), more=("--wait",)):
        job = self.sandbox.folder / f"job-{self.sandbox.next_number()}.yaml"
        job.write_text(
            f"displayName: table\nmodel: {MODEL}\ninputConfig:\n  uris: [{tables or self.tables}]\n"
            f"instanceConfig:\n  keyField: id\noutputConfig:\n  uri: {self.output}\n"
            f"blockByteCount: {block}\n")
        return Program([*launcher, self.bench.program, "submit", job, *more,
                        *self.client_options()], self.sandbox)

    def client_options(self):
        return ["--coordinator", self.address, "--state", self.state]

    def check(self, submit, expected=None, seconds=60):
        """The job has ended, with the bytes of an undisturbed run, and nothing else is left."""
        status = submit.wait(seconds)
        if status != PARTLY:
            raise Finding(f"submit ended with {status}: {submit.last_words()}")
        if published(self.output) != (expected or self.bench.expected):
            raise Finding("other bytes than those of an undisturbed run")

    def leftovers(self):
        """Files below the output, the spool and the scratch folder that should be gone."""
        found = [path for path in self.output.iterdir() if path.name.startswith(".")]
        for folder in (self.state / "spool", self.scratch):
            found += [pathlib.Path(below) / name for below, folders, files in os.walk(folder)
                      for name in folders + files]  # what is being removed is passed over
        return [str(path.relative_to(self.sandbox.folder)) for path in found]

    def check_leftovers(self):
        if not wait_until(lambda: not self.leftovers(), 5):
            raise Finding(f"left over: {', '.join(self.leftovers()[:4])}")

    def end(self, *workers, seconds=25):
        """Has workers leave; returns how long the last one took."""
        begin = time.monotonic()
        for worker in workers:
            worker.signal(signal.SIGTERM)
        for worker in workers:
            status = worker.wait(seconds)
            # Before it has joined a signal ends it the plain way; a failpoint may still come.
            if status != 0 and not (status == -signal.SIGTERM and "joined" not in worker.errors) \
                    and not worker.has_failpoint:
                raise Finding(f"a worker left with {status}: {worker.last_words()}")
        return time.monotonic() - begin


def free_ports(first, end):
    """A port that is free together with the next one, for the bulk listener."""
    while True:
        port = random.SystemRandom().randrange(first, end)
        try:
            for number in (port, port + 1):
                with socket.socket() as test:
                    test.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    test.bind(("127.0.0.1", number))
            return port
        except OSError:
            continue
