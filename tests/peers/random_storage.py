"""A life of storage, the same in ferula and in a peer: what random queries (compare_random.py) ask later.

The samples of random_data.py over several blocks, some merged, and a head. Some series pause or end for
longer than a block, or are in blocks alone or in the head alone. Samples come late, for times of the head
and of blocks, in runs and by themselves; samples are sent twice; one metric (`twice`) gets other values for
times that it has already. Series are deleted in part, before and after their time is in blocks, and
tombstones are cleaned now and then. In the middle both are killed, later both stop and start.

What must be there after all this is known, so that every sample is compared with it before any query: where
the two differ, it is clear which of them is wrong.
"""

import collections
import json
import random
import struct
import time

import compare_native
import random_data as data
import random_metadata

import lab

BLOCKS = 6.5  # so long is a life
SLOTS_PER_BLOCK = 6
BLOCK_CHOICES_S = (1200, 1800, 7200)
SETTLE_S = 30
TWICE = "twice"


class Maker(data.Maker):
    """Series that pause for long, and such as only blocks or only the head have."""

    def __init__(self, seed, edges, block_s):
        super().__init__(seed, edges)
        self.block_s = block_s

    def times(self):
        times = super().times()
        rand = self.rand
        end_ms = data.end_s() * 1000
        dice = rand.random()
        if dice < 0.25:
            begin = rand.choice(times)
            pause_ms = int(rand.uniform(0.3, 2.5) * self.block_s * 1000)
            kept = [t for t in times if not begin <= t < begin + pause_ms]
        elif dice < 0.33:
            kept = [t for t in times if t < data.START_S * 1000 + 2 * self.block_s * 1000]
        elif dice < 0.41:
            kept = [t for t in times if t > end_ms - self.block_s * 300]
        else:
            kept = times
        return kept or times

    def make(self):
        super().make()
        for instance in ("a", "b"):
            self.gauge("g", {"__name__": TWICE, "job": "x", "instance": instance})
        return sorted(self.series, key=lambda one: sorted(one[0].items()))


def key_of(labels):
    return tuple(sorted(labels.items()))


def is_stale(value):
    return value == lab.STALE_BITS if not isinstance(value, compare_native.Histogram) else False


class Arrivals:
    """Which sample comes when: slot -> [(labels, samples)], for those in time and those that are late."""

    def __init__(self, rand, series, slot_ms, slots, late_histograms):
        self.rand = rand
        self.slot_ms = slot_ms
        self.slots = slots
        self.begin_ms = (data.START_S - 60) * 1000
        self.in_time = collections.defaultdict(list)
        self.late = collections.defaultdict(list)
        for labels, samples in series:
            histograms = labels["__name__"] in data.NATIVE
            self.plan(labels, samples, rand.random() < 0.4 and (late_histograms or not histograms))

    def slot_of(self, t_ms):
        return min((t_ms - self.begin_ms) // self.slot_ms, self.slots - 1)

    def plan(self, labels, samples, some_late):
        late = self.choose_late(samples) if some_late else {}
        in_time = collections.defaultdict(list)
        delayed = collections.defaultdict(list)
        for at, sample in enumerate(samples):
            slot = self.slot_of(sample[0])
            if at in late:
                delayed[min(slot + late[at], self.slots)].append(sample)
            else:
                in_time[slot].append(sample)
        for slot, some in in_time.items():
            self.in_time[slot].append((labels, some))
        for slot, some in delayed.items():
            self.late[slot].append((labels, some))

    def choose_late(self, samples):
        """Index -> so many slots late."""
        rand = self.rand
        late = {}
        for _ in range(rand.randrange(1, 5)):
            begin = rand.randrange(len(samples))
            count = rand.choice((1, 2, 5, 20, 60, 200))
            stride = rand.choice((1, 1, 1, 2, 7))
            slots = rand.choice((0, 1, 2, 5, 9, 14, 30))
            for at in range(begin, min(begin + count * stride, len(samples)), stride):
                late[at] = slots
        return late


class Life:
    def __init__(self, servers, seed, edges, block_s, checks):
        self.servers = servers
        self.edges = edges
        self.checks = checks
        self.block_ms = block_s * 1000
        self.rand = random.Random(f"life {seed}")
        self.series = Maker(seed, edges, block_s).make()
        self.slot_ms = self.block_ms // SLOTS_PER_BLOCK
        self.slots = (data.LENGTH_S * 1000 + 120000) // self.slot_ms + 1
        self.expected = {}  # key -> {time: values of which one must be there}
        self.moments_s = []  # where something happened
        self.ever = set()  # keys
        self.deleted = []  # (does it match?, from, to)
        self.deletions = []
        self.pending = []  # (labels, time) of late samples that no block has yet
        self.pending_before = 0
        self.head_begins = []
        self.histories = collections.Counter()

    # --- sending ---

    def send(self, part):
        """A request to both; what is already there is sent again or changed by others."""
        for server in self.servers:
            data.write(server, part)
        for labels, samples in part:
            there = self.expected.setdefault(key_of(labels), {})
            self.ever.add(key_of(labels))
            for t_ms, value in samples:
                there.setdefault(t_ms, []).append(value)

    def send_all(self, rows):
        """Of one series in a request the floats are taken before the histograms."""
        whole = [row for row in rows if row[0]["__name__"] != "nh_mixed"]
        if whole:
            self.send(whole)
        mixed = collections.defaultdict(list)
        for labels, samples in rows:
            if labels["__name__"] == "nh_mixed":
                for sample in samples:
                    mixed[sample[0]].append((labels, [sample]))
        for t_ms in sorted(mixed):
            self.send(mixed[t_ms])

    def send_late(self, rows):
        kept = []
        for labels, samples in rows:
            samples = [s for s in samples if not self.is_hidden(labels, s[0])]
            self.histories["late"] += len(samples)
            self.pending += [(labels, t_ms) for t_ms, _ in samples]
            self.moments_s += [samples[0][0] // 1000, samples[-1][0] // 1000] if samples else []
            if len(samples) > 1 and labels["__name__"] not in data.NATIVE and self.rand.random() < 0.3:
                self.rand.shuffle(samples)
            if samples:
                kept.append((labels, samples))
        if kept:
            self.send_all(kept)

    def is_hidden(self, labels, t_ms):
        """Would the peer hide a sample that comes now? What is deleted of its head stays so for some time."""
        return any(matches(labels) and begin <= t_ms <= end for matches, begin, end in self.deleted)

    def send_twice(self, sent):
        """Some of what was sent, once more; of `twice` with other values."""
        again = []
        for labels, samples in self.rand.sample(sent, min(len(sent), 12)):
            some = [s for s in samples if self.rand.random() < 0.3 and not self.is_hidden(labels, s[0])]
            if labels["__name__"] == TWICE:
                # another value for the newest sample would be refused
                newest_ms = max(self.expected[key_of(labels)], default=0)
                some = [(t_ms, 1000.0 + self.rand.randrange(1000)) for t_ms, _ in some if t_ms < newest_ms]
            if some and not labels["__name__"].startswith("nh"):
                again.append((labels, some))
        self.histories["twice"] += sum(len(samples) for _, samples in again)
        self.pending += [(labels, t_ms) for labels, samples in again for t_ms, _ in samples]
        if again:
            self.send(again)

    # --- deleting ---

    def delete(self, now_ms, may_meet_late):
        """may_meet_late: will there be another cut, after which the peer is told again?"""
        rand = self.rand
        labels = {}
        name = rand.choice((None, *data.COUNTERS, *data.GAUGES, *data.NATIVE[: 5 if self.edges else 0], "lat_bucket", "lat_.*"))
        for label, values in (("job", "xy"), ("instance", "abc")):
            if rand.random() < 0.5 or name is None:
                labels[label] = rand.choice(values)
        matchers = [f'{label}="{value}"' for label, value in labels.items()]
        if name:
            matchers.append(f'__name__=~"{name}"')
        length_ms = int(rand.choice((0.02, 0.1, 0.4, 1.1, 2.5)) * self.block_ms)
        begin_ms = rand.randrange(data.START_S * 1000 - 60000, now_ms)
        end_ms = min(begin_ms + length_ms, now_ms)

        def matches(found):
            named = name is None or found["__name__"] == name or name == "lat_.*" and found["__name__"].startswith("lat_")
            return named and all(found.get(label) == value for label, value in labels.items())

        if not may_meet_late and any(begin_ms <= t_ms <= end_ms and matches(found) for found, t_ms in self.pending):
            return
        parameters = {"match[]": "{" + ",".join(matchers) + "}", "start": begin_ms / 1000, "end": end_ms / 1000}
        for server in self.servers:
            self.send_deletion(server, parameters)
        for key, there in self.expected.items():
            if matches(dict(key)):
                for t_ms in [t for t in there if begin_ms <= t <= end_ms]:
                    del there[t_ms]
                    self.histories["deleted"] += 1
        self.deleted.append((matches, begin_ms, end_ms))
        self.deletions.append(parameters)
        self.moments_s += [begin_ms // 1000, end_ms // 1000]

    def send_deletion(self, server, parameters):
        status, _, text = server.get("/api/v1/admin/tsdb/delete_series", parameters, method="POST")
        self.checks.equal(status, 204, f"deletion {text}")

    def delete_again(self):
        """What came out of order and is in the peer's head comes back when it goes into a block: the peer does
        not heed tombstones then. So it is told again."""
        for parameters in self.deletions:
            self.send_deletion(self.servers[1], parameters)

    def clean(self):
        for server in self.servers:
            self.checks.equal(server.get("/api/v1/admin/tsdb/clean_tombstones", method="POST")[0], 204, "tombstones are cleaned")
        self.histories["cleaned"] += 1

    # --- time ---

    def settle(self):
        """Waits until the heads are cut."""
        begins = []

        def is_cut(server):
            found = {line.split()[0]: float(line.split()[1]) for line in server.get("/metrics")[2].decode().splitlines()
                     if line.startswith(("prometheus_tsdb_head_min_time ", "prometheus_tsdb_head_max_time "))}
            begin_ms = found["prometheus_tsdb_head_min_time"]
            is_short = found["prometheus_tsdb_head_max_time"] - begin_ms <= 1.5 * self.block_ms
            begins.append(begin_ms) if is_short else None
            return is_short

        for server in self.servers:
            done = lab.wait_for(lambda server=server: is_cut(server), SETTLE_S)
            self.checks.check(done, "the head is cut", server.arguments[0])
        if self.head_begins != begins:
            # the cut may have been before the late samples of this slot came
            self.pending, self.pending_before = self.pending[self.pending_before:], 0
        self.pending_before = len(self.pending)
        self.head_begins = begins

    def restart(self, kill):
        """2.42 forgets at a start what its head has of times for which late samples are in blocks already."""
        for server in self.servers if self.edges else self.servers[:1]:
            server.stop(kill=kill)
            server.start()

    def live(self):
        rand = self.rand
        late_histograms = self.edges
        arrivals = Arrivals(rand, self.series, self.slot_ms, self.slots, late_histograms)
        kill_at, stop_at = rand.randrange(self.slots // 4, self.slots), rand.randrange(self.slots // 4, self.slots)
        deletions = collections.Counter(rand.randrange(4, self.slots + 1) for _ in range(10))
        clean_at = rand.choice((None, rand.randrange(self.slots // 2, self.slots + 1)))
        sent = []
        self.send(data.first_markers(self.series))
        for slot in range(self.slots + 1):
            rows = arrivals.in_time[slot]
            self.send_all(rows) if rows else None
            self.send_late(arrivals.late[slot])
            sent = (sent + rows)[-2000:]
            if rand.random() < 0.5 and sent:
                self.send_twice(sent)
            self.settle()
            self.delete_again()
            now_ms = arrivals.begin_ms + slot * self.slot_ms
            for _ in range(deletions[slot]):
                self.delete(now_ms, slot < self.slots - 2 * SLOTS_PER_BLOCK)
            if slot == clean_at:
                self.clean()
            for kill, at in ((True, kill_at), (False, stop_at)):
                if slot == at:
                    self.restart(kill)
                    self.moments_s.append(now_ms // 1000)
        time.sleep(2)  # a cut that still runs
        self.delete_again()
        for at in range(int(BLOCKS) + 2):
            self.moments_s.append((data.START_S * 1000 // self.block_ms + at) * self.block_ms // 1000)
        data.deletions[:] = self.deleted
        data.moments_s[:] = [t for t in self.moments_s if data.START_S - 100 <= t <= data.end_s() + 400]

    # --- what must be there ---

    def check_samples(self):
        """Both have exactly what was sent and not deleted."""
        names = sorted({dict(key)["__name__"] for key in self.expected})
        for name in names:
            wanted = {key: there for key, there in self.expected.items() if dict(key)["__name__"] == name}
            for server in self.servers:
                got = self.read(server, name)
                self.compare(server, name, wanted, got)
        self.histories["series"] = len(self.expected)
        self.histories["samples"] = sum(map(len, self.expected.values()))

    def read(self, server, name):
        span_s = data.end_s() + 3600 - data.START_S
        answer = server.query(f'{{__name__="{name}"}}[{span_s + 3600}s]', data.end_s() + 3600)
        self.checks.equal(answer["status"], "success", f"{name} is read")
        found = {}
        for row in answer["data"]["result"]:
            there = found.setdefault(key_of(row["metric"]), {})
            for at_s, value in row.get("values", []) + row.get("histograms", []):
                there[round(at_s * 1000)] = value
        return found

    def compare(self, server, name, wanted, got):
        who = "ferula" if server is self.servers[0] else "the peer"
        wrong = []
        for key, there in wanted.items():
            have = got.get(key, {})
            expected = {t_ms for t_ms, values in there.items() if not all(map(is_stale, values))}
            surely = {t_ms for t_ms in expected if not any(map(is_stale, there[t_ms]))}
            wrong += [f"{dict(key)} lacks {t}" for t in sorted(surely - have.keys())]
            wrong += [f"{dict(key)} has {t}" for t in sorted(have.keys() - expected)]
            wrong += [f"{dict(key)} at {t}: {have[t]} of {there[t]}" for t in sorted(expected & have.keys())
                      if not any(same_value(value, have[t]) for value in there[t])]
        self.checks.check(not wrong, f"{who} has every sample of {name}", f"{len(wrong)} wrong, such as {wrong[:3] + wrong[-2:]}")


def same_value(sent, shown):
    if isinstance(sent, compare_native.Histogram):
        if not isinstance(shown, dict):
            return False
        count = sent.zero + sum(sent.positive.values()) + sum(sent.negative.values())
        return float(shown["count"]) == count and float(shown["sum"]) == sent.sum
    if isinstance(shown, dict):
        return False
    bits = struct.pack("<Q", sent) if isinstance(sent, int) else struct.pack("<d", sent)
    value = struct.unpack("<d", bits)[0]
    return value != value and shown == "NaN" or struct.pack("<d", float(shown)) == bits


def start(seed, edges, oracle, features, checks):
    """Both servers after a life, and the life."""
    rand = random.Random(f"storage {seed}")
    block_s = rand.choice(BLOCK_CHOICES_S)
    data.set_length(int(BLOCKS * block_s))
    config = ("global: {scrape_interval: 15s, evaluation_interval: 15s}\n"
              "storage: {tsdb: {out_of_order_time_window: 7d}}\n")
    flags = ["--web.enable-remote-write-receiver", "--web.enable-admin-api", "--storage.tsdb.retention.time=100y"]
    if edges:
        flags.append("--enable-feature=" + features)

    def blocks(least_s):
        return [f"--storage.tsdb.min-block-duration={least_s}s", f"--storage.tsdb.max-block-duration={least_s * 9}s"]

    servers = [
        lab.MonitoringServer(lab.ferula_binary(), config, [*flags, *blocks(block_s), "--storage.tsdb.block-reload-interval=1s"], "ferula").start(),
        lab.MonitoringServer(oracle, config, [*flags, *blocks(block_s)], "prometheus").start(),
    ]
    life = Life(servers, seed, edges, block_s, checks)
    begun = time.monotonic()
    life.live()
    life.check_samples()
    random_metadata.Metadata(life, seed).run()
    loaded = [len(server.json("/api/v1/status/tsdb/blocks").get("data", {}).get("blocks", [])) for server in servers[:1]]
    print(f"blocks of {block_s} s, {json.dumps(life.histories)}, {loaded} blocks, {time.monotonic() - begun:.0f} s", flush=True)
    return servers, life
