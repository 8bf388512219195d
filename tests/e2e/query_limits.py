"""Queries end at their limits: deadline, samples, a client that leaves, nesting.

A query past its deadline answers 503 `timeout` within 100 ms of it, one past --query.max-samples 422
`execution`, one whose client has left is gone within half a second: at the best of some attempts, since the
processor may be busy with others. Sanitizers get ten times as long.
"""

import os
import select
import socket
import time
import urllib.parse

import lab

CHECKS = lab.Checks("query_limits")
SANITIZED = os.environ.get("FERULA_SANITIZED") == "1"
LATE_S = 1.0 if SANITIZED else 0.1
CANCEL_S = 5.0 if SANITIZED else 0.5
# The first is short enough for most of the queries, and the last for any, however fast the machine is.
TIMEOUTS_MS = (50, 10, 1)
SERIES = 3000
POINTS = 120
NEVER_S = 1e6
STEP_S = 15

# Each takes longer than a deadline when nothing stops it. They are counted, so that answers are short.
LONG_QUERIES = {
    "a subquery": "max_over_time((sum by (i) (m) + on (i) group_right () m)[30m:1s])",
    "nested subqueries": "max_over_time(sum_over_time((m > 1)[5m:1s])[5m:1s])",
    "big range functions": "quantile_over_time(0.9, m[30m]) + quantile_over_time(0.8, m[29m])",
    "deviations over time": "mad_over_time(m[30m]) + stddev_over_time(m[30m])",
    "a large join": "m * on (i) group_left () sum by (i) (m) + on (i) m",
    "set operators": "(m and m + 1) or (m + 2 unless on (i) m) or m - 1 and m",
    "label_replace": "label_replace(" * 5 + "m" + ', "x", "$1-$2", "i", "(.*)(.*)(.*)")' * 5,
    "label_join": "label_join(" * 5 + "m" + ', "x", "-", "i", "j", "i")' * 5,
    "sort": "sort(sort_desc(sort(m) + 1) * 2)",
    "quantile": "quantile by (j) (0.5, m) + on (j) quantile by (j) (0.9, m)",
    "topk": "topk by (j) (100, m) + 0",
    "count_values": 'count_values("v", m * 3)',
    "histogram_quantile": 'histogram_quantile(0.9, label_replace(m, "le", "$1", "i", "(.*)"))',
    "rate": "rate(m[30m]) + irate(m[29m]) + increase(m[28m])",
    "a regular expression": 'm{i=~".*(1|2).*(3|4)?.*"} + {__name__=~".*m.*",i=~".*(.*).*(.*)"}',
    "a chain": "m" + " + m" * 400,
}


def load(server, end_s):
    start_ms = (end_s - POINTS * STEP_S) * 1000
    times = [start_ms + at * STEP_S * 1000 for at in range(POINTS)]
    for first in range(0, SERIES, 250):
        series = [
            ({"__name__": "m", "i": str(i), "j": str(i % 7)}, [(t, float((i * 7919 + t // 1000) % 1000)) for t in times])
            for i in range(first, min(first + 250, SERIES))
        ]
        status, text = server.remote_write(series)
        CHECKS.check(status in (200, 204), "remote write is taken", text)


def ask_range(server, query, end_s, **more):
    parameters = {"query": f"count({query})", "start": end_s - 1800, "end": end_s, "step": 1, **more}
    begun = time.monotonic()
    status, _, answer = server.post_form("/api/v1/query_range", parameters)
    return time.monotonic() - begun, status, answer


def ask_instant(server, query):
    begun = time.monotonic()
    status, _, answer = server.post_form("/api/v1/query", {"query": query})
    return time.monotonic() - begun, status, answer


def check_deadlines(server, end_s):
    for name, query in LONG_QUERIES.items():
        for timeout_ms in TIMEOUTS_MS:
            limit_s = timeout_ms / 1000 + LATE_S
            took_s, status, answer = lab.soonest(
                lambda: ask_range(server, query, end_s, timeout=f"{timeout_ms}ms"), limit_s
            )
            if status != 200:
                break
        late = f"took {took_s:.3f} s of {timeout_ms} ms: {status} {str(answer)[:200]}"
        CHECKS.check(took_s < limit_s, f"{name} ends at its deadline", late)
        CHECKS.check((status, answer.get("errorType")) == (503, "timeout"), f"{name} says timeout", late)


def check_samples(server, end_s):
    for name, query in LONG_QUERIES.items():
        took_s, status, answer = lab.soonest(lambda: ask_range(server, query, end_s), 10 * LATE_S)
        what = f"took {took_s:.3f} s: {status} {str(answer)[:200]}"
        CHECKS.check((status, answer.get("errorType")) == (422, "execution"), f"{name} has too many samples", what)
        CHECKS.check("too many samples" in answer.get("error", ""), f"{name} says so", what)
        CHECKS.check(took_s < 10 * LATE_S, f"{name} ends soon", what)


def running_queries(server):
    for line in server.get("/metrics")[2].decode().splitlines():
        if line.startswith("prometheus_engine_queries "):
            return float(line.split()[1])
    return None


def leave(server, query, end_s):
    """Asks and leaves: (seconds from then until the query was gone, whether it ran when its client left)."""
    form = urllib.parse.urlencode({"query": f"count({query})", "start": end_s - 1800, "end": end_s, "step": 1})
    with socket.create_connection(("127.0.0.1", server.port), 60) as connection:
        connection.sendall(
            b"POST /api/v1/query_range HTTP/1.1\r\nHost: a\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n"
            + f"Content-Length: {len(form)}\r\n\r\n{form}".encode()
        )
        answered = lambda: select.select([connection], [], [], 0)[0]
        seen = lab.wait_for(lambda: running_queries(server) == 1 or answered(), 30, 0.005) and not answered()
    left = time.monotonic()
    if not lab.wait_for(lambda: running_queries(server) == 0, 30, 0.01):
        return NEVER_S, True
    return (time.monotonic() - left if seen else float("inf")), seen


def check_disconnects(server, end_s):
    for name in ("a subquery", "big range functions", "a large join", "sort", "count_values", "a chain"):
        took_s, seen = lab.soonest(lambda: leave(server, LONG_QUERIES[name], end_s), CANCEL_S)
        if not seen:
            CHECKS.skip(f"{name} ended before its client left")
            continue
        CHECKS.check(took_s < CANCEL_S, f"{name} ends when its client leaves", f"{took_s:.3f} s")


def check_nesting(server):
    for name, query in {
        "parentheses": "(" * 50000 + "1" + ")" * 50000,
        "open parentheses": "(" * 100000,
        "signs": "-" * 100000 + "1",
        "calls": "abs(" * 25000 + "m" + ")" * 25000,
        "aggregations": "sum(" * 25000 + "m" + ")" * 25000,
        "subqueries": "m" + "[1m:1m]" * 14000,
        "powers": "2" + "^2" * 50000,
        "a chain of 100,000": "m" + "+m" * 50000,
    }.items():
        took_s, status, answer = lab.soonest(lambda: ask_instant(server, query), 5 * LATE_S)
        what = f"{took_s:.3f} s: {status} {str(answer)[:150]}"
        CHECKS.check((status, answer.get("errorType")) == (400, "bad_data"), f"{name} are refused", what)
        CHECKS.check(took_s < 5 * LATE_S, f"{name} are refused at once", what)
    for query, expected in (("1" + " + 1" * 5000, "5001"), ("vector(1)" + " * 1" * 5000, "1")):
        status, _, answer = server.post_form("/api/v1/query", {"query": query})
        result = answer["data"]["result"] if status == 200 else [None, answer]
        value = result[0]["value"][1] if isinstance(result[0], dict) else result[1]
        CHECKS.equal(value, expected, "a chain of 5,000 operators")
    status, _, body = server.get("/api/v1/parse_query", {"query": "1" + "+1" * 2000})
    CHECKS.equal(status, 200, "the tree of a chain")
    CHECKS.check(body.count(b'"binaryExpr"') == 2000, "the tree of a chain is whole")
    nested = "-(" * 200 + "vector(1)" + ")" * 200
    CHECKS.equal(server.post_form("/api/v1/query", {"query": nested, "stats": "explain"})[0], 200, "explaining 200 levels")


def main():
    end_s = int(time.time()) // 60 * 60
    config = "global: {scrape_interval: 15s}\n"
    flags = ["--web.enable-remote-write-receiver", "--enable-feature=promql-experimental-functions"]
    server = lab.MonitoringServer(lab.ferula_binary(), config, flags, "ferula").start()
    load(server, end_s)
    check_nesting(server)
    check_deadlines(server, end_s)
    check_disconnects(server, end_s)
    CHECKS.equal(server.stop(), 0, "a clean stop")
    flags.append("--query.max-samples=50000")
    server = lab.MonitoringServer(lab.ferula_binary(), config, flags, "limited").start()
    load(server, end_s)
    check_samples(server, end_s)
    CHECKS.equal(server.stop(), 0, "a clean stop")
    CHECKS.finish()


main()
