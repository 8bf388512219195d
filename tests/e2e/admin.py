#!/usr/bin/env python3
"""The admin API: who may use it, what it says, and what is left of the data.

Deletions hold at once and after a restart; a snapshot is a data directory with the same samples.
"""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab

ADMIN = "/api/v1/admin/tsdb/"
CONFIG = "scrape_configs: []\n"
FLAGS = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=3650d"]
START_MS = 1_700_006_400_000
STEP_MS = 60_000
ROWS = 30


def series(job, instance, base):
    labels = {"__name__": "requests_total", "job": job, "instance": instance}
    return labels, [(START_MS + row * STEP_MS, float(base + row)) for row in range(ROWS)]


def write_all(server, checks):
    status, text = server.remote_write(
        [series("api", "a", 0), series("api", "b", 1000), series("web", "a", 2000)]
    )
    checks.equal(status, 204, f"samples are taken: {text}")


def samples(server, selector):
    """{(job, instance): [value]} of the whole time."""
    end_s = (START_MS + ROWS * STEP_MS) / 1000
    answer = server.query(f"{selector}[{2 * ROWS}m]", end_s)
    return {
        (row["metric"].get("job"), row["metric"].get("instance")): [
            float(value) for _, value in row["values"]
        ]
        for row in answer["data"]["result"]
    }


def call(server, name, parameters=None, method="POST"):
    status, _, body = server.get(ADMIN + name, parameters, method=method)
    return status, body.decode()


def check_disabled(checks):
    server = lab.MonitoringServer(lab.ferula_binary(), CONFIG).start()
    for name in ("snapshot", "delete_series", "clean_tombstones"):
        for method in ("POST", "PUT"):
            status, body = call(server, name, method=method)
            checks.equal(status, 500, f"{method} {name} without the flag")
            checks.equal(
                body,
                '{"status":"error","errorType":"unavailable","error":"admin APIs disabled"}',
                f"{method} {name} says that it is off",
            )
        checks.equal(call(server, name, method="GET")[0], 405, f"GET {name}")
    server.stop()


def check_errors(server, checks):
    cases = [
        ("delete_series", {}, "no match[] parameter provided"),
        ("delete_series", {"match[]": "{"}, 'invalid parameter "match[]": '),
        (
            "delete_series",
            {"match[]": "up", "start": "x"},
            'invalid parameter "start": invalid time value for \'start\': cannot parse "x" to a '
            "valid timestamp",
        ),
        (
            "snapshot",
            {"skip_head": "maybe"},
            'invalid parameter "skip_head": unable to parse boolean: strconv.ParseBool: parsing '
            '"maybe": invalid syntax',
        ),
    ]
    for name, parameters, text in cases:
        status, _, answer = server.post_form(ADMIN + name, parameters)
        checks.equal(status, 400, f"{name} {parameters}")
        checks.equal(answer["errorType"], "bad_data", f"{name} {parameters}: type")
        checks.check(answer["error"].startswith(text), f"{name} {parameters}: text", answer["error"])


def check_deleting(server, checks):
    whole = [float(row) for row in range(ROWS)]
    span = {
        "match[]": 'requests_total{job="api",instance="a"}',
        "start": str((START_MS + 10 * STEP_MS) // 1000),
        "end": str((START_MS + 19 * STEP_MS) // 1000),
    }
    checks.equal(call(server, "delete_series", span), (204, ""), "a span is deleted")
    expected = {
        ("api", "a"): whole[:10] + whole[20:],
        ("api", "b"): [1000 + value for value in whole],
        ("web", "a"): [2000 + value for value in whole],
    }
    checks.equal(samples(server, "requests_total"), expected, "only the span is gone")
    both = [("match[]", 'requests_total{job="web"}'), ("match[]", "nothing_of_this_name")]
    checks.equal(call(server, "delete_series", both, "PUT"), (204, ""), "whole series are deleted")
    del expected[("web", "a")]
    checks.equal(samples(server, "requests_total"), expected, "the series is gone")
    window = {"start": str(START_MS // 1000), "end": str(START_MS // 1000 + ROWS * 60)}
    listed = server.json("/api/v1/series", {"match[]": '{job="web"}', **window})
    checks.equal(listed["data"], [], "and not listed")
    server.stop(kill=True)
    server.start()
    checks.equal(samples(server, "requests_total"), expected, "so it is after a kill")
    server.stop()
    server.start()
    checks.equal(samples(server, "requests_total"), expected, "and after a stop")
    checks.equal(call(server, "clean_tombstones"), (204, ""), "cleaning")
    checks.equal(samples(server, "requests_total"), expected, "cleaning takes nothing else")
    return expected


def check_snapshots(server, checks, expected):
    names = []
    for parameters in ({}, {"skip_head": "true"}):
        status, _, answer = server.post_form(ADMIN + "snapshot", parameters)
        checks.equal(status, 200, f"snapshot {parameters}")
        names.append(answer["data"]["name"])
        checks.check(
            re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{16}", names[-1]), "the form of the name", names[-1]
        )
    paths = [os.path.join(server.data_path, "snapshots", name) for name in names]
    copy = lab.MonitoringServer(lab.ferula_binary(), CONFIG, FLAGS, name="copy")
    os.rename(paths[0], copy.data_path)
    copy.start()
    checks.equal(samples(copy, "requests_total"), expected, "a snapshot has the same samples")
    blocks = copy.json("/api/v1/status/tsdb/blocks")["data"]["blocks"]
    checks.equal(len(blocks), 1, "its head is a block")
    checks.equal(sorted(blocks[0]), ["compaction", "maxTime", "minTime", "stats", "ulid", "version"],
                 "members of a block")
    checks.equal(blocks[0]["minTime"], START_MS, "its begin")
    checks.equal(blocks[0]["maxTime"], START_MS + (ROWS - 1) * STEP_MS + 1, "its end")
    checks.equal(blocks[0]["stats"]["numSamples"], sum(map(len, expected.values())), "its samples")
    delete_in_block(copy, checks)
    copy.stop()
    checks.equal(os.listdir(os.path.join(paths[1], "blocks")), [], "a snapshot without the head")


def delete_in_block(copy, checks):
    checks.equal(
        call(copy, "delete_series", {"match[]": '{job="api",instance="b"}'})[0], 500,
        "the copy has no admin API",
    )
    copy.stop()
    copy.arguments.append("--web.enable-admin-api")
    copy.start()
    checks.equal(
        call(copy, "delete_series", {"match[]": '{job="api",instance="b"}'}), (204, ""),
        "deleting in a block",
    )
    checks.equal(list(samples(copy, "requests_total")), [("api", "a")], "gone from the block")
    blocks = copy.json("/api/v1/status/tsdb/blocks")["data"]["blocks"]
    checks.equal(blocks[0]["stats"]["numTombstones"], 1, "the block says so")
    checks.equal(call(copy, "clean_tombstones"), (204, ""), "cleaning the block")
    cleaned = copy.json("/api/v1/status/tsdb/blocks")["data"]["blocks"]
    checks.check(cleaned[0]["ulid"] != blocks[0]["ulid"], "it is another block now")
    checks.check("numTombstones" not in cleaned[0]["stats"], "without deletions")
    checks.equal(cleaned[0]["stats"]["numSeries"], 1, "and without the series")
    checks.equal(cleaned[0]["compaction"]["parents"][0]["ulid"], blocks[0]["ulid"], "its parent")
    checks.equal(list(samples(copy, "requests_total")), [("api", "a")], "and the rest is there")


def main():
    checks = lab.Checks("admin")
    check_disabled(checks)
    server = lab.MonitoringServer(
        lab.ferula_binary(), CONFIG, FLAGS + ["--web.enable-admin-api"]
    ).start()
    write_all(server, checks)
    blocks = server.json("/api/v1/status/tsdb/blocks")
    checks.equal(blocks, {"status": "success", "data": {"blocks": []}}, "no blocks yet")
    check_errors(server, checks)
    expected = check_deleting(server, checks)
    check_snapshots(server, checks, expected)
    server.stop()
    checks.finish()


main()
