#!/usr/bin/env python3
"""A full disk, on a small tmpfs, under scraping, remote write and queries.

The server stays up and answers queries, refuses writes with 503 at once, says so on /-/ready, in the
metrics, the notifications and the log, and writes again within a second of there being room. What it
has acknowledged is never lost, also when it is killed and started while the disk is full.

    disk_full.py        (root only, since it mounts; skips otherwise)
"""

import atexit
import http.server
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab

DISK = "24m"
BALLAST = "ballast"
SERIES = 200
SLACK_S = 0.5
ROUNDS = 3
ROUNDS_MAX = 10
CONFIG = """
global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs:
  - job_name: target
    static_configs: [{targets: ['127.0.0.1:@TARGET@']}]
"""


class Target(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = "".join(f'scraped{{i="{i}"}} {time.time() + i}\n' for i in range(100)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *arguments):
        pass


def mount(folder):
    """Mounts a small disk; False where this is not allowed."""
    os.makedirs(folder)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "ferula-test", folder], capture_output=True
    )
    if done.returncode == 0:
        atexit.register(subprocess.run, ["umount", "-l", folder], capture_output=True)
    return done.returncode == 0


class Writer:
    """Remote write, a request after another; remembers which were acknowledged."""

    def __init__(self, server):
        self.server = server
        self.acknowledged = []
        self.unknown = []
        self.last_ms = 0
        self.value = 0
        self.log = []  # [(begun, ended, status)]

    def send(self, step_ms=1):
        t_ms = max(int(time.time() * 1000), self.last_ms + step_ms)
        self.last_ms = t_ms
        self.value += 1
        series = [
            ({"__name__": "written", "i": str(i)}, [(t_ms, float(self.value * 1000 + i))])
            for i in range(SERIES)
        ]
        begun = time.monotonic()
        try:
            status, text = self.server.remote_write(series, timeout_s=15 * lab.PATIENCE)
        except OSError as error:
            status, text = 0, str(error)
        self.log.append((begun, time.monotonic(), status))
        if status in (200, 204):
            self.acknowledged.append((t_ms, self.value))
        elif status == 0:
            self.unknown.append((t_ms, self.value))
        return status, text

    def check_all(self, checks, when):
        """Every acknowledged sample of some series is read back, and the count of all of them."""
        known = set(self.acknowledged) | set(self.unknown)
        range_s = (self.last_ms - self.acknowledged[0][0]) // 1000 + 2
        for i in (0, SERIES // 2, SERIES - 1):
            rows = self.server.query(f'written{{i="{i}"}}[{range_s}s]', self.last_ms / 1000)["data"]["result"]
            got = {(round(t * 1000), float(v)) for t, v in (rows[0]["values"] if rows else [])}
            expected = {(t_ms, float(value * 1000 + i)) for t_ms, value in self.acknowledged}
            allowed = {(t_ms, float(value * 1000 + i)) for t_ms, value in known}
            checks.check(expected <= got, f"{when}: acknowledged samples are there", f"{len(expected - got)} missing")
            checks.check(got <= allowed, f"{when}: nothing that was refused is there", str(sorted(got - allowed)[:2]))
        got = self.server.query(
            f"min(count_over_time(written[{range_s}s]))", self.last_ms / 1000
        )["data"]["result"]
        count = int(got[0]["value"][1]) if got else 0
        checks.check(
            len(self.acknowledged) <= count <= len(known), f"{when}: every series has them", f"{count} of {len(self.acknowledged)}"
        )


def fill(folder):
    """Takes every byte that is left."""
    with open(os.path.join(folder, BALLAST), "ab", buffering=0) as file:
        size = 1 << 20
        while size >= 1:
            try:
                if file.write(b"\0" * size) < size:
                    size //= 2
            except OSError:
                size //= 2


def free(folder):
    os.unlink(os.path.join(folder, BALLAST))


def fill_until_refused(folder, writer):
    """Full, also where the log still had a part of a page."""
    for _ in range(200):
        fill(folder)
        status, text = writer.send()
        if status not in (200, 204):
            return status, text
    return 0, "never refused"


def metric(server, name):
    for line in server.get("/metrics")[2].decode().splitlines():
        if line.startswith(name + " ") or line.startswith(name + "{"):
            return float(line.rsplit(" ", 1)[1])
    return None


def check_reports(checks, server):
    status, _, text = server.get("/-/ready")
    checks.equal(status, 503, "/-/ready while the disk is full")
    checks.check(b"no space left" in text, "/-/ready says why", text)
    checks.equal(server.get("/-/healthy")[0], 200, "/-/healthy while the disk is full")
    checks.equal(metric(server, "ferula_tsdb_failed"), 1.0, "ferula_tsdb_failed")
    texts = [notice["text"] for notice in server.json("/api/v1/notifications")["data"]]
    checks.check(any("no space left" in text for text in texts), "a notification says why", str(texts))
    checks.check(
        lab.wait_for(lambda: "refuses samples" in server.log_text() and "no space left" in server.log_text(), 5),
        "the log says why",
    )


def check_refusals(checks, writer):
    times = []
    for _ in range(20):
        begun = time.monotonic()
        status, text = writer.send()
        checks.equal(status, 503, "a write while the disk is full")
        checks.check("no space left" in text, "the answer says why", text)
        times.append(time.monotonic() - begun)
    # of one the processor may be busy with others
    median_s = sorted(times)[len(times) // 2]
    checks.check(median_s < SLACK_S, "they are refused at once", f"{median_s:.2f} s, at most {max(times):.2f}")


def check_recovery(checks, server, writer, folder):
    """Returns how long the first write took from there being room."""
    free(folder)
    begun = time.monotonic()
    status = lab.wait_for(lambda: writer.send()[0] in (200, 204), 10, 0.02)
    took_s = time.monotonic() - begun
    checks.check(status, "writes are taken again")
    checks.equal(server.get("/-/ready")[0], 200, "/-/ready after it")
    checks.equal(metric(server, "ferula_tsdb_failed"), 0.0, "ferula_tsdb_failed after it")
    checks.check("writes its log again" in server.log_text(), "the log says that it is over")
    return took_s


def fill_and_free(checks, server, writer, folder):
    for _ in range(10):
        writer.send()
    status, text = fill_until_refused(folder, writer)
    checks.equal(status, 503, f"the first write without room ({text.strip()})")
    check_reports(checks, server)
    check_refusals(checks, writer)
    writer.check_all(checks, "while the disk is full")
    up = server.query("count(scraped)")["data"]["result"]
    checks.check(up, "scraped series are answered while the disk is full")
    time.sleep(1.2)
    checks.check(server.running(), "the server runs")
    return check_recovery(checks, server, writer, folder)


def scrapes_go_on(server, since):
    rows = server.query("max(timestamp(scraped))")["data"]["result"]
    return bool(rows) and float(rows[0]["value"][1]) > since


def kill_and_start_full(checks, server, writer, folder):
    """A start needs no room: queries are answered, and writes as soon as there is some."""
    fill_until_refused(folder, writer)
    server.stop(kill=True)
    server.start(wait=False)
    answered = lab.wait_for(lambda: asks(server) or not server.running(), 30)
    if not checks.check(answered and server.running(), "a start on a full disk", server.log_text()[-2000:]):
        free(folder)
        server.start()
        return
    writer.check_all(checks, "started on a full disk")
    check_refusals(checks, writer)
    check_reports(checks, server)
    check_recovery(checks, server, writer, folder)
    writer.check_all(checks, "started on a full disk, with room again")


def asks(server):
    try:
        return server.get("/api/v1/query", {"query": "1"})[0] == 200
    except OSError:
        return False


def are_in_time(times):
    """The server looks each second, so half of one is usual; on a busy machine a round may take longer."""
    return sum(times) / len(times) < 1.0 + SLACK_S


def main():
    checks = lab.Checks("disk_full")
    target = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=target.serve_forever, daemon=True).start()
    server = lab.MonitoringServer(
        lab.ferula_binary(),
        CONFIG.replace("@TARGET@", str(target.server_port)),
        ["--web.enable-remote-write-receiver"],
    )
    if not mount(server.data_path):
        print("SKIPPED disk_full: mounting a tmpfs needs root")
        sys.exit(77)
    server.start()
    writer = Writer(server)
    lab.wait_for(lambda: server.query("count(scraped)")["data"]["result"], 20)
    times = []
    while len(times) < ROUNDS or not are_in_time(times) and len(times) < ROUNDS_MAX:
        times.append(fill_and_free(checks, server, writer, server.data_path))
        checks.check(lab.wait_for(lambda: scrapes_go_on(server, time.time() - 2), 10), "scraping goes on")
    checks.check(are_in_time(times), "writes are taken within a second of there being room", times)
    writer.check_all(checks, "with room again")
    kill_and_start_full(checks, server, writer, server.data_path)
    server.stop(kill=True)
    server.start()
    writer.check_all(checks, "after a kill")
    fill(server.data_path)
    checks.equal(server.stop(), 0, "a clean stop on a full disk")
    free(server.data_path)
    server.start()
    writer.check_all(checks, "after a clean stop on a full disk")
    server.stop()
    print("first write after there was room: " + ", ".join(f"{t:.2f} s" for t in times))
    checks.finish()


if __name__ == "__main__":
    main()
