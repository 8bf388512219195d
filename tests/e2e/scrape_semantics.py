#!/usr/bin/env python3
"""Scraping seen from outside: what targets receive, what is stored of their answers, and that hostile
targets do not disturb the others. One server, many jobs of one fake target each, 1 s intervals.

usage: scrape_semantics.py   (FERULA_BIN names the binary)
"""

import gzip
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import lab
from fake_targets import TEXT, FakeTargets, answer

checks = lab.Checks("scrape_semantics")


targets = FakeTargets()
steady = FakeTargets()  # a server of its own for one job
jobs = []
registered = {}


def job(name, behaviour, extra="", target=None, metrics_path=True):
    """Adds a job with one target; `extra` are lines of its configuration."""
    targets.answers[name] = behaviour
    lines = [f"- job_name: {name}"]
    if metrics_path:
        lines.append(f"  metrics_path: /t/{name}")
    lines += ["  " + line for line in extra.splitlines() if line.strip()]
    if "static_configs" not in extra:
        lines.append(f"  static_configs: [{{targets: ['{target or address()}']}}]")
    registered[name] = lines
    jobs.append(name)


def address():
    return f"127.0.0.1:{targets.port}"


def config(names=None, interval="1s"):
    lines = ["global:", f"  scrape_interval: {interval}", "scrape_configs:"]
    for name in names if names is not None else jobs:
        lines += registered[name]
    return "\n".join(lines) + "\n"


class State:
    def __init__(self, body):
        self.body = body

    def __call__(self, request):
        return self.body


LOAD_WATCH = """
import time
late = 0
while True:
    for _ in range(20):
        start = time.monotonic()
        time.sleep(0.01)
        late += time.monotonic() - start - 0.01 > 0.0015
    print(late, flush=True)
"""


class Load:
    """Counts how often a process that only sleeps is woken late: is there time to spare here?"""

    def __init__(self):
        self.process = subprocess.Popen(["python3", "-c", LOAD_WATCH], stdout=subprocess.PIPE, text=True)
        self.late = self.rounds = 0
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.late, self.rounds = int(line), self.rounds + 1

    def busy(self):
        """More than one wake-up in a hundred was late."""
        return self.rounds == 0 or self.late > self.rounds * 20 / 100

    def stop(self):
        self.process.kill()
        self.process.wait()


load = Load()


# --- helpers around the API


def vector(server, expression, time_s=None):
    answer_ = server.query(expression, time_s)
    return answer_["data"]["result"] if answer_.get("status") == "success" else []


def value(server, expression, time_s=None):
    result = vector(server, expression, time_s)
    return float(result[0]["value"][1]) if len(result) == 1 else None


def samples(server, selector, window="10m"):
    """[(t_s, value)] of the only series of a selector."""
    result = vector(server, f"{selector}[{window}]")
    return [(t, float(v)) for t, v in result[0]["values"]] if len(result) == 1 else []


def active_targets(server):
    found = {}
    for target in server.json("/api/v1/targets")["data"]["activeTargets"]:
        found.setdefault(target["scrapePool"], []).append(target)
    return found


def eventually(look, expected, what):
    """Waits for a value: a scrape of the last second may have failed where the machine is busy."""
    lab.wait_for(lambda: look() == expected, 10)
    return checks.equal(look(), expected, what)


def is_undisturbed(server, name):
    """Has no scrape of a target that answers at once failed? Else there was no time for it."""
    if value(server, f'min_over_time(up{{job="{name}"}}[10m])') == 1.0:
        return True
    checks.skip(f"a scrape of {name} failed, the machine is too busy")
    return False


def metric(server, name):
    """A value of the server's own /metrics."""
    text = server.get("/metrics")[2].decode()
    match = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
    return float(match.group(1)) if match else None


def check_spacing(points, what):
    """Samples lie exactly a second apart. A scrape that starts more than 2 ms late has its own time, as in
    the reference, so on a machine without time to spare only long gaps count, and else one late start (two odd
    steps) is forgiven, and one for each wake-up that was late."""
    steps = [round((b[0] - a[0]) * 1000) for a, b in zip(points, points[1:])]
    odd = [step for step in steps if step != 1000]
    if os.environ.get("FERULA_SANITIZED") or load.busy():
        what += f" (busy: {load.late} late of {load.rounds * 20})"
        checks.check(len(steps) > 4 and max(steps) < 3900, what, odd)
    else:
        checks.check(len(steps) > 4 and len(odd) <= 2 + 2 * load.late, what, odd)


# --- the jobs

BIG_LINE = "a_rather_long_metric_name_for_a_body_without_end{label=\"value\"} 1\n" * 1000


def slow_bytes(connection):
    connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {TEXT}\r\nContent-Length: 1000\r\n\r\n".encode())
    for _ in range(10):
        connection.sendall(b"a")
        time.sleep(1)


def slow_header(connection):
    for byte in b"HTTP/1.1 200 OK\r\n":
        connection.sendall(bytes([byte]))
        time.sleep(1)


def endless_body(connection):
    connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {TEXT}\r\n\r\n".encode())
    block = BIG_LINE.encode() * 16
    while True:
        connection.sendall(block)


def endless_error_body(connection):
    connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)
        time.sleep(0.01)


def not_http(connection):
    connection.sendall(b"\x16\x03\x01 what? \r\n\r\n")


def short_body(connection):
    connection.sendall(answer("short_body_v 123456\n", length=1000)[:-2])


def hang_up(connection):
    pass


def hang(connection):
    time.sleep(5)


def chunked(connection):
    connection.sendall(
        f"HTTP/1.1 200 OK\r\nContent-Type: {TEXT}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        + b"9\r\nchunked_v\r\n6\r\n 4711\n\r\n0\r\n\r\n"
    )


def cut_chunked(connection):
    connection.sendall(
        f"HTTP/1.1 200 OK\r\nContent-Type: {TEXT}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        + b"10\r\ncut_chunked_v 1\n\r\n"
    )


def gzip_answer(body, content_type=TEXT):
    return answer(gzip.compress(body), content_type, headers=["Content-Encoding: gzip"])


GZIP_BOMB = gzip_answer(b"# " + b"a" * (200 << 20) + b"\n")
GARBAGE = bytes(random.Random(1).randrange(256) for _ in range(20000))
hostile_names = []


def hostile(name, behaviour, extra=""):
    hostile_names.append(name)
    job(name, behaviour, extra)


def define_jobs():
    job("good", "# HELP good_v A gauge.\n# TYPE good_v gauge\ngood_v{a=\"b\"} 1.5\n")
    job("good2", lambda request: answer(f"good2_v {time.time()}\n"))
    steady.answers["steady"] = "steady_v 1\n"
    job("steady", None, target=f"127.0.0.1:{steady.port}")
    job("compressed_off", "x 1\n", "enable_compression: false\nscrape_timeout: 500ms")
    job("not_found", None)
    job("error_500", answer("oops", status="500 Internal Server Error"))
    job("refused", None, target=f"127.0.0.1:{lab.free_port()}")
    job("no_host", None, target="no-such-host.invalid:80")
    job("timeout", lambda request: hang, "scrape_timeout: 500ms")
    job("bad_line", BAD_LINE, "")
    job("vanishing", VANISHING, "")
    job("failing", FAILING, "")
    job("gzipped", gzip_answer(b"gzipped_v 42\n"))
    job("chunked", lambda request: chunked)
    job("openmetrics", answer("# TYPE om counter\nom_total 3\n# EOF\n",
                              "application/openmetrics-text; version=1.0.0; charset=utf-8"))
    job("openmetrics_cut", answer("# TYPE om counter\nom_total 3\n",
                                  "application/openmetrics-text; version=1.0.0; charset=utf-8"))
    job("html", answer("<html></html>", "text/html; charset=utf-8"))
    job("json", answer("{}", "application/json"))
    job("blank_type", answer("blank_v 1\n", None))
    job("fallback", answer("fallback_v 1\n", None), "fallback_scrape_protocol: PrometheusText0.0.4")
    job("empty", answer("", "application/json"))
    job("crlf", "crlf_v 1\r\n")
    job("redirect", answer("", status="302 Found", headers=["Location: /t/redirected"]))
    targets.answers["redirected"] = "redirected_v 7\n"
    job("no_redirect", answer("", status="302 Found", headers=["Location: /t/redirected"]),
        "follow_redirects: false")
    clash = 'clash{job="z",instance="w",exported_job="y",empty=""} 1\nplain{job=""} 2\n'
    job("honor_off", clash)
    job("honor_on", clash, "honor_labels: true")
    job("sample_limit", "".join(f"sl{i} 1\n" for i in range(6)), "sample_limit: 5")
    job("sample_limit_ok", "".join(f"slo{i} 1\n" for i in range(6)),
        "sample_limit: 5\nmetric_relabel_configs: [{source_labels: [__name__], regex: slo0, action: drop}]")
    job("label_limit", 'll{a="1",b="2"} 1\n', "label_limit: 4")
    job("name_limit", 'nl{abcdefghijk="1"} 1\n', "label_name_length_limit: 10")
    job("value_limit", 'vl{a="12345678901234567890"} 1\n', "label_value_length_limit: 18")
    job("body_limit", "x 1\n", "body_size_limit: 4B")
    job("body_limit_ok", "body_limit_ok_v 1\n", "body_size_limit: 19B")
    job("target_limit", "x 1\n",
        f"target_limit: 1\nstatic_configs: [{{targets: ['{address()}', 'localhost:{targets.port}']}}]")
    job("timestamps", lambda request: answer(
        f"ts_old 1 {int(time.time() * 1000) - 60000}\nts_future 1 {int(time.time() * 1000) + 1200000}\n"
        f"ts_now 1\n"))
    job("timestamps_off", lambda request: answer(f"tso 1 {int(time.time() * 1000) - 60000}\n"),
        "honor_timestamps: false")
    job("timestamps_back", lambda request: answer("tsb 1 %d\ntsb 2 %d\n" % (
        int(time.time() * 1000), int(time.time() * 1000) - 30000)))
    job("ts_vanish", TS_VANISH, "")
    job("ts_vanish_tracked", TS_VANISH_TRACKED, "track_timestamps_staleness: true")
    job("duplicates", "dup 1\ndup 2\nother 3\n")
    job("params", "x 1\n", "params: {z: ['last'], a: ['1', '2 &'], module: [m]}")
    job("param_label", "x 1\n",
        "params: {target: [old, kept]}\n"
        "relabel_configs: [{target_label: __param_target, replacement: 'http://new/'}]")
    job("basic_auth", "x 1\n", "basic_auth: {username: user, password: pass}")
    job("bearer", "x 1\n", "authorization: {credentials: token}")
    job("own_header", "x 1\n", "http_headers: {X-Own: {values: [one]}}")
    job("buckets", '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 1\nh_count 2\n'
        '# TYPE s summary\ns{quantile="1"} 2\ns_sum 1\ns_count 1\n# TYPE u untyped\nu{le="1"} 3\n')
    job("exposes_up", "up 5\n")
    job("nameless_label", '{"m",""="1"} 1\n')
    job("nameless", "nameless_v 1\n", "metric_relabel_configs: [{regex: __name__, action: labeldrop}]")
    job("utf8", '{"my.metric","a.b"="ü"} 1\n')
    job("dropped", "x 1\n",
        f"keep_dropped_targets: 1\nrelabel_configs: [{{source_labels: [__address__], regex: 'drop.*', action: drop}}]\n"
        f"static_configs: [{{targets: ['drop1:1', 'drop2:1', '{address()}', '{address()}']}}]")
    job("bad_timeout_label", "x 1\n", "relabel_configs: [{target_label: __scrape_timeout__, replacement: 1h}]")
    job("extra", "x 1\n", "extra_scrape_metrics: true\nsample_limit: 9\nscrape_timeout: 700ms")
    job("leaving", "leaving_v 1\n")
    job("returning", "returning_v 1\n")
    job("constant_phase", "constant_phase_v 1\n")
    hostile("slow_bytes", lambda request: slow_bytes)
    hostile("slow_header", lambda request: slow_header)
    hostile("endless", lambda request: endless_body)
    hostile("endless_error", lambda request: endless_error_body)
    hostile("short_body", lambda request: short_body)
    hostile("short_length", answer("short_length_v 123456\n", length=len("short_length_v 123")))
    hostile("cut_chunked", lambda request: cut_chunked)
    hostile("garbage", answer(GARBAGE))
    hostile("garbage_gzip", answer(GARBAGE, headers=["Content-Encoding: gzip"]))
    hostile("not_http", lambda request: not_http)
    hostile("hang_up", lambda request: hang_up)
    hostile("bomb", GZIP_BOMB)


BAD_LINE = State("bad_a 1\nbad_b 2\nbad_c 3\n")
VANISHING = State("van_a 1\nvan_b 2\n")
FAILING = State("fail_a 1\nfail_b 2\n")
TS_VANISH = State(None)
TS_VANISH_TRACKED = State(None)
CHANGED = ("bad_line", "vanishing", "failing", "ts_vanish", "ts_vanish_tracked")


def stamped(name):
    return answer(f"{name} 1 {int(time.time() * 1000)}\nother_{name} 1\n")


# --- the checks


def check_requests(server):
    version = server.json("/api/v1/status/buildinfo")["data"]["version"]
    request = targets.last("good")
    checks.equal(request.headers.get("accept"),
                 "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                 "application/openmetrics-text;version=0.0.1;q=0.5,"
                 "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
                 "text/plain;version=0.0.4;q=0.3,*/*;q=0.2", "F1 Accept")
    checks.equal(request.headers.get("user-agent"), f"Prometheus/{version}", "F2 User-Agent")
    checks.equal(request.headers.get("accept-encoding"), "gzip", "F2 Accept-Encoding")
    checks.equal(request.headers.get("x-prometheus-scrape-timeout-seconds"), "1", "F2 timeout header")
    checks.equal(request.headers.get("host"), address(), "Host")
    request = targets.last("compressed_off")
    checks.equal(request.headers.get("accept-encoding"), "identity", "A54 identity")
    checks.equal(request.headers.get("x-prometheus-scrape-timeout-seconds"), "0.5", "fraction of a second")
    checks.equal(targets.last("params").query, "a=1&a=2+%26&module=m&z=last", "A53 params")
    checks.equal(targets.last("param_label").query, "target=http%3A%2F%2Fnew%2F&target=kept", "F39 label wins")
    checks.equal(targets.last("basic_auth").headers.get("authorization"), "Basic dXNlcjpwYXNz", "basic auth")
    checks.equal(targets.last("bearer").headers.get("authorization"), "Bearer token", "bearer")
    checks.equal(targets.last("own_header").headers.get("x-own"), "one", "own header")
    with steady.lock:
        asked, connections = len(steady.requests["steady"]), steady.connection_count
    # one that was too slow is closed
    failed = value(server, 'count_over_time(up{job="steady"}[5m]) - sum_over_time(up{job="steady"}[5m])')
    checks.check(asked > 4 and 0 < connections <= 1 + failed, "F38 connections are reused",
                 f"{connections} for {asked}, {failed} failed")


def check_errors(server):
    found = active_targets(server)
    url = {name: f"http://{address()}/t/{name}" for name in jobs}
    expected = {
        "not_found": "server returned HTTP status 404 Not Found",
        "error_500": "server returned HTTP status 500 Internal Server Error",
        "no_redirect": "server returned HTTP status 302 Found",
        "endless_error": "server returned HTTP status 503 Service Unavailable",
        "timeout": f'Get "{url["timeout"]}": context deadline exceeded',
        "slow_header": f'Get "{url["slow_header"]}": context deadline exceeded',
        "slow_bytes": "context deadline exceeded",
        "short_body": "unexpected EOF",
        "cut_chunked": "unexpected EOF",
        "hang_up": None,
        "garbage_gzip": None,
        "not_http": None,
        "garbage": None,
        "short_length": None,
        "bomb": "body size limit exceeded",
        "endless": None,
        "html": 'received unsupported Content-Type "text/html; charset=utf-8" and no '
                "fallback_scrape_protocol specified for target",
        "json": 'received unsupported Content-Type "application/json" and no fallback_scrape_protocol '
                "specified for target",
        "blank_type": "non-compliant scrape target sending blank Content-Type and no "
                      "fallback_scrape_protocol specified for target",
        "openmetrics_cut": "data does not end with # EOF",
        "sample_limit": "sample limit exceeded",
        "label_limit": "label_limit exceeded (metric: ll, number of labels: 5, limit: 4)",
        "name_limit": "label_name_length_limit exceeded (metric: nl, label name: abcdefghijk, length: 11, limit: 10)",
        "value_limit": 'label_value_length_limit exceeded (metric: vl, label name: a, value: '
                       '"12345678901234567890", length: 20, limit: 18)',
        "body_limit": "body size limit exceeded",
        "nameless": "missing metric name (__name__ label)",
        "crlf": None, "nameless_label": None,
    }
    def told(name):
        return active_targets(server).get(name, [{}])[0]

    for name, text in expected.items():
        if text is not None and found.get(name, [{}])[0].get("lastError") != text:
            lab.wait_for(lambda: told(name).get("lastError") == text, 5, 0.25)
            found[name] = [told(name)]
        target = found.get(name, [{}])[0]
        checks.equal(target.get("health"), "down", f"{name} is down")
        checks.equal(value(server, f'up{{job="{name}"}}'), 0.0, f"{name}: up 0")
        if text is None:
            checks.check(target.get("lastError"), f"{name} has an error text")
        else:
            checks.equal(target.get("lastError"), text, f"{name}: text")
    for name, pattern in (
            ("hang_up", r'Get "[^"]+": (EOF|read tcp \S+->\S+: read: connection reset by peer)'),
            ("refused", r'Get "http://127\.0\.0\.1:\d+/t/refused": dial tcp 127\.0\.0\.1:\d+: '
                        r"connect: connection refused"),
            ("no_host", r'Get "http://no-such-host\.invalid:80/t/no_host": dial tcp: lookup '
                        r"no-such-host\.invalid.*")):
        words = lab.wait_for(lambda: re.fullmatch(pattern, told(name).get("lastError", "")), 5, 0.25)
        checks.check(words, f"{name}: text", told(name).get("lastError"))
    for target in found["target_limit"]:
        checks.equal(target["lastError"], "target_limit exceeded (number of targets: 2, limit: 1)",
                     "F35 target limit")
    checks.check(targets.last("target_limit") is None, "F35 nothing is scraped above the limit")


def check_samples(server):
    for name in ("good", "good2", "gzipped", "chunked", "openmetrics", "fallback", "redirect", "honor_on",
                 "honor_off", "timestamps", "duplicates", "buckets", "utf8", "sample_limit_ok", "empty",
                 "timestamps_back", "body_limit_ok", "extra"):
        eventually(lambda: value(server, f'up{{job="{name}"}}'), 1.0, f"{name}: up 1")
    for selector, expected, what in (
            ('good_v{a="b",job="good"}', 1.5, "a sample"), ("gzipped_v", 42.0, "gzip"), ("chunked_v", 4711.0, "chunked"),
            ("om_total", 3.0, "OpenMetrics"), ("redirected_v", 7.0, "redirect"),
            ('{"my.metric","a.b"="ü"}', 1.0, "UTF-8 names")):
        eventually(lambda: value(server, selector), expected, what)
    checks.equal(vector(server, "last_over_time(good_v[1m])")[0]["metric"].get("instance"), address(), "instance")
    for name in ("scrape_duration_seconds", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling",
                 "scrape_series_added"):
        result = vector(server, f'{name}{{job="good"}}')
        checks.equal(len(result), 1, f"F21 {name}")
        if result:
            checks.equal(set(result[0]["metric"]), {"__name__", "job", "instance"}, f"labels of {name}")
    for selector, expected, what in (
            ('scrape_samples_scraped{job="duplicates"}', 3.0, "scraped counts duplicates"),
            ('scrape_samples_scraped{job="sample_limit"}', 6.0, "F32 scraped counts all"),
            ('scrape_samples_post_metric_relabeling{job="sample_limit_ok"}', 5.0, "relabelling before the limit"),
            ('scrape_series_added{job="good"}', 0.0, "nothing new in the steady state")):
        eventually(lambda: value(server, selector), expected, what)
    checks.equal(value(server, 'max_over_time(scrape_series_added{job="good"}[5m])'), 1.0, "new at first")
    # none is too short, and the best is not long
    shortest = value(server, 'min_over_time(scrape_duration_seconds{job="timeout"}[5m])')
    checks.check(0.49 < (shortest or 0) < 0.9, "F5 duration", shortest)
    checks.equal(len(vector(server, '{job="sample_limit",__name__=~"sl.*"}')), 0, "F32 nothing is stored")
    checks.equal(value(server, 'scrape_timeout_seconds{job="extra"}'), 0.7, "F22 timeout")
    checks.equal(value(server, 'scrape_sample_limit{job="extra"}'), 9.0, "F22 sample limit")
    eventually(lambda: value(server, 'scrape_body_size_bytes{job="extra"}'), 4.0, "F22 body size")
    checks.equal(len(vector(server, "scrape_timeout_seconds")), 1, "F22 only where it is on")
    eventually(lambda: value(server, 'up{job="exposes_up"}'), 5.0, "F23 the target's up wins")
    checks.equal({r["metric"].get("le") for r in vector(server, "h_bucket")}, {"1.0", "+Inf"}, "F17 le")
    checks.equal({r["metric"].get("quantile") for r in vector(server, "s")}, {"1.0"}, "F17 quantile")
    checks.equal({r["metric"].get("le") for r in vector(server, "u")}, {"1"}, "F17 untyped is untouched")


def check_labels(server):
    result = vector(server, 'clash{job="honor_off"}')
    checks.equal(len(result), 1, "A50 exported")
    if result:
        labels = result[0]["metric"]
        checks.equal(labels.get("exported_exported_job"), "z", "A50 exported twice")
        checks.equal(labels.get("exported_job"), "y", "A50 what was there stays")
        checks.equal(labels.get("exported_instance"), "w", "A50 instance")
        checks.check("empty" not in labels, "F37 empty label")
    result = vector(server, f'clash{{job="z",instance="w"}}')
    checks.equal(len(result), 1, "A50 honoured")
    result = vector(server, 'plain{job=""}')
    checks.equal(len(result), 1, "A50 an empty label suppresses the target's")
    checks.equal(len(vector(server, 'plain{job="honor_off"}')), 1, "A50 not without honor_labels")


def check_timestamps(server):
    now = time.time()
    points = samples(server, "ts_old")
    checks.check(points and now - 90 < points[-1][0] < now - 55, "A51 explicit timestamp", points[-2:])
    checks.equal(len(vector(server, "ts_future[1h]")), 0, "F31 the far future is refused")
    eventually(lambda: value(server, "ts_now"), 1.0, "others of that body are stored")
    points = samples(server, "tso")
    checks.check(points and now - points[-1][0] < 30, "A51 not honoured")
    checks.check((metric(server, "prometheus_target_scrapes_sample_out_of_bounds_total") or 0) > 0,
                 "L9 out of bounds are counted")
    checks.check((metric(server, "prometheus_target_scrapes_sample_out_of_order_total") or 0) > 0,
                 "L9 out of order are counted")
    checks.check((metric(server, "prometheus_target_scrapes_sample_duplicate_timestamp_total") or 0) > 0,
                 "L9 duplicates are counted")
    checks.equal({v for _, v in samples(server, "dup")}, {1.0}, "F30 the first of two wins")
    checks.check("Error on ingesting samples with different value but same timestamp" in server.log_text(),
                 "F30 logged")


def check_own_metrics(server):
    for name in ("exceeded_sample_limit", "exceeded_body_size_limit", "cache_flush_forced",
                 "exemplar_out_of_order"):
        checks.check(metric(server, f"prometheus_target_scrapes_{name}_total") is not None, f"L9 {name}")
    checks.check(metric(server, "prometheus_target_scrapes_exceeded_sample_limit_total") > 0, "L9 sample limit")
    checks.check(metric(server, "prometheus_target_scrapes_exceeded_body_size_limit_total") > 0, "L9 body limit")
    checks.check(metric(server, "prometheus_target_scrape_pool_exceeded_label_limits_total") > 0, "L8 label limits")
    checks.check(metric(server, "prometheus_target_scrape_pool_exceeded_target_limit_total") > 0, "L8 target limit")
    checks.equal(metric(server, 'prometheus_target_scrape_pool_targets{scrape_job="good"}'), 1.0, "L8 targets")
    checks.equal(metric(server, 'prometheus_target_scrape_pool_target_limit{scrape_job="target_limit"}'), 1.0,
                 "L8 target limit gauge")
    checks.check(metric(server, 'prometheus_target_sync_failed_total{scrape_job="bad_timeout_label"}') == 1.0,
                 "A84 failed sync is counted")
    discovered = 'prometheus_sd_discovered_targets{config="dropped",name="scrape"}'
    other = 'prometheus_sd_discovered_targets{name="scrape",config="dropped"}'
    checks.check(4.0 in (metric(server, discovered), metric(server, other)), "L10 discovered targets")
    text = server.get("/metrics")[2].decode()
    for quantile in ("0.01", "0.05", "0.5", "0.9", "0.99"):
        slow = os.environ.get("FERULA_SANITIZED") or load.busy()
        name = f'prometheus_target_interval_length_seconds{{interval="1s",quantile="{quantile}"}}'
        found = metric(server, name)
        checks.check(found is not None and (quantile != "0.5" or slow or 0.98 < found < 1.02), f"L7 {name}", found)
    checks.check('prometheus_target_sync_length_seconds{scrape_job="good",quantile="0.5"}' in text, "L8 sync length")


def check_targets_api(server):
    data = server.json("/api/v1/targets")["data"]
    dropped = [t for t in data["droppedTargets"] if t["scrapePool"] == "dropped"]
    checks.equal(len(dropped), 1, "F36 listed")
    checks.equal(data["droppedTargetCounts"].get("dropped"), 2, "F36 counted")
    found = active_targets(server)
    checks.equal(len(found["dropped"]), 1, "F40 a target that is listed twice is scraped once")
    checks.check("bad_timeout_label" not in found, "A84 no target of bad labels")
    checks.check('scrape timeout cannot be greater than scrape interval (\\"1h\\" > \\"1s\\")'
                 in server.log_text(), "A84 logged")
    good = found["good"][0]
    checks.equal(good["scrapeUrl"], f"http://{address()}/t/good", "D34 URL")
    checks.equal(good["scrapeInterval"], "1s", "D34 interval")
    checks.equal(good["discoveredLabels"]["__metrics_path__"], "/t/good", "D34 discovered labels")
    metadata = server.json("/api/v1/metadata", {"metric": "good_v"})["data"]
    checks.equal(metadata, {"good_v": [{"type": "gauge", "help": "A gauge.", "unit": ""}]}, "F20 metadata")
    of_target = server.json("/api/v1/targets/metadata", {"match_target": '{job="good"}'})["data"]
    checks.equal([(m["metric"], m["type"]) for m in of_target], [("good_v", "gauge")], "metadata of a target")


def common_phase(points):
    phases = [round(t * 1000) % 1000 for t, _ in points]
    return max(set(phases), key=phases.count) if phases else -1


def check_cadence(server):
    names = ["good", "good2", "gzipped", "constant_phase"]
    for name in names:
        points = samples(server, f'up{{job="{name}"}}')
        check_spacing(points, f"F24 {name} keeps its cadence beside hostile targets")
    # those that are late are late together
    phases = {common_phase(samples(server, f'up{{job="{name}"}}')) for name in jobs}
    checks.check(len(phases) > (3 if load.busy() else 10), "F25 targets are spread over the interval", len(phases))
    for name in hostile_names:
        points = samples(server, f'up{{job="{name}"}}')
        checks.check(len(points) > 3 and {v for _, v in points} == {0.0}, f"{name} has up 0", points[-2:])
    checks.equal(len(vector(server, '{__name__=~"short_length_v|short_body_v|cut_chunked_v"}')), 0,
                 "nothing of a body that was cut is stored")


def check_memory(server):
    with open(f"/proc/{server.popen.pid}/status", encoding="ascii") as status:
        peak_kb = int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1))
    if os.environ.get("FERULA_SANITIZED"):
        checks.skip("memory of a sanitized binary")
    else:
        checks.check(peak_kb < 700 * 1024, "bombs and endless bodies cost bounded memory", f"{peak_kb} kB")


def gone_since(server, selector, up_selector, is_bad):
    """Is the series stale from the first sample of `up_selector` on for which `is_bad`?"""
    points = samples(server, up_selector)
    bad = [t for t, v in points if is_bad(t, v)]
    if not bad:
        return None
    before = vector(server, selector, bad[0] - 0.001)
    after = vector(server, selector, bad[0])
    return len(before) == 1 and len(after) == 0


def check_staleness(server):
    BAD_LINE.body = "bad_a 1\nbad_b x\nbad_c 3\n"
    VANISHING.body = "van_a 1\n"
    vanished_at = time.time()
    FAILING.body = answer("", status="500 Internal Server Error")
    TS_VANISH.body = "other_tsv 1\n"
    TS_VANISH_TRACKED.body = "other_tst 1\n"
    lab.wait_for(lambda: all(value(server, f'up{{job="{name}"}}') == 0.0 for name in ("bad_line", "failing"))
                 and not vector(server, "van_b") and not vector(server, "tst"), 10)
    # all jobs that were changed have been asked since
    lab.wait_for(lambda: all(samples(server, f'up{{job="{name}"}}')[-1][0] > vanished_at + 1 for name in CHANGED), 10)
    for name in ("bad_a", "bad_b", "bad_c"):
        checks.check(gone_since(server, name, 'up{job="bad_line"}', lambda t, v: v == 0),
                     f"F8 {name} is stale at once when a line is bad")
    eventually(lambda: value(server, 'scrape_samples_scraped{job="bad_line"}'), 1.0, "samples before the bad line")

    def error():
        return active_targets(server)["bad_line"][0]["lastError"]

    checks.check(lab.wait_for(lambda: "x" in error() and "ParseFloat" in error(), 5), "F8 text", error())
    for name in ("fail_a", "fail_b"):
        checks.check(gone_since(server, name, 'up{job="failing"}', lambda t, v: v == 0),
                     f"F27 {name} is stale when the target fails")
    # a scrape that began before may have the new body
    if is_undisturbed(server, "vanishing"):
        checks.check(gone_since(server, "van_b", 'scrape_samples_scraped{job="vanishing"}', lambda t, v: v == 1),
                     "F26 a series that vanished is stale at once")
    eventually(lambda: value(server, "van_a"), 1.0, "F26 the others stay")
    checks.equal(value(server, "tsv"), 1.0, "A52 an explicit timestamp gets no stale marker")
    checks.equal(len(vector(server, "tst")), 0, "A52 but where it is tracked")
    BAD_LINE.body = "bad_a 1\nbad_b 2\nbad_c 3\n"
    checks.equal(lab.wait_for(lambda: value(server, "bad_b"), 10), 2.0, "a target recovers")


def check_reload(server):
    left = [name for name in jobs if name not in ("leaving", "returning")]
    before = {name: samples(server, f'up{{job="{name}"}}') for name in ("good", "constant_phase")}
    server.write_config(config(left))
    server.popen.send_signal(signal.SIGHUP)
    gone = lab.wait_for(lambda: "leaving" not in active_targets(server), 5)
    checks.check(gone, "a reload takes targets away")
    time.sleep(0.3)
    server.write_config(config([name for name in jobs if name != "leaving"]))
    server.popen.send_signal(signal.SIGHUP)
    last = samples(server, "leaving_v")[-1][0]
    time.sleep(3)
    next_s = last + (5.1 if load.busy() else 1.1)  # who is late marks late
    lab.wait_for(lambda: not vector(server, "leaving_v", next_s), 10)
    if is_undisturbed(server, "leaving"):
        checks.equal(len(vector(server, "leaving_v", last + 0.2)), 1, "F28 not at once")
    checks.equal(len(vector(server, "leaving_v", next_s)), 0, "F28 at the time of the next scrape")
    checks.equal(len(vector(server, 'up{job="leaving"}', next_s)), 0, "F28 report series too")
    first = samples(server, "returning_v")[0][0]
    end = time.time()
    missing = [t for t in range(int(first) + 2, int(end) - 1) if not vector(server, "returning_v", float(t))]
    if is_undisturbed(server, "returning"):
        checks.equal(missing, [], "F28 a target that comes back is never stale")
    for name, points in before.items():
        after = samples(server, f'up{{job="{name}"}}')
        checks.check(len(after) > len(points), f"{name} goes on after a reload")
        check_spacing(after, f"a reload leaves {name} in its cadence")
    if is_undisturbed(server, "good"):
        checks.equal(value(server, 'sum_over_time(scrape_series_added{job="good"}[5m])'), 1.0,
                     "a reload keeps the caches of unchanged jobs")


def check_restart(server):
    phase = common_phase(samples(server, "constant_phase_v"))
    stopped = time.time()
    checks.equal(server.stop(), 0, "a clean stop")
    server.start()

    def after():
        return [point for point in samples(server, "constant_phase_v") if point[0] > stopped]

    points = lab.wait_for(lambda: len(after()) > 3 and after(), 10)
    checks.check(points, "scraping goes on after a restart")
    if os.environ.get("FERULA_SANITIZED") or load.busy():
        checks.skip("the phase over a restart: too busy to start scrapes in time")
    else:
        checks.equal(common_phase(points), phase, "F25 the phase survives a restart")
    if is_undisturbed(server, "constant_phase"):
        checks.equal(len(vector(server, "constant_phase_v", stopped + 0.9)), 1, "F29 no stale marker at shutdown")


def check_transports():
    """Unix sockets, IPv6 and TLS."""
    folder = lab.temporary_folder()
    lines = []
    unix_path = os.path.join(folder, "target.sock")
    unix = FakeTargets(socket.AF_UNIX, unix_path)
    unix.answers["unix"] = "unix_v 1\n"
    lines += ["- job_name: unix", "  metrics_path: /t/unix",
              f"  static_configs: [{{targets: ['some:1'], labels: {{__unix_socket__: '{unix_path}'}}}}]"]
    try:
        six = FakeTargets(socket.AF_INET6, ("::1", 0))
        six.answers["six"] = "six_v 1\n"
        lines += ["- job_name: six", "  metrics_path: /t/six",
                  f"  static_configs: [{{targets: ['[::1]:{six.port}']}}]"]
    except OSError:
        six = None
        checks.skip("IPv6: no ::1 here")
    tls = None
    if shutil.which("openssl"):
        key, certificate = os.path.join(folder, "key.pem"), os.path.join(folder, "certificate.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out",
                        certificate, "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        tls = FakeTargets(tls=context)
        tls.answers["tls"] = "tls_v 1\n"
        for name, extra in (("tls_ca", f"{{ca_file: '{certificate}'}}"),
                            ("tls_skip", "{insecure_skip_verify: true}"), ("tls_none", "{}")):
            lines += [f"- job_name: {name}", "  scheme: https", "  metrics_path: /t/tls",
                      f"  tls_config: {extra}", f"  static_configs: [{{targets: ['127.0.0.1:{tls.port}']}}]"]
    else:
        checks.skip("TLS: no openssl here")
    # a handshake takes its time where the processor is busy
    text = "global: {scrape_interval: 3s}\nscrape_configs:\n" + "\n".join(lines) + "\n"
    server = lab.MonitoringServer(lab.ferula_binary(), text, name="transports").start()
    eventually(lambda: value(server, "unix_v"), 1.0, "A83 Unix socket")
    if six:
        eventually(lambda: value(server, "six_v"), 1.0, "F38 IPv6")
    if tls:
        eventually(lambda: value(server, 'tls_v{job="tls_ca"}'), 1.0, "F38 TLS with a CA file")
        eventually(lambda: value(server, 'tls_v{job="tls_skip"}'), 1.0, "A46 TLS without verification")

        def error():
            return active_targets(server)["tls_none"][0]["lastError"]

        checks.check(lab.wait_for(lambda: "certificate" in error(), 5), "TLS that cannot be verified", error())
    server.stop()


def main():
    define_jobs()
    targets.answers["ts_vanish"] = lambda request: TS_VANISH.body or stamped("tsv")
    targets.answers["ts_vanish_tracked"] = lambda request: TS_VANISH_TRACKED.body or stamped("tst")
    server = lab.MonitoringServer(lab.ferula_binary(), config()).start()
    count = sum(len(found) for name, found in active_targets(server).items() if name != "target_limit")
    # enough scrapes of each to see a cadence in them
    checks.check(
        lab.wait_for(lambda: value(server, 'count(count_over_time(up{job!="target_limit"}[5m]) > 7)') == count, 15),
        "every target is scraped again and again", count,
    )
    check_requests(server)
    check_errors(server)
    check_samples(server)
    check_labels(server)
    check_timestamps(server)
    check_own_metrics(server)
    check_targets_api(server)
    check_staleness(server)
    check_reload(server)
    check_cadence(server)
    check_memory(server)
    check_restart(server)
    server.stop()
    load.stop()
    check_transports()
    checks.finish()


if __name__ == "__main__":
    main()
