"""Partitions, one way and both ways, between network namespaces as hosts."""

import itertools
import os
import signal
import subprocess
import time

from fleet import Finding, Fleet, NotRun, Sandbox, wait_until
from power import is_stopped

PLACES = ["worker.acquiring", "worker.reading", "worker.sending", "worker.sent"]
DIRECTIONS = ["to the worker", "to the coordinator", "both ways"]
# Shorter and longer than the lease of two seconds.
SECONDS = [1, 4]


def command(*words):
    try:
        done = subprocess.run(words, check=False, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise NotRun(str(error)) from None
    if done.returncode != 0:
        raise NotRun(f"{' '.join(words[:6])}: {done.stderr.strip()[-200:]}")


class Hosts:
    """Two network namespaces with a cable between them."""

    count = itertools.count()

    def __enter__(self):
        number = next(self.count)
        self.names = [f"nsf{os.getpid()}-{number}{side}" for side in "cw"]
        self.network = f"10.199.{number % 250}"
        try:
            for name in self.names:
                command("ip", "netns", "add", name)
                command("ip", "-n", name, "link", "set", "lo", "up")
                # What is to be lost goes into a cable whose other end nobody reads.
                command("ip", "-n", name, "link", "add", "sink", "type", "veth", "peer", "drain")
                command("ip", "-n", name, "link", "set", "sink", "up")
                command("ip", "-n", name, "link", "set", "drain", "up")
            command("ip", "-n", self.names[0], "link", "add", "cable", "type", "veth", "peer",
                    "cable", "netns", self.names[1])
            for side, name in enumerate(self.names, start=1):
                command("ip", "-n", name, "address", "add", f"{self.network}.{side}/24", "dev",
                        "cable")
                command("ip", "-n", name, "link", "set", "cable", "up")
        except NotRun:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)

    def launcher(self, side):
        return ["ip", "netns", "exec", self.names[side]]

    def cut(self, direction):
        """Loses all that arrives at one end of the cable, or at both."""
        for side in self.sides(direction):
            name = self.names[side]
            command("tc", "-n", name, "qdisc", "add", "dev", "cable", "ingress")
            command("tc", "-n", name, "filter", "add", "dev", "cable", "parent", "ffff:",
                    "protocol", "all", "u32", "match", "u32", "0", "0", "action", "mirred",
                    "egress", "redirect", "dev", "sink")

    def mend(self, direction):
        for side in self.sides(direction):
            command("tc", "-n", self.names[side], "qdisc", "delete", "dev", "cable", "ingress")

    @staticmethod
    def sides(direction):
        return {"to the coordinator": [0], "to the worker": [1], "both ways": [0, 1]}[direction]


def cut_once(bench, place, direction, seconds, has_other):
    """One job whose worker is cut off; how long after the mending the job ended."""
    with Hosts() as hosts, Sandbox(bench) as sandbox:
        fleet = Fleet(sandbox, host=f"{hosts.network}.1")
        fleet.start_coordinator(launcher=hosts.launcher(0), more=["--insecure"])
        far = fleet.start_worker(f"{place}=stop@2", launcher=hosts.launcher(1),
                                 more=["--insecure"])
        submit = fleet.submit(launcher=hosts.launcher(0), more=["--wait", "--insecure"])
        if not wait_until(lambda: is_stopped(far), 20):
            raise Finding(f"{place} was not reached: {far.last_words()}")
        hosts.cut(direction)
        far.signal(signal.SIGCONT)
        workers = [far]
        if has_other:
            workers.append(fleet.start_worker(launcher=hosts.launcher(0), more=["--insecure"]))
        time.sleep(seconds)
        hosts.mend(direction)
        mended = time.monotonic()
        fleet.check(submit)
        needed = time.monotonic() - mended
        fleet.check_leftovers()
        fleet.end(*workers)
        return needed


def measure(bench, options, note):
    """A row for each direction and duration, over all phases, with and without another worker."""
    for direction, seconds in itertools.product(DIRECTIONS, SECONDS):
        row = {"name": f"{direction}, {seconds} s", "runs": 0, "healed": [], "findings": []}
        for place, has_other in itertools.product(PLACES, [False, True]):
            for _ in range(options.cuts):
                row["runs"] += 1
                try:
                    needed = cut_once(bench, place, direction, seconds, has_other)
                    if not has_other:
                        row["healed"].append(round(needed, 2))
                except Finding as finding:
                    row["findings"].append(f"{place}, {direction}, {seconds} s, "
                                           f"{'two' if has_other else 'one'}: {finding}")
        note(f"{row['name']}: {row['runs']} runs, at most "
             f"{max(row['healed'], default=0)} s to the end, {len(row['findings'])} findings")
        for text in row["findings"][:4]:
            note(f"  {text}")
        yield row
