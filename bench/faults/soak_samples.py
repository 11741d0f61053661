"""What the processes of a soak take, every few seconds, and whether it grows."""

import itertools
import os
import pathlib
import statistics

MEBIBYTE = 1 << 20
# What is judged: unit of the figures in the samples, most growth over the second half of the run.
JUDGED = {
    "private memory": ("privateBytes", "MiB", MEBIBYTE, 6),
    "descriptors": ("descriptors", "", 1, 4),
    "threads": ("threads", "", 1, 3),
}
STATE_LIMIT = {"journal": 2 * MEBIBYTE, "models": MEBIBYTE, "rest": MEBIBYTE}
# Stretches into which the judged time is divided; each stands with its median.
STRETCHES = 12
# Fewer samples in the judged time say nothing.
ENOUGH = 24


def process_figures(pid):
    """Memory in bytes, descriptors and threads; `None` where the process has just ended."""
    folder = pathlib.Path(f"/proc/{pid}")
    try:
        sizes = {}
        for line in (folder / "smaps_rollup").read_text().splitlines()[1:]:
            name, size = line.split(":")
            sizes[name] = int(size.split()[0]) << 10
        threads = next(int(line.split()[1]) for line in (folder / "status").read_text().splitlines()
                       if line.startswith("Threads"))
        return {"residentBytes": sizes["Rss"], "proportionalBytes": sizes["Pss"],
                "privateBytes": sizes["Private_Clean"] + sizes["Private_Dirty"],
                "threads": threads} | descriptor_figures(folder / "fd")
    except (OSError, ValueError, KeyError, StopIteration):
        return None


def descriptor_figures(folder):
    """Descriptors in all, and those of sockets."""
    count = sockets = 0
    for entry in os.scandir(folder):
        count += 1
        try:
            sockets += os.readlink(entry.path).startswith("socket:")
        except OSError:
            pass  # just closed
    return {"descriptors": count, "sockets": sockets}


def state_figures(folder):
    """Bytes of a state folder by what they are."""
    sizes = dict.fromkeys(("journal", "log", "spool", "models", "rest"), 0)
    for below, _, names in os.walk(folder):  # what is being removed is passed over
        for path in (pathlib.Path(below) / name for name in names):
            try:
                size = path.stat().st_size
            except OSError:
                continue
            first = path.relative_to(folder).parts[0]
            kind = {"journal.sqlite": "journal", "journal.sqlite-wal": "log", "spool": "spool",
                    "models": "models"}.get(first, "rest")
            if path.name != "filler":
                sizes[kind] += size
    return sizes


def stretched(points):
    """The stretches of some points: mean time and median value of each."""
    begin, end = points[0][0], points[-1][0]
    stretches = {}
    for seconds, value in points:
        place = min(STRETCHES - 1, int((seconds - begin) / (end - begin) * STRETCHES))
        stretches.setdefault(place, []).append((seconds, value))
    return [(statistics.mean(point[0] for point in stretch),
             statistics.median(point[1] for point in stretch))
            for _, stretch in sorted(stretches.items())]


def growth(points):
    """How much something grows over its points: the median slope between the medians of stretches
    (Theil, Sen) times their time; a few outliers do not move it."""
    slopes = [(right[1] - left[1]) / (right[0] - left[0])
              for left, right in itertools.combinations(stretched(points), 2)]
    return statistics.median(slopes) * (points[-1][0] - points[0][0])


def step(points):
    """How much higher something is at the end than at the begin: a step that comes late moves no
    median slope."""
    values = [value for _, value in stretched(points)]
    return values[-1] - statistics.median(values[:3])


class Samples:
    """All figures of a run, by process and time."""

    def __init__(self, soak, spool):
        self.soak = soak
        self.spool = spool
        # (role, number) → life → samples.
        self.lives = {}
        self.state = []

    def step(self):
        seconds = round(self.soak.elapsed, 1)
        for role, number, program in self.soak.processes():
            figures = process_figures(program.process.pid)
            if figures is None or not program.is_running:
                continue
            lives = self.lives.setdefault((role, number), {})
            lives.setdefault(program.process.pid, []).append({"seconds": seconds} | figures)
        self.state.append({"seconds": seconds} | state_figures(self.soak.fleet.state))

    def latest(self, role):
        """Memory of a process, for the progress line."""
        for samples in reversed(self.lives.get((role, 0), {}).values()):
            return f"{samples[-1]['privateBytes'] / MEBIBYTE:.0f} MiB"
        return "–"

    def record(self):
        """Everything, for a file."""
        return {
            "secondHalf": self.soak.seconds / 2,
            "end": self.soak.seconds,
            "processes": [
                {"role": role, "number": number, "lives": list(lives.values())}
                for (role, number), lives in sorted(self.lives.items())],
            "state": self.state}

    # MARK: Judging

    def judged_time(self, samples):
        half = self.soak.seconds / 2
        return [sample for sample in samples if half <= sample["seconds"] <= self.soak.seconds]

    def judge(self, soak):
        """Verdicts on the coordinator and the worker that lived through the second half."""
        verdicts = []
        for role in ("coordinator", "worker"):
            lives = self.lives.get((role, 0), {}).values()
            samples = max((self.judged_time(life) for life in lives), key=len, default=[])
            if len(samples) < ENOUGH:
                soak.find(f"{role}: only {len(samples)} samples of one life in the second half")
                continue
            for what, (key, unit, divisor, limit) in JUDGED.items():
                points = [(sample["seconds"], sample[key] / divisor) for sample in samples]
                verdicts.append(verdict(role, what, unit, limit, points))
        samples = self.judged_time(self.state)
        if len(samples) >= ENOUGH:
            for kind, limit in STATE_LIMIT.items():
                points = [(sample["seconds"], sample[kind] / MEBIBYTE) for sample in samples]
                verdicts.append(verdict("state folder", kind, "MiB", limit / MEBIBYTE, points))
        return verdicts

    def state_growth(self, soak, jobs):
        """Of the first half, in which no job is deleted: bytes by kind, and how many jobs."""
        half = soak.seconds / 2
        first = [sample for sample in self.state if sample["seconds"] < half]
        return {
            "jobs": jobs.first_half_count,
            "bytes": {kind: first[-1][kind] - first[0][kind]
                      for kind in ("journal", "models", "rest")} if first else {},
            "largestLogBytes": max((sample["log"] for sample in self.state), default=0),
            "largestSpoolBytes": max((sample["spool"] for sample in self.state), default=0),
        }


def verdict(process, what, unit, limit, points):
    grown, stepped = growth(points), step(points)
    values = [value for _, value in points]
    return {"process": process, "what": what, "unit": unit, "limit": limit,
            "samples": len(points), "seconds": round(points[-1][0] - points[0][0]),
            "median": round(statistics.median(values), 1), "most": round(max(values), 1),
            "growth": round(grown, 2), "step": round(stepped, 2),
            "holds": grown <= limit and stepped <= 2 * limit}
