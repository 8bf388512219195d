"""Clients that are slow, many, huge or gone: none of them may end, stall or slow the server for others.

usage: FERULA_BIN=... hostile_http.py
"""

import contextlib
import gzip
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import zlib

import lab

CONFIG = """
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: ferula
    static_configs:
      - targets: ['127.0.0.1:@PORT@']
"""
IDLE_CONNECTIONS = 10000
# A process holds so many: the limit of descriptors is per process.
IDLE_EACH = 4000
QUICK_S = 2.0 if os.environ.get("FERULA_SANITIZED") else 1.0

HOLDER = """
import resource, socket, sys
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = [socket.create_connection(("127.0.0.1", int(sys.argv[1])), 120) for _ in range(int(sys.argv[2]))]
print("ready", flush=True)
sys.stdin.read()
"""

checks = lab.Checks("hostile_http")
server = lab.MonitoringServer(lab.ferula_binary(), CONFIG, ["--web.enable-remote-write-receiver"])


def connect(timeout_s=30):
    return socket.create_connection(("127.0.0.1", server.port), timeout_s)


def send_quietly(connection, data):
    """The other side may close before all is sent."""
    with contextlib.suppress(OSError):
        connection.sendall(data)


def read_all(connection):
    answer = b""
    with contextlib.suppress(OSError):
        while piece := connection.recv(65536):
            answer += piece
    return answer


def status_of(answer):
    """0 when there was none."""
    parts = answer.split(b" ", 2)
    return int(parts[1]) if len(parts) > 1 and parts[0].startswith(b"HTTP/") else 0


def exchange(data, timeout_s=30):
    """(status, whole answer) of bytes that are sent as they are."""
    with connect(timeout_s) as connection:
        send_quietly(connection, data)
        return_value = read_all(connection)
    return status_of(return_value), return_value


def get_request(target, *headers, method="GET"):
    lines = [f"{method} {target} HTTP/1.1", "Host: a", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def instant(expression):
    return "/api/v1/query?query=" + urllib.parse.quote(expression)


def still_well(what):
    """A query is answered, rightly and soon."""


    def ask():
        start = time.monotonic()
        answer = server.query("1+1")
        return time.monotonic() - start, answer

    try:
        taken_s, answer = lab.soonest(ask, QUICK_S)
    except OSError as error:
        checks.check(False, f"a query {what}", repr(error))
        return
    checks.equal(answer.get("data", {}).get("result", [None, None])[1], "2", f"a query {what}")
    checks.check(taken_s < QUICK_S, f"a query {what} is quick", f"{taken_s:.2f} s")


def test_idle_connections():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    each = min(IDLE_EACH, hard - 100)
    holders = []
    left = IDLE_CONNECTIONS
    while left > 0:
        count = min(each, left)
        left -= count
        holders.append(
            subprocess.Popen(
                [sys.executable, "-c", HOLDER, str(server.port), str(count)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        )
    for holder in holders:
        checks.equal(holder.stdout.readline().strip(), b"ready", "idle connections are accepted")
    still_well(f"beside {IDLE_CONNECTIONS} idle connections")
    starts = [time.monotonic()]
    for _ in range(20):
        status, _, _ = server.get("/api/v1/labels")
        checks.equal(status, 200, "a request beside idle connections")
        starts.append(time.monotonic())
    checks.check(starts[-1] - starts[0] < 20 * QUICK_S, "requests beside idle connections are quick")
    up = lab.wait_for(lambda: server.query('up{job="ferula"} == 1')["data"]["result"])
    checks.check(up, "the server is scraped meanwhile")
    for holder in holders:
        holder.stdin.close()
    for holder in holders:
        holder.wait()
    still_well("after them")


def test_slow_headers():
    """Bytes that drip in: cut off after ten seconds, and meanwhile nobody else waits."""
    victims = [connect(60) for _ in range(600)]
    start = time.monotonic()
    for victim in victims:
        send_quietly(victim, b"GET /metrics HTTP/1.1\r\nX-Slow: ")
    still_well("beside slow headers")
    alive = victims
    while alive and time.monotonic() - start < 25 * lab.PATIENCE:
        time.sleep(1)
        alive = [victim for victim in alive if is_open(victim)]
    taken_s = time.monotonic() - start
    checks.equal(len(alive), 0, "slow headers are cut off")
    checks.check(taken_s > 8, "but not before their time", f"{taken_s:.1f} s")
    for victim in victims:
        victim.close()
    still_well("after slow headers")


def is_open(connection):
    """Sends one more byte of a header that never ends."""
    connection.setblocking(False)
    try:
        connection.send(b"a")
        return connection.recv(1000) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_slow_bodies():
    head = b"POST /api/v1/query HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nquery="
    victims = [connect(60) for _ in range(200)]
    for victim in victims:
        send_quietly(victim, head)
    still_well("beside slow bodies")
    for victim in victims:
        victim.close()


def test_huge_requests():
    status, _ = exchange(get_request("/api/v1/query?query=" + "a" * (1 << 20)))
    # 0: the answer is lost when the rest of the request is reset
    checks.check(status in (0, 400, 413, 414, 431), "a URL of 1 MB is refused", status)
    still_well("after a URL of 1 MB")
    status, _ = exchange(get_request("/metrics", "X-Huge: " + "a" * (1 << 20)))
    checks.check(status in (0, 400, 413, 431), "a header of 1 MB is refused", status)
    many = [f"X-Header-{i}: {i}" for i in range(20000)]
    status, _ = exchange(get_request("/metrics", *many))
    checks.check(status in (0, 400, 413, 431), "20,000 headers are refused", status)


def test_headers_within_reason():
    headers = [f"X-Grafana-{i}: some value" for i in range(100)]
    status, _ = exchange(get_request("/-/healthy", *headers, "Connection: close"))
    checks.equal(status, 200, "100 headers are fine")
    expression = "sum(" + "+".join(["up"] * 400) + ")"
    status, _ = exchange(get_request(instant(expression), "Connection: close"))
    checks.equal(status, 200, "a long expression in the URL is fine")
    status, _, _ = server.post_form("/api/v1/query", {"query": expression})
    checks.equal(status, 200, "and in a form")
    matches = "&".join(["match[]=up"] * 1000)
    status, _ = exchange(get_request("/api/v1/series?" + matches, "Connection: close"))
    checks.equal(status, 200, "1,000 match[] in the URL are fine")
    status, _, _ = server.get(
        "/api/v1/series",
        method="POST",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body="&".join(["match[]=up"] * 20000).encode(),
    )
    checks.equal(status, 400, "20,000 parameters are refused")


def post_query(expression):
    start = time.monotonic()
    status, _, answer = server.get(
        "/api/v1/query",
        method="POST",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=urllib.parse.urlencode({"query": expression}).encode(),
    )
    return time.monotonic() - start, status, answer


def test_nested_expressions():
    shapes = {
        "parentheses": "(" * 100000 + "1" + ")" * 100000,
        "open parentheses": "(" * 100000,
        "minus signs": "-" * 100000 + "1",
        "calls": "abs(" * 30000 + "up" + ")" * 30000,
        "aggregations": "sum(" * 30000 + "up" + ")" * 30000,
        "subqueries": "up" + "[5m:1m]" * 20000,
        "powers": "1" + "^1" * 50000,
        "a long sum": "1" + "+1" * 50000,
        "braces": "{" * 100000,
        "quotes": '"' + "\\" * 99999,
        "a long regex": 'up{a=~"' + "(a|" * 20000 + ")" * 20000 + '"}',
        "a huge repetition": 'up{a=~"((a{1000}){1000}){1000}"}',
    }
    for name, expression in shapes.items():
        taken_s, status, answer = lab.soonest(lambda: post_query(expression), 3 * QUICK_S)
        checks.check(status in (200, 400, 422), f"100 KB of {name} get an answer", status)
        checks.check(taken_s < 3 * QUICK_S, f"100 KB of {name} are answered fast", f"{taken_s:.2f} s")
        checks.check(b'"status"' in answer, f"100 KB of {name} get an answer in JSON", answer[:100])
    still_well("after nested expressions")


def test_growing_labels():
    """Each level doubles the label: the budget of a query ends it long before the memory does."""
    expression = "label_join(" * 200 + "up" + ', "a", ",", "a", "a")' * 200
    before_s = cpu_seconds()
    status, _, _ = server.post_form("/api/v1/query", {"query": expression})
    taken_s = cpu_seconds() - before_s
    checks.equal(status, 422, "nested label_join is refused")
    checks.check(taken_s < 8, "nested label_join is refused soon", f"{taken_s:.2f} CPU s")
    with open(f"/proc/{server.popen.pid}/status", encoding="ascii") as file:
        peak_kb = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    checks.check(peak_kb < 1 << 20, "nested label_join does not eat the memory", f"{peak_kb >> 10} MiB")
    still_well("after growing labels")


def test_pipelining():
    with connect() as connection:
        requests = b"".join(
            get_request(instant(f"{i}+0"), *(["Connection: close"] if i == 199 else []))
            for i in range(200)
        )
        threading.Thread(target=send_quietly, args=(connection, requests), daemon=True).start()
        answers = read_all(connection)
    values = [
        json.loads(part[part.index(b"{") : part.rindex(b"}") + 1])["data"]["result"][1]
        for part in answers.split(b"HTTP/1.1 200 OK")[1:]
    ]
    checks.equal(values, [str(i) for i in range(200)], "pipelined requests are answered in order")


def test_methods():
    for path in ("/api/v1/rules", "/api/v1/alerts", "/api/v1/targets", "/api/v1/metadata",
                 "/api/v1/status/buildinfo", "/api/v1/label/__name__/values", "/metrics"):
        status, headers, _ = server.get(path, method="POST", body=b"")
        checks.equal(status, 405, f"POST {path}")
        checks.check("GET" in (headers.get("Allow") or ""), f"POST {path} names the methods", headers.get("Allow"))
    for method in ("DELETE", "PATCH", "FOO", "TRACE"):
        status, _, _ = server.get("/api/v1/query", method=method)
        checks.equal(status, 405, f"{method} /api/v1/query")
    status, headers, _ = server.get("/api/v1/query", method="OPTIONS", headers={"Origin": "http://a"})
    checks.equal(status, 204, "OPTIONS")
    checks.equal(headers.get("Access-Control-Allow-Methods"), "GET, POST, OPTIONS", "OPTIONS names methods")
    checks.equal(server.get("/api/v1/nope")[0], 404, "an unknown path")
    checks.equal(server.get("/api/v1/nope")[2], b"404 page not found\n", "an unknown path's text")


def test_compression():
    plain = server.get("/api/v1/labels")[2]
    for accept, coding in (("gzip", "gzip"), ("deflate", "deflate"), ("br, gzip;q=0.5", "gzip"),
                           ("gzip;q=0", None), ("zip", None), (",,;=,;q", None), ("*", None),
                           ("gzip" * 2000, None), ("identity", None)):
        status, headers, body = server.get("/api/v1/labels", headers={"Accept-Encoding": accept})
        name = accept[:20]
        checks.equal(status, 200, f"Accept-Encoding {name}")
        checks.equal(headers.get("Content-Encoding"), coding, f"coding for {name}")
        if coding == "gzip":
            body = gzip.decompress(body)
        elif coding == "deflate":
            body = zlib.decompress(body)
        checks.equal(json.loads(body)["status"], json.loads(plain)["status"], f"body for {name}")


def test_broken_bodies():
    bomb = zlib.compress(b"\0" * (200 << 20), 9)
    for coding in ("gzip", "snappy", "zstd", "nonsense"):
        status, _, _ = server.get(
            "/api/v1/write", method="POST", body=bomb,
            headers={"Content-Encoding": coding, "Content-Type": "application/x-protobuf"},
        )
        checks.check(400 <= status < 500, f"remote write of a {coding} body that is none", status)
    broken = (
        b"POST /api/v1/query HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /api/v1/query HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"POST /api/v1/query HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /api/v1/query HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
        b"\0" * 10000,
        b"\r\n" * 10000,
    )
    for data in broken:
        with connect() as connection:
            send_quietly(connection, data)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            checks.check(status_of(read_all(connection)) in (0, 400, 404, 413, 431, 505), "garbage", data[:60])
    still_well("after garbage")


def test_hostile_writes():
    """Small requests of remote write 2.0 that ask for endless work."""

    def field(number, data):
        return lab.varint(number << 3 | 2) + lab.varint(len(data)) + data

    def write(symbols, series):
        message = b"".join(field(4, symbol) for symbol in (b"", b"__name__", *symbols)) + field(5, series)
        try:
            status, _, text = server.get(
                "/api/v1/write", method="POST", body=lab.snappy_literal(message), timeout_s=20,
                headers={"Content-Encoding": "snappy",
                         "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"},
            )
        except OSError as error:
            return 0, repr(error).encode()
        return status, text

    sample = field(2, b"\x09" + bytes(8) + b"\x10" + lab.varint(1 << 60))
    status, text = write([b"up"], field(1, b"\x01" + b"\xff" * 12) + sample)
    checks.equal(status, 400, "a reference that is no number")
    checks.check(b"labelRefs" in text, "it says so", text[:200])
    status, text = write([b"v" * (8 << 20)], field(1, b"\x01\x02") + sample * 20000)
    checks.equal(status, 400, "20,000 bad samples of a series with a long name")
    checks.check(len(text) < 100_000, "complaints are bounded", len(text))
    still_well("after hostile writes")


def test_early_disconnect():
    """A client that leaves takes its query with it."""
    heavy = "count_over_time((sum(rate({__name__=~'.+'}[5m])) + on() sum({__name__=~'.+'}))[30d:1s])"
    before_s = cpu_seconds()
    for _ in range(20):
        connection = connect()
        connection.sendall(get_request(instant(heavy)))
        time.sleep(0.05)
        connection.close()
    checks.check(lab.wait_for(lambda: running_queries() == 0, 10), "queries of clients that left end")
    used_s = cpu_seconds() - before_s
    checks.check(used_s < 60, "leaving takes no time", f"{used_s:.1f} CPU s")
    time.sleep(2)
    busy = (cpu_seconds() - before_s - used_s) / 2
    checks.check(busy < 0.5, "queries of clients that left use no processor", f"{busy:.2f} cores")
    still_well("after clients that left")


def running_queries():
    for line in server.get("/metrics")[2].decode().splitlines():
        if line.startswith("prometheus_engine_queries "):
            return float(line.split()[1])
    return None


def cpu_seconds():
    with open(f"/proc/{server.popen.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_slow_readers():
    """Answers that nobody reads do not hold what others need."""
    readers = []
    for _ in range(100):
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        reader.connect(("127.0.0.1", server.port))
        reader.sendall(get_request("/metrics") * 20)
        readers.append(reader)
    still_well("beside slow readers")
    for reader in readers:
        reader.close()


def main():
    server.start()
    # something to query
    lab.wait_for(lambda: server.query("up")["data"]["result"])
    for test in (
        test_idle_connections,
        test_slow_headers,
        test_slow_bodies,
        test_huge_requests,
        test_headers_within_reason,
        test_nested_expressions,
        test_growing_labels,
        test_pipelining,
        test_methods,
        test_compression,
        test_broken_bodies,
        test_hostile_writes,
        test_early_disconnect,
        test_slow_readers,
    ):
        start = time.monotonic()
        test()
        if os.environ.get("VERBOSE"):
            print(f"{test.__name__}: {time.monotonic() - start:.1f} s", flush=True)
        if not checks.check(server.running(), f"the server lives after {test.__name__}"):
            print(server.log_text()[-4000:])
            break
    checks.equal(server.stop(), 0, "the server ends cleanly")
    checks.finish()


main()
