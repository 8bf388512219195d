#!/usr/bin/env python3
"""A stop while requests of every kind are under way: it ends well, soon, and nothing acknowledged is lost.

    stop_under_load.py [ROUNDS]
"""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab

CONFIG = """
global: {scrape_interval: 100ms, scrape_timeout: 100ms}
scrape_configs:
  - job_name: self
    static_configs: [{targets: ['127.0.0.1:@PORT@', 'localhost:@PORT@']}]
"""
FLAGS = ["--web.enable-remote-write-receiver", "--web.enable-admin-api"]
WRITERS = 2
SERIES = 50


class Load:
    """Threads that ask until they are told to end; writers note what was acknowledged."""

    def __init__(self, server, start_ms):
        self.server = server
        self.start_ms = start_ms
        self.acknowledged = [0] * WRITERS
        self.ended = threading.Event()
        jobs = [lambda n=n: self.write(n) for n in range(WRITERS)]
        jobs += [
            lambda: server.query('sum by (n) (rate(w[5m])) + count({__name__=~".+"})'),
            lambda: server.query_range("sum(w)", start_ms / 1000 - 100, start_ms / 1000 + 1000, 1),
            lambda: server.get("/api/v1/series?match[]=w"),
            lambda: server.get("/api/v1/label/__name__/values"),
            lambda: server.get("/metrics"),
            lambda: server.get("/api/v1/admin/tsdb/delete_series?match[]=up", method="POST"),
            lambda: server.get("/api/v1/admin/tsdb/snapshot", method="POST"),
            lambda: server.get("/api/v1/admin/tsdb/clean_tombstones", method="POST"),
        ]
        self.threads = [threading.Thread(target=self.run, args=(job,)) for job in jobs]
        for thread in self.threads:
            thread.start()

    def write(self, number):
        at = self.acknowledged[number] + 1
        t_ms = self.start_ms + at * 100
        series = [
            ({"__name__": "w", "n": str(number), "i": str(i)}, [(t_ms, float(at))]) for i in range(SERIES)
        ]
        if self.server.remote_write(series)[0] in (200, 204):
            self.acknowledged[number] = at

    def run(self, job):
        while not self.ended.is_set():
            try:
                job()
            except (OSError, ValueError, KeyError):
                time.sleep(0.01)  # the server is gone

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()


def one_round(checks, number):
    flags = FLAGS + (["--query.threads=2"] if number % 2 else [])
    server = lab.MonitoringServer(lab.ferula_binary(), CONFIG, flags).start()
    start_ms = int(time.time() * 1000) - 60000
    load = Load(server, start_ms)
    lab.wait_for(lambda: min(load.acknowledged) > 0, 30)
    time.sleep(1 + number % 3 / 2)
    before = time.monotonic()
    # what does not end is killed, which is another exit code
    checks.equal(server.stop(), 0, "the server ends well and soon")
    print(f"stopped after {time.monotonic() - before:.1f} s", flush=True)
    load.end()
    checks.check(min(load.acknowledged) > 0, "samples were written", load.acknowledged)
    server.start()
    for writer in range(WRITERS):
        answer = server.query(f'count_over_time(w{{n="{writer}",i="0"}}[1h])', time.time() + 600)
        count = int(answer["data"]["result"][0]["value"][1])
        # the last one may have been stored and not been acknowledged
        checks.check(
            load.acknowledged[writer] <= count <= load.acknowledged[writer] + 1,
            "what was acknowledged is there",
            f"{count} of {load.acknowledged[writer]}",
        )
    checks.equal(server.stop(), 0, "the server ends well")


def main():
    checks = lab.Checks("stop_under_load")
    for number in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
        one_round(checks, number)
    checks.finish()


main()
