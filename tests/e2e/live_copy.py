#!/usr/bin/env python3
"""A copy of the live data directory, made by tar under load, is a backup.

Again and again the directory is packed while samples are written and blocks are cut. A second server
starts on what was unpacked, and has every sample that was acknowledged before tar began, no wrong one,
and no reason to set anything aside but the end of the log that tar cut through.

    live_copy.py [copies]        (default 3)
"""

import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab

SERIES = 100
STEP_MS = 60_000
CONFIG = "global: {scrape_interval: 1h}\nscrape_configs: []\n"
FLAGS = [
    "--web.enable-remote-write-receiver",
    "--storage.tsdb.retention.time=3650d",
    "--storage.tsdb.block-reload-interval=1s",
]


class Writer(threading.Thread):
    """Writes as fast as it goes; a minute of data time with each request."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.lock = threading.Lock()
        self.first_ms = (int(time.time()) - 600 * 86400) // 7200 * 7200 * 1000
        self.acknowledged = []  # t_ms; the value follows from it
        self.failures = []
        self.stop = threading.Event()

    def value(self, t_ms, i):
        number = (t_ms - self.first_ms) // STEP_MS
        return float(number * (i + 1)) if i % 2 else number / 8 + i

    def run(self):
        t_ms = self.first_ms
        while not self.stop.is_set():
            t_ms += STEP_MS
            series = [
                ({"__name__": "copied", "i": str(i)}, [(t_ms, self.value(t_ms, i))])
                for i in range(SERIES)
            ]
            status, text = self.server.remote_write(series)
            if status in (200, 204):
                with self.lock:
                    self.acknowledged.append(t_ms)
            else:
                self.failures.append((status, text))

    def so_far(self):
        with self.lock:
            return list(self.acknowledged)


def copy(source, target):
    """In the order of docs/backup.md: the log first, the blocks last, so that what a cut moves in
    between is in both. tar complains of files that changed or vanished as it read them: that is what
    this is about."""
    os.makedirs(target)
    names = [n for n in ("FERULA", "wal", "head", "blocks") if os.path.exists(f"{source}/{n}")]
    packed = subprocess.Popen(
        ["tar", "-C", source, "-cf", "-", *names], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    subprocess.run(["tar", "-C", target, "-xf", "-"], stdin=packed.stdout, check=True)
    packed.stdout.close()
    return packed.wait()


def check_copy(checks, writer, source, number):
    before = writer.so_far()
    restored = lab.MonitoringServer(lab.ferula_binary(), CONFIG, FLAGS, name="restored")
    code = copy(source.data_path, restored.data_path)
    checks.check(code in (0, 1), "tar reads the directory", code)
    after = set(writer.so_far())
    after.add(max(after) + STEP_MS)
    try:
        restored.start()
    except RuntimeError as error:
        checks.check(False, "a server starts on the copy", str(error))
        return
    end_ms = max(after)
    range_s = (end_ms - writer.first_ms) // 1000 + 10
    missing = 0
    wrong = []
    for i in range(SERIES):
        rows = restored.query(f'copied{{i="{i}"}}[{range_s}s]', end_ms / 1000)["data"]["result"]
        got = {round(t * 1000): float(v) for t, v in (rows[0]["values"] if rows else [])}
        missing += len(set(before) - got.keys())
        wrong += [t for t, value in got.items() if t not in after or value != writer.value(t, i)]
    checks.equal(missing, 0, f"copy {number}: acknowledged samples that are not in it")
    checks.equal(wrong, [], f"copy {number}: samples that were never written")
    aside = os.path.join(restored.data_path, "aside")
    names = os.listdir(aside) if os.path.isdir(aside) else []
    checks.check(len(names) <= 1, f"copy {number}: at most the end of the log is set aside", names)
    blocks = os.path.join(restored.data_path, "blocks")
    count = len(os.listdir(blocks)) if os.path.isdir(blocks) else 0
    print(f"copy {number}: {len(before)} rows of {SERIES} series, {count} blocks, aside {names}", flush=True)
    checks.equal(restored.stop(), 0, "the restored server ends well")


def main():
    copies = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    checks = lab.Checks("live_copy")
    server = lab.MonitoringServer(lab.ferula_binary(), CONFIG, FLAGS).start()
    writer = Writer(server)
    writer.start()
    for number in range(copies):
        known = len(writer.so_far())
        time.sleep(2.0)
        checks.check(lab.wait_for(lambda: len(writer.so_far()) > known), "writing goes on between copies")
        check_copy(checks, writer, server, number)
    writer.stop.set()
    writer.join()
    checks.equal(writer.failures, [], "every write is taken")
    checks.equal(server.stop(), 0, "the server ends well")
    checks.finish()


main()
