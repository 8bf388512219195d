"""Reloading the configuration: by SIGHUP, by POST /-/reload, by itself. A bad file changes nothing and
says why; under a load of queries and remote writes, jobs that did not change keep scraping without a gap
and alerts keep the time since which they wait.
"""

import glob
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402

# What AddressSanitizer keeps back after it was freed would look like growth.
os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=2:thread_local_quarantine_size_kb=64")

CHECKS = lab.Checks("reload")
RELOADS = int(os.environ.get("FERULA_RELOADS", "100"))

KEPT = """
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules*.yml]
scrape_configs:
- job_name: kept
  static_configs: [{targets: ["127.0.0.1:@PORT@"]}]
"""


RULES = """
groups:
- name: kept
  rules:
  - {alert: Waiting, expr: 'up{job="kept"} == 1', for: 1h}
  - {record: kept:up, expr: sum(up)}
"""


def write_rules(server, text):
    with open(os.path.join(server.folder, "rules.yml"), "w", encoding="utf-8") as file:
        file.write(text)


def with_job(name):
    return KEPT + f'- job_name: {name}\n  static_configs: [{{targets: ["127.0.0.1:@PORT@"]}}]\n'


def jobs(server):
    return sorted({t["labels"]["job"] for t in server.json("/api/v1/targets")["data"]["activeTargets"]})


def config_ok(server):
    text = server.get("/metrics")[2].decode()
    return "\nprometheus_config_last_reload_successful 1\n" in text


def notices(server):
    return [notice["text"] for notice in server.json("/api/v1/notifications")["data"]]


def check_ways(server):
    server.write_config(with_job("posted"))
    status, _, body = server.get("/-/reload", method="POST", body=b"")
    CHECKS.equal((status, body), (200, b""), "POST /-/reload")
    CHECKS.equal(jobs(server), ["kept", "posted"], "a job that was added")

    server.write_config(with_job("signalled"))
    os.kill(server.popen.pid, signal.SIGHUP)
    CHECKS.check(lab.wait_for(lambda: jobs(server) == ["kept", "signalled"], 5), "SIGHUP reloads", jobs(server))

    server.write_config(with_job("broken") + "no_such_key: 1\n")
    status, _, body = server.get("/-/reload", method="POST", body=b"")
    text = body.decode()
    CHECKS.equal(status, 500, "a bad file is refused")
    CHECKS.check("failed to reload config" in text and "prometheus.yml:9:1" in text and "no_such_key" in text,
                 "the answer names file, line, column and key", text)
    CHECKS.check("no_such_key" in server.log_text(), "the log says it too")
    CHECKS.equal(jobs(server), ["kept", "signalled"], "the old configuration stays in force")
    CHECKS.check(not config_ok(server), "the metric is 0")
    CHECKS.check("Configuration reload has failed." in notices(server), "a notification", notices(server))
    CHECKS.equal(server.json("/api/v1/status/runtimeinfo")["data"]["reloadConfigSuccess"], False, "runtimeinfo says it")

    server.write_config(KEPT)
    CHECKS.equal(server.get("/-/reload", method="PUT", body=b"")[0], 200, "PUT /-/reload")
    CHECKS.check(config_ok(server), "the metric is 1 again")
    CHECKS.equal(notices(server), [], "the notification is gone")


def resident_bytes(server):
    with open(f"/proc/{server.popen.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def alerts(server):
    return server.json("/api/v1/alerts")["data"]["alerts"]


class Load:
    """Remote writes and queries, all the time."""

    def __init__(self, server):
        self.server = server
        self.done = threading.Event()
        self.failures = []
        self.threads = [threading.Thread(target=self.write), threading.Thread(target=self.query)]
        for thread in self.threads:
            thread.start()

    def write(self):
        while not self.done.is_set():
            now_ms = int(time.time() * 1000)
            rows = [({"__name__": "load", "i": str(i)}, [(now_ms, float(i))]) for i in range(500)]
            status, text = self.server.remote_write(rows)
            if status != 204:
                self.failures.append((status, text))

    def query(self):
        while not self.done.is_set():
            answer = self.server.query("sum by (job) (rate({__name__=~\".+\"}[30s]))")
            if answer["status"] != "success" and "same labelset" not in answer["error"]:
                self.failures.append(answer)

    def stop(self):
        self.done.set()
        for thread in self.threads:
            thread.join()


def check_many(server):
    pending = lab.wait_for(lambda: alerts(server), 10)
    CHECKS.equal([alert["state"] for alert in pending], ["pending"], "an alert waits")
    cadence = Cadence()
    load = Load(server)
    warm = reload_often(server, RELOADS)
    load.stop()
    CHECKS.equal(load.failures[:3], [], "writes and queries go on during reloads")
    CHECKS.equal(
        [alert["activeAt"] for alert in alerts(server)], [alert["activeAt"] for alert in pending],
        "the alert waits since the same moment",
    )
    grown = resident_bytes(server) - warm
    CHECKS.check(grown < 24 << 20, "memory does not grow with reloads", grown)
    check_cadence(server, cadence)


def reload_often(server, count):
    """Returns what was resident after a fifth of the reloads."""
    warm = 0
    for round_number in range(count):
        server.write_config(with_job(f"other{round_number % 3}"))
        status, _, body = server.get("/-/reload", method="POST", body=b"")
        if not CHECKS.check(status == 200, f"reload {round_number}", body):
            break
        if round_number == count // 5:
            warm = resident_bytes(server)
        time.sleep(0.05)
    return warm


class Cadence:
    """How the unchanged job was scraped from its making on."""

    def __init__(self):
        self.started = time.time()

    def look(self, server):
        now = time.time()
        rows = server.query(f'up{{job="kept"}}[{int(now - self.started)}s]', now)["data"]["result"]
        times = [point[0] for row in rows for point in row["values"]]
        self.gaps = {round(b - a, 3) for a, b in zip(times, times[1:])}
        self.values = {point[1] for row in rows for point in row["values"]}
        self.is_whole = len(times) >= now - self.started - 2 and max(self.gaps) < 1.5 and self.values == {"1"}
        return self.is_whole


def check_cadence(server, cadence):
    """Reloads disturb no scrape. Where the machine did, of others or in the load above, they are by themselves."""
    lab.wait_for(lambda: time.time() > cadence.started + 8, 20)
    for _ in range(5):
        if cadence.look(server):
            break
        cadence = Cadence()
        reload_often(server, 50)
        lab.wait_for(lambda: time.time() > cadence.started + 5, 20)
    CHECKS.check(cadence.is_whole, "no scrape of an unchanged job is lost, and it stays up", (cadence.gaps, cadence.values))


def last_evaluation(server):
    return server.json("/api/v1/rules")["data"]["groups"][0]["lastEvaluation"]


def check_broken_rules(server):
    """Each broken rule file is refused with its exact words, and the old rules go on."""
    folder = os.path.join(lab.ROOT, "tests", "rules", "broken")
    paths = sorted(glob.glob(os.path.join(folder, "*.yml")))
    CHECKS.check(len(paths) >= 40, "enough broken rule files", len(paths))
    before = last_evaluation(server)
    for path in paths:
        with open(path, "rb") as file, open(path[:-4] + ".expected", encoding="utf-8") as expected:
            content, lines = file.read(), expected.read().splitlines()
        with open(os.path.join(server.folder, "rules.yml"), "wb") as file:
            file.write(content)
        status, _, body = server.get("/-/reload", method="POST", body=b"")
        text = body.decode("utf-8", "replace")
        name = os.path.basename(path)
        wanted = lines[0].split(":", 1)[1] if lines else ""
        CHECKS.check(status == 500 and wanted in text, f"reload with {name}", (status, text[:300], wanted))
    groups = server.json("/api/v1/rules")["data"]["groups"]
    CHECKS.equal([group["name"] for group in groups], ["kept"], "the old rules are in force")
    CHECKS.check(lab.wait_for(lambda: last_evaluation(server) > before, 5), "the old rules evaluate")
    CHECKS.check("Configuration reload has failed." in notices(server), "a notification", notices(server))
    write_rules(server, RULES)
    CHECKS.equal(server.get("/-/reload", method="POST", body=b"")[0], 200, "a good file again")


def check_by_itself():
    server = lab.MonitoringServer(
        lab.ferula_binary(), KEPT, ["--config.auto-reload", "--config.auto-reload-interval=1s"]
    ).start()
    server.write_config(with_job("noticed"))
    CHECKS.check(lab.wait_for(lambda: jobs(server) == ["kept", "noticed"], 6), "a changed file is noticed")
    CHECKS.equal(server.stop(), 0, "a clean stop")


def main():
    server = lab.MonitoringServer(
        lab.ferula_binary(), KEPT, ["--web.enable-lifecycle", "--web.enable-remote-write-receiver"]
    )
    write_rules(server, RULES)
    server.start()
    check_ways(server)
    check_broken_rules(server)
    check_many(server)
    status, _, body = server.get("/-/quit", method="POST", body=b"")
    CHECKS.equal((status, body), (200, b"Requesting termination... Goodbye!"), "POST /-/quit")
    CHECKS.check(lab.wait_for(lambda: not server.running(), 10), "quit ends the server")
    CHECKS.equal(server.stop(), 0, "exit code after quit")
    check_by_itself()
    CHECKS.finish()


main()
