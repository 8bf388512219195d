"""The HTTP API to the byte: member order, number forms, status codes, error types, headers.

The expected texts are the reference's (Prometheus 3.14).
"""

import gzip
import json
import os
import sys
import time
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402

CHECKS = lab.Checks("api")
CONFIG = """
global:
  scrape_interval: 1s
  external_labels: {region: "x$$y"}
scrape_configs:
- job_name: self
  basic_auth: {username: u, password: hidden-word}
  static_configs: [{targets: ["127.0.0.1:@PORT@"]}]
- job_name: nobody
  static_configs: [{targets: ["127.0.0.1:1"]}]
  relabel_configs:
  - {target_label: extra, replacement: "1"}
- job_name: dropped
  static_configs: [{targets: ["127.0.0.1:2"]}]
  relabel_configs: [{action: drop, source_labels: [__address__], regex: ".*"}]
"""

# (path, parameters, status, body)
EXACT = [
    ("/api/v1/query", {"query": "1+1", "time": "4"}, 200,
     '{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}'),
    ("/api/v1/query", {"query": "vector(1e21)", "time": "1.5"}, 200,
     '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1.500,"1e+21"]}]}}'),
    ("/api/v1/query", {"query": "vector(0.0000001)", "time": "-1.5"}, 200,
     '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[-1.500,"1e-07"]}]}}'),
    ("/api/v1/query", {"query": '"a<b"', "time": "0"}, 200,
     '{"status":"success","data":{"resultType":"string","result":[0,"a\\u003cb"]}}'),
    ("/api/v1/query", {"query": "-1/0", "time": "2026-11-20T00:00:00Z"}, 200,
     '{"status":"success","data":{"resultType":"scalar","result":[1795132800,"-Inf"]}}'),
    ("/api/v1/query", {"query": "1e21", "time": "4.5"}, 200,
     '{"status":"success","data":{"resultType":"scalar","result":[4.5,"1000000000000000000000"]}}'),
    ("/api/v1/query", {"query": '"x"', "time": "4.5"}, 200,
     '{"status":"success","data":{"resultType":"string","result":[4.5,"x"]}}'),
    ("/api/v1/query", {"query": "nothing_here", "time": "0"}, 200,
     '{"status":"success","data":{"resultType":"vector","result":[]}}'),
    ("/api/v1/query", {"query": "m[5m]", "time": "1000.137"}, 200,
     '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"m","a":"1"},'
     '"values":[[940.007,"1"],[1000.007,"NaN"]]}]}}'),
    ("/api/v1/query", {"query": "m", "time": "950"}, 200,
     '{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"m","a":"1"},'
     '"value":[950,"1"]}]}}'),
    ("/api/v1/query_range", {"query": "m", "start": "900", "end": "1020", "step": "30s"}, 200,
     '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"m","a":"1"},'
     '"values":[[960,"1"],[990,"1"],[1020,"NaN"]]}]}}'),
    ("/api/v1/query_range", {"query": "1", "start": "0", "end": "2", "step": "1"}, 200,
     '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[0,"1"],[1,"1"],[2,"1"]]}]}}'),
    ("/api/v1/query", {"query": "up[", "time": "0"}, 400, None),
    ("/api/v1/query", {"query": ""}, 400,
     '{"status":"error","errorType":"bad_data","error":"invalid parameter \\"query\\": 1:1: parse error: '
     'no expression found in input"}'),
    ("/api/v1/query", {"query": "1", "time": "zz"}, 400,
     '{"status":"error","errorType":"bad_data","error":"invalid parameter \\"time\\": invalid time value for '
     "'time': cannot parse \\\"zz\\\" to a valid timestamp\"}"),
    ("/api/v1/query", {"query": "1", "timeout": "zz"}, 400,
     '{"status":"error","errorType":"bad_data","error":"invalid parameter \\"timeout\\": cannot parse \\"zz\\" '
     'to a valid duration"}'),
    ("/api/v1/query", {"query": "1", "limit": "-1"}, 400,
     '{"status":"error","errorType":"bad_data","error":"invalid parameter \\"limit\\": limit must be non-negative"}'),
    ("/api/v1/query_range", {"query": "1", "start": "0", "end": "11000", "step": "1"}, 200, None),
    ("/api/v1/query_range", {"query": "1", "start": "0", "end": "11001", "step": "1"}, 400,
     '{"status":"error","errorType":"bad_data","error":"exceeded maximum resolution of 11,000 points per '
     'timeseries. Try decreasing the query resolution (?step=XX)"}'),
    ("/api/v1/query_range", {"query": "1", "start": "2", "end": "1", "step": "1"}, 400,
     '{"status":"error","errorType":"bad_data","error":"invalid parameter \\"end\\": end timestamp must not be '
     'before start time"}'),
    ("/api/v1/query_range", {"query": "1", "start": "0", "end": "1", "step": "0"}, 400,
     '{"status":"error","errorType":"bad_data","error":"invalid parameter \\"step\\": zero or negative query '
     'resolution step widths are not accepted. Try a positive integer"}'),
    ("/api/v1/query_range", {"query": "1", "start": "0", "end": "1"}, 400,
     '{"status":"error","errorType":"bad_data","error":"invalid parameter \\"step\\": cannot parse \\"\\" to a '
     'valid duration"}'),
    ("/api/v1/query_range", {"query": "m[5m]", "start": "0", "end": "1", "step": "1"}, 400,
     '{"status":"error","errorType":"bad_data","error":"invalid parameter \\"query\\": invalid expression type '
     '\\"range vector\\" for range query, must be Scalar or instant Vector"}'),
    ("/api/v1/series", {"match[]": "m", "start": "900", "end": "1100"}, 200,
     '{"status":"success","data":[{"__name__":"m","a":"1"}]}'),
    ("/api/v1/series", {"match[]": ["m", '{a="1"}'], "start": "900", "end": "1100"}, 200,
     '{"status":"success","data":[{"__name__":"m","a":"1"}]}'),
    ("/api/v1/series", {"match[]": "nothing_here"}, 200, '{"status":"success","data":[]}'),
    ("/api/v1/series", {}, 400,
     '{"status":"error","errorType":"bad_data","error":"no match[] parameter provided"}'),
    ("/api/v1/series", {"match[]": "{}"}, 400, None),
    ("/api/v1/labels", {"match[]": "m", "start": "900", "end": "1100"}, 200,
     '{"status":"success","data":["__name__","a"]}'),
    ("/api/v1/labels", {"match[]": "m", "start": "900", "end": "1100", "limit": "1"}, 200,
     '{"status":"success","data":["__name__"],"warnings":["results truncated due to limit"]}'),
    ("/api/v1/labels", {"match[]": "nothing_here"}, 200, '{"status":"success","data":[]}'),
    ("/api/v1/label/a/values", {"start": "900", "end": "1100"}, 200, '{"status":"success","data":["1"]}'),
    ("/api/v1/label/U__a/values", {"start": "900", "end": "1100"}, 200, '{"status":"success","data":["1"]}'),
    ("/api/v1/label/no_such/values", {}, 200, '{"status":"success","data":[]}'),
    ("/api/v1/query_exemplars", {"query": "test", "start": "1763636000000", "end": "1763638000000"}, 200,
     '{"status":"success","data":[]}'),
    ("/api/v1/format_query", {"query": "foo/bar"}, 200, '{"status":"success","data":"foo / bar"}'),
    ("/api/v1/parse_query", {"query": "up[5m] offset 1m"}, 200,
     '{"status":"success","data":{"anchored":false,"matchers":[{"name":"__name__","type":"=","value":"up"}],'
     '"name":"up","offset":60000,"offsetExpr":null,"range":300000,"rangeExpr":null,"smoothed":false,'
     '"startOrEnd":null,"timestamp":null,"type":"matrixSelector"}}'),
    ("/api/v1/rules", {}, 200, '{"status":"success","data":{"groups":[]}}'),
    ("/api/v1/alerts", {}, 200, '{"status":"success","data":{"alerts":[]}}'),
    ("/api/v1/notifications", {}, 200, '{"status":"success","data":[]}'),
    ("/api/v1/scrape_pools", {}, 200, '{"status":"success","data":{"scrapePools":[]}}'),
    ("/api/v1/targets", {}, 200,
     '{"status":"success","data":{"activeTargets":[],"droppedTargets":[],"droppedTargetCounts":{}}}'),
    ("/api/v1/metadata", {"metric": "no_such"}, 200, '{"status":"success","data":{}}'),
    ("/api/v1/metadata", {"limit": "x"}, 400,
     '{"status":"error","errorType":"bad_data","error":"limit must be a number"}'),
    ("/-/healthy", {}, 200, "Prometheus Server is Healthy.\n"),
    ("/-/ready", {}, 200, "Prometheus Server is Ready.\n"),
    ("/api/v1/nope", {}, 404, "404 page not found\n"),
]


def check_exact(server):
    for path, parameters, status, body in EXACT:
        got_status, _, got = server.get(path, parameters)
        what = f"{path} {parameters}"
        CHECKS.equal(got_status, status, what + " status")
        if body is not None:
            CHECKS.equal(got.decode(), body, what)
        if path in ("/api/v1/query", "/api/v1/query_range", "/api/v1/labels", "/api/v1/series"):
            posted_status, _, posted = server.post_form(path, parameters)
            CHECKS.equal(posted_status, status, what + " by POST, status")
            if body is not None:
                CHECKS.equal(posted, json.loads(body), what + " by POST")


def check_targets(server):
    CHECKS.equal(
        server.json("/api/v1/scrape_pools")["data"], {"scrapePools": ["dropped", "nobody", "self"]}, "pools"
    )
    answer = lab.wait_for(
        lambda: (lambda a: a if all(t["health"] != "unknown" for t in a["data"]["activeTargets"]) else None)(
            server.json("/api/v1/targets")
        ),
        10,
    )
    active = {t["scrapePool"]: t for t in answer["data"]["activeTargets"]}
    CHECKS.equal(sorted(active), ["nobody", "self"], "active targets")
    own = active["self"]
    CHECKS.equal(
        list(own),
        ["discoveredLabels", "labels", "scrapePool", "scrapeUrl", "globalUrl", "lastError", "lastScrape",
         "lastScrapeDuration", "health", "scrapeInterval", "scrapeTimeout"],
        "members of a target in order",
    )
    CHECKS.equal(own["labels"], {"instance": f"127.0.0.1:{server.port}", "job": "self"}, "labels of a target")
    CHECKS.equal(
        own["discoveredLabels"],
        {"__address__": f"127.0.0.1:{server.port}", "__always_scrape_classic_histograms__": "false",
         "__convert_classic_histograms_to_nhcb__": "false", "__metrics_path__": "/metrics",
         "__scheme__": "http", "__scrape_interval__": "1s", "__scrape_native_histograms__": "false",
         "__scrape_timeout__": "1s", "job": "self"},
        "discovered labels",
    )
    CHECKS.equal((own["health"], own["lastError"]), ("up", ""), "the server scrapes itself")
    CHECKS.equal((own["scrapeInterval"], own["scrapeTimeout"]), ("1s", "1s"), "interval and timeout")
    CHECKS.equal(
        active["nobody"]["lastError"],
        'Get "http://127.0.0.1:1/metrics": dial tcp 127.0.0.1:1: connect: connection refused',
        "a refused connection in words",
    )
    CHECKS.equal(len(answer["data"]["droppedTargets"]), 1, "a dropped target")
    CHECKS.equal(answer["data"]["droppedTargetCounts"], {"dropped": 1, "nobody": 0, "self": 0}, "dropped counts")
    only = server.json("/api/v1/targets", {"state": "dropped"})["data"]
    CHECKS.equal(only["activeTargets"], [], "state=dropped has no active ones")
    only = server.json("/api/v1/targets", {"scrapePool": "self", "state": "active"})["data"]
    CHECKS.equal([t["scrapePool"] for t in only["activeTargets"]], ["self"], "scrapePool filter")


def check_status(server):
    build = server.json("/api/v1/status/buildinfo")["data"]
    CHECKS.equal(
        list(build), ["version", "revision", "branch", "buildUser", "buildDate", "goVersion"], "buildinfo"
    )
    CHECKS.check(build["version"].startswith("3."), "a 3.x version", build["version"])
    CHECKS.equal(json.loads(server.get("/version")[2])["version"], build["version"], "/version")
    runtime = server.json("/api/v1/status/runtimeinfo")["data"]
    CHECKS.equal(
        list(runtime),
        ["startTime", "CWD", "hostname", "serverTime", "reloadConfigSuccess", "lastConfigTime",
         "corruptionCount", "goroutineCount", "GOMAXPROCS", "GOMEMLIMIT", "GOGC", "GODEBUG", "storageRetention"],
        "runtimeinfo",
    )
    CHECKS.equal(runtime["storageRetention"], "15d", "retention")
    CHECKS.equal(runtime["reloadConfigSuccess"], True, "the configuration is loaded")
    config = server.json("/api/v1/status/config")["data"]["yaml"]
    CHECKS.check("scrape_timeout: 1s" in config, "defaults are filled in", config[:200])
    CHECKS.check("<secret>" in config and "hidden-word" not in config, "secrets are hidden")
    flags = server.json("/api/v1/status/flags")["data"]
    CHECKS.equal((flags["query.timeout"], flags["query.lookback-delta"]), ("2m", "5m"), "flags")
    tsdb = server.json("/api/v1/status/tsdb")["data"]
    CHECKS.equal(
        list(tsdb),
        ["headStats", "seriesCountByMetricName", "labelValueCountByLabelName", "memoryInBytesByLabelName",
         "seriesCountByLabelValuePair"],
        "status/tsdb",
    )
    CHECKS.check(tsdb["headStats"]["numSeries"] > 50, "series in the head", tsdb["headStats"])
    CHECKS.equal(list(server.json("/api/v1/status/walreplay")["data"]), ["min", "max", "current"], "walreplay")


def check_http(server):
    status, headers, body = server.get("/api/v1/query", {"query": "up"}, {"Accept-Encoding": "gzip"})
    CHECKS.equal((status, headers["Content-Encoding"]), (200, "gzip"), "gzip when asked")
    CHECKS.equal(json.loads(gzip.decompress(body))["status"], "success", "gzip decodes")
    CHECKS.check("Accept-Encoding" in (headers["Vary"] or ""), "Vary", headers["Vary"])
    _, headers, body = server.get("/api/v1/query", {"query": "up"}, {"Accept-Encoding": "deflate"})
    CHECKS.equal(headers["Content-Encoding"], "deflate", "deflate when asked")
    CHECKS.equal(json.loads(zlib.decompress(body))["status"], "success", "deflate decodes")
    CHECKS.equal(headers["Content-Type"], "application/json", "JSON by name")
    for path in ("/api/v1/rules", "/api/v1/status/buildinfo", "/api/v1/metadata", "/api/v1/targets"):
        status, headers, _ = server.get(path, method="POST", body=b"")
        CHECKS.equal(status, 405, f"POST to {path}")
        CHECKS.check("GET" in (headers["Allow"] or ""), f"Allow of {path}", headers["Allow"])
    status, headers, _ = server.get("/api/v1/query", method="OPTIONS", headers={"Origin": "http://a.example"})
    CHECKS.equal((status, headers["Access-Control-Allow-Origin"]), (204, "*"), "CORS preflight")
    status, _, body = server.get("/-/healthy", method="HEAD")
    CHECKS.equal((status, body), (200, b""), "HEAD of health")
    status, _, body = server.get("/-/reload", method="POST", body=b"")
    CHECKS.equal((status, body), (403, b"Lifecycle API is not enabled."), "lifecycle is off")
    status, _, body = server.get("/-/reload")
    CHECKS.equal((status, body), (405, b"Only POST or PUT requests allowed"), "GET of reload")


def check_pages(server):
    for page in ("query", "alerts", "targets", "rules", "service-discovery", "alertmanager-discovery",
                 "status", "tsdb-status", "flags", "config"):
        status, headers, body = server.get("/" + page)
        CHECKS.check(status == 200 and b'<script src="assets/main.js">' in body, f"page {page}", status)
        CHECKS.check("text/html" in headers["Content-Type"], f"type of page {page}")
    for name, kind in (("main.js", "text/javascript"), ("style.css", "text/css")):
        status, headers, _ = server.get("/assets/" + name)
        CHECKS.check(status == 200 and kind in headers["Content-Type"], f"asset {name}", status)
    CHECKS.equal(server.get("/assets/none")[0], 404, "an asset that is not there")
    for path, location in (("/", "/query"), ("/graph?g0.expr=up&g0.tab=1", "/query?g0.expr=up&g0.tab=1")):
        answer = lab.raw_request(server.port, "GET " + path)
        CHECKS.check(f"Location: {location}\r\n" in answer and " 302 " in answer, f"{path} leads on", answer[:200])


def check_metrics(server):
    text = server.get("/metrics")[2].decode()
    for name in (
        "prometheus_build_info{", "process_start_time_seconds ", "process_cpu_seconds_total ",
        "process_resident_memory_bytes ", "process_open_fds ", "process_max_fds ",
        "prometheus_config_last_reload_successful 1", "prometheus_tsdb_head_series ",
        'prometheus_tsdb_head_samples_appended_total{type="float"} ', "prometheus_tsdb_head_chunks ",
        "prometheus_tsdb_wal_corruptions_total 0", "prometheus_engine_queries ",
        'prometheus_engine_query_duration_seconds{slice="inner_eval",quantile="0.9"}',
        'prometheus_target_interval_length_seconds{interval="1s",quantile="0.5"}',
        'prometheus_http_requests_total{code="200",handler="/api/v1/query"}',
        'prometheus_http_request_duration_seconds_bucket{handler="/api/v1/query",le="0.1"}',
        'prometheus_target_scrape_pool_targets{scrape_job="self"} 1',
        'prometheus_sd_discovered_targets{config="self",name="scrape"} 1',
        "prometheus_ready 1",
    ):
        CHECKS.check("\n" + name in text, f"/metrics has {name}")
    types = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    CHECKS.equal(len(types), len(set(types)), "each family once")


def check_limits_of_queries():
    flags = ["--query.max-samples=10", "--query.timeout=1m", "--web.enable-remote-write-receiver"]
    server = lab.MonitoringServer(lab.ferula_binary(), "", flags).start()
    for i in range(20):
        server.remote_write([({"__name__": "many", "i": str(i)}, [(1000, 1.0)])])
    status, _, answer = server.post_form("/api/v1/query", {"query": "many", "time": "1"})
    CHECKS.equal((status, answer.get("errorType")), (422, "execution"), "too many samples")
    CHECKS.check("too many samples" in answer.get("error", ""), "too many samples in words", answer)
    CHECKS.equal(server.stop(), 0, "a clean stop")


def main():
    # An empty head takes samples of any time: 1970 here.
    loaded = lab.MonitoringServer(
        lab.ferula_binary(), "", ["--web.enable-remote-write-receiver"]
    ).start()
    status, text = loaded.remote_write(
        [({"__name__": "m", "a": "1"}, [(940007, 1.0), (1000007, float("nan"))])]
    )
    CHECKS.equal(status, 204, "remote write " + text)
    check_exact(loaded)
    CHECKS.equal(loaded.stop(), 0, "a clean stop")

    server = lab.MonitoringServer(lab.ferula_binary(), CONFIG).start()
    scraped = 'count_over_time(up{job="self"}[1m]) > 2 and up{job="self"} == 1'
    CHECKS.check(lab.wait_for(lambda: server.query(scraped)["data"]["result"]), "the server is scraped by itself")
    check_targets(server)
    check_status(server)
    check_http(server)
    check_metrics(server)
    check_pages(server)
    CHECKS.equal(server.stop(), 0, "a clean stop")
    check_limits_of_queries()
    CHECKS.finish()


main()
