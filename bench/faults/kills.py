"""kill -9 at every phase of a worker and of the coordinator."""

import random
import re
import signal
from concurrent.futures import ThreadPoolExecutor

from fleet import REPOSITORY, Finding, Fleet, Sandbox, wait_until

# So many passages of each phase there are at most in an undisturbed job of the tables; a number
# that a run did not come to is drawn again from the lower ones.
PASSAGES = {
    "worker.acquiring": 6, "worker.reading": 6, "worker.scoring": 60, "worker.sending": 6,
    "worker.sent": 6, "worker.acknowledged": 6, "coordinator.planning": 1,
    "coordinator.granting": 8, "coordinator.receiving": 8, "coordinator.committing": 10,
    "coordinator.committed": 10, "coordinator.merging": 8, "coordinator.publishing": 1,
    "coordinator.published": 1,
}


def phases():
    """The places in the program; one without a number of passages here is an error."""
    text = (REPOSITORY / "Sources/Failpoints/Failpoint.swift").read_text()
    places = re.findall(r'case \w+ = "([a-z.]+)"', text)
    if set(places) != set(PASSAGES):
        raise SystemExit(f"phases and PASSAGES differ: {set(places) ^ set(PASSAGES)}")
    return places


def kill_once(bench, place, passage):
    """One job whose worker or coordinator is killed at a passage; False if it never came there."""
    with Sandbox(bench) as sandbox:
        fleet = Fleet(sandbox)
        failpoint = f"{place}=kill@{passage}"
        is_worker = place.startswith("worker.")
        fleet.start_coordinator(None if is_worker else failpoint)
        victim = fleet.start_worker(failpoint) if is_worker else fleet.coordinator
        workers = [fleet.start_worker() for _ in range(1 if is_worker else 2)]
        submit = fleet.submit()
        wait_until(lambda: not victim.is_running or not submit.is_running, 40)
        was_killed = not victim.is_running
        if was_killed and victim.process.returncode != -signal.SIGKILL:
            raise Finding(f"ended with {victim.process.returncode}: {victim.last_words()}")
        if was_killed and is_worker:
            workers.append(fleet.start_worker())
        elif was_killed:
            fleet.start_coordinator()
        elif is_worker:
            workers.append(victim)
        fleet.check(submit)
        fleet.check_leftovers()
        fleet.end(*workers)
        fleet.check_leftovers()
        return was_killed


def kill_at(bench, place, number):
    """Draws passages until one is reached; the passage, or what was found."""
    draw = random.Random(f"{bench.seed} {place} {number}")
    most = PASSAGES[place]
    for _ in range(10):
        passage = draw.randint(1, most)
        try:
            if kill_once(bench, place, passage):
                return passage
        except Finding as finding:
            return f"{place}=kill@{passage}: {finding}"
        most = max(1, passage - 1)
    return f"{place}: never reached"


def measure(bench, options, note):
    """Rows of one phase each: place, runs, differing outputs and other findings."""
    for place in phases():
        if options.phases and place not in options.phases.split(","):
            continue
        with ThreadPoolExecutor(options.at_once) as pool:
            results = list(pool.map(
                lambda number, place=place: kill_at(bench, place, number), range(options.kills)))
        findings = [result for result in results if isinstance(result, str)]
        note(f"{place}: {options.kills} runs, {len(findings)} findings")
        for text in findings[:5]:
            note(f"  {text}")
        yield {"name": place, "runs": options.kills,
               "passages": len(set(results) - set(findings)),
               "differing": sum("other bytes" in text for text in findings),
               "leftovers": sum("left over" in text for text in findings),
               "findings": findings}
