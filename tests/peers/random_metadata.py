"""What there is, as /series, /labels, /label/x/values and /query_exemplars tell it, of two servers that keep
the same samples in other blocks.

Of a range of time a server tells what its blocks of that time have, so answers may differ: each must hold
whatever has a sample in the range, and nothing that is not there at all. Without a range of time, and where
nothing is deleted, answers are equal.
"""

import http.client
import random

import compare_native
import random_data as data

import lab

SELECTORS = ('{__name__=~".+"}', "g", "{job='x'}", '{instance=~"a|b",job!="y"}', 'lat_bucket{le=~"0.*"}', "c_total{instance='b'}",
             '{__name__=~"d_.*|small"}', "twice", "nothing", '{le!=""}')
LABELS = ("__name__", "job", "instance", "le", "code", "version", "nothing")


def is_seen(values):
    return any(isinstance(value, compare_native.Histogram) or value != lab.STALE_BITS for value in values)


class Metadata:
    def __init__(self, life, seed):
        self.life = life
        self.checks = life.checks
        self.rand = random.Random(f"metadata {seed}")
        self.equal = self.asked = self.broken = 0

    def range(self):
        """In seconds."""
        rand = self.rand
        moments = [rand.choice(data.moments_s) + rand.randrange(-300, 300) for _ in range(2)]
        if rand.random() < 0.4:
            moments[1] = moments[0] + rand.choice((0, 1, 30, 600))
        return sorted(moments)

    def answers(self, path, parameters):
        """That of ferula and, as a rule, that of the peer: 3.14.0 breaks off (index out of range) over some
        series of which it has late samples in its head."""
        found = [self.life.servers[0].json(path, parameters)]
        try:
            found.append(self.life.servers[1].json(path, parameters))
        except http.client.RemoteDisconnected:
            self.broken += 1
        for answer in found:
            self.checks.equal(answer["status"], "success", f"{path} {parameters}")
        return [answer["data"] for answer in found]

    def present(self, begin_s=None, end_s=None):
        """The label sets that have a sample in the range."""
        begin_ms = -(1 << 62) if begin_s is None else begin_s * 1000
        end_ms = 1 << 62 if end_s is None else end_s * 1000
        return {key for key, there in self.life.expected.items()
                if any(begin_ms <= t_ms <= end_ms for t_ms in there)}

    def compare(self, what, surely, possibly, answers):
        self.asked += 1
        for who, answer in zip(("ferula", "the peer"), answers):
            self.checks.check(len(answer) == len(set(answer)), f"{what}: {who} says nothing twice")
            missing, odd = surely - set(answer), set(answer) - possibly
            self.checks.check(not missing, f"{what}: {who} tells all", sorted(missing)[:4])
            self.checks.check(not odd, f"{what}: {who} tells nothing else", sorted(odd)[:4])
        self.equal += set(answers[0]) == set(answers[-1])

    def series(self, selector, parameters, surely, possibly):
        answers = self.answers("/api/v1/series", {"match[]": selector, **parameters})
        rows = [[tuple(sorted(labels.items())) for labels in answer] for answer in answers]
        self.checks.equal(rows[0], sorted(rows[0]), f"/series {selector} {parameters}: in order")
        if parameters or self.life.deletions:
            self.compare(f"/series {selector} {parameters}", surely & self.matching[selector], possibly, rows)
        else:
            self.checks.equal(rows[0], sorted(rows[-1]), f"/series {selector}")

    def names(self, path, of, selector, parameters, surely, possibly):
        """of: a label set -> its texts"""
        answers = self.answers(path, {**({"match[]": selector} if selector else {}), **parameters})
        if selector:
            surely = surely & self.matching[selector]
        self.checks.equal(answers[0], sorted(answers[0]), f"{path} {parameters}: in order")
        texts = [{text for key in keys for text in of(dict(key))} for keys in (surely, possibly)]
        self.compare(f"{path} {selector} {parameters}", *texts, answers)

    def find_matching(self):
        """selector -> label sets, as an index of what was sent has them."""
        self.matching = {}
        ever = self.life.ever
        for selector in SELECTORS:
            keys = {tuple(sorted(labels.items())) for answer in self.answers("/api/v1/series", {"match[]": selector})
                    for labels in answer}
            self.matching[selector] = keys & ever

    def run(self, count=60):
        self.find_matching()
        ever = self.life.ever
        for at in range(count):
            parameters = {}
            surely = self.present()
            if at % 4 != 0:
                begin_s, end_s = self.range()
                parameters = {"start": begin_s, "end": end_s}
                surely = self.present(begin_s, end_s)
            self.series(self.rand.choice(SELECTORS), parameters, surely, ever)
            selector = self.rand.choice((None, *SELECTORS))
            self.names("/api/v1/labels", lambda labels: labels, selector, parameters, surely, ever)
            label = self.rand.choice(LABELS)
            selector = self.rand.choice((None, *SELECTORS))
            self.names(f"/api/v1/label/{label}/values", lambda labels, label=label: [labels[label]] if label in labels else [],
                       selector, parameters, surely, ever)
        self.status()
        print(f"metadata: {self.asked} answers over time compared, {self.equal} equal, {self.broken} broken off by the peer", flush=True)

    def status(self):
        heads = self.answers("/api/v1/status/tsdb", {})
        stats = [head["headStats"] for head in heads]
        self.checks.equal(stats[0]["maxTime"], stats[1]["maxTime"], "status/tsdb: maxTime")
        for server, one in zip(self.life.servers, stats):
            least = len(self.present(one["minTime"] / 1000, one["maxTime"] / 1000))
            self.checks.check(least <= one["numSeries"] <= len(self.life.ever), "status/tsdb: numSeries", (least, one, server.arguments[0]))
        if self.life.edges:
            self.exemplars()

    def exemplars(self):
        answers = self.answers("/api/v1/query_exemplars", {"query": "c_total", "start": data.START_S, "end": data.end_s() + 600})
        self.checks.equal(answers[0], answers[1], "query_exemplars")
