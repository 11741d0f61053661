"""Full disks, little memory, stopped processes and SIGTERM."""

import os
import pathlib
import random
import signal
import subprocess
import time

from calls import job_states, resume_paused
from fleet import PARTLY, Finding, Fleet, NotRun, Program, Sandbox, published, wait_until
from kills import PASSAGES, phases
from power import command, is_stopped

# Bytes left free on a full disk.
FREE = [0, 4 << 10, 16 << 10, 64 << 10, 256 << 10]
# What a worker may have, in MiB; less than it starts with, up to enough.
MEMORY = [2, 4, 6, 8, 10, 12, 16, 24]
MEMORY_GROUPS = pathlib.Path("/sys/fs/cgroup/memory")


def row_of(note, name, cases, run):
    """One row: every case is run, what is found is kept, and so is what a run measured."""
    row = {"name": name, "runs": 0, "figures": [], "findings": []}
    for case in cases:
        row["runs"] += 1
        try:
            figure = run(*case)
            if figure is not None:
                row["figures"].append(figure)
        except (Finding, OSError) as finding:
            row["findings"].append(f"{case}: {finding}")
    note(f"{name}: {row['runs']} runs, {len(row['findings'])} findings {row['figures'][:12]}")
    for text in row["findings"][:4]:
        note(f"  {text}")
    return row


# MARK: Full disks


class SmallDisk:
    """A few megabytes in memory, all but some bytes of them taken."""

    def __init__(self, folder, free):
        self.path = folder / "small"
        self.path.mkdir()
        command(["mount", "-t", "tmpfs", "-o", "size=6m,mode=0700", "tmpfs", self.path])
        self.free = free
        self.filler = self.path / "filler"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=False)

    def fill(self):
        status = os.statvfs(self.path)
        size = max(0, status.f_bavail * status.f_frsize - self.free)
        with open(self.filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, size))

    def empty(self):
        self.filler.unlink()


def full_fleet_disk(bench, free, when, what):
    """The disk of the coordinator's state, or of the output, is full before or during a job."""
    with Sandbox(bench) as sandbox, SmallDisk(sandbox.folder, free) as disk:
        fleet = Fleet(sandbox, state=disk.path / "state" if what == "state" else None,
                      output=disk.path / "predictions" if what == "output" else None)
        fleet.start_coordinator("coordinator.receiving=stop@2" if when else None)
        workers = [fleet.start_worker() for _ in range(2)]
        if not when:
            wait_until(lambda: all("joined" in worker.errors for worker in workers), 10)
            disk.fill()
        submit = fleet.submit()
        if when:
            wait_until(lambda: is_stopped(fleet.coordinator), 20)
            disk.fill()
            fleet.coordinator.signal(signal.SIGCONT)
        wait_until(lambda: not submit.is_running or not fleet.coordinator.is_running, 3)
        disk.empty()
        for _ in range(4):
            if not fleet.coordinator.is_running:
                told(fleet.coordinator)
                fleet.start_coordinator()
            if submit.is_running and wait_until(lambda: not submit.is_running, 8):
                continue
            if submit.is_running and not resume_paused(fleet):
                raise Finding(f"stands still: {job_states(fleet)} {fleet.coordinator.last_words()}")
            if not submit.is_running and submit.process.returncode != PARTLY:
                told(submit)
                submit = fleet.submit()
        fleet.check(submit)
        fleet.check_leftovers()
        fleet.end(*workers)


def told(program):
    if program.process.returncode < 0 or not program.last_words():
        raise Finding(f"ended with {program.process.returncode}: {program.last_words()}")


def full_run_disk(bench, free):
    """The disk of an embedded run is full; once there is space the same command ends it."""
    with Sandbox(bench) as sandbox, SmallDisk(sandbox.folder, free) as disk:
        output = disk.path / "predictions"
        disk.fill()
        first = Program(bench.run_command(bench.tables, output, "--workers", "2"), sandbox)
        wait_until(lambda: not first.is_running, 5)
        disk.empty()
        if first.wait(40) != PARTLY:
            told(first)
            again = Program(bench.run_command(bench.tables, output, "--workers", "2"), sandbox)
            if again.wait(40) != PARTLY:
                raise Finding(f"not resumable: {again.last_words()}")
        if published(output) != bench.expected:
            raise Finding("other bytes than those of an undisturbed run")


def full_scratch(bench, free):
    """A worker without scratch space leaves; another one finishes."""
    with Sandbox(bench) as sandbox, SmallDisk(sandbox.folder, free) as disk:
        disk.fill()
        fleet = Fleet(sandbox)
        fleet.start_coordinator()
        unfit = fleet.start_worker(more=["--scratch", disk.path])
        submit = fleet.submit()
        wait_until(lambda: not unfit.is_running or not submit.is_running, 10)
        workers = [fleet.start_worker()]
        fleet.check(submit)
        fleet.check_leftovers()
        fleet.end(*workers)


# MARK: Memory

def limited(group, mebibytes):
    """The words before a command that give it so much memory."""
    folder = MEMORY_GROUPS / group
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(mebibytes << 20))
    except OSError as error:
        raise NotRun(f"memory control groups: {error}") from None
    return ["sh", "-c", f'echo $$ > {folder}/cgroup.procs; exec "$@"', "sh"]


def little_memory(bench, mebibytes, role):
    """A worker or coordinator that is killed for its memory, or not; its end."""
    group = f"nightshift-faults-{os.getpid()}"
    try:
        with Sandbox(bench) as sandbox:
            fleet = Fleet(sandbox)
            launcher = limited(group, mebibytes)
            if role == "coordinator":
                try:
                    poor = fleet.start_coordinator(launcher=launcher)
                except Finding:
                    poor = fleet.coordinator
                    fleet.start_coordinator()
            else:
                fleet.start_coordinator()
                poor = fleet.start_worker(launcher=launcher)
            submit = fleet.submit()
            wait_until(lambda: not poor.is_running or not submit.is_running, 6)
            workers = [fleet.start_worker() for _ in range(2)]
            wait_until(lambda: not fleet.coordinator.is_running or not submit.is_running, 10)
            if not fleet.coordinator.is_running:
                fleet.start_coordinator()
            fleet.check(submit)
            fleet.check_leftovers()
            fleet.end(*workers)
            if poor.is_running:
                return f"{mebibytes} MiB: finished"
            if poor.process.returncode not in (-signal.SIGKILL, 1, 0):
                raise Finding(f"ended with {poor.process.returncode}: {poor.last_words()}")
            return f"{mebibytes} MiB: killed"
    finally:
        for _ in range(100):
            try:
                (MEMORY_GROUPS / group).rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.05)


# MARK: Stopped processes

def stopped_worker(bench, place, number):
    """A worker sleeps beyond its lease; what it says afterwards changes nothing."""
    passage = random.Random(f"{bench.seed} {place} {number}").randint(1, min(PASSAGES[place], 3))
    with Sandbox(bench) as sandbox:
        fleet = Fleet(sandbox)
        fleet.start_coordinator()
        sleeper = fleet.start_worker(f"{place}=stop@{passage}")
        submit = fleet.submit()
        wait_until(lambda: is_stopped(sleeper) or not submit.is_running, 20)
        worker = fleet.start_worker()
        time.sleep(3)  # longer than the lease of two seconds
        sleeper.signal(signal.SIGCONT)
        fleet.check(submit)
        time.sleep(0.5)  # what it has to say comes after the end
        fleet.check(submit)
        fleet.check_leftovers()
        fleet.end(sleeper, worker)


def stopped_coordinator(bench, place, number):
    """The coordinator's machine sleeps."""
    passage = random.Random(f"{bench.seed} {place} {number}").randint(1, min(PASSAGES[place], 3))
    with Sandbox(bench) as sandbox:
        fleet = Fleet(sandbox)
        sleeper = fleet.start_coordinator(f"{place}=stop@{passage}")
        workers = [fleet.start_worker() for _ in range(2)]
        submit = fleet.submit()
        if wait_until(lambda: is_stopped(sleeper) or not submit.is_running, 20):
            time.sleep(3)
        sleeper.signal(signal.SIGCONT)
        fleet.check(submit)
        fleet.check_leftovers()
        fleet.end(*workers)


# MARK: SIGTERM

def terminated_worker(bench, number):
    """A worker is told to leave at a random time; how long that took, in seconds."""
    seconds = random.Random(f"{bench.seed} worker {number}").uniform(0, 1.2)
    with Sandbox(bench) as sandbox:
        fleet = Fleet(sandbox)
        fleet.start_coordinator()
        leaver = fleet.start_worker()
        submit = fleet.submit()
        time.sleep(seconds)
        took = fleet.end(leaver)
        worker = fleet.start_worker()
        fleet.check(submit)
        fleet.check_leftovers()
        fleet.end(worker)
        return round(took, 2)


def terminated_coordinator(bench, number):
    """The coordinator is told to end at a random time and is started again."""
    seconds = random.Random(f"{bench.seed} coordinator {number}").uniform(0, 1.2)
    with Sandbox(bench) as sandbox:
        fleet = Fleet(sandbox)
        fleet.start_coordinator()
        workers = [fleet.start_worker() for _ in range(2)]
        submit = fleet.submit()
        time.sleep(seconds)
        begin = time.monotonic()
        fleet.coordinator.signal(signal.SIGTERM)
        status = fleet.coordinator.wait(10)
        took = time.monotonic() - begin
        if status != 0:
            raise Finding(f"the coordinator ended with {status}: {fleet.coordinator.last_words()}")
        fleet.start_coordinator()
        fleet.check(submit)
        fleet.check_leftovers()
        fleet.end(*workers)
        return round(took, 2)


def terminated_run(bench, number):
    """An embedded run is told to end; the same command ends it well."""
    seconds = random.Random(f"{bench.seed} run {number}").uniform(0, 1)
    with Sandbox(bench) as sandbox:
        output = sandbox.folder / "predictions"
        arguments = bench.run_command(bench.tables, output, "--workers", "2")
        first = Program(arguments, sandbox)
        time.sleep(seconds)
        begin = time.monotonic()
        first.signal(signal.SIGTERM)
        status = first.wait(30)
        took = time.monotonic() - begin
        if status != PARTLY:
            again = Program(arguments, sandbox)
            if again.wait(40) != PARTLY:
                raise Finding(f"not resumable: {again.last_words()}")
        if published(output) != bench.expected:
            raise Finding("other bytes than those of an undisturbed run")
        return round(took, 2)


def measure_disks(bench, options, note):
    yield row_of(note, "the coordinator's state on a full disk",
                 [(bench, free, when, "state") for free in FREE for when in (0, 1)],
                 full_fleet_disk)
    yield row_of(note, "the output on a full disk",
                 [(bench, free, when, "output") for free in FREE for when in (0, 1)],
                 full_fleet_disk)
    yield row_of(note, "an embedded run on a full disk", [(bench, free) for free in FREE],
                 full_run_disk)
    yield row_of(note, "a worker's scratch folder on a full disk",
                 [(bench, free) for free in FREE], full_scratch)


def measure_memory(bench, options, note):
    for role in ("worker", "coordinator"):
        yield row_of(note, f"a {role} with little memory",
                     [(bench, mebibytes, role) for mebibytes in MEMORY], little_memory)


def measure_pauses(bench, options, note):
    for place in phases():
        run = stopped_worker if place.startswith("worker.") else stopped_coordinator
        yield row_of(note, f"stopped at {place} for 3 s",
                     [(bench, place, number) for number in range(options.pauses)], run)


def measure_terms(bench, options, note):
    for name, run in (("a worker", terminated_worker), ("the coordinator", terminated_coordinator),
                      ("an embedded run", terminated_run)):
        yield row_of(note, f"SIGTERM to {name}",
                     [(bench, number) for number in range(options.terms)], run)
