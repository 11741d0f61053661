"""What is done to the processes of a soak."""

import collections
import errno
import os
import random
import signal
import subprocess
import time

from limits import command
from recovery import storm

SPOOL_BYTES = 24 << 20
# Weights of the blows; those of the coordinator's end come in restless parts only.
BLOWS = {"kill worker": 4, "stop worker": 3, "end worker": 3, "reset connections": 3,
         "storm of resets": 1, "fill spool": 2, "stop coordinator": 1}
# How a process may end that got a signal; before it has begun to listen, the plain way.
ENDS = {signal.SIGKILL: [-9], signal.SIGTERM: [0, -15]}
RESTLESS_BLOWS = {"kill coordinator": 3, "end coordinator": 1}


class SmallSpool:
    """The spool's folder on a file system of its own, in memory, that can be filled."""

    def __init__(self, folder):
        self.folder = folder
        self.filler = folder / "filler"

    def __enter__(self):
        self.folder.mkdir(parents=True, mode=0o700)
        self.folder.parent.chmod(0o700)
        command(["mount", "-t", "tmpfs", "-o", f"size={SPOOL_BYTES},mode=0700", "tmpfs",
                 self.folder])
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.folder], check=False)

    def used(self):
        status = os.statvfs(self.folder)
        return (status.f_blocks - status.f_bfree) * status.f_frsize

    def fill(self):
        status = os.statvfs(self.folder)
        try:
            with open(self.filler, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(1, status.f_bavail * status.f_frsize))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise  # a partial that came meanwhile has filled it

    def empty(self):
        self.filler.unlink(missing_ok=True)


class Chaos:
    """Strikes every few seconds, by a seed, and starts again what it ended."""

    def __init__(self, soak, spool):
        self.soak = soak
        self.spool = spool
        self.draw = random.Random(f"{soak.options.seed} chaos")
        self.counts = collections.Counter()
        self.is_calm = False
        self.next_blow = time.monotonic() + 5
        # What is to be done later, to mend a blow: instant, action.
        self.later = []

    def step(self):
        """Mends what is due, keeps the processes up, and strikes where it is time to."""
        now = time.monotonic()
        for entry in [entry for entry in self.later if entry[0] <= now]:
            self.later.remove(entry)
            entry[1]()
        self.revive()
        if self.is_calm or now < self.next_blow:
            return
        if any(entry[0] <= now + 1 for entry in self.later):
            return  # some blows take a while, and what is stopped is to go on in time
        self.next_blow = now + self.draw.uniform(2, 8)
        blows = BLOWS | (RESTLESS_BLOWS if self.soak.is_restless else {})
        name = self.draw.choices(list(blows), list(blows.values()))[0]
        self.counts[name] += 1
        self.strike(name)

    def calm(self):
        """No more blows; what is stopped, full or gone comes back."""
        self.is_calm = True

    def at(self, seconds, action):
        self.later.append((time.monotonic() + seconds, action))

    def strike(self, name):
        soak, seconds = self.soak, self.draw.uniform(0.3, 5)
        victim = self.draw.randrange(1, len(soak.workers))
        match name:
            case "kill worker": self.end(victim, signal.SIGKILL)
            case "end worker": self.end(victim, signal.SIGTERM)
            case "stop worker": self.pause(soak.workers[self.draw.randrange(3)], seconds)
            case "stop coordinator": self.pause(soak.fleet.coordinator, min(seconds, 3))
            case "reset connections": self.reset()
            case "storm of resets" if not self.later: storm(soak.fleet.port)
            case "fill spool":
                self.spool.fill()
                self.at(seconds, self.spool.empty)
            case "kill coordinator": self.end_coordinator(signal.SIGKILL)
            case "end coordinator": self.end_coordinator(signal.SIGTERM)

    def pause(self, program, seconds):
        program.signal(signal.SIGSTOP)
        self.at(seconds, lambda: program.signal(signal.SIGCONT))

    def end(self, number, kind):
        worker = self.soak.workers[number]
        _, former = self.soak.absent.get(worker, (0, ()))
        self.soak.absent[worker] = (time.monotonic() + self.draw.uniform(0, 3), (*former, kind))
        worker.signal(kind)
        worker.signal(signal.SIGCONT)

    def end_coordinator(self, kind):
        coordinator = self.soak.fleet.coordinator
        _, former = self.soak.absent.get(coordinator, (0, ()))
        self.soak.absent[coordinator] = (
            time.monotonic() + self.draw.uniform(0, 4), (*former, kind))
        coordinator.signal(kind)
        coordinator.signal(signal.SIGCONT)

    def reset(self):
        """Ends the connections to one of the two listeners, as a gateway that forgets them does."""
        port = self.soak.fleet.port + self.draw.randrange(2)
        subprocess.run(["ss", "-K", "dst", "127.0.0.1", "dport", "=", str(port)], check=False,
                       capture_output=True)

    # MARK: Coming back

    def revive(self):
        """Starts again what has ended; an end that nobody asked for is a finding."""
        soak = self.soak
        for number, worker in enumerate(soak.workers):
            if not worker.is_running and self.may_return(worker, "worker"):
                soak.start_worker(number)
        coordinator = soak.fleet.coordinator
        if not coordinator.is_running and self.may_return(coordinator, "coordinator"):
            soak.start_coordinator()

    def may_return(self, program, role):
        soak = self.soak
        since, kinds = soak.absent.get(program, (0, ()))
        if time.monotonic() < since:
            return False
        soak.absent.pop(program, None)
        status = program.process.returncode
        expected = [end for kind in kinds for end in ENDS[kind]]
        if status not in expected:
            asked = f"after signals {[int(kind) for kind in kinds]}" if kinds else "unasked"
            soak.find(f"a {role} ended {asked} with {status}: {program.last_words()}")
        else:
            program.output_path.unlink(missing_ok=True)
            program.error_path.unlink(missing_ok=True)
        soak.fleet.sandbox.programs.remove(program)
        return True

