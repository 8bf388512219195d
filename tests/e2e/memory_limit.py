#!/usr/bin/env python3
"""--storage.memory-limit: a query that would break it is refused, and everything else goes on.

    memory_limit.py
"""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab

CONFIG = """
global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs:
  - job_name: self
    static_configs: [{targets: ['127.0.0.1:@PORT@']}]
"""
SERIES = 2000
# Steps times series times 8 bytes: some hundred megabytes.
HEAVY = {"query": "wide * 1", "start": "0", "end": "10000", "step": "1"}


def metric(server, name):
    for line in server.get("/metrics")[2].decode().splitlines():
        if line.startswith(name + " "):
            return float(line.rsplit(" ", 1)[1])
    return None


def write_wide(server, t_ms, metric_name="wide", suffix=""):
    series = [
        ({"__name__": metric_name, "i": str(i) + suffix}, [(t_ms, float(i))]) for i in range(SERIES)
    ]
    return server.remote_write(series)


def check_refusal(checks, server, now_ms):
    status, _, answer = server.post_form(
        "/api/v1/query_range", {**HEAVY, "start": repr(now_ms / 1000 - 10000), "end": repr(now_ms / 1000)}
    )
    checks.equal(status, 422, "a query that needs too much")
    checks.equal(answer.get("errorType"), "execution", "its type of error")
    checks.check("--storage.memory-limit" in answer.get("error", ""), "it says why", answer.get("error"))


def load(checks, server, now_ms):
    """Heavy queries on several connections; meanwhile everything else works."""
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            server.post_form(
                "/api/v1/query_range", {**HEAVY, "start": repr(now_ms / 1000 - 10000), "end": repr(now_ms / 1000)}
            )

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(10):
        status, text = write_wide(server, now_ms + 1000 * (i + 1))
        checks.check(status in (200, 204), "a write while queries are refused", f"{status} {text}")
        answer = server.query("count(up)")
        checks.equal(answer["status"], "success", "a small query while large ones are refused")
    stop.set()
    for thread in threads:
        thread.join()


def check_unlimited(checks, server, now_ms):
    """The same where there is room."""
    write_wide(server, now_ms)
    status, _, answer = server.post_form(
        "/api/v1/query_range",
        {"query": "sum(wide * 1)", "start": repr(now_ms / 1000 - 1000), "end": repr(now_ms / 1000), "step": "1"},
    )
    checks.equal(status, 200, "the query where there is memory")
    checks.check(metric(server, "ferula_memory_limit_bytes") > 1 << 27, "a limit taken from the machine")


def main():
    checks = lab.Checks("memory_limit")
    flags = ["--web.enable-remote-write-receiver"]
    server = lab.MonitoringServer(lab.ferula_binary(), CONFIG, flags + ["--storage.memory-limit=48MB"])
    server.start()
    now_ms = int(time.time() * 1000)
    checks.equal(write_wide(server, now_ms)[0], 204, "a write")
    checks.check(lab.wait_for(lambda: metric(server, 'ferula_memory_bytes{part="storage"}') > 200_000, 10), "storage is accounted for")
    checks.equal(metric(server, "ferula_memory_limit_bytes"), 48.0 * (1 << 20), "the limit is told")
    check_refusal(checks, server, now_ms)
    checks.check(metric(server, "ferula_memory_refused_queries_total") >= 1, "refusals are counted")
    load(checks, server, now_ms)
    checks.check(
        lab.wait_for(lambda: metric(server, 'ferula_memory_bytes{part="queries"}') == 0, 10),
        "all memory is given back",
        metric(server, 'ferula_memory_bytes{part="queries"}'),
    )
    checks.check(
        lab.wait_for(lambda: float(server.query("min_over_time(up[2s])")["data"]["result"][0]["value"][1]) == 1, 10),
        "scraping never stopped",
    )
    checks.equal(server.stop(), 0, "the server ends well")

    server = lab.MonitoringServer(lab.ferula_binary(), CONFIG, flags + ["--storage.memory-limit=1MB"])
    server.start()
    for i in range(30):
        status, text = write_wide(server, now_ms + i, "long", str(i % 3) * 500)
        checks.check(status in (200, 204), "writes are taken whatever storage holds", f"{status} {text}")
    checks.check(lab.wait_for(lambda: "plans with" in server.log_text(), 5), "the log says that storage is beyond the limit")
    checks.equal(server.query("count(up)")["status"], "success", "small queries are answered")
    write_wide(server, now_ms)
    check_refusal(checks, server, now_ms)
    checks.equal(server.stop(), 0, "the server ends well")

    server = lab.MonitoringServer(lab.ferula_binary(), CONFIG, flags).start()
    check_unlimited(checks, server, now_ms)
    server.stop()
    checks.finish()


main()
