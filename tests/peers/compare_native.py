"""Native histograms in ferula and in a prometheus 3.x: the same samples, the same answers.

Histograms come in by remote write: counters with resets, new buckets and another resolution half-way,
gauges, custom buckets whose bounds change, series that change from floats to histograms and back,
stale markers. Values must be equal within 1e-12, everything else exactly: members, their order, bounds
of buckets, warnings and infos.

FERULA_ORACLE names the prometheus to compare with; without one that knows native histograms (3.x) this
is skipped.
"""

import json
import math
import os
import random
import re
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import lab  # noqa: E402

CHECKS = lab.Checks("native histograms")
SEED = int(os.environ.get("FERULA_SEED", "20261120"))
ORACLE = os.environ.get("FERULA_ORACLE", "prometheus")
STEP_S = 15
POINTS = 120
STALE = 0x7FF0000000000002


def bits(value):
    return struct.pack("<Q", value) if isinstance(value, int) else struct.pack("<d", value)


def zigzag(value):
    return lab.varint((value << 1) ^ (value >> 63))


def field(number, data):
    return lab.varint(number << 3 | 2) + lab.varint(len(data)) + data


def spans(number, indices):
    """Spans of sorted bucket indices."""
    out, runs = bytearray(), []
    for index in indices:
        if runs and runs[-1][0] + runs[-1][1] == index:
            runs[-1][1] += 1
        else:
            runs.append([index, 1])
    end = 0
    for start, length in runs:
        out += field(number, b"\x08" + zigzag(start - end) + b"\x10" + lab.varint(length))
        end = start + length
    return bytes(out)


class Histogram:
    """Buckets by index; the count is their sum unless it is said."""

    def __init__(self, schema=3, total=0.0, zero=0, zero_threshold=0.001, bounds=(), hint=0, whole=True):
        self.schema, self.sum, self.zero, self.zero_threshold = schema, total, zero, zero_threshold
        self.bounds, self.hint, self.whole = list(bounds), hint, whole
        self.positive, self.negative = {}, {}
        if schema == -53:
            self.zero_threshold = 0.0

    def copy(self):
        other = Histogram(self.schema, self.sum, self.zero, self.zero_threshold, self.bounds, self.hint, self.whole)
        other.positive, other.negative = dict(self.positive), dict(self.negative)
        return other

    def encode(self, timestamp_ms):
        count = self.zero + sum(self.positive.values()) + sum(self.negative.values())
        out = bytearray()
        if self.whole:
            out += b"\x08" + lab.varint(int(count))
        else:
            out += b"\x11" + bits(float(count))
        out += b"\x19" + bits(float(self.sum) if not isinstance(self.sum, int) else self.sum)
        out += b"\x20" + zigzag(self.schema)
        out += b"\x29" + bits(float(self.zero_threshold))
        out += b"\x30" + lab.varint(int(self.zero)) if self.whole else b"\x39" + bits(float(self.zero))
        for side, span_field, delta_field, count_field in (
            (self.negative, 8, 9, 10),
            (self.positive, 11, 12, 13),
        ):
            indices = sorted(side)
            out += spans(span_field, indices)
            if self.whole:
                before, body = 0, bytearray()
                for index in indices:
                    body += zigzag(int(side[index]) - before)
                    before = int(side[index])
                if body:
                    out += field(delta_field, bytes(body))
            elif indices:
                out += field(count_field, b"".join(bits(float(side[i])) for i in indices))
        out += lab.varint(14 << 3) + lab.varint(self.hint)
        out += lab.varint(15 << 3) + lab.varint(timestamp_ms)
        if self.bounds:
            out += field(16, b"".join(bits(float(b)) for b in self.bounds))
        return bytes(out)


def series_body(labels, samples):
    body = bytearray()
    for name in sorted(labels):
        body += field(1, field(1, name.encode()) + field(2, labels[name].encode()))
    for timestamp_ms, value in samples:
        if isinstance(value, Histogram):
            body += field(4, value.encode(timestamp_ms))
        else:
            body += field(2, b"\x09" + bits(value) + b"\x10" + lab.varint(timestamp_ms))
    return field(1, bytes(body))


def write(server, batch):
    """batch: [(labels, [(t_ms, value)])]. One request a point in time, as targets are scraped."""
    status, _, text = server.get(
        "/api/v1/write",
        headers={
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        },
        method="POST",
        body=lab.snappy_literal(b"".join(series_body(labels, samples) for labels, samples in batch)),
    )
    CHECKS.check(status in (200, 204), "remote write is taken", (status, text))


def grow(histogram, rand, low, high, observations=6):
    for _ in range(observations):
        index = rand.randint(low, high)
        histogram.positive[index] = histogram.positive.get(index, 0) + rand.randint(1, 5)
        histogram.sum += rand.random() * 4


def counter(rand, schema, reset_every, low=-4, high=6, negative=False):
    current = Histogram(schema)
    for i in range(POINTS):
        if reset_every and i % reset_every == reset_every - 1:
            current = Histogram(current.schema)
        if schema == 3 and i == POINTS // 2:
            current = Histogram(1)  # another resolution
        grow(current, rand, low, high + i // 20)
        current.zero += rand.randint(0, 2)
        if negative:
            index = rand.randint(-2, 3)
            current.negative[index] = current.negative.get(index, 0) + 1
            current.sum -= rand.random()
        yield current.copy()


def gauge(rand, whole):
    for _ in range(POINTS):
        current = Histogram(2, hint=3, whole=whole)
        for _ in range(5):
            index = rand.randint(-3, 5)
            current.positive[index] = rand.randint(0, 9) if whole else rand.random() * 9
        current.sum = rand.random() * 100 - 20
        yield current


def custom(rand, sets):
    current = None
    for i in range(POINTS):
        bounds = sets[i * len(sets) // POINTS]
        if current is None or current.bounds != list(bounds):
            current = Histogram(-53, bounds=bounds)
        grow(current, rand, 0, len(bounds), 4)
        yield current.copy()


def make_data(start_ms):
    rand = random.Random(SEED)
    columns = []

    def add(name, values, **labels):
        columns.append(({"__name__": name, **labels}, list(values)))

    for instance in ("a", "b", "c"):
        add("latency_seconds", counter(rand, 3, 37 if instance == "b" else 0), instance=instance)
    add("latency_seconds", counter(rand, 0, 11, negative=True), instance="d")
    add("load_distribution", gauge(rand, True), instance="a")
    add("load_distribution", gauge(rand, False), instance="b")
    add("request_bytes", custom(rand, [(1, 5, 10)]), instance="a")
    add("request_bytes", custom(rand, [(1, 5, 10), (1, 2, 5), (2, 4, 8)]), instance="b")
    mixed = list(counter(rand, 2, 0))
    for i in range(0, POINTS, 7):
        mixed[i] = rand.random() * 10
    add("mixed_total", mixed, kind="often")
    add("mixed_total", [float(i) if i < 60 else h for i, h in enumerate(counter(rand, 2, 0))], kind="late")
    add("mixed_total", [h if i % 30 < 29 else STALE for i, h in enumerate(counter(rand, 2, 0))], kind="stale")
    schemas = list(counter(rand, 4, 0))
    for i, histogram in enumerate(custom(rand, [(1, 2)])):
        if 40 <= i < 80:
            schemas[i] = histogram
    add("mixed_schemas_total", schemas, kind="middle")
    nans = list(counter(rand, 1, 0))
    for histogram in nans[50:]:
        histogram.sum = math.nan
    add("nan_sum", nans)
    add("empty", [Histogram(5) for _ in range(POINTS)])
    add("plain_total", [float(i * 3) for i in range(POINTS)])
    for i in range(POINTS):
        time_ms = start_ms + i * STEP_S * 1000
        yield [(labels, [(time_ms, values[i])]) for labels, values in columns if values[i] is not None]


SELECTORS = (
    "latency_seconds",
    'latency_seconds{instance="d"}',
    "load_distribution",
    "request_bytes",
    "mixed_total",
    "mixed_schemas_total",
    "nan_sum",
    "empty",
    "plain_total",
)
RANGE_FUNCTIONS = (
    "rate increase delta irate idelta resets changes sum_over_time avg_over_time count_over_time "
    "present_over_time last_over_time min_over_time max_over_time stddev_over_time stdvar_over_time deriv "
    "absent_over_time"
).split()
INSTANT = (
    "histogram_count({})",
    "histogram_sum({})",
    "histogram_avg({})",
    "histogram_stddev({})",
    "histogram_stdvar({})",
    "histogram_quantile(0.9, {})",
    "histogram_quantile(-1, {})",
    "histogram_fraction(0.5, 2, {})",
    "sum({})",
    "sum by (instance) ({})",
    "avg({})",
    "count({})",
    "group({})",
    "min({})",
    "stddev({})",
    "quantile(0.5, {})",
    "topk(1, {})",
    "limitk(1, {})",
    'count_values("v", {})',
    "{} * 2",
    "2 / {}",
    "{} / 0",
    "{} + {}",
    "{} - {}",
    "{} == {}",
    "{} != {}",
    "{} > 1",
    "{} == bool {}",
    "{} </ 2",
    "{} >/ 0.7",
    "scalar({})",
    "absent({})",
    "sort({})",
    "round({})",
    "vector(1) * on() group_right() {}",
)
WRAPPED = (
    "quantile_over_time(0.5, {})",
    "quantile_over_time(2, {})",
    "predict_linear({}, 60)",
    "{}",
)
OTHERS = """\
latency_seconds offset 3m
latency_seconds @ start()
-latency_seconds
timestamp(latency_seconds)
timestamp(mixed_total)
abs(mixed_total)
absent(latency_seconds)
rate(latency_seconds[2m] offset 1m)
rate(latency_seconds[2m] @ end())
increase(latency_seconds[5m:30s])
increase(latency_seconds[5m:7s])
resets(latency_seconds[10m:45s])
sum_over_time(rate(latency_seconds[1m])[5m:1m])
last_over_time(mixed_total[10m:20s])
avg_over_time(mixed_total[3m:1m])
count_over_time(mixed_schemas_total[20m:15s])
latency_seconds or plain_total
latency_seconds and on(instance) load_distribution
latency_seconds unless on(instance) request_bytes
sort_by_label(latency_seconds, "instance")
label_replace(latency_seconds, "copy", "$1", "instance", "(.*)")
"""


def expressions():
    for selector in SELECTORS:
        yield selector
        for template in INSTANT:
            yield template.replace("{}", selector)
            yield template.replace("{}", f"rate({selector}[2m])")
        for window in ("1m", "10m"):
            vector = f"{selector}[{window}]"
            for function in RANGE_FUNCTIONS:
                yield f"{function}({vector})"
            for text in WRAPPED:
                yield text.format(vector)
    for line in OTHERS.splitlines() + os.environ.get("FERULA_MORE", "").split(";"):
        if line.strip():
            yield line.strip()


def near(left, right):
    try:
        a, b = float(left), float(right)
    except ValueError:
        return left == right
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= 1e-12 * max(abs(a), abs(b))


def alike(left, right):
    """Equal in everything but the last digits of numbers in strings."""
    if isinstance(left, dict):
        return isinstance(right, dict) and list(left) == list(right) and all(alike(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(alike, left, right))
    if isinstance(left, str) and isinstance(right, str):
        return near(left, right)
    return left == right


def difference(left, right):
    for answer in (left, right):
        if answer["status"] == "success" and answer["data"]["resultType"] in ("vector", "matrix"):
            answer["data"]["result"].sort(key=lambda row: sorted(row["metric"].items()))
        for level in ("warnings", "infos"):
            # 3.14.0 shows these at the quantile, its successors at the histogram
            texts = [re.sub(r"(has NaN observations.*) \(\S+\)$", r"\1", t) for t in answer.get(level, [])]
            if texts:
                answer[level] = sorted(texts)
    if alike(left, right):
        return None
    if left.get("status") == right.get("status") == "success":
        for level in ("warnings", "infos"):
            if left.get(level) != right.get(level):
                return f"{level}: {left.get(level)} against {right.get(level)}"
        rows = [a["data"]["result"] for a in (left, right)]
        if len(rows[0]) != len(rows[1]):
            return f"{len(rows[0])} rows against {len(rows[1])}"
        for mine, theirs in zip(*rows):
            if not alike(mine, theirs):
                return f"{json.dumps(mine)[:700]}\n    against {json.dumps(theirs)[:700]}"
    # texts may say more than the peer's
    if left.get("status") == right.get("status") == "error" and left["errorType"] == right["errorType"]:
        return None
    return f"{json.dumps(left)[:500]} against {json.dumps(right)[:500]}"


def oracle_knows_histograms():
    try:
        text = subprocess.run([ORACLE, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return "version 2." not in text.stdout + text.stderr


def main():
    if not oracle_knows_histograms():
        CHECKS.skip("FERULA_ORACLE names no prometheus 3.x")
        print("0 passed, 0 failed, 1 skipped", flush=True)
        return
    config = "global: {scrape_interval: 15s}\n"
    flags = ["--web.enable-remote-write-receiver"]
    servers = [
        lab.MonitoringServer(lab.ferula_binary(), config, flags, "ferula").start(),
        lab.MonitoringServer(ORACLE, config, flags, "prometheus").start(),
    ]
    end_s = int(time.time()) // 60 * 60 - 60
    start_s = end_s - POINTS * STEP_S
    for batch in make_data(start_s * 1000 + 137):
        for server in servers:
            write(server, batch)
    shown = 0
    for text in expressions():
        for time_s in (end_s, start_s + 600, start_s + 777.25, end_s + 200):
            answers = [server.query(text, time_s) for server in servers]
            shown += "histogram" in json.dumps(answers[0])
            found = difference(*answers)
            CHECKS.check(found is None, f"{text} at {time_s}", found)
        if text.endswith("]"):
            continue
        for start, end, step in ((start_s, end_s, 60), (end_s - 600, end_s + 400, 15)):
            answers = [server.query_range(text, start, end, step) for server in servers]
            shown += "histogram" in json.dumps(answers[0])
            found = difference(*answers)
            CHECKS.check(found is None, f"{text} from {start} to {end} by {step}", found)
    CHECKS.check(shown > 400, "most answers have histograms", shown)
    for server in servers:
        CHECKS.equal(server.stop(), 0, "a clean stop")
    CHECKS.finish()


if __name__ == "__main__":
    main()
