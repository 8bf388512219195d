#!/usr/bin/env python3
"""Thirty hours of samples: the head is cut, blocks are merged by levels, retention takes the oldest.

What queries answer stays the same throughout, but for what is beyond the retention.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab

HOUR_MS = 3_600_000
STEP_MS = 60_000
HOURS = 30
SERIES = 20
STABLE_LOOKS = 5  # half a second apart; maintenance looks each second
START_MS = 1_700_006_400_000  # a multiple of two hours, not of eighteen
FLAGS = [
    "--web.enable-remote-write-receiver",
    "--storage.tsdb.block-reload-interval=1s",
]


def write_all(server, checks):
    for begin in range(0, HOURS * 60, 60):
        series = [
            (
                {"__name__": "steps_total", "number": str(i)},
                [(START_MS + row * STEP_MS, float(row * i)) for row in range(begin, begin + 60)],
            )
            for i in range(SERIES)
        ]
        status, text = server.remote_write(series)
        if status != 204:
            checks.check(False, "samples are taken", text)


def spans(server):
    blocks = server.json("/api/v1/status/tsdb/blocks")["data"]["blocks"]
    return [
        ((block["minTime"] - START_MS) / HOUR_MS, (block["maxTime"] - START_MS) / HOUR_MS)
        for block in blocks
    ]


def lengths(server):
    return [end - begin for begin, end in spans(server)]


def sums(server):
    """The number of samples and their sum, by series."""
    end_s = (START_MS + HOURS * HOUR_MS) / 1000
    return [
        {
            row["metric"]["number"]: float(row["value"][1])
            for row in server.query(f"{function}(steps_total[{HOURS + 1}h])", end_s)["data"]["result"]
        }
        for function in ("count_over_time", "sum_over_time")
    ]


def metric(server, name):
    for line in server.get("/metrics")[2].decode().splitlines():
        if line.split("{")[0].split(" ")[0] == name:
            return float(line.split(" ")[-1])
    return None


def compactions(server):
    return metric(server, "prometheus_tsdb_compactions_total")


def stable(server):
    """Waits until all but the head is cut, and nothing is cut or merged any more."""
    seen = []

    def is_stable():
        seen.append((spans(server), compactions(server)))
        now = seen[-1][0]
        return (
            len(now) > 0 and seen[-STABLE_LOOKS:].count(seen[-1]) == STABLE_LOOKS
            and now[-1][1] >= HOURS - 3 and max(end - begin for begin, end in now) > 2
        )

    lab.wait_for(is_stable, 90, 0.5)
    return seen[-1][0]


def main():
    checks = lab.Checks("compaction")
    server = lab.MonitoringServer(
        lab.ferula_binary(), "scrape_configs: []\n", FLAGS + ["--storage.tsdb.retention.time=3650d"]
    ).start()
    write_all(server, checks)
    rows = HOURS * 60
    expected = [
        {str(i): float(rows) for i in range(SERIES)},
        {str(i): float(i * rows * (rows - 1) / 2) for i in range(SERIES)},
    ]
    checks.equal(sums(server), expected, "all samples are there")
    found = stable(server)
    checks.check(found[0][0] == 0 and found[-1][1] >= HOURS - 3, "blocks of all but the head", found)
    checks.check(
        all(after[0] == before[1] for before, after in zip(found, found[1:])), "without gaps", found
    )
    checks.check(len(found) < 9, "merged", found)
    checks.equal(sums(server), expected, "and all samples are there")
    checks.check(metric(server, "prometheus_tsdb_compactions_total") >= 2, "compactions are counted")
    checks.equal(metric(server, "prometheus_tsdb_compactions_failed_total"), 0.0, "none failed")
    checks.equal(metric(server, "prometheus_tsdb_compaction_populating_block"), 0.0, "none is being written")
    chunks = metric(server, "prometheus_tsdb_compaction_chunk_samples_count")
    checks.check(chunks >= SERIES, "chunks are counted as they are first written", chunks)
    for part in ("size_bytes", "range_seconds"):
        checks.equal(metric(server, f"prometheus_tsdb_compaction_chunk_{part}_count"), chunks, part)
    checks.equal(metric(server, "prometheus_tsdb_blocks_loaded"), float(len(found)), "blocks loaded")
    checks.check(metric(server, "prometheus_tsdb_storage_blocks_bytes") > 1000, "their bytes")
    server.stop(kill=True)
    server.start()
    checks.equal(sums(server), expected, "after a kill all samples are there")
    check_damage(server, checks, rows)
    server.stop()
    check_index_damage(server, checks)
    server.stop()
    check_retention(server, checks)
    server.stop()
    checks.finish()


def check_damage(server, checks, rows):
    """What is damaged under a running server is left out and told, once."""
    checks.equal(server.json("/api/v1/notifications")["data"], [], "no notification before")
    block = sorted(os.listdir(os.path.join(server.data_path, "blocks")))[0]
    path = os.path.join(server.data_path, "blocks", block, "chunks")
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        file.write(b"damaged!")
    for _ in range(3):
        checks.check(min(sums(server)[0].values()) < rows, "what is damaged is left out")
    check_warnings(server, checks, block, "chunks")
    texts = [notice["text"] for notice in server.json("/api/v1/notifications")["data"]]
    checks.check(len(texts) == 1 and block in texts[0] and "damaged" in texts[0], "a notification names it", texts)
    checks.equal(metric(server, "ferula_tsdb_block_corruptions_total"), 1.0, "it is counted")
    checks.equal(server.log_text().count("A block is damaged"), 1, "it is logged once")


def check_warnings(server, checks, block, file):
    """Whatever has met the damage says so in its answer; what has not does not."""
    begin_s, end_s = START_MS / 1000, (START_MS + HOURS * HOUR_MS) / 1000
    function = f"sum_over_time(steps_total[{HOURS + 1}h])"
    during = {"match[]": "steps_total", "start": begin_s, "end": end_s}
    answers = {
        "query": server.query(function, end_s),
        "query_range": server.query_range(function, end_s - 60, end_s, 60),
    }
    listings = {
        "series": server.json("/api/v1/series", during),
        "labels": server.json("/api/v1/labels", during),
        "label values": server.json("/api/v1/label/number/values", during),
    }
    warned = {**answers, **listings} if file == "index" else answers
    for name, answer in warned.items():
        texts = answer.get("warnings", [])
        checks.equal(answer["status"], "success", f"{name} over damaged {file} is answered")
        told = (f"block {block} ", f"{block}/{file}: at offset", "docs/backup.md")
        checks.check(
            len(texts) == 1 and all(part in texts[0] for part in told),
            f"{name} has one warning of damaged {file}",
            texts,
        )
    for name, answer in listings.items():
        checks.check(name in warned or "warnings" not in answer, f"{name} needs no {file}", answer)
    recent = server.query("sum_over_time(steps_total[1h])", end_s)
    checks.check("warnings" not in recent and recent["data"]["result"], "no warning without damage", recent)


def check_index_damage(server, checks):
    blocks = os.path.join(server.data_path, "blocks")
    block = sorted(os.listdir(blocks))[0]
    with open(os.path.join(blocks, block, "index"), "r+b") as file:
        file.seek(40)
        file.write(b"damaged!")
    server.start()
    check_warnings(server, checks, block, "index")


def check_retention(server, checks):
    """Whole blocks go; what is left is as it was."""
    server.arguments[-1] = "--storage.tsdb.retention.time=12h"
    server.start()
    gone = lab.wait_for(
        lambda: metric(server, "prometheus_tsdb_time_retentions_total") > 0
        and min(begin for begin, _ in spans(server)) > 0,
        30,
    )
    checks.check(gone, "the oldest blocks go by time", spans(server))
    count = sums(server)[0]["1"]
    checks.check(count < HOURS * 60, "and their samples", count)
    checks.check(count >= 12 * 60, "those within the retention stay", count)
    server.stop()
    server.arguments[-1] = "--storage.tsdb.retention.size=1B"
    server.start()
    checks.check(lab.wait_for(lambda: spans(server) == [], 30), "all blocks go by size", spans(server))
    checks.check(metric(server, "prometheus_tsdb_size_retentions_total") > 0, "which is counted")
    checks.equal(metric(server, "prometheus_tsdb_retention_limit_bytes"), 1.0, "the limit")


main()
