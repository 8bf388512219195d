#!/usr/bin/env python3
"""kill -9 at random moments under remote write at 50,000 samples a second.

No acknowledged sample may be lost, a request must be there whole or not at all, and every start must
succeed. Four connections write 2,000 series each; every request brings one sample to each of them.

    kill9.py [rounds]        (default 20; FERULA_SEED repeats the moments)
"""

import http.client
import os
import random
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab

WORKERS = 4
SERIES = 2000
SAMPLES_PER_SECOND = 50_000
CHECK_SERIES_AT_ONCE = 250
CONFIG = "global: {scrape_interval: 1h}\nscrape_configs: []\n"
HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


class Worker:
    """One connection; remembers what was acknowledged and what was on its way at a kill."""

    def __init__(self, number, port):
        self.number = number
        self.port = port
        self.prefixes = [self.series_prefix(i) for i in range(SERIES)]
        self.acknowledged = []  # [(t_ms, value)]
        self.unknown = []
        self.refused = []
        self.last_ms = 0
        self.value = 0

    def series_prefix(self, i):
        """The TimeSeries message up to the bytes of its sample, which are the same for all."""
        labels = b""
        for name, value in (("__name__", "kill9"), ("i", str(i)), ("worker", str(self.number))):
            pair = lab._field(1, name.encode()) + lab._field(2, value.encode())
            labels += lab._field(1, pair)
        sample_len = 2 + 16
        return b"\x0a" + lab.varint(len(labels) + sample_len) + labels

    def body(self, t_ms, value):
        sample = b"\x09" + struct.pack("<d", value) + b"\x10" + lab.varint(t_ms)
        assert len(sample) == 16
        tail = b"\x12\x10" + sample
        return lab.snappy_literal(b"".join(prefix + tail for prefix in self.prefixes))

    def send_until(self, stop):
        pause = SERIES * WORKERS / SAMPLES_PER_SECOND
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        due = time.monotonic()
        while not stop.is_set():
            t_ms = max(int(time.time() * 1000), self.last_ms + 1)
            self.last_ms = t_ms
            self.value += 1
            sent = (t_ms, float(self.value) / 4)
            try:
                connection.request("POST", "/api/v1/write", self.body(*sent), HEADERS)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status in (200, 204):
                    self.acknowledged.append(sent)
                else:
                    self.refused.append((answer.status, text))
            except (OSError, http.client.HTTPException):
                self.unknown.append(sent)
                break
            due += pause
            time.sleep(max(0.0, due - time.monotonic()))
        connection.close()

    def settle(self, checks, server):
        """After a restart: each series has all acknowledged samples, and unknown ones in all or none."""
        still_unknown = self.unknown
        self.unknown = []
        for sent in still_unknown:
            got = server.query(
                f'count(kill9{{worker="{self.number}"}} == {sent[1]!r})', sent[0] / 1000
            )["data"]["result"]
            count = int(got[0]["value"][1]) if got else 0
            checks.check(count in (0, SERIES), "a request is there whole or not at all", f"{count} of {SERIES}")
            if count == SERIES:
                self.acknowledged.append(sent)
        if not self.acknowledged:
            return
        range_s = (self.last_ms - self.acknowledged[0][0]) // 1000 + 2
        got = server.query(
            f'count_values("n", count_over_time(kill9{{worker="{self.number}"}}[{range_s}s]))',
            self.last_ms / 1000,
        )["data"]["result"]
        counts = {row["metric"]["n"]: row["value"][1] for row in got}
        checks.equal(
            counts,
            {str(len(self.acknowledged)): str(SERIES)},
            f"samples of worker {self.number} after a restart",
        )

    def check_every_sample(self, checks, server):
        expected = [[t_ms / 1000, format_value(value)] for t_ms, value in self.acknowledged]
        range_s = (self.last_ms - self.acknowledged[0][0]) // 1000 + 2
        for first in range(0, SERIES, CHECK_SERIES_AT_ONCE):
            numbers = "|".join(str(i) for i in range(first, first + CHECK_SERIES_AT_ONCE))
            rows = server.query(
                f'kill9{{worker="{self.number}",i=~"{numbers}"}}[{range_s}s]', self.last_ms / 1000
            )["data"]["result"]
            checks.equal(len(rows), CHECK_SERIES_AT_ONCE, "series read back")
            wrong = [row["metric"] for row in rows if row["values"] != expected]
            checks.check(not wrong, "every acknowledged sample is read back", str(wrong[:3]))


def format_value(value):
    return str(int(value)) if value == int(value) else repr(value)


def run_round(checks, server, workers, moment_s):
    stop = threading.Event()
    threads = [threading.Thread(target=worker.send_until, args=(stop,)) for worker in workers]
    for thread in threads:
        thread.start()
    time.sleep(moment_s)
    server.stop(kill=True)
    stop.set()
    for thread in threads:
        thread.join()
    server.start()
    checks.check(server.ready(), "the server starts")
    for worker in workers:
        worker.settle(checks, server)
        checks.equal(worker.refused, [], "no request is refused")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    seed = int(os.environ.get("FERULA_SEED", random.randrange(1 << 32)))
    print(f"seed {seed}", flush=True)
    moments = random.Random(seed)
    checks = lab.Checks("kill9")
    server = lab.MonitoringServer(
        lab.ferula_binary(), CONFIG, ["--web.enable-remote-write-receiver"], name="ferula"
    )
    server.start()
    workers = [Worker(number, server.port) for number in range(WORKERS)]
    started = time.monotonic()
    for _ in range(rounds):
        run_round(checks, server, workers, 0.1 + moments.random() * 1.4)
    for worker in workers:
        worker.check_every_sample(checks, server)
    total = sum(len(worker.acknowledged) for worker in workers) * SERIES
    print(f"{rounds} kills, {total} samples in {time.monotonic() - started:.0f} s", flush=True)
    server.stop()
    checks.finish()


main()
