"""Reloading the configuration: by SIGHUP, by POST /-/reload, by itself. A bad file changes nothing and
says why; jobs that did not change keep scraping without a gap.
"""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402

# What AddressSanitizer keeps back after it was freed would look like growth.
os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=2:thread_local_quarantine_size_kb=64")

CHECKS = lab.Checks("reload")
RELOADS = int(os.environ.get("FERULA_RELOADS", "100"))

KEPT = """
global: {scrape_interval: 1s}
scrape_configs:
- job_name: kept
  static_configs: [{targets: ["127.0.0.1:@PORT@"]}]
"""


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
    CHECKS.check("failed to reload config" in text and "prometheus.yml:8:1" in text and "no_such_key" in text,
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


def check_many(server):
    started = time.time()
    warm = 0
    for round_number in range(RELOADS):
        server.write_config(with_job(f"other{round_number % 3}"))
        status, _, body = server.get("/-/reload", method="POST", body=b"")
        if not CHECKS.check(status == 200, f"reload {round_number}", body):
            break
        if round_number == RELOADS // 5:
            warm = resident_bytes(server)
        time.sleep(0.05)
    grown = resident_bytes(server) - warm
    CHECKS.check(grown < 24 << 20, "memory does not grow with reloads", grown)
    lab.wait_for(lambda: time.time() > started + 8, 20)
    now = time.time()
    rows = server.query(f'up{{job="kept"}}[{int(now - started)}s]', now)["data"]["result"]
    times = [point[0] for row in rows for point in row["values"]]
    gaps = {round(b - a, 3) for a, b in zip(times, times[1:])}
    CHECKS.check(len(times) >= now - started - 2 and max(gaps) < 1.5, "no scrape of an unchanged job is lost", gaps)
    CHECKS.equal({point[1] for row in rows for point in row["values"]}, {"1"}, "the unchanged job stays up")


def check_by_itself():
    server = lab.MonitoringServer(
        lab.ferula_binary(), KEPT, ["--config.auto-reload", "--config.auto-reload-interval=1s"]
    ).start()
    server.write_config(with_job("noticed"))
    CHECKS.check(lab.wait_for(lambda: jobs(server) == ["kept", "noticed"], 6), "a changed file is noticed")
    CHECKS.equal(server.stop(), 0, "a clean stop")


def main():
    server = lab.MonitoringServer(lab.ferula_binary(), KEPT, ["--web.enable-lifecycle"]).start()
    check_ways(server)
    check_many(server)
    status, _, body = server.get("/-/quit", method="POST", body=b"")
    CHECKS.equal((status, body), (200, b"Requesting termination... Goodbye!"), "POST /-/quit")
    CHECKS.check(lab.wait_for(lambda: not server.running(), 10), "quit ends the server")
    CHECKS.equal(server.stop(), 0, "exit code after quit")
    check_by_itself()
    CHECKS.finish()


main()
