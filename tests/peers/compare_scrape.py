"""Real exporters, scraped by ferula and by Debian's prometheus side by side.

node_exporter, rabbitmq-server with rabbitmq_prometheus, and a Python service that is killed and
restarted: both servers must have the same series with the same labels, and lose them at the same
moment. What 3.x does differently from 2.42 is evened out in NORMALISE and named there.
"""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import lab  # noqa: E402

CHECKS = lab.Checks("scrape")
INTERVAL_S = 1
REPORT = {
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
}

PYTHON_SERVICE = """
import sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
import prometheus_client as client

rows = client.Counter("lab_rows_total", "Rows.", ["stage"])
level = client.Gauge("lab_level", "A gauge with special values.", ["kind"])
latency = client.Histogram("lab_latency_seconds", "Latencies.", ["path"], buckets=(0.1, 1, 2.5, 10))
size = client.Summary("lab_size_bytes", "Sizes.")
level.labels("nan").set(float("nan"))
level.labels("inf").set(float("inf"))
level.labels("zero").set(0)
level.labels('quote "x" back\\\\slash\\nnewline').set(1)
for stage in ("extract", "transform", "load"):
    rows.labels(stage).inc(7)
for path in ("/a", "/b"):
    for value in (0.05, 0.5, 2, 20):
        latency.labels(path).observe(value)
size.observe(1000)
level.labels("short-lived").set(5)

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/drop":
            level.remove("short-lived")
            body, kind = b"ok", "text/plain"
        else:
            rows.labels("extract").inc()
            encoder, kind = client.exposition.choose_encoder(self.headers.get("Accept"))
            body = encoder(client.REGISTRY)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class RabbitServer(lab.Process):
    """rabbitmq-server on its own ports, with epmd of its own."""

    def __init__(self, metrics_port):
        self.folder = lab.temporary_folder()
        self.epmd_port = lab.free_port()
        with open(os.path.join(self.folder, "rabbitmq.conf"), "w", encoding="utf-8") as file:
            file.write(
                f"listeners.tcp.1 = 127.0.0.1:{lab.free_port()}\n"
                "prometheus.tcp.ip = 127.0.0.1\n"
                f"prometheus.tcp.port = {metrics_port}\n"
            )
        with open(os.path.join(self.folder, "enabled_plugins"), "w", encoding="utf-8") as file:
            file.write("[rabbitmq_prometheus].\n")
        super().__init__(
            ["/usr/lib/rabbitmq/bin/rabbitmq-server"],
            os.path.join(self.folder, "server.log"),
            {
                "HOME": self.folder,
                "RABBITMQ_NODENAME": "ferula@localhost",
                "RABBITMQ_MNESIA_BASE": os.path.join(self.folder, "mnesia"),
                "RABBITMQ_LOG_BASE": self.folder,
                "RABBITMQ_ENABLED_PLUGINS_FILE": os.path.join(self.folder, "enabled_plugins"),
                "RABBITMQ_CONFIG_FILE": os.path.join(self.folder, "rabbitmq.conf"),
                "RABBITMQ_PID_FILE": os.path.join(self.folder, "pid"),
                "RABBITMQ_DIST_PORT": str(lab.free_port()),
                "ERL_EPMD_PORT": str(self.epmd_port),
                "ERL_EPMD_ADDRESS": "127.0.0.1",
                "RABBITMQ_LOGS": "-",
            },
            self.folder,
        )

    def stop(self, kill=False, timeout_s=20):
        was_running = self.running()
        code = super().stop(kill, timeout_s)
        if was_running:
            subprocess.run(
                ["epmd", "-port", str(self.epmd_port), "-kill"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        return code


def normalise(labels):
    """3.x prints the values of `le` and `quantile` as floats ("1" becomes "1.0"); 2.42 keeps them."""
    labels = dict(labels)
    for name in ("le", "quantile"):
        if name in labels:
            labels[name] = repr(float(labels[name]))
    return tuple(sorted(labels.items()))


def present(server, selector, at_s=None):
    answer = server.query(selector, at_s)
    if answer["status"] != "success":
        raise RuntimeError(str(answer))
    return {normalise(row["metric"]) for row in answer["data"]["result"]}


def same_series(servers, job):
    """The series of a job on both, asked until they agree (the scrapes have different phases)."""
    selector = '{job="%s",__name__!=""}' % job

    def agree():
        left, right = (present(server, selector) for server in servers)
        return left == right and len(left) > len(REPORT)

    agreed = lab.wait_for(agree, 20, 0.25)
    left, right = (present(server, selector) for server in servers)
    detail = ""
    if not agreed:
        detail = f"only ferula: {sorted(left - right)[:5]}; only prometheus: {sorted(right - left)[:5]}"
    CHECKS.check(agreed, f"the same series of {job} ({len(left)} on ferula)", detail)


def same_api(servers, path, pick, what, parameters=None):
    left, right = (pick(server.json(path, parameters)) for server in servers)
    CHECKS.equal(left, right, what)


def down_time(server, job, metric, before_s):
    """Seconds after before_s at which the last sample of a metric stops being visible."""
    rows = server.query_range(
        'count({job="%s",__name__="%s"})' % (job, metric), before_s, before_s + 8, 0.25
    )["data"]["result"]
    return max((point[0] for row in rows for point in row["values"]), default=before_s) - before_s


def check_staleness(servers, service, start_service):
    # A child that is removed ends at the next scrape on both.
    import urllib.request

    before_s = time.time()
    urllib.request.urlopen(f"http://127.0.0.1:{service['port']}/drop").read()
    gone = lab.wait_for(
        lambda: all(not present(s, 'lab_level{kind="short-lived"}') for s in servers), 3 * INTERVAL_S
    )
    CHECKS.check(gone, "a series that disappears is gone within three intervals on both")

    killed_s = time.time()
    service["process"].stop(kill=True)

    def only_report():
        return all(
            {dict(labels)["__name__"] for labels in present(s, '{job="python"}')} == REPORT
            for s in servers
        )

    CHECKS.check(lab.wait_for(only_report, 3 * INTERVAL_S), "a killed target leaves only its report series")
    for server in servers:
        up = server.query('up{job="python"}')["data"]["result"]
        CHECKS.equal([row["value"][1] for row in up], ["0"], "up is 0 after the kill")
    lab.wait_for(lambda: time.time() > killed_s + 5, 10)
    times = [down_time(server, "python", "lab_level", killed_s) for server in servers]
    CHECKS.check(
        abs(times[0] - times[1]) <= INTERVAL_S + 0.25,
        "the target's series end at the same moment, give or take an interval",
        times,
    )
    errors = [
        target["lastError"]
        for server in servers
        for target in server.json("/api/v1/targets")["data"]["activeTargets"]
        if target["labels"]["job"] == "python"
    ]
    CHECKS.check(
        len(errors) == 2 and all("connection refused" in error for error in errors),
        "the reason is told alike",
        errors,
    )
    CHECKS.equal(errors[0], errors[-1], "the error text is the same to the letter")

    start_service()
    same_series(servers, "python")
    CHECKS.check(before_s < killed_s, "time went on")


def check_constant_values(servers):
    """Values that do not move are equal, bit for bit."""
    for selector in (
        "node_uname_info",
        "node_memory_MemTotal_bytes",
        "node_filesystem_size_bytes",
        "lab_level",
        "lab_latency_seconds_bucket",
        "lab_size_bytes_sum",
        "rabbitmq_build_info",
        "erlang_vm_schedulers",
        'up{job!=""}',
        'scrape_samples_scraped{job="python"}',
        'scrape_samples_post_metric_relabeling{job="rabbitmq"}',
    ):
        def values(server, selector=selector):
            return {
                normalise(row["metric"]): row["value"][1]
                for row in server.query(selector)["data"]["result"]
            }

        lab.wait_for(lambda: values(servers[0]) == values(servers[1]), 10, 0.25)
        left, right = values(servers[0]), values(servers[1])
        CHECKS.check(left == right and left, f"values of {selector}", (left, right))


def metadata_of(answer):
    """2.42 has no `unknown`-typed HELP-less families in another order; compare as sets."""
    return {
        metric: sorted((entry["type"], entry["help"], entry["unit"]) for entry in entries)
        for metric, entries in answer["data"].items()
    }


def main():
    node_port, rabbit_port, python_port = (lab.free_port() for _ in range(3))
    folder = lab.temporary_folder()
    service_path = os.path.join(folder, "service.py")
    with open(service_path, "w", encoding="utf-8") as file:
        file.write(PYTHON_SERVICE)
    lab.Process(
        ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{node_port}"],
        os.path.join(folder, "node.log"),
    ).start()
    rabbit = RabbitServer(rabbit_port).start()
    service = {"port": python_port}

    def start_service():
        service["process"] = lab.Process(
            ["/usr/bin/python3", service_path, str(python_port)], os.path.join(folder, "service.log")
        ).start()

    start_service()

    def rabbit_serves():
        import urllib.request

        try:
            url = f"http://127.0.0.1:{rabbit_port}/metrics"
            return b"rabbitmq_build_info" in urllib.request.urlopen(url, timeout=5).read()
        except OSError:
            return False

    CHECKS.check(lab.wait_for(rabbit_serves, 90, 0.5), "rabbitmq serves metrics", rabbit.log_text()[-500:])

    config = f"""
global: {{scrape_interval: {INTERVAL_S}s}}
scrape_configs:
- job_name: node
  static_configs: [{{targets: ["127.0.0.1:{node_port}"], labels: {{zone: "a b"}}}}]
  metric_relabel_configs:
  - {{source_labels: [__name__], regex: "go_gc_.*", action: drop}}
- job_name: rabbitmq
  static_configs: [{{targets: ["127.0.0.1:{rabbit_port}"]}}]
- job_name: python
  static_configs: [{{targets: ["127.0.0.1:{python_port}"]}}]
- job_name: python-honored
  honor_labels: true
  params: {{unused: ["1"]}}
  relabel_configs:
  - {{source_labels: [__address__], target_label: stage, replacement: "from-target"}}
  static_configs: [{{targets: ["127.0.0.1:{python_port}"]}}]
- job_name: python-renamed
  relabel_configs:
  - {{target_label: stage, replacement: "from-target"}}
  - {{source_labels: [__address__], regex: "(.*):(.*)", target_label: instance, replacement: "host-$2"}}
  static_configs: [{{targets: ["127.0.0.1:{python_port}"]}}]
"""
    servers = [
        lab.MonitoringServer(lab.ferula_binary(), config, name="ferula").start(),
        lab.MonitoringServer("prometheus", config, name="prometheus").start(),
    ]
    for job in ("node", "rabbitmq", "python", "python-honored", "python-renamed"):
        same_series(servers, job)
    check_constant_values(servers)
    same_api(servers, "/api/v1/labels", lambda a: sorted(a["data"]), "the same label names")
    same_api(
        servers,
        "/api/v1/label/__name__/values",
        lambda a: sorted(a["data"]),
        "the same metric names",
    )
    same_api(
        servers,
        "/api/v1/targets",
        lambda a: sorted(
            (t["labels"]["job"], t["labels"]["instance"], t["scrapeUrl"], t["health"], t["lastError"])
            for t in a["data"]["activeTargets"]
        ),
        "the same targets",
    )
    same_api(servers, "/api/v1/metadata", metadata_of, "the same metadata", {"metric": "lab_rows"})
    check_staleness(servers, service, start_service)
    for server in servers:
        CHECKS.equal(server.stop(), 0, "a clean stop")
    CHECKS.finish()


main()
