"""What people do in their first hour: configurations out of tutorials, job fragments pasted with the wrong
indentation, a data folder of somebody else, a port in use, a URL where a host belongs. Each either works
or is told in plain words with a place, and the exit code says which kind of trouble it is.

Configurations of real documents come from FERULA_SHARED; without it the ones below stand in.
"""

import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402

CHECKS = lab.Checks("user_setups")
EXIT_FAILURE = 1
EXIT_CONFIG = 2

COMPOSE_NAMES = """global:
  scrape_interval: 5s

scrape_configs:
  - job_name: "loader"
    static_configs:
      - targets: ["loader.invalid:8000"]

  - job_name: "reader"
    static_configs:
      - targets: ["reader.invalid:8000"]
"""

WITH_ALERTMANAGER = """global:
  scrape_interval: 15s
  evaluation_interval: 15s
rule_files:
  - "not_mounted.yml"
alerting:
  alertmanagers:
    - static_configs:
        - targets: ["alertmanager.invalid:9093"]
scrape_configs:
  - job_name: slow
    scrape_interval: 30s
    static_configs:
      - targets: ["slow.invalid:8080"]
  - job_name: refused
    metrics_path: '/own/v2/metrics'
    static_configs:
      - targets: ["127.0.0.1:1"]
"""

OWN_FRAGMENT = """- job_name: 'queue'
  static_configs:
    - targets: ['queue.invalid:9419']
"""

OWN_TOP_FRAGMENT = """rule_files:
  - not_mounted.yml
"""


def own_binary():
    """A copy that any uid may execute; the build folder may be closed to it."""
    path = os.path.join(lab.temporary_folder(), "ferula")
    shutil.copy(lab.ferula_binary(), path)
    os.chmod(path, 0o755)
    return path


class Jobs:
    """Job names, targets and intervals of a configuration, read by indentation-blind patterns."""

    def __init__(self, text):
        given = re.search(r"(?m)^global:\n(?:[ \t#].*\n|\n)*?\s+scrape_interval:\s*(\w+)", text)
        self.interval = given.group(1) if given else "1m"
        self.targets = set()
        for part in re.split(r"(?m)^\s*- job_name:", text.split("scrape_configs:")[1])[1:]:
            job = part.split("\n")[0].strip().strip("\"'")
            interval = re.search(r"scrape_interval:\s*(\w+)", part)
            path = re.search(r"metrics_path:\s*'?([^'\s]+)", part)
            for group in re.findall(r"targets:\s*\[(.*?)\]", part):
                for target in re.findall(r"[\"']([^\"']+)[\"']", group):
                    self.targets.add(
                        (job, target, f"http://{target}{path.group(1) if path else '/metrics'}",
                         interval.group(1) if interval else self.interval)
                    )


def check_configuration(name, text):
    jobs = Jobs(text)
    CHECKS.check(jobs.targets, f"{name} has targets")
    server = lab.MonitoringServer(lab.ferula_binary(), text).start()

    def active():
        return server.json("/api/v1/targets")["data"]["activeTargets"]

    lab.wait_for(lambda: len(active()) == len(jobs.targets), 5)
    CHECKS.equal(
        {(t["labels"]["job"], t["labels"]["instance"], t["scrapeUrl"], t["scrapeInterval"]) for t in active()},
        jobs.targets,
        f"{name}: jobs, instances, URLs and intervals",
    )
    # Nobody waits a minute for the first scrape in a test: same file, short intervals.
    fast = re.sub(r"(scrape_interval: *)\w+", r"\g<1>1s", text)
    if "global:" not in fast:
        fast = "global: {scrape_interval: 1s, scrape_timeout: 1s}\n" + fast
    server.write_config(fast)
    os.kill(server.popen.pid, signal.SIGHUP)
    CHECKS.check(
        lab.wait_for(lambda: active() and all(t["health"] != "unknown" for t in active()), 30, 0.2),
        f"{name}: every target is scraped or says why not",
        [(t["scrapeUrl"], t["health"]) for t in active()],
    )
    for target in active():
        if target["health"] == "up":
            continue
        words = target["lastError"]
        CHECKS.check(
            words.startswith(f'Get "{target["scrapeUrl"]}": ')
            and re.search(r"no such host|connection refused|server misbehaving|deadline exceeded|network is unreachable|i/o timeout", words),
            f"{name}: the reason of {target['scrapeUrl']} is in words",
            words,
        )
    CHECKS.equal(server.stop(), 0, f"{name}: a clean stop")


def start_and_end(config, flags=(), port=None, identity=None, folder=None, binary=None):
    """Runs until it ends by itself: (exit code, log), or (None, log) when it serves."""
    folder = folder or lab.temporary_folder()
    path = os.path.join(folder, "prometheus.yml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(config)
    port = port or lab.free_port()
    arguments = [
        binary or lab.ferula_binary(), f"--config.file={path}", f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}", *flags,
    ]
    log_path = os.path.join(lab.temporary_folder(), "log")
    with open(log_path, "wb") as log:
        process = subprocess.Popen(
            arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            preexec_fn=(lambda: (os.setgroups([]), os.setgid(identity), os.setuid(identity))) if identity else None,
        )

    def text():
        with open(log_path, "rb") as file:
            return file.read().decode("utf-8", "replace")

    lab.wait_for(lambda: process.poll() is not None or "Server is ready" in text(), 30)
    code = process.poll()
    if code is None:
        process.terminate()
        process.wait(30)
    return code, text()


def indented(text, columns):
    return "".join(" " * columns + line if line.strip() else line for line in text.splitlines(True))


def check_pasted(name, base, fragment, fits_at):
    """A list item fits where the items above it stand; a key of the top level at column 0 only."""
    for columns in (0, 2, 4):
        code, log = start_and_end(base + indented(fragment, columns))
        what = f"{name} pasted with {columns} spaces"
        if columns == fits_at:
            CHECKS.check(code is None, f"{what} works", log[-1500:])
            continue
        CHECKS.equal(code, EXIT_CONFIG, f"{what} ends the start")
        place = re.search(r"prometheus\.yml:(\d+):(\d+): ", log)
        line = base.count("\n") + 1
        CHECKS.check(
            place and abs(int(place.group(1)) - line) <= 1,
            f"{what} is told with line and column (about line {line})",
            log[-600:],
        )


def check_targets_and_timeouts():
    job = "scrape_configs:\n- job_name: app\n"
    for target, place in (("http://localhost:8000", "4:15"), ("localhost:8000/metrics", "4:15")):
        code, log = start_and_end(job + f'  static_configs:\n  - targets: ["{target}"]\n')
        CHECKS.equal(code, EXIT_CONFIG, f"the target {target} ends the start")
        for part in (f"prometheus.yml:{place}: ", target, "is not a valid hostname", "'localhost:8000'", "metrics_path"):
            CHECKS.check(part in log, f"the message on {target} says {part!r}", log[-600:])
    code, log = start_and_end(job + "  scrape_interval: 5s\n  scrape_timeout: 10s\n")
    CHECKS.equal(code, EXIT_CONFIG, "a timeout above the interval ends the start")
    for part in ("prometheus.yml:4:19: ", "scrape timeout greater than scrape interval", "app", "5s"):
        CHECKS.check(part in log, f"the message on the timeout says {part!r}", log[-600:])
    code, log = start_and_end(job + "  scrape_intervall: 5s\n")
    CHECKS.equal(code, EXIT_CONFIG, "a mistyped key ends the start")
    CHECKS.check("prometheus.yml:3:3: " in log and "scrape_interval" in log, "the message names the nearest key", log[-600:])


BARE_LIST = """- alert: LoaderFailures
  expr: increase(loader_failures_total[5m]) > 0
  for: 2m
"""


def check_rule_files():
    """A list of rules without groups; a file that was not mounted; an expression with a hole."""
    for text, parts in (
        (BARE_LIST, ("alerts.yml:1:1: ", "groups:", "bare list of rules")),
        ("groups:\n- name: a\n  rules:\n" + indented(BARE_LIST.replace(") > 0", " > 0"), 2), ("alerts.yml:5:", "LoaderFailures", "parse")),
    ):
        folder = lab.temporary_folder()
        with open(os.path.join(folder, "alerts.yml"), "w", encoding="utf-8") as file:
            file.write(text)
        code, log = start_and_end(COMPOSE_NAMES + "rule_files: [alerts.yml]\n", folder=folder)
        CHECKS.equal(code, EXIT_CONFIG, "a wrong rule file ends the start")
        for part in parts:
            CHECKS.check(part in log, f"the message on the rule file says {part!r}", log[-800:])
    code, log = start_and_end(COMPOSE_NAMES + "rule_files: [not_mounted.yml]\n")
    CHECKS.check(code is None, "a rule file that is not there does not end the start", log[-800:])
    warnings = [line for line in log.splitlines() if "level=WARN" in line and "not_mounted.yml" in line]
    CHECKS.equal(len(warnings), 1, "but it is told")


def check_port_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, log = start_and_end(COMPOSE_NAMES, port=port)
    CHECKS.equal(code, EXIT_FAILURE, "a port in use ends the start")
    CHECKS.check(f"127.0.0.1:{port}" in log and "address already in use" in log, "the message names the port", log[-600:])


def check_data_folder():
    """Somebody else's data folder; a file in its place."""
    folder = lab.temporary_folder()
    with open(os.path.join(folder, "data"), "w", encoding="utf-8") as file:
        file.write("not a folder\n")
    code, log = start_and_end(COMPOSE_NAMES, folder=folder)
    CHECKS.equal(code, EXIT_FAILURE, "a file in the place of the data folder ends the start")
    CHECKS.check(folder in log and "level=ERROR" in log, "the message names it", log[-600:])
    if os.geteuid() != 0:
        CHECKS.skip("another uid's data folder: needs root")
        return
    binary = own_binary()
    folder = lab.temporary_folder()
    os.makedirs(os.path.join(folder, "data"))
    code, log = start_and_end(COMPOSE_NAMES, folder=folder, identity=12345, binary=binary)
    CHECKS.equal(code, EXIT_FAILURE, "a data folder of root ends the start")
    for part in (os.path.join(folder, "data"), "owned by uid 0", "uid 12345", "chown"):
        CHECKS.check(part in log, f"the message on the data folder says {part!r}", log[-800:])
    os.chown(os.path.join(folder, "data"), 12345, 12345)
    code, log = start_and_end(COMPOSE_NAMES, folder=folder, identity=12345, binary=binary)
    CHECKS.check(code is None, "after the chown it works", log[-800:])
    # A parent that nobody else may write: the folder cannot be made.
    folder = lab.temporary_folder()
    code, log = start_and_end(COMPOSE_NAMES, folder=folder, identity=12345, binary=binary)
    CHECKS.equal(code, EXIT_FAILURE, "a data folder that cannot be made ends the start")
    CHECKS.check(folder in log and "owned by uid 0" in log and "chown" in log, "the message names the owner of the parent", log[-800:])


def main():
    configurations = {"compose names": COMPOSE_NAMES, "with Alertmanager": WITH_ALERTMANAGER}
    fragments = [("a job", COMPOSE_NAMES, OWN_FRAGMENT, 2), ("rule_files", COMPOSE_NAMES, OWN_TOP_FRAGMENT, 0)]
    shared = lab.shared_folder()
    folder = shared and os.path.join(shared, "users", "configs")
    if folder and os.path.isdir(folder):
        for path in sorted(glob.glob(os.path.join(folder, "*prometheus.yml"))):
            with open(path, encoding="utf-8") as file:
                configurations[os.path.basename(path)] = file.read()
        base = configurations.get("000-prometheus.yml", COMPOSE_NAMES).rstrip("\n") + "\n"
        for path in sorted(glob.glob(os.path.join(folder, "*.fragment.yml"))):
            with open(path, encoding="utf-8") as file:
                text = file.read().rstrip("\n") + "\n"
            if text.startswith(("- job_name", "rule_files")):
                fragments.append((os.path.basename(path), base, text, 2 if text.startswith("-") else 0))
        CHECKS.check(len(configurations) > 6 and len(fragments) > 4, "the shared configurations were found")
    else:
        CHECKS.skip("configurations of real documents: no FERULA_SHARED here")
    for name, text in configurations.items():
        check_configuration(name, text)
    for fragment in fragments:
        check_pasted(*fragment)
    check_targets_and_timeouts()
    check_rule_files()
    check_port_in_use()
    check_data_folder()
    CHECKS.finish()


main()
