"""From prometheus to ferula and back, with nothing lost.

A prometheus is filled by remote write (counters, gauges, NaN, stale markers; native histograms where it
is a 3.x) over several blocks, some of it is deleted, and its snapshot is imported: ferula answers what
it answered. What ferula exports a prometheus serves again, and promtool accepts it. A directory that
holds a prometheus' data is used by prometheus, ferula, and prometheus again.

The same without a snapshot: a prometheus that was started several times, has a checkpoint, late samples
and deletions in its head, and is stopped or killed; its data directory is imported as it lies there.

FERULA_ORACLE names the prometheus of the first part (default: Debian's, which does without histograms);
FERULA_FEATURES features of it, such as xor2-encoding,histograms-st-encoding,st-storage,st-synthesis of
3.14 for its newest chunks.
"""

import hashlib
import json
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import compare_native  # noqa: E402
import lab  # noqa: E402

CHECKS = lab.Checks("migration")
SEED = int(os.environ.get("FERULA_SEED", "20261120"))
ORACLE = os.environ.get("FERULA_ORACLE", "prometheus")
CONFIG = "global: {scrape_interval: 1h}\n"
FLAGS = ("--web.enable-remote-write-receiver", "--web.enable-admin-api", "--storage.tsdb.retention.time=30d")
HOURS = 7
STEP_S = 30
SLICE = 20  # points a request
LATE_HISTOGRAM = "latency_seconds"
END_S = int(time.time()) // 60 * 60 - 60
START_S = END_S - HOURS * 3600
FLOATS = '{__name__=~"float_.*"}'
EVERYTHING = '{__name__=~"float_.*|.*_seconds|load_.*|request_.*|mixed_.*|nan_sum|empty|plain_total"}'


def tool_binary():
    return os.path.join(os.path.dirname(os.path.dirname(lab.ferula_binary())), "tool", "ferulatool")


def run(*arguments, accept=True):
    """Standard output of a command, whose exit code must be 0 (or must not be)."""
    done = subprocess.run(arguments, capture_output=True, text=True, errors="replace", timeout=600)
    CHECKS.check((done.returncode == 0) == accept, " ".join(arguments[:3]), done.stderr[-2000:])
    return done.stdout if accept else done.stderr


def knows_native():
    version = subprocess.run([ORACLE, "--version"], capture_output=True, text=True)
    return (version.stdout + version.stderr).startswith("prometheus, version 3")


def float_series():
    """Series as a server meets them; values may be the bits of a double."""
    rand = random.Random(SEED)
    points = HOURS * 3600 // STEP_S
    for number in range(24):
        kind = ("counter", "gauge", "constant", "odd")[number % 4]
        total, samples = 0.0, []
        for i in range(points):
            # off the edges of windows, on which 2.x counts a sample twice
            time_ms = (START_S + i * STEP_S) * 1000 + 3 + number * 7
            total = 0.0 if kind == "counter" and rand.random() < 0.002 else total + rand.randrange(9)
            value = {"counter": total, "gauge": round(rand.uniform(-50, 50), 2), "constant": 1.0}.get(kind)
            if kind == "odd":
                value = rand.choice((rand.random(), float("nan"), float("inf"), -0.0, 1e-310, 0x7FF8000000000001))
            if i % 500 == 499:
                value = lab.STALE_BITS
            if not 500 + number * 11 < i < 560 + number * 11:
                samples.append((time_ms, value))
        yield {"__name__": "float_" + kind, "instance": f"t\u00e4rget-{number}", "job": f"j{number % 3}"}, samples


def fill(server, native, restarts=(), held_back=()):
    """All points; the server is started anew before those slices; these numbers of histograms come late."""
    series = list(float_series())
    points = HOURS * 3600 // STEP_S
    histograms = list(compare_native.make_data((END_S - 2500) * 1000)) if native else []
    # not all kinds: 3.14 itself fails to answer when others come late
    late = [[one for one in histograms[i] if one[0]["__name__"] == LATE_HISTOGRAM] for i in held_back if native]
    histograms = [one for i, one in enumerate(histograms) if i not in held_back]
    for number, first in enumerate(range(0, points, SLICE)):
        if number in restarts:
            server.stop()
            server.start()
        begin_ms = (START_S + first * STEP_S) * 1000
        window = range(begin_ms, begin_ms + SLICE * STEP_S * 1000)
        part = [(labels, [s for s in samples if s[0] in window]) for labels, samples in series]
        compare_native.write(server, [one for one in part if one[1]])
        while histograms and histograms[0][0][1][0][0] < window.stop:
            compare_native.write(server, histograms.pop(0))
    for one in late:
        compare_native.write(server, one)


def answers(server, selector, seconds=HOURS * 3600 + 3600):
    """All samples of a selector by series, in pieces of time so that no limit is met."""
    found = {}
    for at_s in range(START_S, START_S + seconds, 1800):
        answer = server.query(f"{selector}[30m]", at_s + 1800)
        CHECKS.check(answer.get("status") == "success", f"{selector} is answered", answer)
        for series in answer.get("data", {}).get("result", []):
            key = json.dumps(series["metric"], sort_keys=True)
            into = found.setdefault(key, {"values": [], "histograms": []})
            for kind in into:
                into[kind] += series.get(kind, [])
    return found


def sample_count(found):
    return sum(len(one["values"]) + len(one["histograms"]) for one in found.values())


def same(got, expected, what):
    CHECKS.equal(sorted(got), sorted(expected), what + ": the series")
    different = [key for key in expected if json.dumps(got.get(key)) != json.dumps(expected[key])]
    detail = ""
    if different:
        pairs = [
            (a, b)
            for kind in ("values", "histograms")
            for a, b in zip(got.get(different[0], {}).get(kind, []), expected[different[0]][kind])
            if a != b
        ]
        detail = f"{len(different)} series, such as {different[0]}: {str(pairs[:2])[:1500]}"
    CHECKS.check(not different, f"{what}: {sample_count(expected)} samples", detail)


def digest(folder):
    """Names and content of blocks, all but what is ferula's."""
    found = {}
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "ferula"]
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    return found


def server(binary, data_path, name, flags=(), config=CONFIG):
    made = lab.MonitoringServer(binary, config, FLAGS + tuple(flags), name)
    made.arguments = [
        f"--storage.tsdb.path={data_path}" if argument.startswith("--storage.tsdb.path=") else argument
        for argument in made.arguments
    ]
    made.data_path = data_path
    return made


def check_import(tool, snapshot, expected, data_path):
    text = run(tool, "tsdb", "import-prometheus", snapshot, f"--storage.tsdb.path={data_path}")
    CHECKS.check("samples imported" in text, "the import says how much it took", text)
    text = run(tool, "tsdb", "import-prometheus", snapshot, f"--storage.tsdb.path={data_path}")
    CHECKS.check(text.startswith("0 blocks"), "a second import takes nothing twice", text)
    if "FERULA_FEATURES" not in os.environ:  # Debian's promtool does not know the newest chunks
        # stale markers are in no answer of a query, but in a dump
        os.makedirs(os.path.join(snapshot, "wal"), exist_ok=True)
        theirs = run("promtool", "tsdb", "dump", "--match", FLOATS, snapshot).splitlines()
        ours = run(tool, "tsdb", "dump", "--match", FLOATS, data_path).splitlines()
        same_lines = bool(theirs) and sorted(ours) == sorted(theirs)
        CHECKS.check(same_lines, f"a dump has the same {len(theirs)} lines", ours[:2] + theirs[:2])
    ferula = server(lab.ferula_binary(), data_path, "ferula").start()
    same(answers(ferula, EVERYTHING), expected, "ferula after the import")
    busy = run(tool, "tsdb", "import-prometheus", snapshot, f"--storage.tsdb.path={data_path}", accept=False)
    CHECKS.check("is open in process" in busy, "an import beside a running server is refused", busy)
    written = ferula.remote_write([({"__name__": "float_new"}, [(END_S * 1000 + 1 + i, float(i)) for i in range(300)])])
    CHECKS.equal(written[0], 204, "ferula takes new samples")
    with_new = answers(ferula, EVERYTHING)
    CHECKS.equal(len(with_new), len(expected) + 1, "ferula goes on with new series")
    ferula.stop()
    return with_new


def check_export(tool, data_path, expected, selector=EVERYTHING):
    out = os.path.join(lab.temporary_folder(), "out")
    run(tool, "tsdb", "export-prometheus", data_path, out)
    text = run("promtool", "tsdb", "list", out)
    CHECKS.check(len(text.splitlines()) > 3, "promtool lists the exported blocks", text)
    os.makedirs(os.path.join(out, "wal"), exist_ok=True)
    for block in [name for name in os.listdir(out) if len(name) == 26]:
        text = run("promtool", "tsdb", "analyze", out, block)
        CHECKS.check("Label pairs most involved" in text, "promtool analyzes an exported block", text)
    prometheus = server(ORACLE, out, "prometheus").start()
    same(answers(prometheus, selector), expected, "prometheus after the export")
    prometheus.stop()
    log = prometheus.log_text()
    CHECKS.check("corrupt" not in log.lower(), "prometheus finds nothing corrupt", log[-2000:])


def check_shared_path(tool, path, expected):
    before = digest(path)
    ferula = server(lab.ferula_binary(), path, "ferula").start()
    log = ferula.log_text()
    command = f'import="ferulatool tsdb import-prometheus {path}"'
    CHECKS.check(command in log and "start Prometheus on the same path" in log, "the log tells both ways", log)
    CHECKS.equal(ferula.remote_write([({"__name__": "float_own"}, [(END_S * 1000 + 1, 1.0)])])[0], 204, "a write")
    own = answers(ferula, FLOATS)
    CHECKS.equal(len(own), 1, "ferula begins with its own samples")
    ferula.stop()
    CHECKS.equal(digest(path), before, "ferula leaves the files of prometheus alone")
    prometheus = server(ORACLE, path, "prometheus").start()
    same(answers(prometheus, EVERYTHING), expected, "prometheus where ferula was")
    prometheus.stop()
    before = digest(path)
    run(tool, "tsdb", "import-prometheus", path)
    CHECKS.equal(digest(path), before, "the import leaves the files of prometheus alone")
    ferula = server(lab.ferula_binary(), path, "ferula").start()
    same(answers(ferula, EVERYTHING), {**expected, **own}, "ferula with both")
    ferula.stop()


LATE_CONFIG = CONFIG + "storage: {tsdb: {out_of_order_time_window: 3h}}\n"
ALL_SERIES = '{__name__=~".+"}'


def write_late(origin):
    """Samples between those that are there, of the head's time and of that of blocks, in no order."""
    for back_s in (900, 4000, 300, 9000, 2000, 310):
        time_ms = (END_S - back_s) * 1000 + 1
        compare_native.write(
            origin,
            [({"__name__": "float_gauge", "instance": f"t\u00e4rget-{n}", "job": f"j{n % 3}"}, [(time_ms, float(back_s))])
             for n in (9, 13, 17)],
        )
    for i in range(400):  # more than a chunk of late samples has
        compare_native.write(origin, [({"__name__": "float_late"}, [(END_S * 1000 + 3 - i * 20011 % 3600000, float(i))])])


def leave(native, kill, flags):
    """A prometheus that ends with much in its head: its data directory and what it answered last."""
    data_path = os.path.join(lab.temporary_folder(), "data")
    origin = server(ORACLE, data_path, "prometheus", flags, LATE_CONFIG).start()
    fill(origin, native, restarts=(2, 4, 6, 38), held_back=(5, 6, 40))
    write_late(origin)
    deleted = (('float_counter{job="j0"}', 1200, 300), ('{__name__=~"latency_seconds|request_.*|float_odd"}', 600, 300))
    if native:  # 3.14 fails to answer where a part of a chunk in its head is deleted
        deleted = (('float_counter{job="j0"}', HOURS * 3600, HOURS * 4000), ('latency_seconds{instance="b"}', 9999, 99999))
    for selector, back_s, length_s in deleted:
        status, _, _ = origin.get(
            "/api/v1/admin/tsdb/delete_series",
            {"match[]": selector, "start": END_S - back_s, "end": END_S - back_s + length_s},
            method="POST",
        )
        CHECKS.equal(status, 204, "some samples of the head are deleted")
    compare_native.write(origin, [({"__name__": "float_new_at_the_end"}, [(END_S * 1000 + 7, 1.5)])])
    expected = answers(origin, ALL_SERIES)
    tool = tool_binary()
    beside = os.path.join(lab.temporary_folder(), "beside")
    done = subprocess.run([tool, "tsdb", "import-prometheus", data_path, f"--storage.tsdb.path={beside}"],
                          capture_output=True, text=True)
    CHECKS.check(done.returncode == 0 and "Prometheus is running on" in done.stderr, "of one that runs what is there is taken", done)
    origin.stop(kill=kill)
    found = [name for name in os.listdir(os.path.join(data_path, "wal")) if name.startswith("checkpoint.")]
    CHECKS.check(found, "there is a checkpoint", os.listdir(os.path.join(data_path, "wal")))
    return data_path, expected, beside


def check_stopped(tool, native, kill, flags):
    how = "killed" if kill else "stopped"
    data_path, expected, beside = leave(native, kill, flags)
    before = digest(data_path)
    into = os.path.join(lab.temporary_folder(), "data")
    run(tool, "tsdb", "import-prometheus", data_path, f"--storage.tsdb.path={into}")
    text = run(tool, "tsdb", "import-prometheus", data_path, f"--storage.tsdb.path={into}")
    CHECKS.check(text.startswith("0 blocks"), "a second import takes nothing twice", text)
    run(tool, "tsdb", "import-prometheus", data_path, f"--storage.tsdb.path={beside}")
    CHECKS.equal(digest(data_path), before, "nothing of prometheus was changed")
    for path in (into, beside):
        ferula = server(lab.ferula_binary(), path, "ferula").start()
        same(answers(ferula, ALL_SERIES), expected, f"ferula after one that was {how}")
        ferula.stop()
    check_export(tool, into, expected, ALL_SERIES)
    ours = run(tool, "tsdb", "dump", into).splitlines()
    theirs = run(tool, "tsdb", "dump", data_path).splitlines()
    CHECKS.check(bool(ours) and ours == theirs, f"a dump of either has the same {len(ours)} lines")
    prometheus = server(ORACLE, data_path, "prometheus", flags, LATE_CONFIG).start()
    same(answers(prometheus, ALL_SERIES), expected, f"prometheus itself after it was {how}")
    prometheus.stop()


def main():
    tool = tool_binary()
    native = knows_native()
    if not native:
        CHECKS.skip("native histograms: FERULA_ORACLE is no prometheus 3.x")
    features = os.environ.get("FERULA_FEATURES", "native-histograms")
    flags = (f"--enable-feature={features}",) if native else ()
    origin = server(ORACLE, os.path.join(lab.temporary_folder(), "data"), "prometheus", flags).start()
    fill(origin, native)
    status, _, _ = origin.get(
        "/api/v1/admin/tsdb/delete_series",
        {"match[]": 'float_gauge{job="j1"}', "start": START_S + 1000, "end": START_S + 3 * 3600},
        method="POST",
    )
    CHECKS.equal(status, 204, "some samples are deleted")
    status, _, answer = origin.get("/api/v1/admin/tsdb/snapshot", method="POST")
    CHECKS.equal(status, 200, "the snapshot is written")
    expected = answers(origin, EVERYTHING)
    CHECKS.check(sample_count(expected) > 15000, "there is much to migrate", sample_count(expected))
    snapshot = os.path.join(origin.data_path, "snapshots", json.loads(answer)["data"]["name"])
    data_path = os.path.join(lab.temporary_folder(), "data")
    with_new = check_import(tool, snapshot, expected, data_path)
    check_export(tool, data_path, with_new)
    origin.stop()
    check_shared_path(tool, origin.data_path, expected)
    check_stopped(tool, native, False, flags)
    zstd = ("--storage.tsdb.wal-compression-type=zstd",) if native else ()
    check_stopped(tool, native, True, flags + zstd)
    CHECKS.finish()


if __name__ == "__main__":
    main()
