"""An hour of mixed chaos on real processes: jobs without end, and nothing that grows."""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import soak_plot
from fleet import REPOSITORY, Finding, Fleet, NotRun, Sandbox, wait_until
from soak_chaos import Chaos, SmallSpool
from soak_jobs import Catalog, Jobs, names
from soak_samples import Samples
from soak_store import Store

# Workers; the first one is stopped and cut off, but never ended: it shows what grows.
WORKERS = 3
# Until this share of the run the coordinator is ended too; then it lives on, so that it has warmed
# up before the second half, in which growth is judged.
RESTLESS_SHARE = 1 / 3
# Seconds after the chaos for the jobs under way to end.
PATIENCE = 180


class Soak:
    """One coordinator, its workers, and what is done to them."""

    def __init__(self, sandbox, options, store):
        self.options = options
        self.seconds = options.minutes * 60
        self.begin = time.monotonic()
        self.findings = []
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.fleet = Fleet(sandbox, output=sandbox.folder / "output", ports=(12_000, 19_000))
        self.environment = store.environment
        self.workers = [None] * WORKERS
        # What the chaos does not want to see alive again before an instant.
        self.absent = {}

    @property
    def elapsed(self):
        return time.monotonic() - self.begin

    @property
    def is_second_half(self):
        return self.elapsed >= self.seconds / 2

    @property
    def is_restless(self):
        """Whether the coordinator may be ended now."""
        return self.elapsed < self.seconds * RESTLESS_SHARE

    def find(self, text):
        with self.lock:
            self.findings.append(f"{self.elapsed:.0f} s: {text}")
        print(f"\nfinding after {self.findings[-1]}", file=sys.stderr, flush=True)

    def start_coordinator(self):
        self.fleet.start_coordinator(environment=self.environment)

    def start_worker(self, number):
        self.workers[number] = self.fleet.start_worker(environment=self.environment)

    def processes(self):
        """What is sampled: role, which of them, process."""
        found = [("worker", number, worker) for number, worker in enumerate(self.workers) if worker]
        if self.fleet.coordinator:
            found.append(("coordinator", 0, self.fleet.coordinator))
        return [entry for entry in found if entry[2].is_running]

    def run_in_background(self, name, step, pause):
        """Calls something again and again on a thread until the end; what it throws is a finding."""
        def body():
            while not self.stop.wait(pause):
                try:
                    step()
                except Exception as error:  # whatever it is, the run has to say so
                    self.find(f"{name}: {type(error).__name__}: {error}")
                    if not isinstance(error, Finding):
                        return
        thread = threading.Thread(target=body, name=name)
        thread.start()
        return thread

    def end(self):
        """Has all processes leave."""
        try:
            self.fleet.end(*(worker for worker in self.workers if worker.is_running))
        except Finding as finding:
            self.find(str(finding))
        self.fleet.coordinator.signal(signal.SIGTERM)
        try:
            status = self.fleet.coordinator.wait(15)
            if status != 0:
                self.find(f"the coordinator ended with {status}")
        except Finding as finding:
            self.find(str(finding))


def progress(soak, jobs, chaos, samples):
    """One line, over the last one where a terminal shows it."""
    counts = jobs.counts
    line = (f"{soak.elapsed / 60:.1f} of {soak.seconds / 60:g} min: {counts['submitted']} jobs, "
            f"{counts['compared']} compared, {counts['cancelled']} cancelled; "
            f"{sum(chaos.counts.values())} blows; coordinator {samples.latest('coordinator')}, "
            f"worker {samples.latest('worker')}; {len(soak.findings)} findings")
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)


def keep_going(soak, jobs, chaos, samples):
    """Submits, watches and strikes until the time is over, then lets the last jobs end."""
    threads = [soak.run_in_background("chaos", chaos.step, 0.1),
               soak.run_in_background("samples", samples.step, min(3, soak.seconds / 200))]
    try:
        pause = 1 if sys.stderr.isatty() else 60
        shown = time.monotonic() - pause
        while soak.elapsed < soak.seconds:
            jobs.step(is_submitting=True)
            if time.monotonic() - shown >= pause:
                shown = time.monotonic()
                progress(soak, jobs, chaos, samples)
            time.sleep(0.5)
        chaos.calm()
        end = time.monotonic() + PATIENCE
        while jobs.open and time.monotonic() < end:
            jobs.step(is_submitting=False)
            time.sleep(0.5)
        progress(soak, jobs, chaos, samples)
    finally:
        soak.stop.set()
        for thread in threads:
            thread.join()
    for job in jobs.open:
        soak.find(f"{job} has not ended {PATIENCE} s after the last blow")


def check_nothing_left(soak, jobs, store, spool):
    """After the end: no files, no objects, no processes."""
    fleet = soak.fleet
    spool.empty()
    jobs.forget_all()
    if not wait_until(lambda: not fleet.leftovers(), 10, 0.2):
        soak.find(f"left over: {', '.join(fleet.leftovers()[:6])}")
    models = fleet.state / "models"
    if not wait_until(lambda: not list(models.iterdir()), 10, 0.2):
        soak.find(f"{len(list(models.iterdir()))} models are kept of which no job is left")
    for name in names(fleet.output):
        soak.find(f"left in the output: {name}")
    for name in store.everything():
        soak.find(f"left in the store: {name}")
    soak.end()
    left = subprocess.run(["pgrep", "-f", str(fleet.bench.program)], capture_output=True,
                          text=True, check=False).stdout.split()
    if left:
        soak.find(f"processes that go on: {left}")
    if spool.used() > 64 << 10:
        soak.find(f"{spool.used()} bytes are taken in the spool's file system")


def row(soak, jobs, chaos, samples):
    judged = samples.judge(soak)
    for verdict in judged:
        if not verdict["holds"]:
            soak.find(f"{verdict['process']}: {verdict['what']} grows by {verdict['growth']:g} "
                      f"{verdict['unit']} in the second half and ends {verdict['step']:g} above its "
                      f"begin; the limits are {verdict['limit']:g} and {2 * verdict['limit']:g}")
    return {
        "name": f"{soak.options.minutes:g} minutes, seed {soak.options.seed}",
        "command": f"bench/faults/run --only soak --minutes {soak.options.minutes:g} "
                   f"--seed {soak.options.seed}",
        "minutes": soak.options.minutes, "jobs": dict(jobs.counts), "kinds": dict(jobs.kinds),
        "blows": dict(chaos.counts), "judged": judged, "state": samples.state_growth(soak, jobs),
        "findings": soak.findings,
    }


def measure(bench, options, note):
    """The only row: what was done, what came of it, and what grew."""
    if shutil.which("ss") is None:
        raise NotRun("ss, which ends connections, is not installed")
    with Sandbox(bench) as sandbox, Store(sandbox) as store, \
            SmallSpool(sandbox.state / "spool") as spool:
        catalog = Catalog(bench, sandbox, store, note)
        soak = Soak(sandbox, options, store)
        chaos = Chaos(soak, spool)
        samples = Samples(soak, spool)
        jobs = Jobs(soak, catalog, store)
        soak.fleet.output.mkdir()
        soak.start_coordinator()
        for number in range(WORKERS):
            soak.start_worker(number)
        note(f"{len(catalog.kinds)} kinds of job for {options.minutes:g} minutes")
        keep_going(soak, jobs, chaos, samples)
        check_nothing_left(soak, jobs, store, spool)
        found = row(soak, jobs, chaos, samples)
        if bench.keeps and found["findings"]:
            shutil.copytree(sandbox.folder, bench.folder / "soak-kept", dirs_exist_ok=True,
                            ignore_dangling_symlinks=True)
    (bench.folder / "soak-samples.json").write_text(json.dumps(samples.record()) + "\n")
    folder = pathlib.Path(__file__).resolve().parent if options.publish else bench.folder
    for name, text in soak_plot.pictures(samples.record()).items():
        (folder / name).write_text(text)
    note(f"soak: {len(found['findings'])} findings; plots beside "
         f"{folder.relative_to(REPOSITORY) if folder.is_relative_to(REPOSITORY) else folder}")
    for text in found["findings"][:20]:
        note(f"  {text}")
    yield found
