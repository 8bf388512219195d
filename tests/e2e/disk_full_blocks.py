#!/usr/bin/env python3
"""A disk that is full when the head is to be cut, and when blocks are to be merged.

Samples come by remote write with times of long ago that run fast. The disk, a small tmpfs, is filled but
for less than the block takes that is due next. The server goes on, answers everything that it has
acknowledged, says what fails, leaves no half a block behind, and does what is due by itself when there
is room; also when it is killed in between and started on the full disk.

    disk_full_blocks.py        (root only, since it mounts; skips otherwise)
"""

import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import disk_full
import lab

SERIES = 200
STEP_MS = 60_000
HOUR_MS = 3_600_000
FLAGS = [
    "--web.enable-remote-write-receiver",
    "--storage.tsdb.retention.time=3650d",
    "--storage.tsdb.block-reload-interval=1s",
]
# What is left of the disk: enough for some commits, not for a block of two hours of SERIES gauges, of 8
# bytes a sample (184 KiB); and enough for one such block, not for three of them in one (552 KiB), not
# even when all of the log (480 KiB) goes in between.
ROOM_TO_COMMIT = 96 << 10
ROOM_TO_CUT = 250 << 10


class Writer:
    """A sample of every series a minute, of times that the caller chooses."""

    def __init__(self, server):
        self.server = server
        self.random = random.Random(7)
        self.first_ms = (int(time.time()) - 600 * 86400) // 21600 * 21600 * 1000
        self.next_ms = self.first_ms
        self.sent = 0
        self.sums = {}  # t_ms: what all series sum up to

    def write_until(self, hours):
        """Up to a time; False when it is refused."""
        while self.next_ms < self.first_ms + hours * HOUR_MS:
            values = [self.random.random() for _ in range(SERIES)]
            status, _ = self.server.remote_write(
                [({"__name__": "gauge", "i": str(i)}, [(self.next_ms, v)]) for i, v in enumerate(values)]
            )
            if status not in (200, 204):
                return False
            self.sums[self.next_ms] = sum(values)
            self.next_ms += STEP_MS
        return True

    def check_all(self, checks, when):
        """Every acknowledged minute has all of its samples, and their values."""
        got = {}
        last_s = self.next_ms // 1000
        for begin_s in range(self.first_ms // 1000, last_s, 6 * 3600):
            end_s = min(begin_s + 6 * 3600 - 60, last_s)
            answer = self.server.query_range("sum(gauge) + 1000 * count(gauge)", begin_s, end_s, 60)
            for row in answer["data"]["result"]:
                got.update({round(t * 1000): float(v) for t, v in row["values"]})
        wrong = [t for t, v in self.sums.items() if abs(got.get(t, 0) - v - 1000 * SERIES) > 1e-6]
        checks.check(not wrong, f"{when}: acknowledged samples are there", f"{len(wrong)} minutes of {len(self.sums)}")


def leave(folder, room):
    """Fills the disk but for so many bytes."""
    disk_full.fill(folder)
    path = os.path.join(folder, disk_full.BALLAST)
    os.truncate(path, os.path.getsize(path) - room)


def names(server):
    try:
        return os.listdir(os.path.join(server.data_path, "blocks"))
    except FileNotFoundError:
        return []


def failures(server):
    return disk_full.metric(server, "prometheus_tsdb_compactions_failed_total")


def levels(server):
    """Of the blocks, oldest first."""
    return [block["compaction"]["level"] for block in server.json("/api/v1/status/tsdb/blocks")["data"]["blocks"]]


def check_no_halves(checks, server, when):
    halves = lab.wait_for(lambda: not [name for name in names(server) if "." in name], 5)
    checks.check(halves, f"{when}: no half a block is left", str(names(server)))


def fail(checks, server, writer, what, hours, room):
    """Writes what makes something due that there is no room for."""
    before = failures(server)
    count = len(levels(server))
    leave(server.data_path, room)
    checks.check(writer.write_until(hours), f"{what}: commits have room")
    checks.check(lab.wait_for(lambda: failures(server) >= before + 2, 20), f"{what} fails, and is tried again")
    checks.check("no space left" in server.log_text(), f"{what}: the log says why")
    checks.check(server.running(), f"{what} fails: the server runs")
    checks.equal(server.get("/-/ready")[0], 200, f"{what} fails: samples are taken, so it is ready")
    writer.check_all(checks, f"{what} fails")
    return count


def kill_and_start(checks, server, writer, what):
    server.stop(kill=True)
    server.start(wait=False)
    answered = lab.wait_for(lambda: disk_full.asks(server) or not server.running(), 30)
    if not checks.check(answered and server.running(), f"{what}: a start on the full disk", server.log_text()[-2000:]):
        disk_full.free(server.data_path)
        server.start()
        return
    writer.check_all(checks, f"{what}: started on the full disk")
    disk_full.free(server.data_path)


def main():
    checks = lab.Checks("disk_full_blocks")
    server = lab.MonitoringServer(
        lab.ferula_binary(), "global: {scrape_interval: 1h}\nscrape_configs: []\n", FLAGS
    )
    if not disk_full.mount(server.data_path):
        print("SKIPPED disk_full_blocks: mounting a tmpfs needs root")
        sys.exit(77)
    server.start()
    writer = Writer(server)

    checks.check(writer.write_until(2.9), "the head grows")
    count = fail(checks, server, writer, "cutting the head", 3.1, ROOM_TO_COMMIT)
    disk_full.free(server.data_path)
    checks.check(lab.wait_for(lambda: len(levels(server)) > count, 20), "it is cut when there is room")
    check_no_halves(checks, server, "the head is cut")
    writer.check_all(checks, "the head is cut, with room again")

    checks.check(writer.write_until(4.9), "the head grows again")
    fail(checks, server, writer, "cutting the head before a kill", 5.1, ROOM_TO_COMMIT)
    kill_and_start(checks, server, writer, "cutting the head before a kill")
    checks.check(lab.wait_for(lambda: len(levels(server)) == 2, 20), "it is cut after the kill", str(levels(server)))
    check_no_halves(checks, server, "the head is cut after a kill")

    # the fourth block begins behind the six hours of the first three, which then become one
    checks.check(writer.write_until(8.9), "the head grows for a merge")
    checks.check(lab.wait_for(lambda: levels(server) == [1, 1, 1], 20), "three blocks", str(levels(server)))
    fail(checks, server, writer, "merging", 9.1, ROOM_TO_CUT)
    checks.equal(levels(server), [1, 1, 1, 1], "blocks while they cannot be merged")
    kill_and_start(checks, server, writer, "merging")
    checks.check(lab.wait_for(lambda: levels(server) == [2, 1], 20), "they are merged when there is room", str(levels(server)))
    check_no_halves(checks, server, "merged")
    writer.check_all(checks, "merged, with room again")

    checks.check(writer.write_until(14.1), "writing goes on")
    checks.check(lab.wait_for(lambda: len(levels(server)) >= 4, 20), "blocks are cut as ever", str(levels(server)))
    server.stop(kill=True)
    server.start()
    writer.check_all(checks, "after a kill")
    checks.equal(server.stop(), 0, "a clean stop")
    server.start()
    writer.check_all(checks, "after a clean stop")
    server.stop()
    checks.finish()


main()
