"""Alerts from rule to receiver: ferula and Debian's prometheus with the same rules and the same target,
each with a real Alertmanager that calls a webhook, and with a second one that only records what it is sent.

The target is well, ill for half a minute, and well again. Compared: the states in /api/v1/rules over
time, ALERTS and recorded series, every notification (labels, annotations, times, links), and what the
webhooks get in the end.

Moments may differ by an interval of scraping and one of evaluating: the two servers hash their phases
differently. Three differences of 3.x from 2.42 are evened out: windows are left-open, so a rate may see one
sample less (within the same tolerance); a rule is "unknown" until its first evaluation; and a printed
expression has 1000000000 where 2.42 has 1e+09.
"""

import collections
import glob
import http.server
import json
import os
import re
import sys
import threading
import time
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import lab  # noqa: E402

CHECKS = lab.Checks("alerts")
NAMES = ("ferula", "prometheus")
TOLERANCE_S = 2.3  # scrape interval + evaluation interval + polling
WELL_S, ILL_S, RECOVERED_S = 12, 28, 22
RESEND_S = 5
PEER = os.environ.get("FERULA_ORACLE", "prometheus")

OWN_RULES = r"""
groups:
- name: own
  interval: 1s
  rules:
  - record: job:memory_usage_bytes:sum
    expr: sum by (job) ({__name__=~".+_memory_usage_bytes"})
    labels: {tier: recorded}
  - alert: RecordedMemoryHigh
    expr: job:memory_usage_bytes:sum > 1e9
    for: 3s
    keep_firing_for: 4s
    labels: {severity: warning, owner: 'team-{{ $labels.job }}'}
    annotations:
      summary: '{{ $labels.job }} uses {{ $value | humanize1024 }}B in {{ $externalLabels.cluster }}'
      description: >-
        {{ with query "up{job=\"app\"}" }}{{ . | first | value | printf "up is %.0f" }}{{ end }},
        {{ if gt $value 1.5e9 }}far{{ else }}just{{ end }} above, {{ "a b" | toUpper }}
  - alert: AlwaysFiring
    expr: vector(42)
    annotations: {value: '{{ $value }} {{ .Value | humanize }}'}
  - alert: Muted
    expr: vector(1)
  - alert: NeverTrue
    expr: vector(0) > 1
"""

# What stands in where the rules of real documents are not at hand: their shapes, in seconds.
STAND_IN_RULES = r"""
groups:
- name: stand_in
  rules:
  - {alert: ServiceDown, expr: up == 0, for: 1s, labels: {severity: critical}, annotations: {summary: "{{ $labels.job }} on {{ $labels.instance }} is down"}}
  - {alert: ServiceUnhealthy, expr: '{__name__=~".+_health_status"} == 0', for: 2s, labels: {severity: critical}}
  - {alert: HighMemoryUsage, expr: '{__name__=~".+_memory_usage_bytes"} > 1e9', for: 5s}
  - {alert: ExtractorFailures, expr: 'increase(extractor_jobs_failed_total[5s]) > 0', for: 2s, annotations: {message: "Extractor failing recently"}}
  - {alert: CleanerTooSlow, expr: 'histogram_quantile(0.95, sum(rate(cleaner_latency_seconds_bucket[5s])) by (le)) > 5', for: 2s}
  - {alert: HighLatency, expr: 'histogram_quantile(0.95, rate(api_request_duration_seconds_bucket[5s])) > 1', for: 5s}
  - {alert: HighErrorRate, expr: 'rate(pipeline_errors_total[5s]) > 0.1', for: 5s}
  - {alert: NoMessagesProcessed, expr: 'sum by (job) (increase({__name__=~".+_messages_processed_total"}[10s])) == 0', for: 10s}
"""

# Alerts on plain gauges: their moments are known, not only comparable. name: (seconds of for, keep_firing_for)
KNOWN = {"ServiceDown": (1, 0), "ServiceUnhealthy": (2, 0), "HighMemoryUsage": (5, 0), "RecordedMemoryHigh": (3, 4)}
# Every alert of the rules above that the illness must bring about.
FIRES = set(KNOWN) | {
    "ExtractorFailures", "CleanerTooSlow", "HighLatency", "HighErrorRate", "NoMessagesProcessed", "AlwaysFiring",
}


class World:
    """Counters that grow at a rate and gauges, for the jobs app, stuck and fragile."""

    def __init__(self):
        self.lock = threading.Lock()
        self.ill = False
        self.changed_s = time.time()
        self.base = collections.Counter()

    def rates(self):
        """Growth a second of each series, now."""
        ill = self.ill
        yield "extractor_jobs_failed_total", 1 if ill else 0
        yield "pipeline_errors_total", 2 if ill else 0
        yield 'app_messages_processed_total{status="ok"}', 5
        yield 'app_messages_processed_total{status="failed"}', 5 if ill else 0
        yield 'stuck_messages_processed_total{status="ok"}', 0 if ill else 5
        for name, edges, slow in (
            ("cleaner_latency_seconds", ("0.5", "1.0", "5.0", "10.0", "+Inf"), "10.0"),
            ("api_request_duration_seconds", ("0.1", "0.5", "1.0", "2.5", "+Inf"), "2.5"),
        ):
            for edge in edges:
                counted = not ill or float(edge) >= float(slow)
                yield f'{name}_bucket{{le="{edge}"}}', 10 if counted else 0

    def become(self, ill):
        with self.lock:
            now = time.time()
            for series, rate in self.rates():
                self.base[series] += rate * (now - self.changed_s)
            self.changed_s, self.ill = now, ill
        return now

    def exposition(self, job):
        with self.lock:
            passed = time.time() - self.changed_s
            if job == "fragile":
                return None if self.ill else "fragile_starts 1\n"
            lines = [
                f"{series} {self.base[series] + rate * passed:.3f}"
                for series, rate in self.rates()
                if series.startswith("stuck_") == (job == "stuck")
            ]
            if job == "app":
                lines += [f"app_health_status {0 if self.ill else 1}", f"app_memory_usage_bytes {2e9 if self.ill else 5e8}"]
        return "\n".join(lines) + "\n"


class Recorder:
    """The target, the webhooks and the recording Alertmanagers: one HTTP server, told apart by path."""

    def __init__(self):
        self.world = World()
        self.webhooks = {name: [] for name in NAMES}
        self.notifications = {name: [] for name in NAMES}
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                text = recorder.world.exposition(self.path.split("/")[1])
                self.answer(500 if text is None else 200, (text or "ill\n").encode(), "text/plain; version=0.0.4")

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                _, name, kind = self.path.split("/", 2)
                if kind == "webhook":
                    recorder.webhooks[name].append((time.time(), body))
                elif kind == "api/v2/alerts" and self.headers["Content-Type"] == "application/json":
                    recorder.notifications[name].append((time.time(), body))
                else:
                    self.answer(404, b"", "text/plain")
                    return
                self.answer(200, b"{}", "application/json")

            def answer(self, status, body, kind):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Alertmanager(lab.Process):
    def __init__(self, webhook):
        folder = lab.temporary_folder()
        self.port = lab.free_port()
        with open(os.path.join(folder, "alertmanager.yml"), "w", encoding="utf-8") as file:
            file.write(
                "route: {receiver: webhook, group_by: ['...'], group_wait: 1s, group_interval: 1s, repeat_interval: 1h}\n"
                f"receivers: [{{name: webhook, webhook_configs: [{{url: '{webhook}', send_resolved: true}}]}}]\n"
            )
        super().__init__(
            [
                "prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=",
            ],
            os.path.join(folder, "alertmanager.log"),
        )

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.read()
        except OSError:
            return None

    def alerts(self):
        return json.loads(self.get("/api/v2/alerts") or b"[]")


def rule_texts():
    """{file name: text}; minutes become seconds."""
    texts = {"own.yml": OWN_RULES}
    shared = lab.shared_folder()
    paths = sorted(glob.glob(os.path.join(shared, "users", "rules", "*.yml"))) if shared else []
    paths = [path for path in paths if ".asgiven." not in path]
    for path in paths:
        with open(path, encoding="utf-8") as file:
            texts[os.path.basename(path)] = re.sub(r"\b(\d+)m\b", r"\1s", file.read())
    if not paths:
        CHECKS.skip("rules of real documents: no FERULA_SHARED here, others stand in")
        texts["stand_in.yml"] = STAND_IN_RULES
    return texts


def configuration(name, alertmanager_port, address):
    return f"""
global:
  scrape_interval: 1s
  evaluation_interval: 1s
  external_labels: {{cluster: lab, replica: "one"}}
rule_files: ["rules/*.yml"]
alerting:
  alert_relabel_configs:
  - {{regex: replica, action: labeldrop}}
  - {{target_label: via, replacement: relabelled}}
  - {{source_labels: [alertname], regex: Muted, action: drop}}
  alertmanagers:
  - static_configs: [{{targets: ["127.0.0.1:{alertmanager_port}"]}}]
  - path_prefix: /{name}
    static_configs: [{{targets: ["{address}"]}}]
scrape_configs:
""" + "".join(
        f'- {{job_name: {job}, metrics_path: /{job}/metrics, static_configs: [{{targets: ["{address}"]}}]}}\n'
        for job in ("app", "stuck", "fragile")
    )


class Side:
    """One server with its Alertmanager and a watcher of its rules."""

    def __init__(self, name, binary, recorder, rules):
        self.name = name
        self.recorder = recorder
        self.alertmanager = Alertmanager(f"http://{recorder.address}/{name}/webhook").start()
        self.server = lab.MonitoringServer(
            binary, configuration(name, self.alertmanager.port, recorder.address),
            [f"--rules.alert.resend-delay={RESEND_S}s", "--web.enable-lifecycle"], name,
        )
        os.makedirs(os.path.join(self.server.folder, "rules"))
        for file_name, text in rules.items():
            with open(os.path.join(self.server.folder, "rules", file_name), "w", encoding="utf-8") as file:
                file.write(text)
        self.states = collections.defaultdict(list)  # (group, alert) -> [(time, state)], changes only
        self.alerts = {}  # labels -> the alert as /api/v1/alerts showed it while firing
        self.listed = {}  # labels -> annotations in Alertmanager
        self.watching = True
        self.watcher = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        while self.watching:
            now = time.time()
            for group in self.server.json("/api/v1/rules", {"type": "alert"})["data"]["groups"]:
                for rule in group["rules"]:
                    states = self.states[group["name"], rule["name"]]
                    if not states or states[-1][1] != rule["state"]:
                        states.append((now, rule["state"]))
            for alert in self.server.json("/api/v1/alerts")["data"]["alerts"]:
                if alert["state"] == "firing":
                    self.alerts[frozenset(alert["labels"].items())] = alert
            for alert in self.alertmanager.alerts():
                self.listed[frozenset(alert["labels"].items())] = alert["annotations"]
            time.sleep(0.15)

    def stop_watching(self):
        self.watching = False
        self.watcher.join()

    def events(self):
        """What the recording Alertmanager got: labels -> {firing: [...], resolved: [...]} of (time, alert)."""
        found = collections.defaultdict(lambda: {"firing": [], "resolved": []})
        for at_s, batch in self.recorder.notifications[self.name]:
            for alert in batch:
                kind = "resolved" if seconds(alert["endsAt"]) <= at_s else "firing"
                found[frozenset(alert["labels"].items())][kind].append((at_s, alert))
        return found

    def series(self, expression, start_s, end_s):
        """labels -> [(from, to, value)]: runs of one value, a gap ends a run."""
        answer = self.server.query_range(expression, start_s, end_s, 0.5)
        runs = {}
        for row in answer["data"]["result"]:
            found = []
            for at_s, value in row["values"]:
                if found and found[-1][2] == value and at_s - found[-1][1] <= 0.51:
                    found[-1] = (found[-1][0], at_s, value)
                else:
                    found.append((at_s, at_s, value))
            runs[frozenset(row["metric"].items())] = found
        return runs


def seconds(text):
    """Unix time of RFC 3339."""
    import datetime

    moment = re.sub(r"\.(\d{1,6})\d*", lambda match: "." + match.group(1).ljust(6, "0"), text).replace("Z", "+00:00")
    return datetime.datetime.fromisoformat(moment).timestamp()


def link_back(url):
    """Path and parameters; the address is each server's own."""
    parts = urllib.parse.urlsplit(url)
    return parts.path, urllib.parse.parse_qs(parts.query.replace("1e%2B09", "1000000000"))


def near(left, right, tolerance_s=TOLERANCE_S):
    return abs(left - right) <= tolerance_s


def title(labels):
    return "{" + ", ".join(f"{name}={value}" for name, value in sorted(labels)) + "}"


def check_known_moments(side, ill_s, well_s):
    """inactive, pending, firing, inactive at the moments that the rule file promises."""
    seen = {alert: states for (_, alert), states in side.states.items()}
    for alert, (for_s, keep_s) in KNOWN.items():
        states = seen.get(alert, [])
        names = [state for _, state in states]
        if not CHECKS.equal(names, ["inactive", "pending", "firing", "inactive"], f"{side.name}: the states of {alert}"):
            continue
        _, pending, firing, resolved = (at_s for at_s, _ in states)
        CHECKS.check(0 <= pending - ill_s <= TOLERANCE_S, f"{side.name}: {alert} is pending soon", pending - ill_s)
        CHECKS.check(for_s - 0.4 <= firing - pending <= for_s + 1.4, f"{side.name}: {alert} fires after {for_s} s", firing - pending)
        CHECKS.check(
            keep_s - 0.4 <= resolved - well_s <= keep_s + TOLERANCE_S + 1, f"{side.name}: {alert} ends", resolved - well_s
        )
    for (group, alert), states in side.states.items():
        names = [state for _, state in states]
        if alert in FIRES and alert != "AlwaysFiring":
            CHECKS.check(
                names in (["inactive", "pending", "firing", "inactive"], ["inactive", "firing", "inactive"]),
                f"{side.name}: {group}/{alert} goes through its states once", names,
            )
    CHECKS.check(FIRES <= set(seen), f"{side.name}: every alert that the illness brings about is known", FIRES - set(seen))


def check_states_alike(left, right):
    CHECKS.equal(set(left.states), set(right.states), "the same alerting rules")
    for rule in set(left.states) & set(right.states):
        a, b = left.states[rule], right.states[rule]
        if CHECKS.equal([state for _, state in a], [state for _, state in b], f"states of {rule}"):
            apart = [x[0] - y[0] for x, y in zip(a[1:], b[1:])]
            CHECKS.check(all(near(x, 0) for x in apart), f"moments of {rule}", apart)
    CHECKS.equal(set(left.alerts), set(right.alerts), "the same alerts in /api/v1/alerts")
    for labels in set(left.alerts) & set(right.alerts):
        a, b = left.alerts[labels], right.alerts[labels]
        CHECKS.equal(a["annotations"], b["annotations"], f"annotations of {title(labels)}")
        CHECKS.check(near(seconds(a["activeAt"]), seconds(b["activeAt"])), f"activeAt of {title(labels)}", (a, b))


def check_notifications(left, right):
    """What each server POSTs, alert by alert."""
    a, b = left.events(), right.events()
    CHECKS.equal(set(map(title, a)), set(map(title, b)), "the same alerts are sent")
    for labels in set(a) & set(b):
        what = title(labels)
        for kind in ("firing", "resolved"):
            x, y = a[labels][kind], b[labels][kind]
            if not CHECKS.equal(bool(x), bool(y), f"{what} is sent as {kind}") or not x:
                continue
            if dict(labels)["alertname"] != "AlwaysFiring":  # it races with the discovery of Alertmanagers
                CHECKS.check(near(x[0][0], y[0][0]), f"{what}: {kind} is sent at the same moment", x[0][0] - y[0][0])
            CHECKS.check(
                near(seconds(x[0][1]["startsAt"]), seconds(y[0][1]["startsAt"])), f"{what}: startsAt of {kind}",
                (x[0][1]["startsAt"], y[0][1]["startsAt"]),
            )
            CHECKS.equal(x[-1][1].get("annotations"), y[-1][1].get("annotations"), f"{what}: annotations of {kind}")
            CHECKS.equal(set(x[0][1]), set(y[0][1]), f"{what}: keys of {kind}")
            CHECKS.check(abs(len(x) - len(y)) <= 1 + max(len(x), len(y)) // 4, f"{what}: {kind} is sent as often", (len(x), len(y)))
            links = [link_back(sent[0][1]["generatorURL"]) for sent in (x, y)]
            CHECKS.equal(links[0], links[1], f"{what}: the link back")
        if a[labels]["firing"] and b[labels]["firing"]:
            ahead = [seconds(sent[labels]["firing"][0][1]["endsAt"]) - sent[labels]["firing"][0][0] for sent in (a, b)]
            CHECKS.check(near(*ahead, 1.2), f"{what}: endsAt lies as far ahead", ahead)
        if a[labels]["resolved"] and b[labels]["resolved"]:
            ends = [seconds(sent[labels]["resolved"][0][1]["endsAt"]) for sent in (a, b)]
            CHECKS.check(near(*ends), f"{what}: endsAt when resolved", ends)
    for labels in a:
        names = dict(labels)
        CHECKS.check(
            names.get("cluster") == "lab" and "replica" not in names and names.get("via") == "relabelled",
            "external labels and relabelling", title(labels),
        )
    names = {dict(labels)["alertname"] for labels in a}
    CHECKS.check("Muted" not in names and "NeverTrue" not in names and FIRES <= names, "the alerts that are sent", names)


def check_series(left, right, start_s, end_s):
    for expression in ("ALERTS", "job:memory_usage_bytes:sum"):
        a, b = (side.series(expression, start_s, end_s) for side in (left, right))
        CHECKS.check(a, f"{expression} has series")
        CHECKS.equal(set(map(title, a)), set(map(title, b)), f"the series of {expression}")
        for labels in set(a) & set(b):
            x, y = a[labels], b[labels]
            if not CHECKS.equal([run[2] for run in x], [run[2] for run in y], f"values of {title(labels)}"):
                continue
            apart = [(p[0] - q[0], p[1] - q[1]) for p, q in zip(x, y)]
            # the first and last moments depend on when the servers started and were asked
            inner = [d for p, q in zip(x, y) for d, edge in ((p[0] - q[0], p[0] <= start_s + 3), (p[1] - q[1], p[1] >= end_s - 3)) if not edge]
            CHECKS.check(all(near(d, 0) for d in inner), f"moments of {title(labels)}", apart)
    for side in (left, right):
        answer = side.server.query("ALERTS_FOR_STATE")
        firing = {row["metric"]["alertname"] for row in answer["data"]["result"]}
        CHECKS.equal(firing, {"AlwaysFiring", "Muted"}, f"{side.name}: ALERTS_FOR_STATE after the recovery")


def check_delivery(side):
    """The real Alertmanager and its webhook."""
    by_name = {dict(labels)["alertname"]: annotations for labels, annotations in side.listed.items()}
    CHECKS.check(FIRES <= set(by_name), f"{side.name}: Alertmanager lists the alerts", FIRES - set(by_name))
    CHECKS.equal(
        by_name.get("RecordedMemoryHigh"),
        {"summary": "app uses 1.863GiB in lab", "description": "up is 1, far above, A B"},
        f"{side.name}: expanded annotations in Alertmanager",
    )
    CHECKS.equal(by_name.get("AlwaysFiring"), {"value": "42 42"}, f"{side.name}: the value in an annotation")
    statuses = collections.defaultdict(list)
    for _, body in side.recorder.webhooks[side.name]:
        for alert in body["alerts"]:
            statuses[alert["labels"]["alertname"]].append((alert["status"], alert))
    for name in sorted(FIRES - {"AlwaysFiring"}):
        kinds = [status for status, _ in statuses[name]]
        CHECKS.check(
            kinds and kinds[0] == "firing" and kinds[-1] == "resolved" and "resolved" not in kinds[: kinds.index("resolved")],
            f"{side.name}: the webhook hears of {name} firing, then resolved", kinds,
        )
    CHECKS.equal({status for status, _ in statuses["AlwaysFiring"]}, {"firing"}, f"{side.name}: AlwaysFiring does not end")
    down = [alert for status, alert in statuses["ServiceDown"] if status == "firing"]
    if CHECKS.check(down, f"{side.name}: ServiceDown reaches the webhook"):
        CHECKS.equal(
            (down[0]["labels"], down[0]["annotations"]),
            (
                {"alertname": "ServiceDown", "cluster": "lab", "instance": side.recorder.address, "job": "fragile",
                 "severity": "critical", "via": "relabelled"},
                {"summary": f"fragile on {side.recorder.address} is down"},
            ),
            f"{side.name}: labels and annotations at the webhook",
        )


def check_webhooks_alike(left, right):
    def told(side):
        return {
            (alert["fingerprint"], alert["status"], tuple(sorted(alert["annotations"].items())))
            for _, body in side.recorder.webhooks[side.name]
            for alert in body["alerts"]
        }

    a, b = told(left), told(right)
    CHECKS.check(a == b, "both webhooks are told the same", sorted(a ^ b)[:6])


def check_discovery(side):
    data = side.server.json("/api/v1/alertmanagers")["data"]
    CHECKS.equal(
        sorted(found["url"] for found in data["activeAlertmanagers"]),
        sorted([
            f"http://127.0.0.1:{side.alertmanager.port}/api/v2/alerts",
            f"http://{side.recorder.address}/{side.name}/api/v2/alerts",
        ]),
        f"{side.name}: Alertmanagers in use",
    )


def main():
    recorder = Recorder()
    rules = rule_texts()
    sides = [Side(name, binary, recorder, rules) for name, binary in zip(NAMES, (lab.ferula_binary(), PEER))]
    for side in sides:
        CHECKS.check(lab.wait_for(lambda s=side: s.alertmanager.get("/-/ready"), 30), "Alertmanager is ready")
    for side in sides:
        side.server.start()
    start_s = time.time()
    # 3.x calls a rule "unknown" until it was evaluated, 2.42 "inactive"
    time.sleep(3)
    for side in sides:
        side.watcher.start()
    time.sleep(WELL_S - 3)
    ill_s = recorder.world.become(ill=True)
    time.sleep(ILL_S)
    well_s = recorder.world.become(ill=False)
    time.sleep(RECOVERED_S)
    end_s = time.time()
    for side in sides:
        side.stop_watching()
        check_discovery(side)
        check_known_moments(side, ill_s, well_s)
        check_delivery(side)
    check_states_alike(*sides)
    check_notifications(*sides)
    check_series(*sides, start_s, end_s)
    check_webhooks_alike(*sides)
    for side in sides:
        CHECKS.equal(side.server.stop(), 0, f"{side.name}: a clean stop")
    CHECKS.finish()


main()
