"""The same samples in ferula and in Debian's prometheus, the same expressions, equal results.

Data come in by remote write: counters with resets, gaps, stale markers, NaN, infinities, classic
histograms. Results must be equal within 1e-12. Where 3.x has changed what 2.42 does, the data and the
expressions keep clear of it:

- windows are left-open: sample times lie off every window edge;
- rate() and increase() look at the distance to zero after the distance to the window's edge: counters
  start, and start again after a reset, far from zero;
- atan2 drops the metric name: its left side has none here;
- ties of topk are broken in another order: its values are distinct.

FERULA_ORACLE names another prometheus to compare with. With a 3.x set FERULA_EDGES=1, which puts the
samples onto the edges and lets counters begin at zero.
"""

import json
import math
import os
import random
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import lab  # noqa: E402

CHECKS = lab.Checks("expressions")
SEED = int(os.environ.get("FERULA_SEED", "20261120"))
STEP_S = 15
POINTS = 240  # an hour
ORACLE = os.environ.get("FERULA_ORACLE", "prometheus")
EDGES = os.environ.get("FERULA_EDGES") == "1"
OFF_EDGE_MS = 0 if EDGES else 137
COUNTER_BASE = 0.0 if EDGES else 1e6
BUCKETS = ("0.005", "0.1", "0.5", "1.0", "2.5", "10.0", "+Inf")

COUNTERS = (
    "extractor_rows_fetched_total transformer_rows_output_total cleaner_nulls_fixed_total "
    "extractor_jobs_failed_total airflow_dag_status_count airflow_task_status_count "
    "airflow_scheduler_heartbeat producer_messages_total consumer_messages_total "
    "postgres_exporter_scrapes_total api_requests_total pipeline_errors_total cache_hits_total "
    "cache_misses_total pipeline_records_processed_total pipeline_records_inserted_total "
    "pipeline_records_failed_total normalization_service_messages_processed_total "
    "enrichment_service_cache_hits_total aggregation_service_bars_generated_total "
    "projection_service_projections_updated_total service_requests_total service_errors_total"
).split()
GAUGES = (
    "ml_inference_latency_seconds airflow_task_duration_seconds airflow_dag_processing_duration_seconds "
    "airflow_pool_open_slots postgres_up kafka_brokers kafka_consumer_lag api_active_requests "
    "db_query_duration_seconds service_health_status service_memory_usage_bytes "
    "service_active_connections"
).split()
HISTOGRAMS = (
    "cleaner_latency_seconds api_request_duration_seconds pipeline_insert_duration_seconds "
    "service_request_duration_seconds"
).split()

# Every function, operator and aggregation of the stable float language, on these data.
OWN_EXPRESSIONS = r"""
1 + 2 * 3 ^ 2 % 4
-2 ^ 2
"text"
time()
vector(1)
scalar(kafka_brokers{instance="i0",status="ok"})
api_active_requests
{__name__=~"api_.*requests.*"}
{job="lab",__name__=~".+",status!="ok"}
api_active_requests{instance=~"i0|i1"}
api_active_requests{instance!~"i.*"}
api_active_requests{absent=""}
api_active_requests offset 5m
api_active_requests offset -1m
api_active_requests[2m]
rate(api_requests_total[5m])
rate(api_requests_total[37s])
increase(api_requests_total[10m] offset 3m)
delta(api_active_requests[5m])
irate(api_requests_total[2m])
idelta(api_active_requests[2m])
resets(api_requests_total[1h])
changes(api_active_requests[1h])
deriv(api_active_requests[10m])
predict_linear(api_active_requests[10m], 3600)
avg_over_time(api_active_requests[5m])
min_over_time(api_active_requests[5m])
max_over_time(api_active_requests[5m])
sum_over_time(api_active_requests[5m])
count_over_time(api_active_requests[5m])
stddev_over_time(kafka_brokers[5m])
stdvar_over_time(kafka_brokers[5m])
quantile_over_time(0.9, api_active_requests[5m])
quantile_over_time(2, api_active_requests[5m])
last_over_time(api_active_requests[5m])
present_over_time(api_active_requests[5m])
absent_over_time(no_such_metric{a="b"}[5m])
absent(no_such_metric{a="b",c=~"d"})
absent(api_active_requests)
histogram_quantile(0.5, rate(api_request_duration_seconds_bucket[5m]))
histogram_quantile(0.99, sum by (le, instance) (rate(api_request_duration_seconds_bucket[5m])))
histogram_quantile(-1, api_request_duration_seconds_bucket)
histogram_quantile(2, api_request_duration_seconds_bucket)
sum(api_active_requests)
sum by (instance) (api_active_requests)
sum without (instance) (api_active_requests)
avg by (status) (api_active_requests)
min by (status) (api_active_requests)
max by (status) (api_active_requests)
count by (status) (api_active_requests)
group by (status) (api_active_requests)
stddev by (status) (kafka_brokers)
stdvar by (status) (kafka_brokers)
quantile by (status) (0.3, kafka_brokers)
count_values("value", postgres_up)
topk(2, db_query_duration_seconds)
bottomk by (status) (1, db_query_duration_seconds)
api_active_requests + 1
1 - api_active_requests
api_active_requests / kafka_brokers
api_active_requests % 7
api_active_requests ^ 0.5
(api_active_requests + 0) atan2 kafka_brokers
api_active_requests > 50
50 < api_active_requests
api_active_requests > bool 50
api_active_requests == api_active_requests
api_active_requests != bool kafka_brokers
api_active_requests and kafka_brokers > 2
api_active_requests or kafka_brokers
api_active_requests unless on (instance) kafka_brokers{instance="i1"}
sum by (instance) (api_active_requests) * on (instance) group_right () kafka_brokers
kafka_brokers * on (instance) group_left (version) lab_info
kafka_brokers * ignoring (status, version) group_left (version) lab_info
kafka_brokers / ignoring (status) kafka_brokers
abs(-kafka_brokers)
ceil(kafka_brokers)
floor(kafka_brokers)
round(kafka_brokers, 0.5)
round(kafka_brokers)
clamp(kafka_brokers, 1, 3)
clamp_min(kafka_brokers, 2)
clamp_max(kafka_brokers, 2)
exp(kafka_brokers)
ln(kafka_brokers)
log2(kafka_brokers)
log10(kafka_brokers)
sqrt(kafka_brokers)
sgn(kafka_brokers - 2)
label_replace(kafka_brokers, "host", "$1-x", "instance", "i(.*)")
label_replace(kafka_brokers, "instance", "", "instance", ".*")
label_join(kafka_brokers, "both", "/", "instance", "status")
sort(kafka_brokers)
sort_desc(kafka_brokers)
timestamp(kafka_brokers)
timestamp(kafka_brokers + 0)
minute(kafka_brokers * 100000)
hour(vector(time()))
day_of_week() + day_of_month() + day_of_year() + days_in_month() + month() + year()
api_active_requests[5m] offset 1m
-api_active_requests
+api_active_requests
(api_active_requests + kafka_brokers) / 2 > 10 or vector(0)
sum(rate(pipeline_records_inserted_total[5m])) / sum(rate(pipeline_records_processed_total[5m])) * 100
sum(rate(api_requests_total[5m])) by (instance) / ignoring (x) sum(rate(api_requests_total[5m])) by (instance)
rate({__name__=~"api_requests_total"}[5m]) * 60
rate(api_requests_total{status="failed"}[1m]) / rate(api_requests_total[1m])
up == 1
pi() * rad(180) + deg(1)
cos(kafka_brokers) + sin(kafka_brokers) + tan(kafka_brokers)
acos(kafka_brokers / 10) + asin(kafka_brokers / 10) + atan(kafka_brokers)
cosh(kafka_brokers) + sinh(kafka_brokers) + tanh(kafka_brokers)
acosh(kafka_brokers + 1) + asinh(kafka_brokers) + atanh(kafka_brokers / 10)
"""

# Errors must be of the same type and status.
ERROR_EXPRESSIONS = [
    "sum(",
    "rate(api_requests_total)",
    "api_requests_total[5m] + 1",
    "{}",
    "no_such_function(1)",
    "1 == 2",
    "kafka_brokers * on (instance) api_active_requests",
    "kafka_brokers * on (instance) group_left () kafka_brokers",
    'label_replace(kafka_brokers, "host", "$1", "instance", "(")',
    "topk(NaN, kafka_brokers)",
    "label_replace(kafka_brokers, \"__name__\", \"x\", \"\", \"\") and on () vector(1) unless vector(2)",
    "sum by (instance) (kafka_brokers) + on () group_left () sum by (status) (kafka_brokers)",
]


def make_data(start_ms):
    rand = random.Random(SEED)
    stale = lab.STALE_BITS
    times = [start_ms + i * STEP_S * 1000 for i in range(POINTS)]
    series = []

    def with_holes(samples):
        hole = rand.randrange(POINTS)
        if rand.random() < 0.3:
            samples = [s for i, s in enumerate(samples) if not hole <= i < hole + rand.randrange(4, 40)]
        if rand.random() < 0.2 and samples:
            at = rand.randrange(len(samples))
            samples[at] = (samples[at][0], stale)
        return samples

    def label_sets():
        for instance in ("i0", "i1", "i2"):
            for status in ("ok", "failed", "success"):
                yield {"job": "lab", "instance": instance, "status": status}

    for name in COUNTERS:
        for labels in label_sets():
            value, samples = COUNTER_BASE + rand.randrange(1000), []
            for timestamp_ms in times:
                step = rand.choice((0, 0, 1, 3, 250, 0.5))
                value = COUNTER_BASE if rand.random() < 0.01 else value + step
                samples.append((timestamp_ms, value))
            series.append(({"__name__": name, **labels}, with_holes(samples)))
    for name in GAUGES:
        for labels in label_sets():
            samples, value = [], rand.uniform(0, 100)
            for timestamp_ms in times:
                value += rand.gauss(0, 3)
                sample = {0: float("nan"), 1: float("inf"), 2: -0.0}.get(rand.randrange(2000), value)
                if name in ("kafka_brokers", "postgres_up", "airflow_pool_open_slots"):
                    sample = float(rand.randrange(5))
                samples.append((timestamp_ms, sample))
            series.append(({"__name__": name, **labels}, with_holes(samples)))
    for name in HISTOGRAMS:
        for labels in label_sets():
            counts = [COUNTER_BASE * (at + 1) for at in range(len(BUCKETS))]
            total = COUNTER_BASE
            rows = [[] for _ in BUCKETS]
            sums = []
            for timestamp_ms in times:
                for _ in range(rand.randrange(6)):
                    observed = rand.expovariate(1.0)
                    total += observed
                    for at, bound in enumerate(BUCKETS):
                        counts[at] += observed <= float(bound)
                for at in range(len(BUCKETS)):
                    rows[at].append((timestamp_ms, counts[at]))
                sums.append((timestamp_ms, total))
            for at, bound in enumerate(BUCKETS):
                series.append(({"__name__": name + "_bucket", "le": bound, **labels}, rows[at]))
            series.append(({"__name__": name + "_count", **labels}, list(rows[-1])))
            series.append(({"__name__": name + "_sum", **labels}, sums))
    for instance in ("i0", "i1", "i2"):
        labels = {"__name__": "lab_info", "job": "lab", "instance": instance, "version": "v" + instance[1]}
        series.append((labels, [(timestamp_ms, 1.0) for timestamp_ms in times]))
    return series


def load(servers, series):
    for server in servers:
        for start in range(0, len(series), 100):
            status, text = server.remote_write(series[start : start + 100])
            CHECKS.check(status in (200, 204), "remote write is taken", (status, text))


def close(left, right):
    a, b = float(left), float(right)
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= 1e-12 * max(abs(a), abs(b))


def rows_of(data):
    if data["resultType"] in ("scalar", "string"):
        return {(): [tuple(data["result"])]}
    rows = {}
    for row in data["result"]:
        key = tuple(sorted(row["metric"].items()))
        rows[key] = [tuple(p) for p in row.get("values", [row.get("value")])]
    return rows


def difference(left, right):
    """A text that names the first difference of two answers, None when they are equal."""
    if left["status"] != right["status"]:
        return f"status {left['status']} {left.get('error')} against {right['status']} {right.get('error')}"
    if left["status"] == "error":
        same = left["errorType"] == right["errorType"]
        return None if same else f"{left['errorType']} {left['error']} against {right['errorType']} {right['error']}"
    if left["data"]["resultType"] != right["data"]["resultType"]:
        return f"{left['data']['resultType']} against {right['data']['resultType']}"
    a, b = rows_of(left["data"]), rows_of(right["data"])
    if a.keys() != b.keys():
        return f"rows: only ferula {sorted(a.keys() - b.keys())[:3]}, only prometheus {sorted(b.keys() - a.keys())[:3]}"
    for key, points in a.items():
        if [p[0] for p in points] != [p[0] for p in b[key]]:
            return f"times of {key}: {points[:3]} against {b[key][:3]}"
        for mine, theirs in zip(points, b[key]):
            if left["data"]["resultType"] == "string":
                if mine != theirs:
                    return f"{mine} against {theirs}"
            elif not close(mine[1], theirs[1]):
                return f"value of {key} at {mine[0]}: {mine[1]} against {theirs[1]}"
    return None


def expressions():
    texts = [line for line in OWN_EXPRESSIONS.splitlines() if line.strip()]
    folder = lab.shared_folder()
    path = folder and os.path.join(folder, "users", "expressions.jsonl")
    if path and os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                texts.append(re.sub(r"\{service\}", "service", json.loads(line)["expr"]))
    else:
        CHECKS.skip("the users' expressions are not here")
    return list(dict.fromkeys(texts))


def main():
    config = "global: {scrape_interval: 15s}\n"
    flags = ["--web.enable-remote-write-receiver"]
    servers = [
        lab.MonitoringServer(lab.ferula_binary(), config, flags, "ferula").start(),
        lab.MonitoringServer(ORACLE, config, flags, "prometheus").start(),
    ]
    end_s = int(time.time()) // 60 * 60 - 60
    start_s = end_s - POINTS * STEP_S
    load(servers, make_data(start_s * 1000 + OFF_EDGE_MS))
    rand = random.Random(SEED)
    instants = [end_s, start_s + 600, start_s, end_s + 240] + [
        start_s + rand.randrange(60, POINTS * STEP_S) for _ in range(3)
    ]
    ranges = [(start_s, end_s, 60), (end_s - 600, end_s + 400, 15), (start_s - 120, start_s + 900, 37)]
    nonempty = 0
    for text in expressions():
        for time_s in instants:
            answers = [server.query(text, time_s) for server in servers]
            nonempty += answers[0]["status"] == "success" and bool(answers[0]["data"]["result"])
            found = difference(*answers)
            CHECKS.check(found is None, f"{text} at {time_s}", found)
        for start, end, step in ranges:
            answers = [server.query_range(text, start, end, step) for server in servers]
            found = difference(*answers)
            CHECKS.check(found is None, f"{text} from {start} to {end} by {step}", found)
    for text in ERROR_EXPRESSIONS:
        answers = [server.query(text, end_s) for server in servers]
        found = difference(*answers)
        CHECKS.check(found is None, f"{text} fails alike", found)
        CHECKS.check(
            server_statuses(servers, text, end_s), f"{text} has the same status code"
        )
    CHECKS.check(nonempty > 400, "most answers hold something", nonempty)
    for server in servers:
        CHECKS.equal(server.stop(), 0, "a clean stop")
    CHECKS.finish()


def server_statuses(servers, text, time_s):
    statuses = {s.post_form("/api/v1/query", {"query": text, "time": time_s})[0] for s in servers}
    return len(statuses) == 1


main()
