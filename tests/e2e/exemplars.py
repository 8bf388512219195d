#!/usr/bin/env python3
"""Exemplars from a target's page to query_exemplars: texts of the answers, a restart, another size.

The expected texts are the reference's (Prometheus 3.14), which passes too where FERULA_BIN names it.
usage: exemplars.py   (FERULA_BIN names the binary)
"""

import http.server
import threading
import urllib.parse

import lab

CHECKS = lab.Checks("exemplars")
CONFIG = """
storage: {exemplars: {max_exemplars: %d}}
scrape_configs:
- job_name: j
  scrape_interval: 1s
  static_configs: [{targets: ["127.0.0.1:%d"], labels: {instance: i}}]
"""
BODY = """# TYPE h histogram
h_bucket{le="1"} 5 # {trace_id="b<c",a=""} 0.5 1700000000.25
h_bucket{le="+Inf"} 6 # {trace_id="d"} 100 1700000001
h_count 6
h_sum 102
# TYPE c counter
c_total 4 # {trace_id="e"} 2e21 1700000002.5
c_total{x="y"} 4 # {trace_id="%s"} 1 1700000003
# EOF
""" % ("x" * 121)


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = BODY.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


COUNTER = ('{"seriesLabels":{"__name__":"c_total","instance":"i","job":"j"},'
           '"exemplars":[{"labels":{"trace_id":"e"},"value":"2e+21","timestamp":1700000002.500}]}')
ONE = ('{"seriesLabels":{"__name__":"h_bucket","instance":"i","job":"j","le":"1.0"},'
       '"exemplars":[{"labels":{"trace_id":"b<c"},"value":"0.5","timestamp":1700000000.250}]}')
INF = ('{"seriesLabels":{"__name__":"h_bucket","instance":"i","job":"j","le":"+Inf"},'
       '"exemplars":[{"labels":{"trace_id":"d"},"value":"100","timestamp":1700000001}]}')
WIDE = {"start": "1700000000", "end": "1700000009"}

# (parameters, status, body)
EXACT = [
    ({"query": "c_total", **WIDE}, 200, f'{{"status":"success","data":[{COUNTER}]}}'),
    ({"query": "c_total"}, 200, f'{{"status":"success","data":[{COUNTER}]}}'),
    ({"query": "histogram_quantile(0.9, rate(h_bucket[5m])) + c_total", **WIDE}, 200,
     f'{{"status":"success","data":[{COUNTER},{INF},{ONE}]}}'),
    ({"query": "h_bucket", "start": "1700000000", "end": "1700000000.9"}, 200,
     f'{{"status":"success","data":[{ONE}]}}'),
    ({"query": "h_bucket", "start": "1700000000.251", "end": "1700000000.9"}, 200,
     '{"status":"success","data":[]}'),
    ({"query": "1", **WIDE}, 204, ""),
    ({"query": "h_bucket", "start": "2", "end": "1"}, 400,
     '{"status":"error","errorType":"bad_data","error":"end timestamp must not be before start timestamp"}'),
    ({"query": "h_bucket{"}, 400,
     '{"status":"error","errorType":"bad_data","error":"1:10: parse error: unexpected end of input inside braces: '
     'the \\"{\\" at 1:9 is not closed"}'),
    ({"query": "h_bucket", "start": "x"}, 400,
     '{"status":"error","errorType":"bad_data","error":"invalid parameter \\"start\\": invalid time value for'
     ' \'start\': cannot parse \\"x\\" to a'
     ' valid timestamp"}'),
]


def stored(server):
    return server.json("/api/v1/query_exemplars", {"query": '{job="j"}'})["data"]


def metric(server, name):
    for line in server.get("/metrics")[2].decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    return None


def main():
    target = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=target.serve_forever, daemon=True).start()
    config = CONFIG % (10, target.server_port)
    server = lab.MonitoringServer(
        lab.ferula_binary(), config, ("--enable-feature=exemplar-storage", "--web.enable-lifecycle"))
    server.start()
    lab.wait_for(lambda: len(stored(server)) == 3)
    for parameters, status, body in EXACT:
        got_status, _, got = server.get("/api/v1/query_exemplars", parameters)
        CHECKS.equal((got_status, got.decode()), (status, body), f"GET {parameters}")
        got_status, _, got = server.get(
            "/api/v1/query_exemplars", method="POST", body=urllib.parse.urlencode(parameters).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"})
        CHECKS.equal(got_status, status, f"POST {parameters}")
    CHECKS.equal(metric(server, "prometheus_tsdb_exemplar_exemplars_in_storage"), 3.0, "exemplars in storage")
    CHECKS.equal(metric(server, "prometheus_tsdb_exemplar_exemplars_appended_total"), 3.0,
                 "the same page again adds nothing")
    CHECKS.equal(metric(server, "prometheus_tsdb_exemplar_series_with_exemplars_in_storage"), 3.0, "series")
    CHECKS.equal(metric(server, "prometheus_tsdb_exemplar_max_exemplars"), 10.0, "limit")
    CHECKS.equal(metric(server, "prometheus_tsdb_exemplar_last_exemplars_timestamp_seconds"), 1700000000.25,
                 "time of the oldest")
    before = stored(server)
    server.write_config(CONFIG % (2, 1))
    server.get("/-/reload", method="POST", body=b"")
    CHECKS.equal(metric(server, "prometheus_tsdb_exemplar_max_exemplars"), 2.0, "a reload changes the limit")
    CHECKS.equal(len(stored(server)), 2, "and the newest stay")
    # a clean stop would write down the two that were left
    server.write_config(CONFIG % (10, 1))
    server.stop(kill=True)
    server.start()
    CHECKS.equal(stored(server), before, "after kill -9 the log has them all")
    server.stop()
    plain = lab.MonitoringServer(lab.ferula_binary(), config)
    plain.start()
    lab.wait_for(lambda: plain.query("h_count")["data"]["result"])
    CHECKS.equal(stored(plain), [], "without the feature nothing is stored")
    CHECKS.equal(metric(plain, "prometheus_tsdb_exemplar_max_exemplars"), 0.0, "and the limit is 0")
    plain.stop()
    CHECKS.finish()


if __name__ == "__main__":
    main()
