"""The n-th system call of each kind fails, n = 1, 2, 3 … until a run has no n-th one."""

import errno
import itertools
import json
import pathlib
import random
import signal
import struct
import subprocess
from concurrent.futures import ThreadPoolExecutor

from fleet import PARTLY, Finding, Fleet, NotRun, Program, Sandbox, published, wait_until, write_tables

HERE = pathlib.Path(__file__).resolve().parent
STATE_BYTES = 16384
# Errors by kind of call; 0 has a read or write move half of its bytes.
ERRORS = {
    "write": ["ENOSPC", "EIO", "EINTR", "short"], "sync": ["EIO"], "rename": ["EIO", "ENOSPC"],
    "open": ["EMFILE", "ENOSPC", "EINTR"], "read": ["EIO", "EINTR", "short"],
    "space": ["ENOSPC", "EIO"], "malloc": ["ENOMEM"],
}
# What runs, and whose calls fail.
TARGETS = [("run", "run"), ("run", "worker"), ("fleet", "coordinator"), ("fleet", "worker")]
# Ends of a process whose C++ or Swift code does not go on without memory.
ABORTS = (-signal.SIGABRT, -signal.SIGILL, -signal.SIGTRAP)


class Fault:
    """The preloaded library's settings for one run, and what it did."""

    def __init__(self, sandbox, library, role, kind, error, number):
        self.file = sandbox.folder / "calls"
        self.raw = bytes(STATE_BYTES)
        self.file.write_bytes(self.raw)
        code = 0 if error == "short" else getattr(errno, error)
        self.environment = {
            "LD_PRELOAD": str(library), "FAILING_ROLE": role, "FAILING_KIND": kind,
            "FAILING_NUMBER": str(number), "FAILING_ERROR": str(code),
            "FAILING_STATE": str(self.file)}

    def read(self):
        """Takes what the library has noted, before the folder goes."""
        self.raw = self.file.read_bytes()

    @property
    def count(self):
        return struct.unpack_from("<q", self.raw)[0]

    @property
    def was_reached(self):
        return struct.unpack_from("<q", self.raw, 8)[0] > 0

    @property
    def words(self):
        """The call that failed, and who made it."""
        raw = self.raw
        texts = [raw[16:48], raw[48:528]] + [raw[place:place + 128]
                                             for place in range(528, 528 + 30 * 128, 128)]
        call, place, *frames = [text.split(b"\0")[0].decode(errors="replace") for text in texts]
        callers = [frame for frame in frames[3:] if frame]
        return f"{call} {place} from {' '.join(callers[:12])}"


def compiled(bench):
    library = bench.folder / "failing_calls.so"
    done = subprocess.run(["clang", "-O1", "-fPIC", "-shared", "-o", library,
                           HERE / "failing_calls.c"], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise NotRun(f"clang: {done.stderr[-200:]}")
    return library


def ended(program, kind, seconds=40):
    """How a program ended: "done", "abort" or its last line; a finding if it was otherwise."""
    status = program.wait(seconds)
    if status == PARTLY:
        return "done"
    if kind == "malloc" and status in ABORTS:
        return "abort"
    if status < 0 or status == 0:
        raise Finding(f"ended with {status}: {program.last_words()}")
    if not program.last_words():
        raise Finding(f"ended with {status} and without a word")
    return "error"


def embedded(sandbox, fault, kind, expected, tables):
    """One `run` with the fault, and another one without it if that did not end well."""
    output = sandbox.folder / "predictions"
    command = sandbox.bench.run_command(tables, output, "--workers", "2")
    first = Program(command, sandbox, fault.environment)
    end = ended(first, kind)
    if end != "done":
        again = Program(command, sandbox)
        if again.wait(40) != PARTLY:
            raise Finding(f"not resumable: {again.last_words()}; at first: {first.last_words()}")
    if published(output) != expected:
        raise Finding(f"other bytes than those of an undisturbed run, {end}")
    left = [path.name for path in output.iterdir() if path.name.startswith(".")]
    fault.read()
    # What cannot be removed stays.
    if left and kind != "malloc" and not fault.words.startswith("unlink"):
        raise Finding(f"left over, {end}: {left}")
    return end


def fleet_run(sandbox, fault, kind, role, expected, tables):
    """One job on a fleet in which a process has the fault, and what it takes to end it well."""
    fleet = Fleet(sandbox, tables)
    environment = fault.environment if role == "coordinator" else None
    coordinator = fleet.start_coordinator(environment=environment, wait=False)
    is_ready = wait_until(
        lambda: "\n" in coordinator.output or not coordinator.is_running, 20)
    if not is_ready:
        raise Finding(f"the coordinator does not start: {coordinator.last_words()}")
    end = "done"
    if not coordinator.is_running:
        end = ended(coordinator, kind)
        fleet.start_coordinator()
    workers = [fleet.start_worker(environment=fault.environment if role == "worker" else None),
               fleet.start_worker()]
    submit = fleet.submit()
    for _ in range(3):
        wait_until(lambda: not submit.is_running or not fleet.coordinator.is_running, 15)
        if not fleet.coordinator.is_running:
            end = worse(end, ended(fleet.coordinator, kind))
            fleet.start_coordinator()
        elif submit.is_running and not resume_paused(fleet):
            raise Finding(f"a job that stands still: {job_states(fleet)} "
                          f"{fleet.coordinator.last_words()}")
        elif submit.is_running:
            end = worse(end, "error")
        elif submit.wait() == PARTLY:
            break
        else:
            end = worse(end, ended(submit, kind))
            submit = fleet.submit()
    for worker in workers:
        if not worker.is_running:
            end = worse(end, ended(worker, kind))
    fleet.check(submit, expected, seconds=30)
    fault.read()
    # It may be about to end, because of what it could not write after the job's end.
    wait_until(lambda: not fleet.coordinator.is_running, 0.5 if fault.was_reached else 0)
    if not fleet.coordinator.is_running or fault.words.startswith("unlink"):
        fleet.coordinator.kill()  # what it could not remove, the next life does
        fleet.start_coordinator()
    fleet.check_leftovers()
    return end


def worse(one, other):
    return max(one, other, key=["done", "error", "abort"].index)


def jobs(fleet):
    listing = Program([fleet.bench.program, "list", "--output", "json", *fleet.client_options()],
                      fleet.sandbox)
    return json.loads(listing.output)["jobs"] if listing.wait(20) == 0 else []


def job_states(fleet):
    return [(job.get("state"), job.get("reason")) for job in jobs(fleet)]


def resume_paused(fleet):
    """Whether there was a paused job; it goes on now, as its reason tells the user to do."""
    paused = [job for job in jobs(fleet) if "PAUSED" in job.get("state", "")]
    for job in paused:
        Program([fleet.bench.program, "resume", job["id"], *fleet.client_options()],
                fleet.sandbox).wait(20)
    return bool(paused)


def fail_once(bench, shared, target, kind, error, number):
    """A word on how it ended, None if the call was not reached, or what was found."""
    library, tables, expected = shared
    way, role = target
    fault = None
    try:
        with Sandbox(bench) as sandbox:
            fault = Fault(sandbox, library, role, kind, error, number)
            try:
                if way == "run":
                    end = embedded(sandbox, fault, kind, expected, tables)
                else:
                    end = fleet_run(sandbox, fault, kind, role, expected, tables)
            finally:
                fault.read()
            return end if fault.was_reached else None
    except (Finding, OSError, ValueError, LookupError) as finding:
        return f"{way}, {role}: {kind} {number} {error}: {finding}; {fault and fault.words}"


def numbers(bench, shared, target, kind, options):
    """Every n; of allocations as many as asked for, spread over all of them."""
    if kind != "malloc":
        return itertools.count(1)
    with Sandbox(bench) as sandbox:
        fault = Fault(sandbox, shared[0], target[1], kind, "ENOMEM", 0)
        if target[0] == "run":
            embedded(sandbox, fault, kind, shared[2], shared[1])
        else:
            fleet_run(sandbox, fault, kind, target[1], shared[2], shared[1])
        fault.read()
        last = fault.count
    draw = random.Random(f"{bench.seed} {target}")
    step = max(1.0, last / options.allocations)
    return (1 + int((index + draw.random()) * step)
            for index in range(min(last, options.allocations)))


def measure_kind(bench, shared, target, kind, error, options):
    """Runs until some in a row do not come to their call."""
    row = {"name": " ".join((*target, kind, error)), "runs": 0, "done": 0, "error ends": 0,
           "aborts": 0, "findings": []}
    source = numbers(bench, shared, target, kind, options)
    is_reached = True
    with ThreadPoolExecutor(options.at_once) as pool:
        while is_reached and (batch := list(itertools.islice(source, 6))):
            is_reached = kind == "malloc"
            for end in pool.map(
                    lambda number: fail_once(bench, shared, target, kind, error, number), batch):
                if end is None:
                    continue
                is_reached = True
                row["runs"] += 1
                if end in ("done", "error", "abort"):
                    row[{"done": "done", "error": "error ends", "abort": "aborts"}[end]] += 1
                else:
                    row["findings"].append(end)
    return row


def measure(bench, options, note):
    """Rows of one target, kind and error each."""
    library = compiled(bench)
    tables = bench.folder / "small-tables"
    if not tables.exists():
        write_tables(tables, files=2, rows=150)
    with Sandbox(bench) as sandbox:
        expected = bench.undisturbed(sandbox, tables)
    for target in TARGETS:
        for kind, errors in ERRORS.items():
            for error in errors:
                name = " ".join((*target, kind, error))
                if options.calls and not any(name.startswith(part) for part in options.calls):
                    continue
                row = measure_kind(
                    bench, (library, tables, expected), target, kind, error, options)
                note(f"{row['name']}: {row['runs']} runs, {row['done']} done, "
                     f"{row['error ends']} errors, {row['aborts']} aborts, "
                     f"{len(row['findings'])} findings")
                for text in row["findings"][:4]:
                    note(f"  {text}")
                yield row
