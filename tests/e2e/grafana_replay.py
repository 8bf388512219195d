"""What Grafana asks of its data source, asked and read as Grafana does.

Health check, editor and Explore, variables, metrics browser, Drilldown, panels, alerting pages. Every
group of checks is one conversation that Grafana's code has with a server.
"""

import concurrent.futures
import datetime
import json
import os
import re
import socket
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402
from grafana_client import Broken, Client, escape_utf8_name, read_answer  # noqa: E402

CHECKS = lab.Checks("grafana")
STEP_S = 15
HISTORY_S = 40 * 60
# more than a millisecond of work wherever it runs
LONG_QUERY = "count_over_time((vector(1) + vector(1) * vector(2) - vector(3))[2h:10ms])"
RFC3339 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")
CONFIG = """
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: [rules.yml]
scrape_configs:
- job_name: prometheus
  static_configs: [{targets: ["127.0.0.1:@PORT@"]}]
  metrics_path: @METRICS@
"""
RULES = """
groups:
- name: replay
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
    labels: {team: infra}
  - alert: AlwaysThere
    expr: up == 1
    labels: {severity: page}
    annotations: {summary: "{{ $labels.instance }} is up"}
- name: quiet
  rules:
  - alert: NeverThere
    expr: up == 7
"""


def history(now_s):
    """Counters, a classic histogram, and values that are hard to write, for the last 40 minutes."""
    end = int(now_s) // STEP_S * STEP_S
    times = range(end - HISTORY_S, end + 1, STEP_S)
    series = []
    for instance in ("a", "b"):
        for code in ("200", "500"):
            labels = {"__name__": "app_requests_total", "job": "app", "instance": instance, "code": code}
            rate = 2.0 if code == "200" else 0.5
            series.append((labels, [(t * 1000, rate * (t - times[0])) for t in times]))
        for index, bound in enumerate(("0.1", "1.0", "+Inf")):
            labels = {"__name__": "app_latency_seconds_bucket", "job": "app", "instance": instance, "le": bound}
            series.append((labels, [(t * 1000, float((index + 1) * (t - times[0]))) for t in times]))
        labels = {"__name__": "app_temperature_celsius", "job": "app", "instance": instance}
        series.append((labels, [(t * 1000, 20.0 + (t // STEP_S) % 7) for t in times]))
    hard = {"tiny": 1e-7, "huge": 1e21, "inf": float("inf"), "minus_inf": float("-inf"), "nan": float("nan")}
    for name, value in hard.items():
        labels = {"__name__": "app_hard_values", "job": "app", "kind": name, "text": 'ü "<&>\\\n'}
        series.append((labels, [(t * 1000, value) for t in times]))
    return series, times


class Lab:
    """A server with data, and what is known about the data."""

    def __init__(self, prefix=""):
        flags = ["--web.enable-remote-write-receiver"]
        if prefix:
            flags.append(f"--web.external-url=http://h{prefix}")
        self.prefix = prefix
        config = CONFIG.replace("@METRICS@", prefix + "/metrics")
        self.server = lab.MonitoringServer(lab.ferula_binary(), config, flags)
        with open(os.path.join(self.server.folder, "rules.yml"), "w", encoding="utf-8") as file:
            file.write(RULES)
        self.server.url += prefix
        self.server.start()
        series, times = history(time.time())
        status, text = self.server.remote_write(series)
        CHECKS.check(status in (200, 204), "the history is written", f"{status} {text}")
        self.first_s = times[0]
        self.last_s = times[-1]
        self.client = Client(self.server.port, prefix)
        CHECKS.check(lab.wait_for(lambda: self.has("up")), "self-scrapes arrive")
        CHECKS.check(lab.wait_for(lambda: self.has("job:up:sum"), 10), "rules are recorded")

    def has(self, metric):
        return bool(self.rows("/api/v1/query", {"query": metric, "time": str(time.time())}))

    def rows(self, path, parameters):
        kind, rows = read_answer(self.client.post(path, parameters))
        if kind == "error":
            raise Broken(f"{parameters}: {rows['error']}")
        return rows

    def window(self):
        """start and end as the metadata calls have them: whole seconds, snapped to a minute."""
        now = int(time.time())
        return {"start": str((now - 3600) // 60 * 60), "end": str((now + 60) // 60 * 60)}


def group(name):
    """A conversation: what it cannot read, or a refused connection, is one failed check."""

    def decorate(function):
        def run(*arguments):
            try:
                function(*arguments)
            except (Broken, OSError, ValueError, KeyError, IndexError, TypeError) as error:
                CHECKS.check(False, name, f"{type(error).__name__}: {error}")

        return run

    return decorate


# --- 1. Save & Test


@group("health check")
def health_check(lab_):
    client = lab_.client
    for parameters in ({"query": "1+1", "time": "4"}, {"query": "1+1", "time": "4", "timeout": "2m"}):
        for method in ("POST", "GET"):
            answer = client.request(method, "/api/v1/query", parameters)
            CHECKS.equal(answer.status, 200, f"{method} 1+1 answers 200")
            CHECKS.equal(json.loads(answer.text), {
                "status": "success", "data": {"resultType": "scalar", "result": [4, "2"]}}, f"{method} 1+1 is 2")
    for method in ("POST", "GET"):
        CHECKS.equal(client.request(method, "/api/v1/query", {"query": "1+1", "time": "4"}).status, 200, "again")
    build = client.resource("/api/v1/status/buildinfo")
    CHECKS.equal(build.status, 200, "buildinfo answers 200")
    data = build.data()
    for name in ("version", "revision", "branch", "buildUser", "buildDate", "goVersion"):
        CHECKS.check(isinstance(data.get(name), str), f"buildinfo has {name}", data)
    CHECKS.check(not data.get("features"), "buildinfo has no features, else Grafana takes it for Mimir")
    version = re.match(r"^(\d+)\.(\d+)\.(\d+)", data["version"])
    CHECKS.check(version and tuple(map(int, version.groups())) >= (2, 24, 0), "the version is one of semver",
                 data["version"])


# --- 0. Hard requirements


@group("methods")
def methods(lab_):
    client = lab_.client
    selector = {"match[]": '{job="app"}'}
    for path, parameters in (
        ("/api/v1/query", {"query": "up"}),
        ("/api/v1/query_range", {"query": "up", "start": "0", "end": "60", "step": "15"}),
        ("/api/v1/query_exemplars", {"query": "up", "start": "0", "end": "60"}),
        ("/api/v1/labels", {}),
        ("/api/v1/series", selector),
    ):
        CHECKS.equal(client.post(path, parameters).status, 200, f"POST {path}")
        CHECKS.equal(client.get(path, parameters).status, 200, f"GET {path}")
    for path in ("/api/v1/rules", "/api/v1/alerts", "/api/v1/metadata", "/api/v1/status/buildinfo",
                 "/api/v1/label/job/values", "/api/v1/targets"):
        answer = client.post(path)
        CHECKS.check(answer.status in (400, 405), f"POST {path} is refused with 405", answer.status)
        CHECKS.equal(client.resource(path).status, 200, f"{path} by the way back to GET")
    merged = client.request("POST", "/api/v1/query?time=4", {"query": "time()"})
    CHECKS.equal(read_answer(merged), ("scalar", (4.0, 4.0)), "parameters of URL and body are one")


@group("errors")
def errors(lab_):
    client = lab_.client
    duplicate = "app_requests_total + on (job) app_requests_total"
    for parameters, status, kind in (
        ({"query": "up{"}, 400, "bad_data"),
        ({"query": ""}, 400, "bad_data"),
        ({"query": "up", "time": "yesterday"}, 400, "bad_data"),
        ({"query": duplicate, "time": str(lab_.last_s)}, 422, "execution"),
        ({"query": LONG_QUERY, "timeout": "1ms"}, 503, "timeout"),
    ):
        answer = client.post("/api/v1/query", parameters)
        CHECKS.equal(answer.status, status, f"status of {parameters}")
        CHECKS.check("json" in answer.content_type, "an error is JSON", answer.content_type)
        result, error = read_answer(answer)
        error_type = error["errorType"] if result == "error" else None
        CHECKS.equal(error_type, kind, f"type of {parameters}")
    for path, parameters in (
        ("/api/v1/query_range", {"query": "up", "start": "0", "end": "60", "step": "0"}),
        ("/api/v1/query_range", {"query": "up", "start": "60", "end": "0", "step": "1"}),
        ("/api/v1/query_range", {"query": "up", "start": "0", "end": "20000", "step": "1"}),
        ("/api/v1/query_range", {"query": "up", "start": "0", "end": "60"}),
        ("/api/v1/series", {}),
        ("/api/v1/labels", {"match[]": "up{"}),
        ("/api/v1/query_exemplars", {"query": "up{", "start": "0", "end": "1"}),
    ):
        answer = client.post(path, parameters)
        CHECKS.equal((answer.status, read_answer(answer)[0]), (400, "error"), f"{path} {parameters}")
    text = client.post("/api/v1/query_range", {"query": "up", "start": "0", "end": "20000", "step": "1"}).text
    CHECKS.check("exceeded maximum resolution of 11,000 points per timeseries" in text, "the limit of points", text)


@group("values")
def values(lab_):
    rows = lab_.rows("/api/v1/query", {"query": "app_hard_values", "time": str(lab_.last_s)})
    CHECKS.equal(len(rows), 5, "hard values")
    texts = {"tiny": "1e-07", "huge": "1e+21", "inf": "+Inf", "minus_inf": "-Inf", "nan": "NaN"}
    answer = json.loads(lab_.client.post("/api/v1/query", {"query": "app_hard_values", "time": str(lab_.last_s)}).text)
    for row in answer["data"]["result"]:
        CHECKS.equal(row["value"][1], texts[row["metric"]["kind"]], "value of " + row["metric"]["kind"])
        CHECKS.equal(row["metric"]["text"], 'ü "<&>\\\n', "a label value that needs escapes")
    kind, result = read_answer(lab_.client.post("/api/v1/query", {"query": '"text"', "time": "4.5"}))
    CHECKS.equal((kind, [str(part) for part in result]), ("string", ["4.5", "text"]), "a string")
    selector = 'app_requests_total{instance="a",code="500"}[50s]'
    kind, rows = read_answer(lab_.client.post("/api/v1/query", {"query": selector, "time": str(lab_.last_s)}))
    CHECKS.equal((kind, [sample[0] for sample in rows[0][1]]),
                 ("matrix", [lab_.last_s - 45.0, lab_.last_s - 30.0, lab_.last_s - 15.0, float(lab_.last_s)]),
                 "a range selector")


@group("arrays that are empty are not null")
def empty_arrays(lab_):
    client = lab_.client
    nothing = {"match[]": '{job="nobody"}'}
    for path, parameters in (("/api/v1/labels", nothing), ("/api/v1/series", nothing)):
        CHECKS.equal(client.post(path, parameters).data(), [], f"{path} of nothing")
    CHECKS.equal(client.get("/api/v1/label/job/values", nothing).data(), [], "values of nothing")
    CHECKS.equal(client.get("/api/v1/label/no_such_label/values").data(), [], "values of no label")
    CHECKS.equal(client.get("/api/v1/metadata", {"metric": "no_such_metric"}).data(), {}, "metadata of nothing")
    CHECKS.equal(lab_.rows("/api/v1/query", {"query": "no_such_metric"}), [], "a vector of nothing")
    CHECKS.equal(lab_.rows("/api/v1/query_range", {"query": "no_such_metric", "start": "0", "end": "60",
                                                   "step": "15"}), [], "a matrix of nothing")
    metadata = client.get("/api/v1/metadata").data()
    CHECKS.check(metadata and all(isinstance(entry, list) and entry for entry in metadata.values()),
                 "every metric with metadata has at least one entry")
    groups = client.get("/api/v1/rules", {"type": "record"}).data()["groups"]
    CHECKS.check(all(isinstance(entry["rules"], list) for entry in groups), "rules of every group are a list")


@group("what is unknown is ignored")
def unknown_parameters(lab_):
    parameters = {"query": "up", "time": str(time.time()), "max_source_resolution": "5m", "dedup": "true"}
    CHECKS.equal(len(lab_.rows("/api/v1/query", parameters)), 1, "custom query parameters")
    answer = lab_.client.get("/api/v1/rules", {"group_limit": "100", "exclude_alerts": "true", "limit_alerts": "16",
                                               "dashboard_uid": "x", "state": "firing"})
    CHECKS.equal(answer.status, 200, "parameters of the alert list")


# --- 2. Editor, Explore, variables


@group("opening an editor")
def editor_opens(lab_):
    client = lab_.client
    rules = client.resource("/api/v1/rules").data()["groups"]
    recording = [rule for entry in rules for rule in entry["rules"] if rule["type"] == "recording"]
    CHECKS.equal([(rule["name"], rule["query"], rule.get("labels")) for rule in recording],
                 [("job:up:sum", "sum by (job) (up)", {"team": "infra"})], "recording rules can be expanded")
    now_ms = int(time.time() * 1000)
    probe = {"query": "test", "start": str(now_ms - 1800000), "end": str(now_ms)}
    for method in ("POST", "GET"):
        answer = client.request(method, "/api/v1/query_exemplars", probe)
        CHECKS.equal((answer.status, json.loads(answer.text)), (200, {"status": "success", "data": []}),
                     f"{method}: the exemplar probe, whose times are milliseconds")
    limited = dict(lab_.window(), limit="40000")
    names = client.get("/api/v1/label/__name__/values", limited).data()
    CHECKS.check({"app_requests_total", "app_latency_seconds_bucket", "up", "job:up:sum"} <= set(names),
                 "metric names", names[:20])
    CHECKS.equal(names, sorted(names), "metric names are sorted")
    labels = client.post("/api/v1/labels", limited).data()
    CHECKS.check({"__name__", "job", "instance", "code", "le"} <= set(labels), "label names", labels)
    CHECKS.equal(labels, sorted(labels), "label names are sorted")
    CHECKS.equal(client.get("/api/v1/labels", limited).data(), labels, "label names by GET")
    metadata = client.get("/api/v1/metadata", {"limit": "40000"}).data()
    CHECKS.check(len(metadata) > 5, "metadata of the scraped metrics", len(metadata))
    for entries in metadata.values():
        entry = entries[0]
        good = all(isinstance(entry.get(name), str) for name in ("type", "help", "unit"))
        if not good or entry["type"] not in ("counter", "gauge", "histogram", "summary", "unknown", "info",
                                             "stateset", "gaugehistogram"):
            CHECKS.check(False, "an entry of metadata", entry)
    far = {"start": "0", "end": str(int(time.time()) + 3600), "limit": "40000"}
    CHECKS.check(set(names) <= set(client.get("/api/v1/label/__name__/values", far).data()),
                 "a window from before retention into the future")


@group("limits")
def limits(lab_):
    client = lab_.client
    selector = {"match[]": '{job="app"}'}
    for path, parameters in (("/api/v1/labels", {}), ("/api/v1/series", selector),
                             ("/api/v1/label/__name__/values", {})):
        whole = client.get(path, parameters).data()
        for method in ("GET",) if "values" in path else ("GET", "POST"):
            cut = client.request(method, path, dict(parameters, limit="2"))
            CHECKS.equal(len(cut.data()), 2, f"{method} {path} with a limit")
            CHECKS.equal(json.loads(cut.text).get("warnings"), ["results truncated due to limit"],
                         f"{method} {path} says that it was cut")
            free = client.request(method, path, dict(parameters, limit="0"))
            CHECKS.equal(len(free.data()), len(whole), f"{method} {path} without a limit")
            CHECKS.check("warnings" not in json.loads(free.text), f"{method} {path} has nothing to say")
    CHECKS.equal(len(client.get("/api/v1/metadata", {"limit": "2"}).data()), 2, "metadata with a limit")
    CHECKS.equal(client.get("/api/v1/metadata", {"limit": "0"}).data(), {}, "metadata with limit 0 is none")
    CHECKS.check(len(client.get("/api/v1/metadata", {"limit": "-1"}).data()) > 2, "metadata without a limit")


@group("labels and values by selectors")
def selectors(lab_):
    client = lab_.client
    window = dict(lab_.window(), limit="1000")
    for selector, expected in (
        ('{__name__="app_requests_total",job="app"}', ["__name__", "code", "instance", "job"]),
        ('{__name__=~"app_requests_total|app_latency_seconds_bucket",job="app"}',
         ["__name__", "code", "instance", "job", "le"]),
        ('{__name__=~".*temperature.*"}', ["__name__", "instance", "job"]),
        ("app_temperature_celsius", ["__name__", "instance", "job"]),
    ):
        CHECKS.equal(client.post("/api/v1/labels", dict(window, **{"match[]": selector})).data(), expected,
                     f"labels of {selector}")
    for label, selector, expected in (
        ("code", "app_requests_total", ["200", "500"]),
        ("instance", '{job="app"}', ["a", "b"]),
        ("le", 'app_latency_seconds_bucket{instance="a"}', ["+Inf", "0.1", "1.0"]),
        ("__name__", '{__name__=~"app_.*",kind=""}',
         ["app_latency_seconds_bucket", "app_requests_total", "app_temperature_celsius"]),
    ):
        answer = client.get(f"/api/v1/label/{label}/values", dict(window, **{"match[]": selector}))
        CHECKS.equal(answer.data(), expected, f"values of {label} in {selector}")
    for method in ("POST", "GET"):
        series = client.request(method, "/api/v1/series", dict(window, **{"match[]": "app_requests_total"})).data()
        CHECKS.equal(len(series), 4, f"{method}: series of a metric")
        CHECKS.check(all(entry["__name__"] == "app_requests_total" for entry in series), "series have their name")
    several = {"match[]": ["app_temperature_celsius", 'app_requests_total{code="500"}']}
    CHECKS.equal(len(client.post("/api/v1/series", dict(window, **several)).data()), 4, "several selectors")
    everything = client.post("/api/v1/series", dict(window, limit="40000", **{"match[]": '{__name__!=""}'})).data()
    CHECKS.check(len(everything) > 20, "series of everything", len(everything))


@group("UTF-8 names")
def utf8_names(lab_):
    name = "app.visits"
    labels = {"__name__": name, "job": "app", "http.status": "200", "größe": "xl"}
    status, text = lab_.server.remote_write([(labels, [(lab_.last_s * 1000, 1.0)])])
    if not CHECKS.check(status in (200, 204), "a UTF-8 name is written", f"{status} {text}"):
        return
    client = lab_.client
    for label, expected in (("http.status", ["200"]), ("größe", ["xl"])):
        path = f"/api/v1/label/{escape_utf8_name(label)}/values"
        CHECKS.equal(client.get(path, lab_.window()).data(), expected, path)
    CHECKS.equal(escape_utf8_name("http.status"), "U__http_2e_status", "the escaping itself")
    rows = lab_.rows("/api/v1/query", {"query": '{"app.visits","http.status"="200"}', "time": str(lab_.last_s)})
    CHECKS.equal([row[0] for row in rows], [labels], "a quoted name in a query")
    rows = lab_.rows("/api/v1/query", {"query": 'sum by ("http.status") ({"app.visits"})', "time": str(lab_.last_s)})
    CHECKS.equal([row[0] for row in rows], [{"http.status": "200"}], "a quoted label in a grouping")
    found = client.post("/api/v1/labels", dict(lab_.window(), **{"match[]": '{"app.visits"}'})).data()
    CHECKS.equal(found, sorted(labels), "labels of a quoted name")


@group("variables of dashboards")
def variables(lab_):
    client = lab_.client
    names = client.get("/api/v1/label/__name__/values", dict(lab_.window(), **{"match[]": '{__name__=~"app_req.*"}'}))
    CHECKS.equal(names.data(), ["app_requests_total"], "metrics(re)")
    now = str(lab_.last_s)
    vector = lab_.rows("/api/v1/query", {"query": 'app_temperature_celsius{instance="a"}', "time": now})
    CHECKS.equal(len(vector), 1, "query_result of a vector")
    CHECKS.equal(vector[0][1][0][0], float(now), "its time is the query's")
    kind, _ = read_answer(client.post("/api/v1/query", {"query": "scalar(vector(3))", "time": now}))
    CHECKS.equal(kind, "scalar", "query_result of a scalar")


@group("what is not there")
def not_there(lab_):
    for path in ("/api/v1/search/metric_names", "/api/v1/search/label_names", "/api/v1/suggestions",
                 "/rules/test/test", "/api/v1/no_such_thing"):
        CHECKS.check(lab_.client.get(path).status in (404, 405, 501), f"{path} is not found",
                     lab_.client.get(path).status)


@group("Drilldown")
def drilldown(lab_):
    client = lab_.client
    now = str(time.time())
    recent = ('group by (__name__) ({__name__!=""}) unless '
              '(group by (__name__) ({__name__!=""} offset 3h))')
    rows = lab_.rows("/api/v1/query", {"query": recent, "time": now})
    CHECKS.check("up" in [row[0].get("__name__") for row in rows], "recent metrics", len(rows))
    entries = client.get("/api/v1/metadata", {"metric": "process_resident_memory_bytes"}).data()
    CHECKS.equal(list(entries), ["process_resident_memory_bytes"], "metadata of one metric")
    CHECKS.equal(entries["process_resident_memory_bytes"][0]["type"], "gauge", "its type")
    at = str(lab_.last_s)
    for expression, count in (
        ('avg(app_temperature_celsius{__ignore_usage__=""})', 1),
        ('sum(rate(app_requests_total{__ignore_usage__=""}[1m0s]))', 1),
        ('sum by (code) (rate(app_requests_total{__ignore_usage__=""}[1m0s]))', 2),
        ('histogram_quantile(0.99, sum by (le) (rate(app_latency_seconds_bucket{__ignore_usage__=""}[1m0s])))', 1),
        ('stddev(app_temperature_celsius)', 1),
        ('quantile(0.9, app_temperature_celsius)', 1),
        ('min by (instance) (app_temperature_celsius)', 2),
        ('time() - avg(app_temperature_celsius)', 1),
    ):
        CHECKS.equal(len(lab_.rows("/api/v1/query", {"query": expression, "time": at})), count, expression)


# --- 3. Panels


def range_parameters(lab_, query, step="15", **more):
    return {"query": query, "start": str(lab_.first_s), "end": str(lab_.last_s), "step": step, **more}


@group("range queries")
def range_queries(lab_):
    rows = lab_.rows("/api/v1/query_range", range_parameters(lab_, "app_requests_total", timeout="60s"))
    CHECKS.equal(len(rows), 4, "rows of a panel")
    for _, samples in rows:
        expected = [lab_.first_s + i * STEP_S for i in range(len(samples))]
        CHECKS.equal([sample[0] for sample in samples], expected, "times are start + k * step")
    labels = [sorted(row[0].items()) for row in rows]
    CHECKS.equal(labels, sorted(labels), "series are sorted by their labels")
    rows = lab_.rows("/api/v1/query_range", range_parameters(lab_, "up", step="0.5", end=str(lab_.first_s + 2)))
    CHECKS.equal(rows, [], "a step below a second")
    start = lab_.first_s + 0.123
    rows = lab_.rows("/api/v1/query_range", range_parameters(
        lab_, 'app_requests_total{instance="a",code="200"}', start=str(start), end=str(start + 60)))
    CHECKS.equal([sample[0] for sample in rows[0][1]], [round(start + k * 15, 3) for k in range(5)],
                 "a start with milliseconds")
    for expression, count in (
        ("rate(app_requests_total[1m0s])", 4),
        ("increase(app_requests_total[2m15s])", 4),
        ("sum_over_time(app_temperature_celsius[24h0m0s])", 2),
        ("app_temperature_celsius offset 1h0m0s or app_temperature_celsius", 2),
        ("max_over_time(rate(app_requests_total[1m0s])[5m0s:30s])", 4),
        ("app_temperature_celsius > 22", 2),
        ("vector(1)", 1),
        ("1", 1),
    ):
        rows = lab_.rows("/api/v1/query_range", range_parameters(lab_, expression))
        CHECKS.equal(len(rows), count, expression)
    answer = lab_.client.post("/api/v1/query_range", range_parameters(lab_, "rate(app_requests_total[1.2s])"))
    CHECKS.equal(answer.status, 400, "a duration with a fraction is refused")


@group("incremental queries")
def incremental_queries(lab_):
    """A refresh asks for the end of the last one again and merges by exact time."""
    query = "sum by (code) (rate(app_requests_total[1m0s]))"
    middle = lab_.first_s + HISTORY_S // 2
    whole = lab_.rows("/api/v1/query_range", range_parameters(lab_, query))
    first = lab_.rows("/api/v1/query_range", range_parameters(lab_, query, end=str(middle)))
    again = lab_.rows("/api/v1/query_range", range_parameters(lab_, query, start=str(middle - 600)))
    merged = []
    for (labels, early), (_, late) in zip(first, again):
        points = dict(early)
        points.update(dict(late))
        merged.append((labels, sorted(points.items())))
    CHECKS.equal(merged, whole, "two halves are the whole")


@group("instant queries")
def instant_queries(lab_):
    at = lab_.last_s + 0.5
    rows = lab_.rows("/api/v1/query", {"query": "app_temperature_celsius", "time": repr(at)})
    CHECKS.equal([row[1][0][0] for row in rows], [at, at], "the time has its fraction")
    ordered = lab_.rows("/api/v1/query", {"query": "sort_desc(sum by (code) (app_requests_total))",
                                          "time": str(lab_.last_s)})
    CHECKS.equal([row[0] for row in ordered], [{"code": "200"}, {"code": "500"}], "sort_desc keeps its order")
    top = lab_.rows("/api/v1/query", {"query": "topk(1, app_requests_total)", "time": str(lab_.last_s)})
    CHECKS.equal(top[0][0]["code"], "200", "topk")
    CHECKS.equal(top[0][0]["__name__"], "app_requests_total", "topk keeps the name")
    names = [row[0].get("__name__") for row in lab_.rows(
        "/api/v1/query", {"query": "rate(app_requests_total[5m])", "time": str(lab_.last_s)})]
    CHECKS.equal(names, [None] * 4, "rate drops the name")
    by_get = lab_.client.get("/api/v1/query", {"query": "app_temperature_celsius", "time": repr(at)})
    CHECKS.equal(read_answer(by_get)[1], rows, "GET answers as POST")
    stats = lab_.client.post("/api/v1/query", {"query": "up", "stats": "all"})
    CHECKS.check("stats" in json.loads(stats.text)["data"], "statistics where they are asked for")
    explained = lab_.client.post("/api/v1/query", {"query": "count(up)", "stats": "explain"})
    tree = json.loads(explained.text)["data"]["stats"]["explain"]
    CHECKS.equal(
        (tree["operator"], tree["expression"], tree["children"][0]["expression"]),
        ("aggregation", "count(up)", "up"),
        "stats=explain tells what every operator did",
    )
    CHECKS.equal(read_answer(stats)[0], "vector", "and the rest is as always")


@group("notices")
def notices(lab_):
    parameters = {"query": "rate(app_temperature_celsius[5m])", "time": str(lab_.last_s)}
    answer = json.loads(lab_.client.post("/api/v1/query", parameters).text)
    CHECKS.check(any("might not be a counter" in text for text in answer.get("infos", [])),
                 "an info about a gauge under rate", answer.get("infos"))
    parameters = {"query": "quantile(2, app_temperature_celsius)", "time": str(lab_.last_s)}
    answer = json.loads(lab_.client.post("/api/v1/query", parameters).text)
    CHECKS.check(any("quantile value should be between 0 and 1" in text for text in answer.get("warnings", [])),
                 "a warning about a quantile", answer.get("warnings"))
    clean = json.loads(lab_.client.post("/api/v1/query", {"query": "up"}).text)
    CHECKS.check("warnings" not in clean and "infos" not in clean, "nothing where there is nothing to say")


@group("exemplars")
def exemplars(lab_):
    parameters = {"query": "app_latency_seconds_bucket", "start": str(lab_.first_s), "end": str(lab_.last_s)}
    data = lab_.client.post("/api/v1/query_exemplars", parameters).data()
    CHECKS.check(isinstance(data, list), "exemplars are a list", data)
    for entry in data:
        CHECKS.equal(list(entry), ["seriesLabels", "exemplars"], "seriesLabels come first")


@group("a dashboard loads")
def dashboard(lab_):
    """Some hundred panels at once on ten connections; all answers are right."""
    panels = [
        ("up", 1),
        ("sum(rate(app_requests_total[1m0s]))", 1),
        ("sum by (instance, code) (rate(app_requests_total[5m0s]))", 4),
        ('app_requests_total{instance=~"a|b",code!~"5.."}', 2),
        ("histogram_quantile(0.95, sum by (le, instance) (rate(app_latency_seconds_bucket[5m0s])))", 2),
        ("app_temperature_celsius * on (instance) group_left (code) app_requests_total{code='200'}", 2),
    ]

    def worker(number):
        client = Client(lab_.server.port, lab_.prefix)
        wrong = []
        try:
            for i in range(12):
                expression, count = panels[(number + i) % len(panels)]
                path = "/api/v1/query_range" if expression != "up" else "/api/v1/query"
                parameters = range_parameters(lab_, expression) if expression != "up" else {"query": "up"}
                kind, rows = read_answer(client.post(path, parameters))
                if kind == "error" or len(rows) != count:
                    wrong.append((expression, rows if kind == "error" else len(rows)))
        finally:
            client.close()
        return wrong

    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        wrong = [entry for result in pool.map(worker, range(10)) for entry in result]
    CHECKS.equal(wrong, [], "120 panels on 10 connections")
    CHECKS.check(time.monotonic() - start < 30, "within Grafana's patience", time.monotonic() - start)


@group("compression")
def compression(lab_):
    plain = lab_.client.request("POST", "/api/v1/query_range", range_parameters(lab_, "app_requests_total"),
                                {"Accept-Encoding": "identity"})
    CHECKS.check(plain.headers.get("Content-Encoding") in (None, "identity"), "plain where plain is asked for")
    packed = lab_.client.post("/api/v1/query_range", range_parameters(lab_, "app_requests_total"))
    CHECKS.equal(packed.headers.get("Content-Encoding"), "gzip", "gzip where it is taken")
    CHECKS.equal(packed.text, plain.text, "the content is the same")
    CHECKS.check("application/json" in packed.content_type, "the type is JSON", packed.content_type)


@group("a cancelled panel")
def cancelled_panel(lab_):
    """Grafana closes the connection; the server goes on serving."""
    body = b"query=" + urllib.parse.quote(LONG_QUERY).encode()
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", lab_.server.port)) as connection:
            path = f"{lab_.prefix}/api/v1/query".encode()
            connection.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: h\r\nContent-Type: "
                               b"application/x-www-form-urlencoded\r\nContent-Length: "
                               + str(len(body)).encode() + b"\r\n\r\n" + body)
            time.sleep(0.02)
    CHECKS.equal(len(lab_.rows("/api/v1/query", {"query": "up"})), 1, "the next query is answered")


# --- alerting pages


def is_time(text):
    if not isinstance(text, str) or not RFC3339.match(text):
        return False
    if text != "0001-01-01T00:00:00Z":
        datetime.datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00"))
    return True


def check_alert(alert):
    CHECKS.check(isinstance(alert["labels"], dict) and isinstance(alert["annotations"], dict), "labels of an alert",
                 alert)
    CHECKS.check(alert["state"] in ("pending", "firing"), "state of an alert", alert)
    CHECKS.check(is_time(alert["activeAt"]), "activeAt is RFC 3339", alert["activeAt"])
    CHECKS.check(isinstance(alert["value"], str) and float(alert["value"]) == 1, "value is a string", alert["value"])


def check_rule(rule):
    CHECKS.check(rule["type"] in ("recording", "alerting"), "type of a rule", rule)
    CHECKS.check(rule["health"] in ("ok", "err", "unknown"), "health of a rule", rule)
    CHECKS.check(is_time(rule["lastEvaluation"]), "lastEvaluation is RFC 3339", rule)
    CHECKS.check(isinstance(rule["evaluationTime"], (int, float)), "evaluationTime is a number", rule)
    if rule["type"] == "alerting":
        CHECKS.check(rule["state"] in ("inactive", "pending", "firing"), "state of a rule", rule)
        CHECKS.check(isinstance(rule["duration"], (int, float)), "duration is a number", rule)
        CHECKS.check(isinstance(rule["alerts"], list) and isinstance(rule["annotations"], dict),
                     "alerts and annotations of a rule", rule)
        for alert in rule["alerts"]:
            check_alert(alert)


@group("alerting pages")
def alerting_pages(lab_):
    client = lab_.client

    def firing():
        return any(alert["labels"].get("alertname") == "AlwaysThere"
                   for alert in client.get("/api/v1/alerts").data()["alerts"])

    CHECKS.check(lab.wait_for(firing), "the alert fires")
    for path in ("/api/v1/rules", "/api/v1/alerts"):
        answer = client.get(path)
        CHECKS.check("json" in answer.content_type, f"{path} is JSON", answer.content_type)
    groups = client.get("/api/v1/rules").data()["groups"]
    CHECKS.equal([entry["name"] for entry in groups], ["quiet", "replay"], "groups by file and name")
    for entry in groups:
        CHECKS.check(entry["file"].endswith("rules.yml"), "file of a group", entry["file"])
        CHECKS.equal(entry["interval"], 1, "interval of a group")
        CHECKS.check(is_time(entry["lastEvaluation"]), "lastEvaluation of a group", entry)
        CHECKS.check(isinstance(entry["evaluationTime"], (int, float)), "evaluationTime of a group", entry)
        for rule in entry["rules"]:
            check_rule(rule)
    alerts = client.get("/api/v1/alerts").data()["alerts"]
    CHECKS.equal(len(alerts), 1, "one alert")
    check_alert(alerts[0])
    CHECKS.check(alerts[0]["annotations"].get("summary", "").endswith(" is up"), "its annotation is expanded", alerts)
    chosen = client.get("/api/v1/rules", {"rule_group[]": "quiet"}).data()["groups"]
    CHECKS.equal([entry["name"] for entry in chosen], ["quiet"], "rules of one group")
    chosen = client.get("/api/v1/rules", {"rule_name[]": "AlwaysThere", "exclude_alerts": "true"}).data()["groups"]
    CHECKS.equal([[rule["name"] for rule in entry["rules"]] for entry in chosen], [["AlwaysThere"]], "one rule")
    CHECKS.check(not chosen[0]["rules"][0].get("alerts"), "without its alerts")


@group("self metrics of the bundled dashboards")
def bundled_dashboards(lab_):
    for name in ("prometheus_tsdb_head_samples_appended_total", "prometheus_tsdb_head_series",
                 "prometheus_tsdb_head_chunks", "prometheus_tsdb_blocks_loaded", "process_resident_memory_bytes",
                 "prometheus_engine_query_duration_seconds", "prometheus_rule_group_interval_seconds",
                 "prometheus_build_info", "scrape_duration_seconds"):
        rows = lab_.rows("/api/v1/query", {"query": name + '{job="prometheus"}', "time": str(time.time())})
        CHECKS.check(rows, f"{name} is exported")


CONVERSATIONS = [
    health_check, methods, errors, values, empty_arrays, unknown_parameters, editor_opens, limits, selectors,
    variables, not_there, drilldown, range_queries, incremental_queries, instant_queries, notices, exemplars,
    dashboard, compression, cancelled_panel, alerting_pages, bundled_dashboards, utf8_names,
]
# Behind a path prefix the same handlers answer: a few conversations are enough.
PREFIXED = [health_check, methods, editor_opens, selectors, range_queries, not_there, compression]


def main():
    for prefix, conversations in (("", CONVERSATIONS), ("/prometheus", PREFIXED)):
        try:
            lab_ = Lab(prefix)
        except (RuntimeError, OSError, Broken) as error:
            CHECKS.check(False, f"a server with prefix {prefix!r}", error)
            continue
        for conversation in conversations:
            conversation(lab_)
        CHECKS.check(lab_.server.running(), "the server is still there")
        lab_.client.close()
        lab_.server.stop()
    CHECKS.finish()


if __name__ == "__main__":
    main()
