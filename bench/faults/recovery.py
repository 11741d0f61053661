"""How long detection and recovery take, with the times that production has."""

import json
import os
import socket
import statistics
import struct
import subprocess
import time

from fleet import Finding, Fleet, Sandbox, published, wait_until, write_tables
from power import is_stopped

PRODUCTION = []


def one_shard(bench):
    """A table of one shard."""
    folder = bench.folder / "one-shard"
    if not folder.exists():
        write_tables(folder, files=1, rows=700)
    return folder


def lost_worker(bench, is_killed):
    """A worker in the middle of the only shard is killed, or silent; until the job has ended."""
    with Sandbox(bench) as sandbox:
        tables = one_shard(bench)
        expected = bench.undisturbed(sandbox, tables)
        fleet = Fleet(sandbox, tables, timing=PRODUCTION)
        fleet.start_coordinator()
        victim = fleet.start_worker("worker.scoring=stop@2")
        submit = fleet.submit()
        if not wait_until(lambda: is_stopped(victim), 20):
            raise Finding("the shard was not begun")
        begin = time.monotonic()
        heir = fleet.start_worker()
        wait_until(lambda: "joined" in heir.errors, 10)
        if is_killed:
            begin = time.monotonic()
            victim.kill()
        fleet.check(submit, expected)
        return time.monotonic() - begin


def lost_coordinator(bench):
    """The coordinator is killed in the middle of a job and started again; until the job has ended."""
    with Sandbox(bench) as sandbox:
        fleet = Fleet(sandbox, timing=PRODUCTION)
        fleet.start_coordinator("coordinator.committed=kill@4")
        workers = [fleet.start_worker() for _ in range(2)]
        submit = fleet.submit()
        fleet.coordinator.wait(20)
        begin = time.monotonic()
        fleet.start_coordinator()
        fleet.check(submit)
        needed = time.monotonic() - begin
        fleet.end(*workers)
        return needed


def ridden_out(bench, seconds):
    """The coordinator is away for long; the same workers end the job when it is back."""
    with Sandbox(bench) as sandbox:
        # Where no other fleet takes the port meanwhile.
        fleet = Fleet(sandbox, timing=PRODUCTION, ports=(12_000, 19_000))
        fleet.start_coordinator("coordinator.committed=kill@4")
        workers = [fleet.start_worker() for _ in range(2)]
        wait_until(lambda: all("joined" in worker.errors for worker in workers), 10)
        submit = fleet.submit(more=[])
        fleet.coordinator.wait(20)
        time.sleep(seconds)
        if not all(worker.is_running for worker in workers):
            raise Finding(f"a worker has left: {[worker.last_words() for worker in workers]}")
        begin = time.monotonic()
        fleet.start_coordinator()
        wait_until(lambda: list(fleet.output.glob("prediction-*/_SUCCESS")), 60)
        needed = time.monotonic() - begin
        if submit.wait(1) != 0 or published(fleet.output) != bench.expected:
            raise Finding("other bytes than those of an undisturbed run")
        fleet.end(*workers)
        return needed


# MARK: A deaf listener

def answered(port, seconds):
    """Whether a newcomer is answered in time; its connection may end with the old listener."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            # Patient: a connection that ends unanswered is one more that the listener stumbles on.
            with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
                connection.sendall(b"\0SP\0\0\x30\0\0")
                if len(connection.recv(8)) == 8:
                    return True
        except OSError:
            pass
        time.sleep(0.02)
    return False


def storm(port):
    """Connections that end and reset before the listener writes to them."""
    for _ in range(100):
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=0.4)
        except OSError:
            continue
        try:
            connection.shutdown(socket.SHUT_WR)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass  # the listener was quicker to end it
        connection.close()


def deaf_listener(bench):
    """From the end of a storm that makes the listener deaf, if one does in 40 s, to an answer."""
    with Sandbox(bench) as sandbox:
        fleet = Fleet(sandbox, timing=PRODUCTION)
        fleet.start_coordinator()
        worker = fleet.start_worker()
        wait_until(lambda: "joined" in worker.errors, 10)
        longest = 0.0
        end = time.monotonic() + 40
        while longest < 1 and time.monotonic() < end:
            storm(fleet.port)
            begin = time.monotonic()
            if not answered(fleet.port, 30):
                raise Finding("the listener stays deaf")
            longest = max(longest, time.monotonic() - begin)
        fleet.check(fleet.submit())
        fleet.end(worker)
        return longest


# MARK: 100,000 shards

def restarted(options):
    """Seconds from the start with 100,000 committed shards to the first grant."""
    program = options.binaries / "nightshift-bench"
    if not program.exists():
        raise Finding("nightshift-bench is not built")
    done = subprocess.run(
        [program, "restart", "--shards", "100000", "--recovery-window"], check=True,
        stdout=subprocess.PIPE, timeout=300)
    return json.loads(done.stdout)["firstGrantSeconds"]


# MARK: The tax

# Of one file; a larger table has it under several names.
FILE_MEGABYTES = 1_000


def large_table(bench, megabytes):
    """The table of one shard, so often that a job takes a minute or more."""
    folder = bench.folder / f"large-{megabytes}"
    if not folder.exists():
        header, body = (one_shard(bench) / "table-0.csv").read_text().split("\n", 1)
        body = body.replace("not a month", "1")
        folder.mkdir()
        with open(folder / "table.csv", "w", encoding="utf-8") as file:
            file.write(header + "\n")
            for _ in range(min(megabytes, FILE_MEGABYTES) * 1_000_000 // len(body)):
                file.write(body)
        for number in range(1, megabytes // FILE_MEGABYTES):
            os.link(folder / "table.csv", folder / f"table-{number}.csv")
    return folder


def taxed(bench, tables, kill_interval):
    """Seconds a job of two workers takes; each interval one of them is killed and started again."""
    with Sandbox(bench) as sandbox:
        fleet = Fleet(sandbox, tables, timing=PRODUCTION)
        fleet.start_coordinator()
        workers = [fleet.start_worker() for _ in range(2)]
        wait_until(lambda: all("joined" in worker.errors for worker in workers), 10)
        begin = time.monotonic()
        submit = fleet.submit(block=1 << 20)
        kill_count = 0
        while kill_interval and not wait_until(lambda: not submit.is_running, kill_interval, 0.05):
            victim = kill_count % 2
            workers[victim].kill()
            workers[victim] = fleet.start_worker()
            kill_count += 1
        if submit.wait(600) != 0:
            raise Finding(f"submit: {submit.last_words()}")
        return time.monotonic() - begin, kill_count


def tax(bench, options, note):
    """The time with kills as a multiple of that without; both twice, in turn."""
    tables = large_table(bench, options.tax)
    ratios = []
    for _ in range(2):
        plain, _ = taxed(bench, tables, None)
        disturbed, kill_count = taxed(bench, tables, options.tax_interval)
        if kill_count == 0:
            raise Finding(f"the job ended after {disturbed:.1f} s, before anything was killed")
        ratios.append(disturbed / plain)
        note(f"{plain:.1f} s undisturbed, {disturbed:.1f} s with {kill_count} kills")
    return statistics.mean(ratios)


def timed(name, limit, times, run, note):
    """One row: a time measured so often, with the limit that it must not pass."""
    row = {"name": name, "limit": limit, "seconds": [], "findings": []}
    for _ in range(times):
        try:
            row["seconds"].append(round(run(), 2))
        except (Finding, OSError, subprocess.SubprocessError) as finding:
            row["findings"].append(str(finding))
    if row["seconds"] and max(row["seconds"]) > limit:
        row["findings"].append(f"{max(row['seconds'])} s")
    note(f"{name}: {row['seconds']} s of {limit} s {row['findings']}")
    return row


def measure(bench, options, note):
    """Rows of one time each: its limit, how often measured, what was found."""
    times = options.recoveries
    yield timed("worker killed, its connection reset → job ended", 3, times,
                lambda: lost_worker(bench, True), note)
    yield timed("worker silent → job ended by another", 12, times,
                lambda: lost_worker(bench, False), note)
    yield timed("coordinator killed and started → job ended", 5, times,
                lambda: lost_coordinator(bench), note)
    yield timed("coordinator started with 100,000 shards → first grant", 5, min(3, times),
                lambda: restarted(options), note)
    yield timed("storm of resets that deafens the listener → newcomer answered", 10, times,
                lambda: deaf_listener(bench), note)
    if options.outage:
        yield timed(f"coordinator back after {options.outage} s → job ended by the same workers",
                    30, 1, lambda: ridden_out(bench, options.outage), note)
    if options.tax:
        yield timed(f"a worker of two killed every {options.tax_interval} s: time, as a multiple of "
                    "the undisturbed", 1.25, 1, lambda: tax(bench, options, note), note)
