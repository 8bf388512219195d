"""Samples for random queries: what makes engines differ, in some 150 series of 90 minutes.

Everything follows from the seed, times too: they lie around the end of a February of 29 days. Values are
mostly multiples of 1/8, so that sums are exact in any order. With `edges` the samples lie on whole
seconds, where windows end, and counters begin at zero; else they lie beside and counters begin high.
"""

import random
import sys
import os

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import compare_native  # noqa: E402
import lab  # noqa: E402

START_S = 1709246700  # 2024-02-29 22:45:00
LENGTH_S = 5400
OFF_EDGE_MS = 137
deletions = []  # (does it match a label set?, from, to), in milliseconds
moments_s = []  # at which something happened that queries may look at

COUNTERS = ("c_total", "d_total", "errors_total")
GAUGES = ("g", "h", "small", "big", "rough", "spotty", "flags")
HISTOGRAMS = ("lat", "odd")
NATIVE = ("nh", "nh_gauge", "nh_custom", "nh_mixed", "nh_fine_total")
BOUNDS = ("0.1", "0.5", "1.0", "2.5", "10.0", "+Inf")


def set_length(length_s):
    global LENGTH_S
    LENGTH_S = length_s


def end_s():
    return START_S + LENGTH_S


class Maker:
    def __init__(self, seed, edges):
        self.rand = random.Random(f"data {seed}")
        self.edges = edges
        self.series = []

    def times(self):
        """Times of one series: regular, slow, jittering or coming and going."""
        rand = self.rand
        interval_s = rand.choice((10, 15, 15, 15, 30))
        jitter_s = rand.choice((0, 0, 0, 2))
        at_s = rand.choice((0, 0, rand.randrange(interval_s), rand.randrange(LENGTH_S)))
        end_s = rand.choice((LENGTH_S, LENGTH_S, LENGTH_S, rand.randrange(LENGTH_S)))
        gap_probability = rand.choice((0, 0.003, 0.01))
        times = []
        while at_s < end_s:
            shift_s = rand.randrange(-jitter_s, jitter_s + 1) if jitter_s else 0
            times.append(max(at_s + shift_s, 0))
            at_s += interval_s
            if rand.random() < gap_probability:
                at_s += rand.randrange(20, 900)
        times = sorted(set(times)) or [0]
        return [(START_S + t) * 1000 + (0 if self.edges else OFF_EDGE_MS) for t in times]

    def add(self, labels, samples):
        rand = self.rand
        if rand.random() < 0.25:
            at = rand.randrange(len(samples))
            samples[at] = (samples[at][0], lab.STALE_BITS)
        if rand.random() < 0.3:
            samples[-1] = (samples[-1][0], lab.STALE_BITS)
        self.series.append((labels, samples))

    def counter(self, labels):
        rand = self.rand
        base = 0.0 if self.edges else 1e6
        value = base + rand.randrange(100)
        samples = []
        for time_ms in self.times():
            value = base + rand.randrange(3) if rand.random() < 0.01 else value + rand.choice((0, 1, 2.5, 8, 125, 0.125))
            samples.append((time_ms, value))
        self.add(labels, samples)

    def gauge(self, name, labels):
        rand = self.rand
        value = rand.randrange(-80, 800) / 8
        samples = []
        for time_ms in self.times():
            value += rand.randrange(-16, 17) / 8
            shown = value
            if name == "small":
                shown = float(rand.randrange(-2, 4))
            elif name == "flags":
                shown = float(rand.random() < 0.7)
            elif name == "big":
                shown = value * 2.0 ** rand.choice((60, 300, 900, -900))
            elif name == "rough":
                shown = value * rand.random()
            if name in ("h", "big") and rand.random() < 0.02:
                shown = rand.choice((float("nan"), float("inf"), float("-inf"), -0.0, 0.0))
            samples.append((time_ms, shown))
        self.add(labels, samples)

    def histogram(self, name, labels):
        rand = self.rand
        base = 0.0 if self.edges else 1e6
        counts = [base * (at + 1) for at in range(len(BOUNDS))]
        rows = [[] for _ in BOUNDS]
        sums, total = [], base
        for time_ms in self.times():
            if rand.random() < 0.004:
                counts = [base * (at + 1) for at in range(len(BOUNDS))]
            for _ in range(rand.randrange(5)):
                observed = rand.randrange(1, 64) / 8
                total += observed
                for at, bound in enumerate(BOUNDS):
                    # odd: buckets that are not monotonic
                    counts[at] += observed <= float(bound) and not (name == "odd" and rand.random() < 0.2)
            for at, row in enumerate(rows):
                row.append((time_ms, counts[at]))
            sums.append((time_ms, total))
        for bound, row in zip(BOUNDS, rows):
            self.series.append(({"__name__": name + "_bucket", "le": bound, **labels}, row))
        self.series.append(({"__name__": name + "_count", **labels}, list(rows[-1])))
        self.series.append(({"__name__": name + "_sum", **labels}, sums))

    def native(self, name, labels):
        rand = self.rand
        times = self.times()
        samples = []
        current = None
        for at, time_ms in enumerate(times):
            schema = -53 if name == "nh_custom" else 1 if at > len(times) // 2 else rand.choice((3,))
            restart = rand.random() < 0.02 or current is None or current.schema != schema or name == "nh_gauge"
            if restart:
                bounds = rand.choice(((1, 2, 5), (1, 5))) if schema == -53 else ()
                current = compare_native.Histogram(schema, bounds=bounds, hint=3 if name == "nh_gauge" else 0)
            for _ in range(rand.randrange(5)):
                index = rand.randrange(len(current.bounds) + 1) if schema == -53 else rand.randrange(-5, 7)
                side = current.negative if schema != -53 and rand.random() < 0.1 else current.positive
                side[index] = side.get(index, 0) + rand.randrange(1, 5)
                current.sum += rand.randrange(-4 if side is current.negative else 0, 16) / 8
            current.zero += rand.randrange(2) if schema != -53 else 0
            is_float = name == "nh_mixed" and rand.random() < 0.3
            samples.append((time_ms, rand.randrange(80) / 8 if is_float else current.copy()))
        self.series.append((labels, samples))

    def make(self):
        pairs = [(job, instance) for job in ("x", "y") for instance in ("a", "b", "c")]
        for name in COUNTERS:
            for job, instance in pairs[: 6 if name != "errors_total" else 4]:
                labels = {"__name__": name, "job": job, "instance": instance}
                if name == "d_total":
                    for code in ("200", "500"):
                        self.counter({**labels, "code": code})
                else:
                    self.counter(labels)
        for name in GAUGES:
            for job, instance in pairs:
                if name in ("spotty", "flags") and self.rand.random() < 0.3:
                    continue
                self.gauge(name, {"__name__": name, "job": job, "instance": instance})
        for job, instance in pairs[:4]:
            for name in HISTOGRAMS:
                self.histogram(name, {"job": job, "instance": instance})
        for job, instance in pairs:
            version = "v" + instance + ("" if job == "x" else "2")
            labels = {"__name__": "lab_info", "job": job, "instance": instance, "version": version}
            self.add(labels, [(time_ms, 1.0) for time_ms in self.times()])
        if self.edges:
            for name in NATIVE:
                for job, instance in pairs[:4]:
                    self.native(name, {"__name__": name, "job": job, "instance": instance})
            for job, instance in pairs[:4]:
                self.gauge("g", {"__name__": "dotted.name", "job": job, "instance": instance, "la.bel": instance})
                labels = {"__name__": "target_info", "job": job, "instance": instance}
                self.add({**labels, "region": "r" + instance, "extra": job}, [(t, 1.0) for t in self.times()])
        return sorted(self.series, key=lambda one: sorted(one[0].items()))


def write(server, part):
    status, _, text = server.get(
        "/api/v1/write",
        headers={
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        },
        method="POST",
        body=lab.snappy_literal(b"".join(compare_native.series_body(*one) for one in part)),
    )
    if status not in (200, 204):
        raise RuntimeError(f"remote write: {status} {text}")


def parts_of(series, window):
    """Requests for a slice of time. Of one series in a request the floats are taken before the
    histograms, so what has both comes time by time."""
    whole, mixed = [], {}
    for labels, samples in series:
        inside = [s for s in samples if s[0] in window]
        if labels["__name__"] == "nh_mixed":
            for sample in inside:
                mixed.setdefault(sample[0], []).append((labels, [sample]))
        elif inside:
            whole.append((labels, inside))
    return ([whole] if whole else []) + [mixed[time_ms] for time_ms in sorted(mixed)]


def first_markers(series):
    """A head has series in the order in which they came. Where that is the order of labels, which of equal
    values a query takes is no chance; so each begins with a stale marker. Those with histograms do not:
    a float would cut their chunks."""
    at_ms = (START_S - 60) * 1000
    return [(labels, [(at_ms, lab.STALE_BITS)]) for labels, _ in series if labels["__name__"] not in NATIVE]


def load(servers, series, slice_s=1200):
    """Slice of time by slice of time, since heads refuse what is far older than their newest sample."""
    for server in servers:
        write(server, first_markers(series))
    for start_s in range(START_S - 60, end_s() + 60, slice_s):
        for part in parts_of(series, range(start_s * 1000, (start_s + slice_s) * 1000)):
            for server in servers:
                write(server, part)
