"""Power loss on a disk of the coordinator: everything that was not synced is gone."""

import fcntl
import os
import random
import signal
import subprocess
import time

from fleet import PARTLY, Finding, Fleet, NotRun, Sandbox, published, wait_until

# EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: not even the file system's log is written.
SHUTDOWN, WITHOUT_FLUSH = 0x8004587D, 2
# The second has no order between data and names but what the program asks for.
MODES = ["data=ordered,noauto_da_alloc", "data=writeback,noauto_da_alloc"]
FAILPOINTS = ["coordinator.planning", "coordinator.granting", "coordinator.receiving",
              "coordinator.committing", "coordinator.committed", "coordinator.merging",
              "coordinator.publishing", "coordinator.published"]


class Disk:
    """An ext4 file system in a file, mounted through a loop device."""

    def __init__(self, folder, options):
        self.image = folder / "disk.image"
        self.path = folder / "disk"
        self.path.mkdir()
        self.options = options
        with open(self.image, "wb") as file:
            file.truncate(64 << 20)
        command(["mkfs.ext4", "-q", "-F", "-O", "^metadata_csum_seed", self.image])
        self.mount()

    def mount(self):
        command(["mount", "-o", f"loop,{self.options}", self.image, self.path])

    def lose_power(self):
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, SHUTDOWN, WITHOUT_FLUSH.to_bytes(4, "little"))
        except OSError as error:
            raise NotRun(f"EXT4_IOC_SHUTDOWN: {error}") from None
        finally:
            os.close(folder)

    def unmount(self):
        """Takes the file system away, as often as a process that has just ended needs."""
        if not wait_until(lambda: subprocess.run(
                ["umount", self.path], check=False, capture_output=True).returncode == 0, 20, 0.05):
            raise NotRun(f"{self.path} cannot be unmounted")


def command(words):
    try:
        done = subprocess.run(words, check=False, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise NotRun(str(error)) from None
    if done.returncode != 0:
        raise NotRun(f"{words[0]}: {done.stderr.strip()[-200:]}")


def is_stopped(program):
    try:
        with open(f"/proc/{program.process.pid}/stat", encoding="utf-8") as file:
            return ") T " in file.read()
    except OSError:
        return False


def lose_power_once(bench, mode, failpoint, seconds):
    """One job whose coordinator loses its disk's unsynced bytes; whether the place was reached."""
    with Sandbox(bench) as sandbox:
        disk = Disk(sandbox.folder, mode)
        try:
            fleet = Fleet(sandbox, state=disk.path / "state", output=disk.path / "predictions")
            coordinator = fleet.start_coordinator(failpoint)
            workers = [fleet.start_worker() for _ in range(2)]
            submit = fleet.submit()
            if failpoint:
                reached = wait_until(
                    lambda: is_stopped(coordinator) or not submit.is_running, 30)
                reached = reached and is_stopped(coordinator)
            else:
                time.sleep(seconds)
                reached = True
            disk.lose_power()
            had_ended = submit.process.poll() == PARTLY
            coordinator.kill()
            disk.unmount()
            disk.mount()
            if had_ended and published(fleet.output) != bench.expected:
                raise Finding("other bytes than those of an undisturbed run, after its end")
            fleet.start_coordinator()
            # One that had not read its token yet has ended with the disk.
            workers = [worker if worker.is_running or "joined" in worker.errors
                       else fleet.start_worker() for worker in workers]
            if not submit.is_running and "token file" in submit.errors:
                submit = fleet.submit()
            fleet.check(submit)
            fleet.check_leftovers()
            fleet.end(*workers)
            fleet.coordinator.signal(signal.SIGTERM)
            fleet.coordinator.wait(10)
            return reached
        finally:
            for program in sandbox.programs:
                program.kill()
            if os.path.ismount(disk.path):
                disk.unmount()


def measure(bench, options, note):
    """A row for random times and one for each phase."""
    for place in [None, *FAILPOINTS]:
        row = {"name": place or "random times", "runs": 0, "not reached": 0, "findings": []}
        for number in range(options.power * (3 if place is None else 1)):
            draw = random.Random(f"{bench.seed} {place} {number}")
            most = 1 if place in FAILPOINTS[:1] + FAILPOINTS[-2:] else 4
            failpoint = f"{place}=stop@{draw.randint(1, most)}" if place else None
            mode, seconds = MODES[number % 2], draw.uniform(0, 2)
            try:
                reached = lose_power_once(bench, mode, failpoint, seconds)
                row["runs"] += 1
                row["not reached"] += not reached
            except Finding as finding:
                row["runs"] += 1
                row["findings"].append(f"{mode} {failpoint or round(seconds, 3)}: {finding}")
        note(f"{row['name']}: {row['runs']} runs, {row['not reached']} not reached, "
             f"{len(row['findings'])} findings")
        for text in row["findings"][:4]:
            note(f"  {text}")
        yield row
