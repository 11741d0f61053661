"""What is found without real processes: simulated schedules, planted bugs, fuzzing."""

import json
import subprocess

from fleet import REPOSITORY, NotRun

# Schedules in which a planted bug has to be found.
PLANTED_LIMIT = 10_000
# What `Tests/fuzz` has done here and is not published yet, and what is.
FUZZ_TOTALS = REPOSITORY / ".build/fuzz/totals.json"
FUZZ_PUBLISHED = REPOSITORY / "bench/faults/fuzz.json"


def measure_simulation(bench, options, note):
    """Schedules beyond those that the tests run."""
    first, count = 20_000, options.schedules
    command = [options.binaries / "nightshift-sim", "--seeds", f"{first}..{first + count}", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    report = json.loads(done.stdout)
    note(f"{count} schedules, {report['violations']} violations")
    findings = [f"seed {seed}" for seed in report["failedSeeds"]]
    if report["violations"] and not findings:
        findings = [f"{report['violations']} violations"]
    yield report | {"name": "schedules", "findings": findings,
                    "command": f"nightshift-sim --seeds {first}..{first + count}"}


def measure_planted(bench, options, note):
    """Each planted bug, and the schedules that find it."""
    done = subprocess.run([REPOSITORY / "Tests/planted", "--json"], stdout=subprocess.PIPE,
                          text=True, check=False)
    bugs = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not bugs:
        raise NotRun("the planted bugs cannot be built")
    found = [bug for bug in bugs if bug["found"] and bug["firstSeed"] < PLANTED_LIMIT]
    note(f"{len(found)} of {len(bugs)} planted bugs found")
    yield {"name": "planted", "bugs": bugs, "found": len(found),
           "findings": [f"{bug['bug']} is not found" for bug in bugs if bug not in found]}


def measure_fuzz(bench, options, note):
    """What all runs of `Tests/fuzz` have done; to publish moves those from here to the others."""
    published, new = (json.loads(file.read_text()) if file.exists() else {}
                      for file in (FUZZ_PUBLISHED, FUZZ_TOTALS))
    targets = {name: added(published.get(name), new.get(name)) for name in published | new}
    if not targets:
        raise NotRun("Tests/fuzz was not run")
    if options.publish:
        FUZZ_PUBLISHED.write_text(json.dumps(targets, indent=1, sort_keys=True) + "\n")
        FUZZ_TOTALS.unlink(missing_ok=True)
    note(f"{len(targets)} targets, {sum(row['executions'] for row in targets.values())} executions")
    for name, row in sorted(targets.items()):
        yield row | {"name": name,
                     "findings": [f"{row['findings']} inputs"] if row["findings"] else []}


def added(one, other):
    """Two rows of a target as one; the edges are those of the run that reached most."""
    if not one or not other:
        return one or other
    return {name: max(one[name], other[name]) if name == "edges"
            else round(one[name] + other[name], 2) for name in one}
