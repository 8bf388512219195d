#!/usr/bin/env python3
"""Native histograms from a target's protobuf page to the answers of queries, limits and a restart.

The expected values are the reference's (Prometheus 3.14), which passes too where FERULA_BIN names it.
usage: native_histograms.py   (FERULA_BIN names the binary)
"""

import http.server
import json
import struct
import threading
import time

import lab

CHECKS = lab.Checks("native_histograms")
CONFIG = """
global: {scrape_interval: 1s}
scrape_configs:
- job_name: both
  scrape_native_histograms: true
  always_scrape_classic_histograms: true
  static_configs: [{targets: ["127.0.0.1:@TARGET@"], labels: {instance: i}}]
- job_name: native
  scrape_native_histograms: true
  static_configs: [{targets: ["127.0.0.1:@TARGET@"], labels: {instance: i}}]
- job_name: coarse
  scrape_native_histograms: true
  native_histogram_min_bucket_factor: 4
  static_configs: [{targets: ["127.0.0.1:@TARGET@"], labels: {instance: i}}]
- job_name: limited
  scrape_native_histograms: true
  native_histogram_bucket_limit: 6
  static_configs: [{targets: ["127.0.0.1:@TARGET@"], labels: {instance: i}}]
- job_name: refused
  scrape_native_histograms: true
  native_histogram_bucket_limit: 1
  static_configs: [{targets: ["127.0.0.1:@TARGET@"], labels: {instance: i}}]
- job_name: classic
  scrape_protocols: [PrometheusProto]
  static_configs: [{targets: ["127.0.0.1:@TARGET@"], labels: {instance: i}}]
"""


ACCEPTED = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"


# Since when the target's counter counts.
STARTED_S = int(time.time()) - 20


def number(field, value):
    return lab.varint(field << 3) + lab.varint(value)


def signed(field, value):
    return number(field, value << 1 if value >= 0 else (-value << 1) - 1)


def double(field, value):
    return lab.varint(field << 3 | 1) + struct.pack("<d", value)


def message(field, *parts):
    data = b"".join(part if isinstance(part, bytes) else part.encode() for part in parts)
    return lab.varint(field << 3 | 2) + lab.varint(len(data)) + data


def label(name, value):
    return message(1, message(1, name), message(2, value))


def time_of(field, seconds):
    return message(field, number(1, seconds))


def family(name, kind, *metrics):
    data = message(1, name) + message(2, "Help of " + name) + number(3, kind) + b"".join(metrics)
    return lab.varint(len(data)) + data


def page():
    classic = (message(3, number(1, 3), double(2, 1.0), message(3, label("id", "a"), double(2, 0.7)))
               + message(3, number(1, 9), double(2, 4.0)))
    # 8 positive buckets of schema 1 from index -1 on, one negative, three in the zero bucket
    native = (signed(5, 1) + double(6, 0.001) + number(7, 3)
              + message(12, signed(1, -1), number(2, 4)) + message(12, signed(1, 2), number(2, 4))
              + message(13, *(lab.varint(v) for v in (2, 2, 1, 2, 1, 2, 4, 3)))
              + message(9, signed(1, 0), number(2, 1)) + message(10, lab.varint(2)))
    exemplars = (message(16, label("id", "late"), double(2, 3.0), time_of(3, 1700000005))
                 + message(16, label("id", "untimed"), double(2, 2.0))
                 + message(16, label("id", "early"), double(2, 1.0), time_of(3, 1700000001)))
    total = 3 + 1 + sum((1, 2, 1, 2, 1, 2, 4, 2))
    histogram = number(1, total) + double(2, 40.5) + classic + native + exemplars
    floats = (double(4, 7.5) + double(2, 3.25) + signed(5, 0) + double(6, 0.001) + double(8, 0.5)
              + message(12, signed(1, 0), number(2, 2)) + double(14, 3.0) + double(14, 4.0))
    counter = double(1, 5.0) + time_of(3, STARTED_S) + message(2, label("id", "c"), double(2, 1.5), time_of(3, 1700000002))
    summary = number(1, 4) + double(2, 9.0) + message(3, double(1, 0.5), double(2, 2.0))
    return (family("req_seconds", 4, message(4, label("code", "200"), message(7, histogram)))
            + family("queue", 5, message(4, message(7, floats)))
            + family("old_seconds", 4, message(4, message(7, number(1, 9) + double(2, 11.0) + classic)))
            + family("c_total", 0, message(4, label("a", 'x"y'), message(3, counter)))
            + family("s", 2, message(4, message(4, summary)))
            + family("utf8.gauge", 1, message(4, label("some label", "v"), message(2, double(1, -2.0)))))


class Page(http.server.BaseHTTPRequestHandler):
    accepts = set()

    def do_GET(self):
        Page.accepts.add(self.headers["Accept"].split(",")[0].split(";q=")[0])
        body = page()
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.google.protobuf;"
                         "proto=io.prometheus.client.MetricFamily;encoding=delimited")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


# (expression, the values of the answer: strings, or histograms as the API has them)
EXACT = [
    ('req_seconds{job="native"}', [{"count": "19", "sum": "40.5"}]),
    ('histogram_count(req_seconds{job="both"})', ["19"]),
    ('count({job="both",__name__=~"req_seconds.*"})', ["6"]),
    ('count({job="native",__name__=~"req_seconds.*"})', ["1"]),
    ('count({job="native",__name__=~"old_seconds.*"})', ["5"]),
    ('count({job="classic",__name__=~"req_seconds.*"})', ["5"]),
    ('req_seconds_bucket{job="classic",le="+Inf"}', ["19"]),
    ('req_seconds_bucket{job="classic",le="1.0"}', ["3"]),
    ('histogram_quantile(0.9, req_seconds{job="native"})', ["11.511468640086562"]),
    ('queue{job="native"}', [{"count": "7.5", "sum": "3.25"}]),
    ('req_seconds{job="coarse"}', [{"count": "19", "sum": "40.5"}]),
    ('req_seconds{job="limited"}', [{"count": "19", "sum": "40.5"}]),
    ('up{job="refused"}', ["0"]),
    ('scrape_samples_scraped{job="native"}', ["12"]),
    ('scrape_samples_scraped{job="both"}', ["17"]),
    ('scrape_samples_post_metric_relabeling{job="both"}', ["17"]),
    ('c_total{job="native"}', ["5"]),
    ('s{job="native",quantile="0.5"}', ["2"]),
    ('{"utf8.gauge",job="native"}', ["-2"]),
]
BUCKETS = {
    "native": [[1, "-1", "-0.7071067811865475", "1"], [3, "-0.001", "0.001", "3"],
               [0, "0.5", "0.7071067811865475", "1"], [0, "0.7071067811865475", "1", "2"],
               [0, "1", "1.414213562373095", "1"], [0, "1.414213562373095", "2", "2"],
               [0, "4", "5.65685424949238", "1"], [0, "5.65685424949238", "8", "2"],
               [0, "8", "11.31370849898476", "4"], [0, "11.31370849898476", "16", "2"]],
    "coarse": [[1, "-1", "-0.25", "1"], [3, "-0.001", "0.001", "3"], [0, "0.25", "1", "3"],
               [0, "1", "4", "3"], [0, "4", "16", "9"]],
    "limited": [[1, "-1", "-0.5", "1"], [3, "-0.001", "0.001", "3"], [0, "0.5", "1", "3"],
                [0, "1", "2", "3"], [0, "4", "8", "3"], [0, "8", "16", "6"]],
}


def values(server, expression):
    answer = server.query(expression)
    return [row.get("value", row.get("histogram", [0, None]))[1] for row in answer["data"]["result"]]


def slim(value):
    return {key: value[key] for key in ("count", "sum")} if isinstance(value, dict) else value


def main():
    target = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=target.serve_forever, daemon=True).start()
    server = lab.MonitoringServer(
        lab.ferula_binary(), CONFIG.replace("@TARGET@", str(target.server_port)),
        ("--enable-feature=exemplar-storage",))
    server.start()
    jobs = 6
    lab.wait_for(lambda: values(server, "count(scrape_samples_scraped)") == [str(jobs)])
    for expression, expected in EXACT:
        got = values(server, expression)
        CHECKS.equal([slim(value) for value in got], expected, expression)
    for job, buckets in BUCKETS.items():
        CHECKS.equal(values(server, f'req_seconds{{job="{job}"}}')[0]["buckets"], buckets, f"buckets of {job}")
    found = server.json("/api/v1/query_exemplars", {"query": '{job="native",__name__!~"old.*"}'})["data"]
    CHECKS.equal([(row["seriesLabels"]["__name__"], [e["labels"]["id"] for e in row["exemplars"]]) for row in found],
                 [("c_total", ["c"]), ("req_seconds", ["early", "late"])], "exemplars")
    CHECKS.equal(Page.accepts, {ACCEPTED}, "what targets are asked for first")
    targets = server.json("/api/v1/targets")["data"]["activeTargets"]
    CHECKS.equal([target["lastError"] for target in targets if target["scrapePool"] == "refused"],
                 ["histogram bucket limit exceeded"], "error of the target above its limit")
    CHECKS.equal(json.dumps(server.json("/api/v1/metadata", {"metric": "queue"})["data"]),
                 '{"queue": [{"type": "gaugehistogram", "unit": "", "help": "Help of queue"}]}', "metadata")
    now = server.query("timestamp(c_total{job='native'})")["data"]["result"][0]["value"][0]
    before = server.query('req_seconds{job="native"}', now)["data"]["result"]
    server.stop()
    server.start()
    CHECKS.equal(server.query('req_seconds{job="native"}', now)["data"]["result"], before, "after a restart")
    server.stop()
    zeros = lab.MonitoringServer(lab.ferula_binary(), CONFIG.replace("@TARGET@", str(target.server_port)),
                                 ("--enable-feature=created-timestamp-zero-ingestion",))
    zeros.start()
    lab.wait_for(lambda: values(zeros, 'count_over_time(c_total{job="native"}[5m]) > 3'))
    samples = zeros.query('c_total{job="native"}[5m]')["data"]["result"][0]["values"]
    CHECKS.equal(samples[0], [STARTED_S, "0"], "a counter begins at 0")
    CHECKS.equal({value for _, value in samples[1:]}, {"5"}, "and goes on")
    zeros.stop()
    CHECKS.finish()


if __name__ == "__main__":
    main()
