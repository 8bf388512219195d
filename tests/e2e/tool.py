"""ferulatool without peers: blocks from text, listed, dumped, analyzed, exported and imported again;
data of a server that runs or has stopped; what is wrong on the command line."""

import os
import subprocess
import sys

import lab

CHECKS = lab.Checks("tool")
TOOL = os.path.join(os.path.dirname(os.path.dirname(lab.ferula_binary())), "tool", "ferulatool")
START_S = 1700000000
HOURS = 5


def run(*arguments):
    done = subprocess.run([TOOL, *arguments], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


def works(*arguments):
    code, out, err = run(*arguments)
    CHECKS.check(code == 0, " ".join(arguments[:2]), err)
    return out


def make_text(path):
    lines = ["# TYPE temperature gauge"]
    for room in ("b", "a"):
        for i in range(HOURS * 60):
            value = ("NaN", "+Inf", "1e-10", "1234567")[i % 4] if room == "b" else str(i / 4)
            lines.append(f'temperature{{room="{room}",house="h\\"1"}} {value} {START_S + i * 60}.25')
    lines += ["# TYPE requests counter", f"requests_total 7 {START_S}", "# EOF"]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def check_command_line():
    for arguments, text in (
        (["tsdb", "nothing"], 'expected command but got "nothing", try --help'),
        (["tsdb"], "must select a subcommand of 'tsdb', try --help"),
        (["tsdb", "list", "--nothing"], "unknown long flag '--nothing', try --help"),
        (["tsdb", "list", "-x"], "unknown short flag '-x', try --help"),
        (["tsdb", "list", "a", "b"], "unexpected b, try --help"),
        (["tsdb", "dump", "--match"], "expected argument for flag '--match', try --help"),
        (["tsdb", "create-blocks-from", "openmetrics"], "required argument 'input file' not provided, try --help"),
    ):
        code, _, err = run(*arguments)
        CHECKS.equal((code, err), (1, f"ferulatool: error: {text}\n"), " ".join(arguments))
    for arguments in (["--help"], ["tsdb", "--help"], ["help", "tsdb", "list"], ["tsdb", "dump", "-h"], []):
        out = works(*arguments)
        CHECKS.check(out.startswith("usage: ferulatool "), f"help of {arguments}", out)
    CHECKS.check(works("--version").startswith("ferulatool, version "), "the version")


def check_blocks(folder):
    text, data = os.path.join(folder, "text"), os.path.join(folder, "data")
    make_text(text)
    out = works("tsdb", "create-blocks-from", "openmetrics", "--label=site=x", text, data).splitlines()
    CHECKS.check(out[0].split()[:2] == ["BLOCK", "ULID"] and len(out) == 4, "three blocks of two hours", out)
    listed = works("tsdb", "list", data).splitlines()
    CHECKS.equal([line.split()[0] for line in listed], [line.split()[0] for line in out], "what list says")
    CHECKS.equal(sum(int(line.split()[4]) for line in listed[1:]), 2 * HOURS * 60 + 1, "the number of samples")
    dump = works("tsdb", "dump", data)
    CHECKS.equal(len(dump.splitlines()), 2 * HOURS * 60 + 1, "lines of a dump")
    first = f'{{__name__="temperature", house="h\\"1", room="a", site="x"}} 0.25 {START_S + 60}250'
    CHECKS.check(first in dump.splitlines(), "a line of a dump", dump[:300])
    CHECKS.check(" 1.234567e+06 " in dump and " +Inf " in dump, "numbers as Go prints them")
    some = works("tsdb", "dump", "--match", 'temperature{room="a"}', f"--min-time={START_S + 60}000",
                 f"--max-time={START_S + 180}000", data)
    CHECKS.equal(len(some.splitlines()), 2, "lines of a range of a selection")
    series = works("tsdb", "dump", "--format=seriesjson", data).splitlines()
    CHECKS.equal(series[0], '{"__name__":"requests_total","site":"x"}', "a series as JSON")
    analysis = works("tsdb", "analyze", data, listed[1].split()[0])
    CHECKS.check("Total Series: 3\n" in analysis and "Most common label pairs:\n3 site=x\n" in analysis, "analysis", analysis)
    check_round_trips(folder, data, dump)


def check_round_trips(folder, data, dump):
    there, back = os.path.join(folder, "there"), os.path.join(folder, "back")
    CHECKS.check("3 blocks with 601 samples" in works("tsdb", "export-prometheus", data, there), "an export")
    CHECKS.equal(works("tsdb", "dump", there), dump, "a dump of what was exported")
    CHECKS.check("3 were there already" in works("tsdb", "export-prometheus", data, there), "an export again")
    extended = works("tsdb", "analyze", "--extended", there)
    CHECKS.check("samples per float chunk (min/avg/max): " in extended and "histogram chunk: N/A" in extended, "chunks", extended)
    CHECKS.check("bytes per sample" in works("tsdb", "analyze", "--extended", data), "an extended analysis of ours")
    name = [name for name in os.listdir(there) if len(name) == 26][0]
    os.makedirs(os.path.join(back, "blocks", name + ".tmp"))
    with open(os.path.join(back, "blocks", name + ".tmp", "chunks"), "wb") as file:
        file.write(b"of an import that was killed")
    CHECKS.check("3 blocks with 601 samples" in works("tsdb", "import-prometheus", there, "--storage.tsdb.path", back), "an import")
    CHECKS.equal(works("tsdb", "dump", back), dump, "a dump of what was imported")
    text = os.path.join(folder, "text2")
    with open(text, "w", encoding="utf-8") as file:
        file.write(works("tsdb", "dump-openmetrics", back))
    again = os.path.join(folder, "again")
    works("tsdb", "create-blocks-from", "openmetrics", "-q", text, again)
    CHECKS.equal(works("tsdb", "dump", again), dump, "a dump of what became text and blocks again")
    chunks = [os.path.join(root, "000001") for root, _, names in os.walk(there) if "000001" in names][0]
    with open(chunks, "r+b") as file:
        file.seek(12)
        byte = file.read(1)
        file.seek(12)
        file.write(bytes([byte[0] ^ 4]))
    code, _, err = run("tsdb", "import-prometheus", there, f"--storage.tsdb.path={folder}/damaged")
    CHECKS.check(code == 1 and chunks in err and "at offset 8: the checksum of the chunk is wrong" in err, "damage", err)
    out = works("tsdb", "list", f"{folder}/damaged")
    CHECKS.equal(len(out.splitlines()), 3, "the blocks that are whole are imported")


def check_wrong_input(folder):
    for name, text, expected in (
        ("no time", "a 1\n# EOF\n", "expected timestamp for series a, got none"),
        ("no end", "a 1 1700000000\n", "data does not end with # EOF"),
        ("twice", "a 1 1700000000\na 2 1700000000\n# EOF\n", "duplicate sample for timestamp"),
    ):
        path = os.path.join(folder, "wrong")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        code, _, err = run("tsdb", "create-blocks-from", "openmetrics", path, os.path.join(folder, "none"))
        CHECKS.check(code == 1 and expected in err and path in err + path, name, err)
    CHECKS.check(not os.path.exists(os.path.join(folder, "none")), "nothing is made of wrong input")
    os.makedirs(os.path.join(folder, "empty"))
    for name, source in (("nothing", "empty"), ("a data directory of ferula", "data")):
        code, _, err = run("tsdb", "import-prometheus", os.path.join(folder, source))
        CHECKS.check(code == 1 and "is no data directory of Prometheus" in err, f"an import of {name}", err)
    code, _, err = run("tsdb", "analyze", os.path.join(folder, "empty"))
    CHECKS.check(code == 1 and err.startswith("no blocks found in "), "an analysis of nothing", err)
    CHECKS.equal(os.listdir(os.path.join(folder, "empty")), [], "nothing is made where nothing is imported")
    code, _, err = run("tsdb", "list", os.path.join(folder, "none"))
    CHECKS.check(code == 1 and "no such file or directory" in err, "a directory that is missing", err)


def check_server(folder):
    text = os.path.join(folder, "text")
    server = lab.MonitoringServer(lab.ferula_binary(), "global: {}\n", ["--web.enable-remote-write-receiver"])
    works("tsdb", "create-blocks-from", "openmetrics", text, server.data_path)
    server.start()
    newer_ms = (START_S + HOURS * 3600 + 60) * 1000  # in the same two hours as samples of a block
    CHECKS.equal(server.remote_write([({"__name__": "newer", "a": "b"}, [(newer_ms, 5.0)])])[0], 204, "a write")
    answer = server.query('count_over_time({__name__=~".+"}[1d])', newer_ms / 1000)
    counts = sorted(int(one["value"][1]) for one in answer.get("data", {}).get("result", []))
    CHECKS.equal(counts, [1, 1, HOURS * 60, HOURS * 60], f"the server answers from the blocks: {answer}")
    code, out, err = run("tsdb", "dump", server.data_path)
    CHECKS.check(code == 0 and "newest samples" in err and "is open in process" in err, "a dump beside a server", err)
    CHECKS.equal(len(out.splitlines()), 2 * HOURS * 60 + 1, "it has the blocks")
    code, _, err = run("tsdb", "create-blocks-from", "openmetrics", text, server.data_path)
    CHECKS.check(code == 1 and "is open in process" in err, "blocks beside a server", err)
    server.stop()
    out = works("tsdb", "dump", server.data_path)
    CHECKS.check(f'{{__name__="newer", a="b"}} 5 {newer_ms}' in out, "a dump of the head", out[-300:])
    out = works("tsdb", "export-prometheus", server.data_path, os.path.join(folder, "with-head"))
    CHECKS.check("with 602 samples" in out, "an export of the head", out)
    if os.geteuid() == 0:
        check_owner(server.data_path)
    check_left_out(server.data_path)
    server.start()
    answer = server.query("newer", newer_ms / 1000)["data"]["result"]
    CHECKS.equal(len(answer), 1, "the server starts again behind the tool")
    server.stop()


def check_left_out(data_path):
    """What is whole is dumped, and what is missing is told."""
    whole = works("tsdb", "dump", data_path).splitlines()
    block = sorted(os.listdir(os.path.join(data_path, "blocks")))[0]
    path = os.path.join(data_path, "blocks", block, "chunks")
    with open(path, "r+b") as file:
        before = file.read()
        file.seek(40)
        file.write(b"damaged!")
    code, out, err = run("tsdb", "dump", data_path)
    CHECKS.check(code == 1 and f"a damaged part of block {block} is left out" in err, "a dump tells what it lacks", err)
    lines = out.splitlines()
    CHECKS.check(0 < len(lines) < len(whole) and set(lines) < set(whole), "and has the rest", len(lines))
    with open(path, "wb") as file:
        file.write(before)


RULES = """groups:
- name: later
  interval: 90s
  labels: {of: group, from: group}
  rules:
  - {record: "house:temperature:max", expr: 'max by (house) (temperature)', labels: {from: rule}}
  - {alert: Hot, expr: temperature > 100}
- name: default_interval
  rules:
  - {record: rate_of_all, expr: 'sum(rate(temperature[5m]))'}
"""


def check_rules(folder):
    """Blocks of recording rules: what the server says at the times at which they would be evaluated."""
    server = lab.MonitoringServer(lab.ferula_binary(), "global: {}\n")
    works("tsdb", "create-blocks-from", "openmetrics", os.path.join(folder, "text"), server.data_path)
    server.start()
    rules, into = os.path.join(folder, "rules.yml"), os.path.join(folder, "of-rules")
    with open(rules, "w", encoding="utf-8") as file:
        file.write(RULES)
    start_s, end_s = START_S + 601, START_S + HOURS * 3600 - 601
    code, out, err = run("tsdb", "create-blocks-from", "rules", f"--url={server.url}/", f"--start={start_s}",
                         f"--end={end_s}", f"--output-dir={into}", "--eval-interval=30s", rules)
    CHECKS.check(code == 0 and err == "" and out.startswith("BLOCK ULID"), "blocks of rules", (code, out, err))
    lines = works("tsdb", "dump", into).splitlines()
    times = {}
    for line in lines:
        labels, value, time_ms = line.rsplit(" ", 2)
        times.setdefault(labels, []).append((int(time_ms), value))
    maximum = '{__name__="house:temperature:max", from="rule", house="h\\"1", of="group"}'
    rate = '{__name__="rate_of_all"}'
    CHECKS.equal(sorted(times), [maximum, rate], "the series of the rules")
    for labels, step_s, expression in ((maximum, 90, "max by (house) (temperature)"), (rate, 30, "sum(rate(temperature[5m]))")):
        found = times.get(labels, [(0, "")])
        CHECKS.check(found[0][0] >= start_s * 1000 and found[0][0] < (start_s + step_s) * 1000, "the first is in the first interval", found[0])
        CHECKS.check(found[-1][0] <= end_s * 1000 and found[-1][0] > (end_s - step_s) * 1000, "the last is in the last", found[-1])
        CHECKS.check(all(b[0] - a[0] == step_s * 1000 for a, b in zip(found, found[1:])), "they are an interval apart")
        answer = server.query_range(expression, found[0][0] / 1000, found[-1][0] / 1000, step_s)
        expected = [(round(t * 1000), str(float(v))) for t, v in answer["data"]["result"][0]["values"]]
        CHECKS.equal([(t, str(float(v))) for t, v in found], expected, f"samples of {expression}")
    code, _, err = run("tsdb", "create-blocks-from", "rules", f"--url={server.url}", "--start=5", "--end=4", rules)
    CHECKS.check(code == 1 and "start time is not before end time" in err, "times in the wrong order", err)
    code, _, err = run("tsdb", "create-blocks-from", "rules", rules)
    CHECKS.check(code == 1 and "required flag(s) '--start' not provided" in err, "no start", err)
    server.stop()
    code, _, err = run("tsdb", "create-blocks-from", "rules", f"--url={server.url}", f"--start={start_s}",
                       f"--end={end_s}", f"--output-dir={folder}/no-server", rules)
    CHECKS.check(code == 1 and "connection refused" in err and "/api/v1/query_range" in err, "no server", err)
    with open(rules, "a", encoding="utf-8") as file:
        file.write("  - {record: broken, expr: 'sum('}\n")
    code, _, err = run("tsdb", "create-blocks-from", "rules", f"--start={start_s}", rules)
    CHECKS.check(code == 1 and f"{rules}:" in err and "parse error" in err, "a broken rule", err)


def check_files(folder):
    """check config and check rules: what stands on both outputs, and the exit code."""
    os.makedirs(os.path.join(folder, "files"))
    texts = {
        "good.yml": "rule_files: [rules.yml]\nscrape_configs:\n- {job_name: a, scrape_interval: 10m}\n"
                    "- {job_name: f, file_sd_configs: [{files: [none.json]}]}\n",
        "missing.yml": "rule_files: [none.yml]\n",
        "credentials.yml": "scrape_configs:\n- {job_name: a, authorization: {credentials_file: none}}\n",
        "address.yml": "scrape_configs:\n- {job_name: a, static_configs: [{targets: ['b:1', '']}]}\n",
        "relabelled.yml": "scrape_configs:\n- {job_name: a, static_configs: [{targets: ['']}], "
                          "relabel_configs: [{target_label: __address__, replacement: 'b:1'}]}\n",
        "pattern.yml": "rule_files: ['rules[.yml']\n",
        "broken.yml": "global: {scrape_intervall: 1s}\n",
        "rules.yml": "groups:\n- {name: g, rules: [{record: a, expr: up}, {alert: b, expr: up}]}\n",
        "twice.yml": "groups:\n- {name: g, rules: [{record: a, expr: up, labels: {x: y}}, {record: a, expr: up * 2, labels: {x: y}}]}\n",
        "wrong.yml": "groups:\n- {name: g, rules: [{record: a, expr: 'sum('}]}\n",
        "with_wrong.yml": "rule_files: [wrong.yml]\n",
    }
    paths = {name: os.path.join(folder, "files", name) for name in texts}
    for name, text in texts.items():
        with open(paths[name], "w", encoding="utf-8") as file:
            file.write(text)
    valid = " SUCCESS: {} is valid prometheus config file syntax\n\n"
    good = f"Checking {paths['good.yml']}\n  WARNING: {paths['good.yml']}:4:17: file_sd_configs is read but has no effect yet\n" \
           f"  WARNING: file \"{folder}/files/none.json\" for file_sd in scrape job \"f\" does not exist\n" \
           f"  SUCCESS: 1 rule files found\n" + valid.format(paths["good.yml"]) + f"Checking {paths['rules.yml']}\n  SUCCESS: 2 rules found\n\n"
    twice = "  FAILED:\nlint error 1 duplicate rule(s) found.\nMetric: a\nLabel(s):\n\tx: y\nMight cause inconsistency while recording expressions\n"
    for arguments, code, out, err in (
        (("config", "good.yml"), 0, good, ""),
        (("config", "--lint=all", "--lint-fatal", "good.yml"), 3, good, "too long scrape interval found"),
        (("config", "missing.yml"), 1, "", "none.yml\" does not point to an existing file\n"),
        (("config", "--syntax-only", "missing.yml"), 0, valid.format(paths["missing.yml"]), ""),
        (("config", "credentials.yml"), 1, "", "error checking authorization credentials or bearer token file"),
        (("config", "address.yml"), 1, "", "instance 1 in group 0: no address; job \"a\" has an empty target"),
        (("config", "relabelled.yml"), 0, valid.format(paths["relabelled.yml"]), ""),
        (("config", "pattern.yml"), 1, "", "pattern.yml:1:14: invalid rule file path"),
        (("config", "broken.yml"), 1, "", "broken.yml:1:10: field scrape_intervall not found"),
        (("config", "with_wrong.yml"), 1, valid.format(paths["with_wrong.yml"]), "wrong.yml:2:"),
        (("rules", "rules.yml", "twice.yml"), 0, "  SUCCESS: 2 rules found\n\n", twice),
        (("rules", "--lint-fatal", "twice.yml"), 3, "", twice),
        (("rules", "--lint=none", "twice.yml"), 0, "  SUCCESS: 2 rules found\n\n", ""),
        (("rules", "wrong.yml", "rules.yml"), 1, "  SUCCESS: 2 rules found\n\n", "  FAILED:\n" + paths["wrong.yml"] + ":2:"),
    ):
        got = run("check", *[paths.get(one, one) for one in arguments])
        CHECKS.check(got[0] == code and out in got[1] and err in got[2] and (err or not got[2]), " ".join(arguments), got)


def check_owner(data_path):
    """What root makes in somebody's data directory becomes that somebody's."""
    os.chown(data_path, 65534, 65534)
    works("tsdb", "dump", data_path)
    paths = [os.path.join(root, name) for root, folders, names in os.walk(data_path) for name in folders + names]
    CHECKS.equal({os.lstat(path).st_uid for path in paths}, {65534}, "the owner of all files")


def main():
    if not os.path.exists(TOOL):
        sys.exit("no ferulatool beside ferula: build first")
    folder = lab.temporary_folder()
    check_command_line()
    check_blocks(folder)
    check_wrong_input(folder)
    check_server(folder)
    check_rules(folder)
    check_files(folder)
    CHECKS.finish()


if __name__ == "__main__":
    main()
