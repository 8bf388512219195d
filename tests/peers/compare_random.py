"""Random queries (random_queries.py) over random data (random_data.py): ferula and a peer answer alike.

usage: compare_random.py [--count N] [--seed S] [--storage] [--only I] [--verbose] [--all]

Each query is asked once at a time and once over a range. Compared are status, error type, result type,
label sets, values to the bit, and the order where the query decides it. A difference is followed down
to the smallest part of the query that differs while its own parts are equal to the bit: the culprit.
Where the culprit adds in an order that nobody defines, results within 1e-12 are equal, and what becomes
of them above does not count. All else is a failure, but for the
EXPLAINED below, which are counted.

The peer is Debian's prometheus, or FERULA_ORACLE. FERULA_EDGES=1, for a peer of 3.x, puts samples onto the
edges of windows, adds what only 3.x knows, and compares annotations.
"""

import argparse
import ast
import collections
import http.client
import json
import math
import multiprocessing
import os
import random
import re
import socket
import sys
import time
import urllib.parse

import compare_native
import random_data as data
import random_queries
import random_storage

import lab

ORACLE = os.environ.get("FERULA_ORACLE", "prometheus")
EDGES = os.environ.get("FERULA_EDGES") == "1"
WORKERS = 2
TOLERANCE = 1e-12
TINY = 1e-321  # of subnormal numbers, which have few digits
FEATURES = "promql-experimental-functions,promql-duration-expr,promql-extended-range-selectors,promql-binop-fill-modifiers"

# No order of operations is defined for these, or it differs between versions.
ORDERLESS = {"sum", "avg", "stddev", "stdvar", "quantile", "histogram_quantile", "histogram_fraction",
             "histogram_quantiles", "histogram_stddev", "histogram_stdvar"}
# Sums of 3.x are compensated otherwise than those of 2.42.
ORDERLESS_OLD = {"avg_over_time", "sum_over_time", "stddev_over_time", "stdvar_over_time", "deriv",
                 "predict_linear", "rate", "increase", "delta", "quantile_over_time"}
ORDERED = {"sort", "sort_desc", "topk", "bottomk", "limitk", "limit_ratio", "sort_by_label", "sort_by_label_desc"}


class Peer:
    """Keeps one connection; an answer is asked for, then taken, so that both peers work at once."""

    def __init__(self, port):
        self.port = port
        self.connection = None

    def ask(self, path, parameters):
        body = urllib.parse.urlencode(parameters)
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            self.connection.connect()
            self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.request("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"})

    def take(self):
        answer = self.connection.getresponse()
        return answer.status, answer.read()


class Pair:
    def __init__(self, ports):
        self.peers = [Peer(port) for port in ports]

    def answers(self, when, text):
        """when: (time,) or (start, end, step)"""
        if len(when) == 1:
            path, parameters = "/api/v1/query", {"query": text, "time": when[0]}
        else:
            path = "/api/v1/query_range"
            parameters = {"query": text, "start": when[0], "end": when[1], "step": when[2]}
        for peer in self.peers:
            peer.ask(path, parameters)
        return [peer.take() for peer in self.peers]


class Difference:
    def __init__(self, kind, text, at_s=None, values=None):
        self.kind = kind  # "digits", "annotations", "place", "order", "rows" or "real"
        self.values = values
        self.text = text
        self.at_s = at_s
        self.answers = None
        self.is_range = False  # asked for more than one time
        self.when = None
        self.text_of = None  # a part -> its text, with start() and end() as times
        self.ask = None  # a part and perhaps a time -> its rows


def close(a, b):
    a, b = float(a), float(b)
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or abs(a - b) <= max(TOLERANCE * max(abs(a), abs(b)), TINY)


def rows_of(result):
    rows = {}
    for row in result["result"]:
        key = tuple(sorted(row["metric"].items()))
        points = [row[name] for name in ("value", "histogram") if name in row]
        points += row.get("values", []) + row.get("histograms", [])
        rows[key] = sorted(points, key=lambda point: point[0])
    return rows


def compare_histograms(a, b):
    """None, "digits" or "real"; one of the two may be a float."""
    if a == b:
        return None
    return "digits" if compare_native.alike(a, b) else "real"


def compare_points(key, mine, theirs):
    if [p[0] for p in mine] != [p[0] for p in theirs]:
        odd = sorted({p[0] for p in mine} ^ {p[0] for p in theirs})
        return Difference("real", f"times of {dict(key)}: {odd[:4]} are not in both", odd[0] if odd else mine[0][0])
    digits = None
    for (at_s, a), (_, b) in zip(mine, theirs):
        if isinstance(a, dict) or isinstance(b, dict):
            kind = compare_histograms(a, b)
            found = kind and Difference(kind, f"{dict(key)} at {at_s}: {json.dumps(a)} against {json.dumps(b)}", at_s)
            if kind == "real":
                return found
            digits = digits or found
        elif a != b:
            if not close(a, b):
                return Difference("real", f"{dict(key)} at {at_s}: {a} against {b}", at_s, (float(a), float(b)))
            digits = digits or Difference("digits", f"{dict(key)} at {at_s}: {a} against {b}", at_s, (float(a), float(b)))
    return digits


def compare_data(mine, theirs):
    if mine["resultType"] != theirs["resultType"]:
        return Difference("real", f"{mine['resultType']} against {theirs['resultType']}")
    if mine["resultType"] in ("scalar", "string"):
        return compare_points((), [mine["result"]], [theirs["result"]])
    a, b = rows_of(mine), rows_of(theirs)
    if len(a) != len(mine["result"]):
        return Difference("real", "a label set twice")
    for key in sorted(a.keys() ^ b.keys()):
        points = a.get(key) or b.get(key)
        return Difference("real", f"only {'ferula' if key in a else 'the peer'} has {dict(key)} {points[0]}", points[0][0])
    digits = None
    for key, points in a.items():
        found = compare_points(key, points, b[key])
        if found and found.kind == "real":
            return found
        digits = digits or found
    if digits is None and mine["resultType"] == "matrix" and list(a) != list(b):
        return Difference("rows", "rows of a matrix in another order")
    return digits


def sort_key(points):
    """0 and -0 are equal, NaN is NaN."""
    value = points[0][1]
    return str(value) if isinstance(value, dict) or value == "NaN" else float(value)


def compare_order(mine, theirs):
    """Values have to come in the same order; label sets too, unless their values are equal."""
    a, b = list(rows_of(mine).items()), list(rows_of(theirs).items())
    if [sort_key(points) for _, points in a] != [sort_key(points) for _, points in b]:
        return Difference("real", f"order {[p[0][1] for _, p in a][:9]} against {[p[0][1] for _, p in b][:9]}")
    if [key for key, _ in a] != [key for key, _ in b]:
        return Difference("order", f"order of equal values: {[dict(k) for k, _ in a][:4]} against {[dict(k) for k, _ in b][:4]}")
    return None


def annotation_texts(answer, name):
    """Sorted. The peer adds up the samples of a repair again at every merge, so their number is nothing."""
    texts = sorted(re.sub(r"over -?\d+ samples", "over N samples", text) for text in answer.get(name, []))
    omitted = [text for text in texts if "annotations omitted" in text]
    # which ten are shown is chance there
    return [len(texts)] + omitted if omitted else texts


def compare_annotations(mine, theirs):
    for name in ("warnings", "infos"):
        a, b = annotation_texts(mine, name), annotation_texts(theirs, name)
        if a == b:
            continue
        text = f"{name} {a} against {b}"
        without = [[re.sub(r" \(\d+:\d+\)$", "", str(text)) for text in texts] for texts in (a, b)]
        return Difference("place" if without[0] == without[1] else "annotations", text)
    return None


def same_values(answers):
    """Has every group of equal times the same values in both answers, whoever has them?"""
    sides = []
    for answer in answers:
        if answer["status"] != "success":
            return False
        values = {}
        for points in rows_of(answer["data"]).values():
            for at_s, value in points:
                values.setdefault(at_s, []).append("0" if value == "-0" else str(value))
        sides.append({at_s: sorted(found) for at_s, found in values.items()})
    return sides[0] == sides[1]


def same_counts(answers):
    """Have both answers as many samples at every time?"""
    sides = []
    for answer in answers:
        if answer["status"] != "success":
            return False
        sides.append(collections.Counter(at_s for points in rows_of(answer["data"]).values() for at_s, _ in points))
    return sides[0] == sides[1]


def compare_answers(node, mine, theirs, annotations):
    if mine["status"] != theirs["status"]:
        return Difference("real", f"{mine.get('error', '')} against {theirs.get('error', '')}")
    if mine["status"] == "error":
        if mine["errorType"] != theirs["errorType"]:
            return Difference("real", f"{mine['errorType']} {mine['error']} against {theirs['errorType']} {theirs['error']}")
        return None
    found = compare_data(mine["data"], theirs["data"])
    if found is None and node.op in ORDERED and mine["data"]["resultType"] == "vector":
        found = compare_order(mine["data"], theirs["data"])
    if EDGES and annotations and (found is None or found.kind == "digits"):
        found = compare_annotations(mine, theirs) or found
    return found


def compare(node, answers, annotations=True):
    """None or the Difference of two answers, each (status, text)."""
    if answers[0] == answers[1]:
        return None
    mine, theirs = [json.loads(text) for _, text in answers]
    found = compare_answers(node, mine, theirs, annotations)
    if found is None and answers[0][0] != answers[1][0]:
        found = Difference("real", f"status {answers[0][0]} against {answers[1][0]}")
    if found:
        found.answers = mine, theirs
    return found


def below(node, ops):
    return sum(below(child, ops) for child in node.children) + (node.op in ops)


def counts_from_high(node):
    """Is it over counters as they were stored? Those begin far from zero."""
    return bool(node.of) and node.children[0].op == "matrix" and all(
        name in data.COUNTERS or re.search("_total|lat_", name) for name in node.of)


# Parts that give annotations.
ANNOTATED = {"sort", "sort_desc", "sort_by_label", "sort_by_label_desc", "rate", "increase", "quantile",
             "quantile_over_time", "histogram_quantile", "histogram_fraction", "histogram_quantiles", "limit_ratio"}

# Whose rows come out in the order in which theirs go in.
KEEPS_ORDER = {"sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "quantile", "unary", "label_replace",
               "label_join", "matrix", *random_queries.RANGE, *random_queries.RANGE_3, "quantile_over_time",
               "predict_linear", "double_exponential_smoothing"}
SELECTS = {"topk", "bottomk", "limitk", "limit_ratio"}
SHUFFLES = {"count_values", "histogram_quantile", "histogram_fraction", "histogram_quantiles", "info"}
ROWS_FEW = 12
LOOKBACK_S = 300


def order_is_chance(node, is_range):
    """Does the peer's order of rows follow a hash table? Over a range most have one; selectors, in these
    databases, never, but for histograms, which come when they come, and where series left the head and came again."""
    if not node.children:
        return bool(node.of & set(data.NATIVE)) or bool(data.moments_s)
    if node.op in SHUFFLES or " fill" in node.template:
        return True
    if node.op == "subquery":
        return order_is_chance(node.children[0], True)
    # in 2.42 only functions of ranges do
    keeps = node.op in KEEPS_ORDER and (EDGES or node.op == "unary" or any(child.type == "matrix" for child in node.children))
    if is_range and node.children and not keeps:
        return True
    return any(order_is_chance(child, is_range) for child in node.children if child.type != "scalar")


def nodes_of(node, is_range=False):
    """Every part, and whether it is asked for more than one time."""
    yield node, is_range
    for child in node.children:
        yield from nodes_of(child, is_range or node.op == "subquery")


def selects_by_chance(node, is_range, ops=("topk", "bottomk", "limitk")):
    return any(one.op in ops and order_is_chance(one.children[-1], ranged) for one, ranged in nodes_of(node, is_range))


def is_fixed_below(node, ops):
    return any(one.op in ops and any(" @ " in child.text() for child in one.children if child.type == "matrix")
               for one, _ in nodes_of(node))


def buckets_nearly_fall(node, found):
    """Is there a bucket that lies below its neighbour by last digits?"""
    groups = {}
    for key, points in found.ask(node.children[-1]).items():
        le = dict(key).get("le")
        if le:
            groups.setdefault(tuple(pair for pair in key if pair[0] != "le"), []).append((float(le), float(points[0][1])))
    for buckets in groups.values():
        counts = [count for _, count in sorted(buckets)]
        if any(a != b and close(a, b) for a, b in zip(counts, counts[1:])):
            return True
    return False


def changes_seen(points):
    values = [json.dumps(value) for _, value in points]
    return sum(a != b for a, b in zip(values, values[1:]))


def empty_buckets_change(node, found):
    """Does the peer count changes that no sample shows?"""
    if node.op != "changes" or not node.of & set(data.NATIVE) or found.values is None:
        return False
    shown = [changes_seen(points) for points in found.ask(node.children[0]).values()]
    return found.values[0] in shown and found.values[1] > found.values[0]


def seconds_of(text):
    return sum(float(number) * {"s": 1, "m": 60, "h": 3600}[unit] for number, unit in re.findall(r"([-\d.]+)([smh])", text))


def info_series_differ(node, found):
    """3.14.0 selects info series for the times at which the first selector looks, but evaluates them at
    the step, so that it sees what lies in both. Is that something else here?"""
    text = found.text_of(node.children[0])
    at = re.search(r" @ (\d+)", text)
    offset = re.search(r" offset (-?[\d.]+[smh])", text)
    range_ = re.search(r"\[(\d+[smh])\]", text)
    if found.at_s is None or not (at or offset or "[" in text):
        return False
    offset_s = seconds_of(offset.group(1)) if offset else 0
    looks_s = [(int(at.group(1)) if at else time_s) - offset_s for time_s in (found.when[0], found.at_s, found.when[-2:][0])]
    # a range selector finds what has samples in its range
    reach_s = LOOKBACK_S if "[" not in text else seconds_of(range_.group(1)) if range_ else 0
    first_s = max(found.at_s - LOOKBACK_S, looks_s[0] - reach_s)
    last_s = min(found.at_s, looks_s[2])
    series = '{__name__=~"target_info|lab_info"}'
    seen = set()
    if last_s > first_s:
        recent = Selector(f"last_over_time({series}[{last_s - first_s:.0f}s])")
        seen = set(found.ask(recent, last_s)) & set(found.ask(Selector(series), last_s))
    return seen != set(found.ask(Selector(series), looks_s[1]))


def is_of_deleted(node, found):
    """Are these samples of a series that near the time were deleted? Those that are there by right were read before."""
    shown = re.match(r"only the peer has ({.*?}) \[", found.text) or re.match(r"times of ({.*?}): .* are not in both", found.text)
    if node.children or shown is None or found.at_s is None:
        return False
    labels = {"__name__": "", **ast.literal_eval(shown.group(1))}
    return any(matches(labels) and begin_ms - 7200000 <= found.at_s * 1000 <= end_ms + 7200000
               for matches, begin_ms, end_ms in data.deletions)


class Selector:
    def __init__(self, text):
        self.shown = text

    def text(self):
        return self.shown


# (name, why, is it this?). The predicate sees the culprit and its difference.
EXPLAINED_ALWAYS = [
    (
        "which of equal values stay",
        "rows that come out of a hash table come in any order",
        lambda node, found: node.op in ("topk", "bottomk") and same_values(found.answers)
        and order_is_chance(node.children[-1], found.is_range),
    ),
    (
        "which of equal values stay, below",
        "likewise; alone the part may have another order",
        lambda node, found: any(selects_by_chance(child, found.is_range or node.op == "subquery") for child in node.children),
    ),
    (
        "which series limitk takes",
        "likewise",
        lambda node, found: node.op == "limitk" and same_counts(found.answers)
        and order_is_chance(node.children[-1], found.is_range),
    ),
    (
        "the order of groups",
        "likewise: it is that of their first rows",
        lambda node, found: node.op in SELECTS and found.text.startswith("order ") and same_values(found.answers)
        and order_is_chance(node.children[-1], found.is_range),
    ),
    (
        "order of equal values",
        "likewise; and more than a dozen rows are not sorted stably",
        lambda node, found: found.kind == "order" and (order_is_chance(node.children[0 if node.op not in SELECTS else -1], False)
                                                       or len(found.answers[0]["data"]["result"]) > ROWS_FEW),
    ),
    (
        "last digits in labels",
        "count_values writes them into a label",
        lambda node, found: any(one.op == "count_values" and below(one, ORDERLESS | (set() if EDGES else ORDERLESS_OLD))
                                for one, _ in nodes_of(node)),
    ),
    (
        "last digits in a comparison",
        "a deviation over rows out of a hash table is not even equal to itself",
        lambda node, found: node.op in random_queries.COMPARISON and found.is_range
        and any(one.op in ("stddev", "stdvar") and order_is_chance(one.children[0], True) for one, _ in nodes_of(node)),
    ),
    (
        "zero and minus zero",
        "which comes first among series is the order of a hash table",
        lambda node, found: node.op in ("min", "max") and found.values == (0.0, 0.0)
        and order_is_chance(node.children[0], found.is_range),
    ),
    (
        "zero and minus zero in a quantile",
        "they are equal, and values are not sorted stably",
        lambda node, found: node.op == "quantile_over_time" and found.values == (0.0, 0.0),
    ),
    (
        "faults of the peer",
        "a range selector without a function that is anchored or smoothed; late samples in the head of 3.14.0",
        lambda node, found: "runtime error: index out of range" in found.text,
    ),
    (
        "one of several places",
        "an annotation that several parts give is shown once; the peer shows the last that it met",
        lambda node, found: found.kind == "place" and below(node, ANNOTATED) > 1,
    ),
    (
        "a fixed time and a time that moves",
        "the peer loses steps of range vectors with @ below functions that look at the time",
        lambda node, found: is_fixed_below(node, {"predict_linear", "quantile_over_time"})
        and (not EDGES or found.text.startswith(("only ferula has", "times of", "vector cannot contain"))),
    ),
    (
        "zero buckets beside empty ones",
        "the peer's chunks add empty buckets, and a zero bucket ends at zero only beside none at all",
        lambda node, found: node.op in ("histogram_quantile", "histogram_fraction") and node.of & set(data.NATIVE)
        and found.values is not None and max(map(abs, found.values)) <= 1,
    ),
    (
        "a float and a histogram of one label set",
        "the peer merges series that become alike although one has a float and one a histogram at a step",
        lambda node, found: "same labelset" in found.text and "nh_mixed" in node.text(),
    ),
    (
        "the last pair's info",
        "of the pairs of a step the peer tells of the last one that did not fit, and pairs have no order",
        lambda node, found: found.kind == "annotations" and found.text.count("incompatible sample types") == 2,
    ),
    (
        "empty buckets times NaN",
        "the peer's chunks add empty buckets, which come to light as NaN",
        lambda node, found: node.of & set(data.NATIVE) and re.search(r"'count': '(NaN|[-+]Inf)'|\"count\": \"(NaN|[-+]Inf)\"", found.text),
    ),
    (
        "a reset hint at the beginning",
        "the first sample that is read has no sample before it; the peer has its hint from the chunk",
        lambda node, found: found.kind == "annotations" and node.of & set(data.NATIVE)
        and re.fullmatch(r"warnings \[\] against \['PromQL warning: conflicting counter resets during histogram aggregation[^']*'\]", found.text),
    ),
    (
        "empty buckets are changes",
        "to the peer, a histogram that has some more of them is another one",
        empty_buckets_change,
    ),
    (
        "info with @ or offset",
        "info series are looked for when the selector looks; 3.14.0 does so at the time of the step",
        lambda node, found: node.op == "info" and info_series_differ(node, found)
        and found.text.startswith(("only ", "times of", "vector cannot contain")),
    ),
    (
        "info with @ or offset, below",
        "likewise, at the steps of a subquery, and what is told of the parts above",
        lambda node, found: any(one.op == "info" and (ranged or found.kind == "annotations") and re.search(" @ | offset ", one.children[0].text())
                                for one, ranged in nodes_of(node)),
    ),
    (
        "sort in a subquery of one step",
        "the peer takes it for a range query where the end is no step",
        lambda node, found: found.kind == "annotations" and below(node, {"subquery"}) > 0
        and found.text.count("sort is ineffective") == 1 and "sort is ineffective" in found.text.split(" against ")[-1],
    ),
    (
        "timestamp with @ and offset",
        "the peer forgets the offset",
        lambda node, found: node.op == "timestamp" and " @ " in node.text() and " offset " in node.text(),
    ),
]

# (name, what 3.x changed, is it this?)
EXPLAINED = [
    (
        "deleted samples in a short range",
        "2.42 shows samples that are deleted when little around them is asked for, and not when all is",
        is_of_deleted,
    ),
    (
        "k beyond int64",
        "below one it is no error",
        lambda node, found: "overflows int64" in found.text,
    ),
    (
        "series that become alike at different steps",
        "they are joined",
        lambda node, found: "same labelset" in found.text,
    ),
    (
        "count_values over a range",
        "labels of grouping are not lost after the first step, where alone the answers are alike",
        lambda node, found: any(
            one.op == "count_values" and re.search(r"(by|without) \(", one.template)
            for one in ([node] if found.is_range else []) + (node.children if node.op == "subquery" else [])
        ),
    ),
    (
        "which of equal values stay",
        "a heap's worst is replaced, not popped before a push",
        lambda node, found: node.op in ("topk", "bottomk") and same_values(found.answers)
        or found.kind == "order" and below(node, {"topk", "bottomk"}),
    ),
    (
        "buckets that differ in last digits",
        "falls of 1e-12 are repaired without a trace",
        lambda node, found: node.op == "histogram_quantile" and buckets_nearly_fall(node, found),
    ),
    (
        "extrapolation to zero",
        "rate and increase look at the distance to zero after the distance to the window's edge",
        lambda node, found: node.op in ("rate", "increase") and (not counts_from_high(node) or found.values is not None
                                                                 and 0.5 < found.values[0] / found.values[1] < 2),
    ),
    (
        "rows of an instant query's matrix",
        "they are sorted",
        lambda node, found: found.kind == "rows" and node.type == "matrix",
    ),
    (
        "deviation of infinities",
        "it is NaN, of one value too",
        lambda node, found: node.op in ("stddev", "stdvar") and " NaN against 0" in found.text,
    ),
    (
        "sums that overflow",
        "sums are compensated, means are computed step by step",
        lambda node, found: node.op in ORDERLESS | ORDERLESS_OLD and found.values is not None
        and not all(map(math.isfinite, found.values)),
    ),
    (
        "pairs that a comparison drops",
        "they count as matches, so that a second one is an error",
        lambda node, found: below(node, random_queries.COMPARISON) and found.text.startswith("multiple matches for labels"),
    ),
]


class Judge:
    """Finds the culprit of a difference and says whether it is explained."""

    def __init__(self, pair):
        self.pair = pair

    def ask(self, node, when):
        return compare(node, self.pair.answers(when, self.text(node)), annotations=False)

    def text(self, node):
        text = node.text()
        for name, value in self.fixed.items():
            text = text.replace(name, value)
        return text

    def culprit(self, node, when, found):
        """(node, when, difference) of the smallest part that differs."""
        best = None
        for child in node.children:
            child_when = when
            if node.op == "subquery":
                if found.at_s is None:
                    continue
                child_when = (found.at_s,)
            elif len(when) == 3 and child.type == "matrix":
                continue
            below = self.ask(child, child_when)
            if below and (best is None or below.kind == "real" and best[2].kind != "real"):
                best = (child, child_when, below)
        return self.culprit(*best) if best else (node, when, found)

    def judge(self, node, when, found):
        """(class, text): class None when it is not explained."""
        self.fixed = {}
        if found.kind in ("annotations", "place"):
            found.is_range = len(when) == 3
            return self.explained(node, found), found.text
        self.fixed = {"@ start()": f"@ {when[0]}", "@ end()": f"@ {when[-2 if len(when) == 3 else 0]}"}
        if len(when) == 3:
            if found.at_s is not None:
                here = (found.at_s,)
                at_step = self.ask(node, here)
                if at_step:
                    when, found = here, at_step
        node, when, found = self.culprit(node, when, found)
        found.is_range, found.when, found.text_of = len(when) == 3, when, self.text
        found.ask = lambda part, at_s=None: self.rows(part, (found.at_s if at_s is None else at_s,))
        text = f"culprit {self.text(node)} at {when}: {found.text}"
        if node.op in ORDERLESS or not EDGES and node.op in ORDERLESS_OLD:
            if found.kind == "digits" or self.is_within_inputs(node, when, found):
                return f"last digits of {node.op}", text
        passed_on = below(node, ORDERLESS | (set() if EDGES else ORDERLESS_OLD)) > 0
        if passed_on and (found.kind == "digits" or self.is_within_inputs(node, when, found)):
            return "last digits passed on over a range", text
        return self.explained(node, found), text

    def rows(self, node, when):
        answer = json.loads(self.pair.answers(when, self.text(node))[0][1])
        return rows_of(answer["data"]) if answer["status"] == "success" else {}

    def largest_input(self, node, when):
        """Of the values of the parts of a sum, however deep they are."""
        largest = 0
        for child in node.children:
            if child.type not in ("vector", "matrix"):
                continue
            for points in self.rows(child, when).values():
                numbers = [abs(float(v)) for _, v in points if not isinstance(v, dict)]
                largest = max([largest] + [v for v in numbers if math.isfinite(v)])
            if child.op == "subquery" or below(child, ORDERLESS):
                largest = max(largest, self.largest_input(child, when))
        return largest

    def is_within_inputs(self, node, when, found):
        """Do the values differ by less than the last digits of what they are made of?"""
        if found.values is None or not all(map(math.isfinite, found.values)):
            return False
        largest = max(map(abs, found.values))
        tolerance = TOLERANCE * max(largest, self.largest_input(node, (found.at_s,)))
        if below(node, {"stdvar", "stdvar_over_time"}):  # the square of what is as exact as its parts
            tolerance *= math.sqrt(largest) + tolerance
        if node.op in ("deriv", "predict_linear"):
            tolerance *= 1000
        return abs(found.values[0] - found.values[1]) <= tolerance

    def explained(self, node, found):
        for name, _, matches in EXPLAINED_ALWAYS + ([] if EDGES else EXPLAINED):
            if matches(node, found):
                return name
        return None


def moments(rand):
    grid = rand.choice((1, 1, 5, 15, 60)) if EDGES else 1

    def moment():
        at_s = rand.randrange(data.START_S - 100, data.end_s() + 400)
        if data.moments_s and rand.random() < 0.6:
            at_s = rand.choice(data.moments_s) + rand.randrange(-400, 400)
        return at_s // grid * grid

    start = moment()
    step = rand.choice((15, 30, 60, 37, 7, 1, 300, 60))
    return (moment(),), (start, start + rand.randrange(40) * step, step)


def work(worker, options, ports, results):
    try:
        results.put(ask_all(worker, options, ports))
    except Exception as error:
        results.put(({"queries": 0}, {}, [(-1, f"worker {worker}: {error!r}")]))
        raise


def ask_all(worker, options, ports):
    pair = Pair(ports)
    judge = Judge(pair)
    counts = {"queries": 0, "nonempty": 0, "errors": 0, "exact": 0}
    classes, failures = {}, []
    numbers = [options.only] if options.only is not None else range(worker, options.count, WORKERS)
    for number in numbers:
        maker = random_queries.Maker(f"{options.seed} {number}", EDGES)
        node = maker.query()
        for when in moments(maker.rand):
            if node.type == "matrix" and len(when) == 3:
                continue
            answers = pair.answers(when, node.text())
            if options.verbose:
                print(node.text(), when, *answers, sep="\n")
            counts["queries"] += 1
            counts["errors"] += answers[0][0] != 200
            counts["nonempty"] += answers[0][0] == 200 and b'"result":[]' not in answers[0][1]
            found = compare(node, answers)
            if found is None:
                counts["exact"] += 1
                continue
            name, text = judge.judge(node, when, found)
            if name is None:
                failures.append((number, f"{node.text()}\n    at {when}: {found.text}\n    {text}"))
            else:
                classes.setdefault(name, []).append((number, text))
    return counts, classes, failures


def run(options, ports):
    results = multiprocessing.Queue()
    workers = 1 if options.only is not None else WORKERS
    processes = [multiprocessing.Process(target=work, args=(at, options, ports, results)) for at in range(workers)]
    for process in processes:
        process.start()
    counts, classes, failures = {}, {}, []
    for _ in processes:
        more_counts, more_classes, more_failures = results.get()
        failures += more_failures
        for name, value in more_counts.items():
            counts[name] = counts.get(name, 0) + value
        for name, items in more_classes.items():
            classes.setdefault(name, []).extend(items)
    for process in processes:
        process.join()
    return counts, classes, sorted(failures)


def start_storage(options, checks):
    servers, _ = random_storage.start(options.seed, EDGES, ORACLE, FEATURES, checks)
    return servers


def start_loaded(options):
    config = "global: {scrape_interval: 15s, evaluation_interval: 15s}\n"
    flags = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y"]
    if EDGES:
        flags.append("--enable-feature=" + FEATURES)
    servers = [
        lab.MonitoringServer(lab.ferula_binary(), config, flags, "ferula").start(),
        lab.MonitoringServer(ORACLE, config, flags, "prometheus").start(),
    ]
    data.load(servers, data.Maker(options.seed, EDGES).make())
    return servers


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", type=int)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--all", action="store_true", help="show every explained difference")
    parser.add_argument("--shown", type=int, default=20)
    parser.add_argument("--storage", action="store_true", help="over blocks, late samples and deletions")
    options = parser.parse_args()
    checks = lab.Checks("random")
    servers = start_storage(options, checks) if options.storage else start_loaded(options)
    begun = time.monotonic()
    counts, classes, failures = run(options, [server.port for server in servers])
    took_s = time.monotonic() - begun
    print(f"seed {options.seed}: {counts}, {counts['queries'] / took_s:.0f} queries/s of both")
    for name, items in sorted(classes.items()):
        print(f"explained: {name}: {len(items)}, such as query {items[0][0]}: {items[0][1]}")
        if options.all:
            for number, text in items:
                print(f"    {number}: {text}")
    for number, text in failures[: options.shown]:
        print(f"FAILED query {number}: {text}", flush=True)
    checks.passed += counts["queries"] - len(failures)
    checks.failed += len(failures)
    if options.only is None:
        checks.check(counts["nonempty"] > counts["queries"] // 3, "many answers hold something", counts)
    for server in servers:
        checks.equal(server.stop(), 0, "a clean stop")
    checks.finish()


if __name__ == "__main__":
    main()
