#!/usr/bin/env python3
"""kill -9 under load, at random and aimed at what storage does to its files.

Samples come by remote write with times of long ago that run fast, so that hours pass in seconds: blocks
are cut, merged and the log is truncated all the time. A round waits for its aim (a block being
written, one being deleted, a segment of the log that goes, a snapshot or a deletion being asked for,
a clean stop in its middle), kills a moment later, starts again, and compares everything. No
acknowledged sample may be lost, nothing may be there that was not sent, what was deleted stays
deleted, and every start must succeed.

    crash.py [rounds]        (default 10; FERULA_SEED repeats the choices)
"""

import http.client
import os
import random
import signal
import struct
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab

WORKERS = 3
SERIES = 40
# So much time passes with each request.
STEP_MS = 60_000
# No worker is further ahead of the slowest than this: the head takes what is up to an hour late.
LEAD_MAX_MS = 1_200_000
AIM_S = 8.0
CONFIG = "global: {scrape_interval: 1h}\nscrape_configs: []\n"
FLAGS = [
    "--web.enable-remote-write-receiver",
    "--web.enable-admin-api",
    "--storage.tsdb.retention.time=3650d",
    "--storage.tsdb.block-reload-interval=1s",
    "--storage.tsdb.wal-segment-size=10MB",
]
HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


class Clock:
    """The time of the data; handed out in steps, to nobody too far ahead of the others."""

    def __init__(self):
        self.lock = threading.Condition()
        # the start of two hours, long ago
        self.first_ms = (int(time.time()) - 600 * 86400) // 7200 * 7200 * 1000
        self.next_ms = self.first_ms
        self.busy = {}

    def take(self, worker):
        with self.lock:
            while self.busy and self.next_ms - min(self.busy.values()) > LEAD_MAX_MS:
                self.lock.wait(1)
            self.next_ms += STEP_MS
            self.busy[worker] = self.next_ms
            return self.next_ms

    def done(self, worker):
        with self.lock:
            self.busy.pop(worker, None)
            self.lock.notify_all()


class Worker:
    """One connection; remembers what was acknowledged and what was on its way at a kill."""

    def __init__(self, number, port, clock):
        self.number = number
        self.port = port
        self.clock = clock
        self.prefixes = [self.series_prefix(i) for i in range(SERIES)]
        self.acknowledged = {}  # t_ms: value of series 0
        self.unknown = None
        self.refused = []
        self.value = 0
        self.deleted_ms = 0  # nothing up to here is there any more
        self.maybe_deleted_ms = 0

    def series_prefix(self, i):
        labels = b""
        for name, value in (("__name__", "crash"), ("i", str(i)), ("worker", str(self.number))):
            labels += lab._field(1, lab._field(1, name.encode()) + lab._field(2, value.encode()))
        return b"\x0a" + lab.varint(len(labels) + 2 + 16) + labels

    def value_of(self, value, i):
        """Some gauges with decimals, some counters, some constants."""
        return (value / 4 + i, float(value * (i + 1)), float(i))[i % 3]

    def body(self, t_ms, value):
        out = []
        for i, prefix in enumerate(self.prefixes):
            sample = b"\x09" + struct.pack("<d", self.value_of(value, i)) + b"\x10" + lab.varint(t_ms)
            out.append(prefix + b"\x12\x10" + sample)
        return lab.snappy_literal(b"".join(out))

    def send_until(self, stop):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        while not stop.is_set():
            t_ms = self.clock.take(self.number)
            self.value += 1
            try:
                connection.request("POST", "/api/v1/write", self.body(t_ms, self.value), HEADERS)
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException):
                self.unknown = (t_ms, self.value)
                break
            finally:
                self.clock.done(self.number)
            if answer.status in (200, 204):
                self.acknowledged[t_ms] = self.value
            else:
                self.refused.append((answer.status, text))
        connection.close()

    def range_s(self):
        return (self.clock.next_ms - self.clock.first_ms) // 1000 + 10

    def forget(self, until_ms):
        self.acknowledged = {t: v for t, v in self.acknowledged.items() if t > until_ms}

    def settle(self, checks, server):
        """After a restart: the one request that was on its way is there whole or not at all."""
        if self.unknown is not None:
            t_ms, value = self.unknown
            self.unknown = None
            rows = server.query(f'crash{{worker="{self.number}"}}[1ms]', t_ms / 1000)["data"]["result"]
            checks.check(len(rows) in (0, SERIES), "a request is there whole or not at all", f"{len(rows)} of {SERIES}")
            if len(rows) == SERIES:
                self.acknowledged[t_ms] = value
        if self.maybe_deleted_ms > self.deleted_ms:
            self.delete_again(checks, server)
        self.maybe_deleted_ms = 0
        checks.equal(self.counts(server), self.expected(), f"samples of worker {self.number} after a restart")

    def counts(self, server):
        """How many samples a series has: how many series have so many."""
        rows = server.query(
            f'count_values("n", count_over_time(crash{{worker="{self.number}"}}[{self.range_s()}s]))',
            self.clock.next_ms / 1000,
        )["data"]["result"]
        return {row["metric"]["n"]: row["value"][1] for row in rows}

    def expected(self):
        return {str(len(self.acknowledged)): str(SERIES)} if self.acknowledged else {}

    def delete_again(self, checks, server):
        """A deletion that was not answered may have come about, not, or in part: blocks go one after
        the other. Nothing else may be gone, and asked again it is done."""
        least = sum(1 for t in self.acknowledged if t > self.maybe_deleted_ms)
        kept = sorted(int(count) for count in self.counts(server)) or [0]
        checks.check(
            least <= kept[0] and kept[-1] <= len(self.acknowledged),
            "a deletion that was cut short took nothing else",
            f"{kept}, not between {least} and {len(self.acknowledged)}",
        )
        status, _, body = server.get(self.deletion_path(self.maybe_deleted_ms), method="POST")
        checks.equal(status, 204, f"the deletion that was cut short is done {body[:200]}")
        self.deleted_ms = self.maybe_deleted_ms
        self.forget(self.deleted_ms)

    def deletion_path(self, until_ms):
        selector = urllib.parse.quote(f'crash{{worker="{self.number}"}}')
        return f"/api/v1/admin/tsdb/delete_series?match[]={selector}&start=0&end={until_ms / 1000!r}"

    def check_every_sample(self, checks, server):
        wrong = []
        for i in range(SERIES):
            rows = server.query(
                f'crash{{worker="{self.number}",i="{i}"}}[{self.range_s()}s]', self.clock.next_ms / 1000
            )["data"]["result"]
            got = {round(t * 1000): float(v) for t, v in rows[0]["values"]} if rows else {}
            expected = {t: self.value_of(v, i) for t, v in self.acknowledged.items()}
            if got != expected:
                different = [t for t in got.keys() | expected.keys() if got.get(t) != expected.get(t)]
                t = min(different)
                wrong.append(f"series {i}: {len(different)} differ, first at {t}: {got.get(t)}, sent {expected.get(t)}")
        checks.check(not wrong, "every acknowledged sample is read back", "; ".join(wrong[:3]))


def names(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return []


class Aims:
    """What a round waits for before it kills. Each returns whether it saw what it aimed at."""

    def __init__(self, server, workers, moments):
        self.server = server
        self.workers = workers
        self.moments = moments
        self.asked = None

    def watch(self, seen):
        deadline = time.monotonic() + AIM_S
        while time.monotonic() < deadline:
            if seen():
                return True
            time.sleep(0.0005)
        return False

    def path(self, *parts):
        return os.path.join(self.server.data_path, *parts)

    def any_time(self):
        time.sleep(0.1 + self.moments.random() * 2)
        return True

    def block_written(self):
        return self.watch(lambda: any(name.endswith(".tmp") for name in names(self.path("blocks"))))

    def blocks_merged(self):
        """A block is written while there are three of the size below."""
        wanted = 3 + self.moments.randrange(3)
        self.watch(lambda: len(names(self.path("blocks"))) >= wanted)
        return self.block_written()

    def block_deleted(self):
        return self.watch(lambda: any(name.endswith(".deleting") for name in names(self.path("blocks"))))

    def log_truncated(self):
        before = set(names(self.path("wal")))
        return self.watch(lambda: before - set(names(self.path("wal"))))

    def ask(self, path):
        """A request whose answer is not waited for."""
        answer = []

        def send():
            try:
                answer.append(self.server.get(path, method="POST", timeout_s=20)[0])
            except (OSError, http.client.HTTPException):
                pass

        self.asked = (threading.Thread(target=send), answer)
        self.asked[0].start()

    def snapshot(self):
        time.sleep(self.moments.random())
        self.ask("/api/v1/admin/tsdb/snapshot")
        return True

    def deletion(self):
        """The oldest tenth of a worker's samples go."""
        time.sleep(self.moments.random())
        worker = self.moments.choice(self.workers)
        known = sorted(worker.acknowledged)
        if not known:
            return False
        until_ms = known[len(known) // 10]
        worker.maybe_deleted_ms = until_ms
        self.ask(worker.deletion_path(until_ms))
        return True

    def tombstones_cleaned(self):
        time.sleep(self.moments.random())
        self.ask("/api/v1/admin/tsdb/clean_tombstones")
        return True

    def clean_stop(self):
        time.sleep(0.1 + self.moments.random())
        self.server.popen.send_signal(signal.SIGTERM)
        return True

    def settle(self):
        """After the kill: what was answered before it counts."""
        if self.asked is None:
            return
        thread, answer = self.asked
        self.asked = None
        thread.join()
        for worker in self.workers:
            if worker.maybe_deleted_ms and answer and answer[0] in (200, 204):
                worker.deleted_ms = worker.maybe_deleted_ms
                worker.maybe_deleted_ms = 0
                worker.forget(worker.deleted_ms)


AIMS = [
    "any_time",
    "block_written",
    "blocks_merged",
    "block_deleted",
    "log_truncated",
    "snapshot",
    "deletion",
    "tombstones_cleaned",
    "clean_stop",
]


def half_made(aims):
    """Blocks that are being written or deleted, or were when the process ended."""
    return {name for name in names(aims.path("blocks")) if name.endswith((".tmp", ".deleting"))}


def run_round(checks, server, workers, aims, aim):
    stop = threading.Event()
    threads = [threading.Thread(target=worker.send_until, args=(stop,)) for worker in workers]
    for thread in threads:
        thread.start()
    met = getattr(aims, aim)()
    time.sleep(aims.moments.random() ** 3 * 0.2)
    server.stop(kill=True)
    stop.set()
    for thread in threads:
        thread.join()
    aims.settle()
    half = half_made(aims)
    try:
        server.start()
    except RuntimeError as error:
        checks.check(False, f"the server starts after a kill at {aim}", str(error))
        checks.finish()
    for worker in workers:
        worker.settle(checks, server)
        # a server that stops says so
        refused = [answer for answer in worker.refused if aim != "clean_stop" or answer[0] != 503]
        checks.equal(refused, [], f"no request is refused before a kill at {aim}")
        worker.refused = []
    # what is half now and was not then is being made
    checks.equal(half & half_made(aims), set(), f"nothing half is left by a kill at {aim}")
    checks.equal(names(aims.path("aside")), [], f"nothing is set aside by a kill at {aim}")
    return met


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    seed = int(os.environ.get("FERULA_SEED", random.randrange(1 << 32)))
    print(f"seed {seed}", flush=True)
    moments = random.Random(seed)
    checks = lab.Checks("crash")
    server = lab.MonitoringServer(lab.ferula_binary(), CONFIG, FLAGS, name="ferula")
    server.start()
    clock = Clock()
    workers = [Worker(number, server.port, clock) for number in range(WORKERS)]
    aims = Aims(server, workers, moments)
    met = {aim: [0, 0] for aim in AIMS}
    started = time.monotonic()
    order = []
    for number in range(rounds):
        if not order:
            order = moments.sample(AIMS, len(AIMS))
        aim = order.pop()
        met[aim][0] += run_round(checks, server, workers, aims, aim)
        met[aim][1] += 1
        if number % 10 == 9:
            for worker in workers:
                worker.check_every_sample(checks, server)
    for worker in workers:
        worker.check_every_sample(checks, server)
    total = sum(len(worker.acknowledged) for worker in workers) * SERIES
    hours = (clock.next_ms - clock.first_ms) // 3_600_000
    print(f"{rounds} kills, {total} samples of {hours} h in {time.monotonic() - started:.0f} s", flush=True)
    print("aims met: " + ", ".join(f"{aim} {a}/{b}" for aim, (a, b) in met.items()), flush=True)
    checks.equal(server.stop(), 0, "a clean stop at the end")
    checks.finish()


main()
