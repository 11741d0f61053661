"""Runs a command with all processes that it starts: their wall time, processor time and memory.

Peers start servers and workers of their own that outlive their parents, so that what `wait4` says
of the first process is not all. This process takes in orphans of its descendants (Linux:
PR_SET_CHILD_SUBREAPER), looks at all of them every so often, and ends those that are left over.
"""

import ctypes
import os
import pathlib
import signal
import subprocess
import threading
import time

PR_SET_CHILD_SUBREAPER = 36
TICKS = os.sysconf("SC_CLK_TCK")
GRACE_SECONDS = 10


class Failed(Exception):
    """A command did not do what it should; the text says why."""


def take_in_orphans():
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def children(process):
    """Process numbers of the children of a process."""
    found = []
    try:
        for task in pathlib.Path(f"/proc/{process}/task").iterdir():
            found += [int(number) for number in (task / "children").read_text().split()]
    except OSError:
        pass  # a thread, or all of it, ended meanwhile
    return found


def descendants(process):
    found = []
    for child in children(process):
        found += [child, *descendants(child)]
    return found


def identity_and_seconds(process):
    """Something that no other process is ever called, and its own processor time; or None."""
    try:
        text = pathlib.Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2:].split()
    return (process, fields[19]), (int(fields[11]) + int(fields[12])) / TICKS


def memory(process):
    """Bytes in memory: private and shared ones, and with pages of files. None once it ended."""
    found = {}
    try:
        for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in ("RssAnon", "RssShmem", "VmRSS"):
                found[name] = int(value.split()[0]) * 1024
    except OSError:
        return None
    if "VmRSS" not in found:
        return None  # it has ended, and nobody has noticed yet
    return found["RssAnon"] + found["RssShmem"], found["VmRSS"]


class Sampler(threading.Thread):
    """Looks at a process and its descendants every so often."""

    def __init__(self, process, interval_seconds):
        super().__init__(daemon=True)
        self.process, self.interval = process, interval_seconds
        self.started = time.perf_counter()
        self.seconds = {}  # identity -> processor time
        self.samples = {}  # process number -> [(seconds, bytes, bytes with pages of files)]
        self.done = threading.Event()

    def look(self):
        now = time.perf_counter() - self.started
        # Orphans are this process's children by then, beside the sampled process.
        for number in {*descendants(os.getpid())}:
            found = identity_and_seconds(number)
            if found is not None:
                self.seconds[found[0]] = max(found[1], self.seconds.get(found[0], 0))
            size = memory(number)
            if size is not None:
                self.samples.setdefault(number, []).append((now, *size))

    def run(self):
        while not self.done.wait(self.interval):
            self.look()

    def finish(self):
        self.done.set()
        self.join()


def end_leftovers():
    """Waits for descendants that are still there, then ends them; they are all of one command."""
    deadline = time.perf_counter() + GRACE_SECONDS
    while left := children(os.getpid()):
        late = time.perf_counter() > deadline
        for number in left:
            try:
                if late:
                    os.kill(number, signal.SIGKILL)
                os.waitpid(number, 0 if late else os.WNOHANG)
            except (ChildProcessError, ProcessLookupError):
                pass
        time.sleep(0.01)


def last_words(text):
    lines = [line.strip() for line in text.strip().split("\n") if line.strip()]
    return next((line for line in lines if line.startswith("Error:")), lines[-1] if lines else "")


def used_by_children():
    times = os.times()
    return times.children_user + times.children_system


def run(command, *, cores, environment=None, limit_seconds=1800, interval_seconds=0.05,
        watch=None):
    """What a command printed, with its wall time, processor time and memory.

    `watch` is called with the sampler as soon as the command runs. Raises `Failed` if the command
    does not end with 0, or not in time; whatever it started is ended then too.
    """
    before, started = used_by_children(), time.perf_counter()
    process = subprocess.Popen(
        ["taskset", "-c", cores, *map(str, command)], env=os.environ | (environment or {}),
        text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True)
    sampler = Sampler(process.pid, interval_seconds)
    sampler.start()
    if watch:
        watch(sampler)
    is_late = False
    try:
        output, errors = process.communicate(timeout=limit_seconds)
    except subprocess.TimeoutExpired:
        is_late = True
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
    seconds = time.perf_counter() - started
    end_leftovers()
    sampler.finish()
    if is_late:
        raise Failed(f"no answer in {limit_seconds} s")
    if process.returncode != 0:
        raise Failed(f"ended with {process.returncode}: {last_words(errors)[:300]}")
    # What a child's parent did not wait for stands in no sum, and what lived shortly was not seen.
    waited, seen = used_by_children() - before, sum(sampler.seconds.values())
    return {"output": output, "seconds": seconds, "cpuSeconds": max(waited, seen),
            "cpuWaited": waited, "cpuSeen": seen, "samples": sampler.samples,
            "process": process.pid}
