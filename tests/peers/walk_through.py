"""The README's way from nothing to an alert, run as it stands in a copy of the tree.

The shell lines between the two markers go to one shell. Two things differ from a reader's machine: a
port that is taken is replaced, and build/release is the folder that was built already.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import lab  # noqa: E402

CHECKS = lab.Checks("walk_through")
MINUTES_MAX = 10


def read_commands():
    with open(os.path.join(lab.ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read()
    part = re.search(r"<!-- walk-through begins -->(.*)<!-- walk-through ends -->", text, re.DOTALL)
    if not CHECKS.check(part, "README.md has the two markers"):
        CHECKS.finish()
    return "".join(re.findall(r"(?ms)^```sh\n(.*?)^```$", part.group(1)))


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def with_free_ports(commands):
    """(commands, {port in the README: port here}); servers of replaced ports are told to listen there."""
    ports = {port: port if is_free(port) else lab.free_port() for port in (9090, 9093, 8000)}
    for port, instead in ports.items():
        commands = commands.replace(f"localhost:{port}", f"localhost:{instead}")
    for port, program in ((9090, "build/release/server/ferula"), (9093, "prometheus-alertmanager --config")):
        if ports[port] != port:
            at, _, flag = program.partition(" ")
            commands = commands.replace(program, f"{at} --web.listen-address=:{ports[port]} {flag}".rstrip())
    return commands, ports


def copy_of_tree(folder):
    """What git knows, as it is in the working tree, and the release build by a link."""
    names = subprocess.run(["git", "-C", lab.ROOT, "ls-files", "-z"], capture_output=True, check=False)
    listed = names.stdout if names.returncode == 0 else b""
    if not listed:  # a tree without git: everything but builds
        subprocess.run(["cp", "-r", "Makefile", "tests", "README.md", folder], cwd=lab.ROOT, check=True)
    else:
        subprocess.run(
            ["tar", "-C", lab.ROOT, "--null", "-T", "-", "--ignore-failed-read", "-cf", os.path.join(folder, "tree.tar")],
            input=listed, check=True,
        )
        subprocess.run(["tar", "-xf", "tree.tar"], cwd=folder, check=True)
    os.makedirs(os.path.join(folder, "build"))
    release = os.path.dirname(os.path.dirname(lab.ferula_binary()))
    os.symlink(release, os.path.join(folder, "build", "release"))


def fetch(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return json.load(answer)
    except OSError:
        return None


def documents(text):
    """The JSON documents that the last commands printed, one after the other."""
    found, at, decoder = [], 0, json.JSONDecoder()
    while at < len(text):
        if text[at] not in "{[":
            at += 1
            continue
        try:
            value, at = decoder.raw_decode(text, at)
            found.append(value)
        except ValueError:
            at += 1
    return found


def run(commands, folder):
    script = os.path.join(folder, "walk.sh")
    with open(script, "w", encoding="utf-8") as file:
        file.write("set -e\n" + commands)
    started = time.monotonic()
    shell = subprocess.Popen(
        ["bash", script], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )
    try:
        output, _ = shell.communicate(timeout=MINUTES_MAX * 60)
    except subprocess.TimeoutExpired:
        output = ""
    CHECKS.equal(shell.poll(), 0, "every line succeeds: " + output[-1500:])
    CHECKS.check(time.monotonic() - started < MINUTES_MAX * 60, "in less than ten minutes")
    return shell, output


def check_output(output, ports):
    printed = documents(output)
    alerts = printed[-2]["data"]["alerts"] if len(printed) > 1 and isinstance(printed[-2], dict) else []
    CHECKS.equal(
        [(alert["state"], alert["labels"]["alertname"], alert["labels"]["job"]) for alert in alerts],
        [("firing", "InstanceDown", "shop")], "ferula shows the alert firing",
    )
    listed = printed[-1] if printed and isinstance(printed[-1], list) else []
    CHECKS.equal(
        [(alert["status"]["state"], alert["labels"], alert["annotations"]) for alert in listed],
        [("active",
          {"alertname": "InstanceDown", "instance": f"localhost:{ports[8000]}", "job": "shop", "severity": "critical"},
          {"summary": f"shop on localhost:{ports[8000]} is down"})],
        "Alertmanager lists it",
    )


def check_after(ports):
    """What the README says of the pages."""
    targets = (fetch(ports[9090], "/api/v1/targets") or {"data": {"activeTargets": []}})["data"]["activeTargets"]
    CHECKS.equal(
        sorted((target["labels"]["job"], target["health"]) for target in targets),
        [("prometheus", "up"), ("shop", "down")], "the targets",
    )
    with urllib.request.urlopen(f"http://127.0.0.1:{ports[9090]}/alerts", timeout=10) as answer:
        CHECKS.check(b"<html" in answer.read(), "there is a page of alerts")


def main():
    commands, ports = with_free_ports(read_commands())
    folder = lab.temporary_folder()
    copy_of_tree(folder)
    shell, output = run(commands, folder)
    try:
        check_output(output, ports)
        check_after(ports)
    finally:
        # the servers that the script left behind are alone in its process group
        os.killpg(shell.pid, signal.SIGTERM)
        lab.wait_for(lambda: is_free(ports[9090]) and is_free(ports[9093]), 20)
        CHECKS.check(is_free(ports[9090]), "ferula ends")
    CHECKS.finish()


main()
