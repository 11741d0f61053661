"""Turns what bench/faults found into Markdown."""

import re

HEADING = """# Faults

Made by `bench/faults/run --publish`; `README.md` says what each part does. Every run ended with the
bytes of an undisturbed one, or is among the findings.

"""
TITLES = {
    "simulation": "Simulated schedules",
    "planted": "Planted bugs",
    "fuzz": "Fuzzing",
    "kills": "kill -9 at every phase",
    "calls": "System calls failed one by one",
    "power": "Power loss",
    "partitions": "Partitions",
    "disks": "Full disks",
    "memory": "Little memory",
    "pauses": "Processes stopped longer than a lease",
    "terms": "SIGTERM",
    "recovery": "Detection and recovery",
    "soak": "Soak",
}


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def span(figures):
    """Median and most of some figures."""
    if not figures:
        return "–"
    ordered = sorted(figures)
    return f"{ordered[len(ordered) // 2]:g}, at most {ordered[-1]:g}"


def kills(rows):
    return table(
        ["phase", "runs", "passages hit", "differing outputs", "leftover files", "other findings"],
        [[f"`{row['name']}`", row["runs"], row["passages"], row["differing"], row["leftovers"],
          len(row["findings"]) - row["differing"] - row["leftovers"]] for row in rows]
        + [["all", *(sum(row[key] for row in rows) for key in ("runs",)), "",
            *(sum(row[key] for row in rows) for key in ("differing", "leftovers")),
            sum(len(row["findings"]) - row["differing"] - row["leftovers"] for row in rows)]])


def calls(rows):
    return table(
        ["what runs, whose call, call, error", "calls failed", "unharmed", "error, then resumed",
         "abort, then resumed", "findings"],
        [[row["name"], row["runs"], row["done"], row["error ends"], row["aborts"],
          len(row["findings"])] for row in rows]
        + [["all", *(sum(row[key] for row in rows)
                     for key in ("runs", "done", "error ends", "aborts")),
            sum(len(row["findings"]) for row in rows)]])


def power(rows):
    return table(
        ["power lost at", "runs", "place not reached", "findings"],
        [[row["name"], row["runs"], row["not reached"], len(row["findings"])] for row in rows])


def partitions(rows):
    return table(
        ["cut", "runs", "seconds from mending to the job's end", "findings"],
        [[row["name"], row["runs"], span(row["healed"]), len(row["findings"])] for row in rows])


def plain(rows):
    return table(
        ["what", "runs", "measured", "findings"],
        [[row["name"], row["runs"],
          span(row["figures"]) + " s" if row["figures"] and not isinstance(row["figures"][0], str)
          else "; ".join(row["figures"]) or "–", len(row["findings"])] for row in rows])


def recovery(rows):
    return table(
        ["what", "limit", "times", "median, most", "findings"],
        [[row["name"], f"{row['limit']:g}", len(row["seconds"]), span(row["seconds"]),
          len(row["findings"])] for row in rows])


def simulation(rows):
    return "\n\n".join(
        f"`{row['command']}`: {row['schedules']:,} schedules, **{row['violations']} with a "
        f"violation**; {row['schedulesPerSecond']:g} schedules a second on {row['threads']} "
        f"thread{'s' * (row['threads'] > 1)}; a schedule has {row['eventsPerSchedule']:g} events, "
        f"{row['coordinatorEndsPerSchedule']:g} ends of a coordinator and "
        f"{row['faultKindsPerSchedule']:g} kinds of fault." for row in rows)


def planted(rows):
    return "\n\n".join(
        f"`Tests/planted`: {row['found']} of {len(row['bugs'])} found.\n\n"
        + table(["planted bug", "first seed that finds it"],
                [[f"`{bug['bug']}`", bug["firstSeed"]] for bug in row["bugs"]]) for row in rows)


def fuzz(rows):
    """Minutes and executions add up over all runs of `Tests/fuzz`."""
    return "`Tests/fuzz all --minutes N`, all runs together:\n\n" + table(
        ["target", "minutes", "executions", "edges", "findings"],
        [[row["name"], f"{row['minutes']:g}", f"{row['executions']:,}", row["edges"],
          len(row["findings"])] for row in rows]
        + [["all", f"{sum(row['minutes'] for row in rows):g}",
            f"{sum(row['executions'] for row in rows):,}", "",
            sum(len(row["findings"]) for row in rows)]])


def soak(rows):
    return "\n\n".join(soak_run(row) for row in rows)


def unit(verdict):
    return f" {verdict['unit']}" if verdict["unit"] else ""


def soak_run(row):
    jobs, state = row["jobs"], row["state"]
    blows = ", ".join(f"{name} {count}" for name, count in sorted(row["blows"].items()))
    kept = [f"{kind} {count / 1024 / max(1, state['jobs']):.1f} KiB"
            for kind, count in state["bytes"].items()]
    judged = table(
        ["process", "what", "median", "most", "growth in the second half", "limit", "holds"],
        [[verdict["process"], verdict["what"], verdict["median"], verdict["most"],
          f"{verdict['growth']:g}{unit(verdict)} in {verdict['seconds'] / 60:.0f} min",
          f"{verdict['limit']:g}{unit(verdict)}", "yes" if verdict["holds"] else "**no**"]
         for verdict in row["judged"]])
    pictures = "\n".join(f"![{what} over time](curve-soak-{what}.svg)"
                         for what in ("memory", "descriptors", "threads", "state"))
    return f"""{row["name"]}: `{row["command"]}`

{jobs.get("submitted", 0)} jobs of {len(row["kinds"])} kinds: {jobs.get("compared", 0)} compared byte \
for byte with an undisturbed run, {jobs.get("cancelled", 0)} cancelled that left nothing, \
{jobs.get("verified", 0)} verified, {jobs.get("resumed", 0)} times resumed after a full disk.
Blows: {blows}. In the first half no job was deleted: the state folder grew by \
{", ".join(kept)} for each of {state["jobs"]} jobs; the journal's log had at most \
{state["largestLogBytes"] >> 20} MiB, the spool {state["largestSpoolBytes"] >> 10} KiB.

{judged}

{pictures}"""


SHAPES = {"simulation": simulation, "planted": planted, "fuzz": fuzz, "kills": kills, "calls": calls, "power": power, "partitions": partitions,
          "recovery": recovery, "soak": soak}


def machines(rows):
    """One line for each machine and program that rows come from."""
    found = {}
    for row in rows:
        about = row["machine"]
        line = (f"{about['date']}, program of {about['commit'] or 'an unknown commit'}, "
                f"{about['cores']} cores {about['processor']}, kernel {about['kernel']}")
        found.setdefault(line, []).append(about["loadAtStart"])
    return "\n".join(f"{line}; load at the start {min(loads)} to {max(loads)}."
                     for line, loads in found.items())


def line(text):
    """A finding as one short line, without the folder of its run."""
    return re.sub(r"/\S*/run-\w+/", "", " ".join(text.split()))[:300]


def part(name, found):
    rows = [row for row in found.values() if "why" not in row]
    reasons = [f"Not run: {row['why']}" for row in found.values() if "why" in row]
    findings = [f"- {row['name']}: {line(text)}" for row in rows for text in row["findings"]]
    pieces = [f"## {TITLES[name]}", *reasons]
    if rows:
        pieces += [SHAPES.get(name, plain)(rows), machines(rows)]
    if findings:
        pieces += ["Findings:", "\n".join(findings)]
    return "\n\n".join(pieces) + "\n\n"


def published(former, results, names):
    """The page with the named parts made new; others stay as they are, for they were measured
    elsewhere or before."""
    heading, *pieces = re.split(r"(?m)^(?=## )", former)
    parts = {piece.splitlines()[0].removeprefix("## "): piece for piece in pieces}
    for name in names:
        if name in results:
            parts[TITLES[name]] = part(name, results[name])
    known = [title for title in TITLES.values() if title in parts]
    text = "".join(parts[title].rstrip() + "\n\n"
                   for title in [*known, *(title for title in parts if title not in known)])
    return (heading.rstrip() or HEADING.rstrip()) + "\n\n" + text.rstrip() + "\n"


def markdown(results):
    return (HEADING + "".join(part(name, results[name]) for name in TITLES if name in results)) \
        .rstrip() + "\n"
