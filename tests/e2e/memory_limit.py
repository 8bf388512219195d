#!/usr/bin/env python3
"""--storage.memory-limit: what would break it is refused, and everything else goes on.

    memory_limit.py
"""

import http.server
import json
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
# Their URLs are four megabytes.
WIDE_TARGETS = """
  - job_name: wide
    scrape_interval: 1h
    metrics_path: /@PATH@
    static_configs: [{targets: [@TARGETS@]}]
""".replace("@PATH@", "p" * 20000).replace("@TARGETS@", ", ".join(f"'127.0.0.1:1{i}'" for i in range(200)))
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


def check_answers(checks):
    """Lists of series and values take of the limit, too; small ones are free."""
    server = lab.MonitoringServer(
        lab.ferula_binary(), CONFIG, ["--web.enable-remote-write-receiver", "--storage.memory-limit=16MB"]
    )
    server.start()
    now_ms = int(time.time() * 1000)
    for part in range(20):
        series = [
            ({"__name__": "many", "i": f"{part}-{i}-" + "x" * 100}, [(now_ms, float(i))]) for i in range(4000)
        ]
        status, text = server.remote_write(series)
        checks.check(status in (200, 204), "a write", f"{status} {text}")
    storage = 'ferula_memory_bytes{part="storage"}'
    checks.check(lab.wait_for(lambda: metric(server, storage) > 16 << 20, 20), "storage holds all of the limit")
    for path in ("/api/v1/series?match[]=many", "/api/v1/label/i/values", "/api/v1/label/i/values?match[]=many"):
        status, _, body = server.get(path)
        checks.equal(status, 422, f"{path} needs too much")
        checks.check(b"--storage.memory-limit" in body, "it says why", body[:200])
    for path in ("/api/v1/series?match[]=up", "/api/v1/labels", "/api/v1/label/__name__/values"):
        checks.equal(server.get(path)[0], 200, f"{path} is small")
    answers = 'ferula_memory_bytes{part="answers"}'
    checks.check(lab.wait_for(lambda: metric(server, answers) == 0, 5), "answers give back what they took")
    checks.check(metric(server, "ferula_memory_refused_queries_total") >= 3, "refusals are counted")
    checks.equal(server.stop(), 0, "the server ends well")


def check_targets(checks, server):
    """A list of targets for which there is no room is refused, and each part of it is not."""
    status, _, body = server.get("/api/v1/targets")
    checks.equal(status, 422, "four megabytes of targets")
    checks.check(b"--storage.memory-limit" in body and b"scrapePool" in body, "it says why and what helps", body[:200])
    for path in ("/api/v1/targets?scrapePool=self", "/api/v1/targets?state=dropped", "/api/v1/scrape_pools",
                 "/api/v1/targets/metadata", "/api/v1/metadata", "/api/v1/rules", "/api/v1/alerts"):
        checks.equal(server.get(path)[0], 200, f"{path} is small")
    answer = server.json("/api/v1/targets", {"scrapePool": "self"})["data"]
    checks.equal(len(answer["activeTargets"]), 1, "one pool's targets")
    checks.equal(sorted(answer["droppedTargetCounts"]), ["self", "wide"], "all pools' counts")


def check_scrapes(checks):
    """A body for which there is no room fails its scrape by name; others go on."""
    size = (70 << 20) // 10

    class Giant(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            try:
                for _ in range(10):
                    self.wfile.write(b"# " + b"x" * (size - 3) + b"\n")
                self.wfile.write(b"giant 1\n")
            except OSError:
                pass

        def log_message(self, *arguments):
            pass

    giant = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Giant)
    threading.Thread(target=giant.serve_forever, daemon=True).start()
    config = CONFIG + f"""
  - job_name: giant
    body_size_limit: 100MB
    scrape_interval: 5s
    scrape_timeout: 5s
    static_configs: [{{targets: ['127.0.0.1:{giant.server_address[1]}']}}]
"""
    server = lab.MonitoringServer(lab.ferula_binary(), config, ["--storage.memory-limit=16MB"])
    server.start()

    def error():
        targets = server.get("/api/v1/targets")[2].decode()
        for target in json.loads(targets)["data"]["activeTargets"]:
            if target["labels"]["job"] == "giant":
                return target["lastError"]
        return ""

    checks.check(lab.wait_for(lambda: "no memory for the body" in error(), 20), "the scrape says why", error())
    checks.check(
        lab.wait_for(lambda: server.query('up{job="self"}')["data"]["result"][0]["value"][1] == "1", 10),
        "other targets are scraped",
    )
    checks.check(
        lab.wait_for(lambda: metric(server, 'ferula_memory_bytes{part="scrapes"}') < 1 << 20, 10),
        "the memory of the body is given back",
    )
    checks.equal(server.stop(), 0, "the server ends well")
    giant.shutdown()


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

    server = lab.MonitoringServer(lab.ferula_binary(), CONFIG + WIDE_TARGETS, flags + ["--storage.memory-limit=1MB"])
    server.start()
    check_targets(checks, server)
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
    check_answers(checks)
    check_scrapes(checks)
    checks.finish()


main()
