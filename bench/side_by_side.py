"""ferula beside Debian's prometheus and victoria-metrics: the same load, one after the other.

usage: side_by_side.py --build FOLDER [--full] [--servers LIST] [--stages LIST] [--json FILE]

Each server runs alone on core 1, the load on core 0. Figures are CPU time (utime + stime), memory from
smaps_rollup, file sizes, and latencies of whole answers.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

from block_layouts import compare_layouts, layouts_figures, layouts_table, stage_blocks
from peers import Server, files_size, stripped_size
from query_suite import DASHBOARD, QUERIES, load, query_path, same, time_query

NODE_SERIES = 1026
TARGETS = 200
WRITE_TARGETS = 100
TSBS_SERIES_PER_HOST = 29
LIVE_TARGETS = 19
RULE_GROUPS = 200
RULES_PER_GROUP = 100
RULE_TARGETS = 20

STAGES = ('start', 'scrape', 'gzip', 'write', 'queries', 'blocks', 'rules', 'disk')

QUICK = {
    'starts': 3, 'idle_s': 3, 'scrape_s': 22, 'window_s': 15, 'rounds': 12, 'hosts': 50, 'hours': 6,
    'runs': 7, 'mix_s': 8, 'rules_s': 30, 'stages': ('start', 'scrape', 'write', 'queries'),
}
FULL = {
    'starts': 7, 'idle_s': 15, 'scrape_s': 180, 'window_s': 150, 'rounds': 40, 'hosts': 400, 'hours': 6,
    'runs': 9, 'mix_s': 40, 'rules_s': 90, 'stages': STAGES,
}

def note(text):
    print(f'# {text}', file=sys.stderr, flush=True)


class Run:
    """One run over all servers; `figures[name][server]` is what was measured."""

    def __init__(self, options, settings):
        self.options = options
        self.settings = settings
        self.folder = tempfile.mkdtemp(prefix='ferula-bench-', dir=options.folder)
        self.figures = {}
        self.answers = {}
        self.load = []
        self.layouts = {}  # what the stage `blocks` measured, by column

    def tool(self, name):
        return os.path.join(self.options.build, 'bench', name)

    def put(self, figure, server, value):
        self.figures.setdefault(figure, {})[server.name] = value

    def spawn(self, *command, **keywords):
        process = subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, {0}), text=True,
                                   **keywords)
        self.load.append(process)
        return process

    def output(self, *command, stdin=''):
        process = self.spawn(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        text, _ = process.communicate(stdin)
        if process.returncode != 0:
            raise RuntimeError(f'{command[0]} ended with {process.returncode}')
        return [json.loads(line) for line in text.splitlines()]

    def writer(self, server, shape, units, start_ms, step_ms, first, rounds, mode):
        return [self.tool('bench_remote_writer'), str(server.port), '/api/v1/write', shape, str(units),
                str(start_ms), str(step_ms), str(first), str(rounds), mode]

    def end_load(self):
        for process in self.load:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.load.clear()

    def close(self):
        self.end_load()
        shutil.rmtree(self.folder, ignore_errors=True)


def stage_start(run, server):
    """Start time and memory with nothing to do."""
    times = []
    for _ in range(run.settings['starts']):
        server.clear()
        server.start()
        times.append(server.start_s * 1000)
        server.stop()
    server.clear()
    server.start()
    time.sleep(run.settings['idle_s'])
    rss, anonymous = server.memory()
    before = server.cpu_s()
    time.sleep(run.settings['idle_s'])
    run.put('start on an empty directory, ms', server, statistics.median(times))
    run.put('idle RSS, MB', server, rss / 1e6)
    run.put('idle anonymous RSS, MB', server, anonymous / 1e6)
    run.put('idle CPU, % of a core', server, (server.cpu_s() - before) / run.settings['idle_s'] * 100)
    run.put('binary, stripped, MB', server, stripped_size(server.binary, run.folder) / 1e6)
    server.stop()


def served(port):
    """What the load generator has handed out so far."""
    import http.client
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=30)
    connection.request('GET', '/stats')
    stats = json.loads(connection.getresponse().read())
    connection.close()
    return stats


def scrape(run, server, form):
    port = run.options.port + 9
    targets = run.spawn(run.tool('bench_targets'), str(port), str(TARGETS), '5', form)
    time.sleep(0.5)
    server.clear()
    server.start([f'127.0.0.{number + 1}:{port}' for number in range(TARGETS)])
    time.sleep(run.settings['scrape_s'] - run.settings['window_s'])
    cpu, samples = server.cpu_s(), served(port)['samples']
    time.sleep(run.settings['window_s'])
    cpu, samples = server.cpu_s() - cpu, served(port)['samples'] - samples
    rss, anonymous = server.memory()
    total = served(port)['samples']
    wal = files_size(server.data, 'wal')
    run.put(f'scrape ingestion, {form}, CPU s per million samples', server, cpu / samples * 1e6)
    if form == 'plain':
        run.put('scrape: samples a second', server, samples / run.settings['window_s'])
        run.put('scrape: RSS per series, bytes', server, rss / (TARGETS * NODE_SERIES))
        run.put('scrape: anonymous RSS per series, bytes', server, anonymous / (TARGETS * NODE_SERIES))
        run.put('WAL bytes per sample', server, wal / total if wal else None)
    server.stop(signal.SIGKILL)
    targets.kill()
    targets.wait()


def stage_scrape(run, server):
    scrape(run, server, 'plain')


def stage_gzip(run, server):
    scrape(run, server, 'gzip')


def count_samples(server):
    """All samples of the remote-write stage that the server can show. Name by name, since
    count_over_time drops the names and would have equal series otherwise."""
    status, body = server.get('/api/v1/label/__name__/values')
    total = 0
    for name in json.loads(body)['data'] if status == 200 else ():
        status, body = server.get('/api/v1/query', query=f'sum(count_over_time({name}{{job="node"}}[1h]))',
                                  nocache=1)
        result = json.loads(body)['data']['result'] if status == 200 else []
        total += int(float(result[0]['value'][1])) if result else 0
    return total


def stage_write(run, server):
    rounds = run.settings['rounds']
    series = WRITE_TARGETS * NODE_SERIES
    start_ms = (int(time.time()) - rounds * 15 - 30) * 1000
    server.clear()
    server.start()
    cpu_start = server.cpu_s()
    first = run.output(*run.writer(server, 'node', WRITE_TARGETS, start_ms, 15000, 0, 1, 'encoded'))[0]
    time.sleep(1)
    cpu_first = server.cpu_s()
    rest = run.output(*run.writer(server, 'node', WRITE_TARGETS, start_ms, 15000, 1, rounds - 1,
                                  'encoded'))[0]
    # the answers are out: what is lost now was promised
    cpu_rest = server.cpu_s()
    server.stop(signal.SIGKILL)
    sent = first['samples'] + rest['samples']
    per_sample = (cpu_rest - cpu_first) / rest['samples']
    run.put('remote write, CPU s per million samples', server, (cpu_rest - cpu_start) / sent * 1e6)
    run.put('remote write, known series, CPU s per million samples', server, per_sample * 1e6)
    run.put('a new series, CPU us', server,
            ((cpu_first - cpu_start) - per_sample * first['samples']) / series * 1e6)
    run.put('remote write: refused requests', server, first['failed'] + rest['failed'])
    server.start()
    run.put('start after kill -9, s per million samples', server, server.start_s / sent * 1e6)
    time.sleep(2)
    run.put('samples lost by kill -9', server, sent - count_samples(server))
    server.stop()
    write_memory(run, server, start_ms, rounds, series)


def write_memory(run, server, start_ms, rounds, series):
    """Memory after remote write, of a process that has seen nothing else."""
    server.clear()
    server.start()
    run.output(*run.writer(server, 'node', WRITE_TARGETS, start_ms, 15000, 0, rounds, 'encoded'))
    time.sleep(2)
    rss, anonymous = server.memory()
    run.put('remote write: RSS per series, bytes', server, rss / series)
    run.put('remote write: anonymous RSS per series, bytes', server, anonymous / series)
    server.stop(signal.SIGKILL)


def stage_queries(run, server):
    end_s = run.figures.setdefault('_end_s', {}).setdefault('all', int(time.time()) // 60 * 60)
    server.clear()
    server.start()
    load(run, server, end_s)
    server.settle()
    for name, expression, span in QUERIES:
        latency_ms, cpu_ms, answer = time_query(run, server, name, query_path(expression, span, end_s))
        run.put('query ms: ' + name, server, latency_ms)
        run.put('query CPU ms: ' + name, server, cpu_ms)
        run.answers.setdefault(name, {})[server.name] = answer
    rss, anonymous = server.memory()
    run.put('after queries: RSS, MB', server, rss / 1e6)
    dashboard(run, server, end_s)
    server.stop(signal.SIGKILL)


def dashboard(run, server, end_s):
    """Eight clients with range queries of an hour, while 19,494 samples a second come in."""
    seconds = run.settings['mix_s']
    start_ms = (int(time.time()) + 2) * 1000
    writer = run.spawn(*run.writer(server, 'node', LIVE_TARGETS, start_ms, 1000, 0, seconds + 4, 'live'),
                       stdout=subprocess.PIPE)
    time.sleep(3)
    lines = ''.join(f'{number}\t{query_path(expression, (1, 15), end_s)}\n'
                    for number, expression in enumerate(DASHBOARD))
    cpu = server.cpu_s()
    result = run.output(run.tool('bench_query_client'), str(server.port), 'mix', '8', str(seconds),
                        stdin=lines)[0]
    cpu = server.cpu_s() - cpu
    text, _ = writer.communicate()
    written = json.loads(text)
    run.put('dashboard mix: p50 ms', server, result['p50_ms'])
    run.put('dashboard mix: p99 ms', server, result['p99_ms'])
    run.put('dashboard mix: queries a second', server, result['queries'] / seconds)
    run.put('dashboard mix: failed queries', server, result['failed'])
    run.put('dashboard mix: write p99 ms', server, written['p99_ms'])
    run.put('dashboard mix: CPU ms a query', server, cpu / max(result['queries'], 1) * 1000)


def write_rules(path, port):
    """20,000 rules in 200 groups: half of them record one series each, half of them alert."""
    with open(path, 'w', encoding='utf-8') as file:
        file.write('groups:\n')
        for group in range(RULE_GROUPS):
            instance = f'127.0.0.{group % RULE_TARGETS + 1}:{port}'
            file.write(f'  - name: group-{group}\n    rules:\n')
            for rule in range(RULES_PER_GROUP // 2):
                file.write(f"      - record: instance:cpu_{group}_{rule}:rate1m\n"
                           f"        expr: sum by (instance) (rate(node_cpu_seconds_total"
                           f'{{instance="{instance}",cpu="{rule % 20}"}}[1m]))\n'
                           f"      - alert: Load_{group}_{rule}\n"
                           f'        expr: node_load1{{instance="{instance}"}} > {4 + rule}\n'
                           f"        for: 5m\n        labels: {{severity: page}}\n")


def stage_rules(run, server):
    """What 20,000 rules every 15 s cost."""
    if server.name == 'victoria-metrics':
        return  # its rules are another program's
    rules = os.path.join(run.folder, 'rules.yml')
    port = run.options.port + 9
    write_rules(rules, port)
    run.spawn(run.tool('bench_targets'), str(port), str(RULE_TARGETS), '15', 'plain')
    time.sleep(0.5)
    server.clear()
    server.start([f'127.0.0.{number + 1}:{port}' for number in range(RULE_TARGETS)], interval=15, rules=rules)
    time.sleep(40)
    before = server.cpu_s()
    time.sleep(run.settings['rules_s'])
    cpu = server.cpu_s() - before
    _, body = server.get('/api/v1/query', query='count({__name__=~"instance:cpu_.*"})')
    result = json.loads(body)['data']['result']
    wanted = RULE_GROUPS * RULES_PER_GROUP // 2
    recorded = int(float(result[0]['value'][1])) if result else 0
    run.put('20,000 rules at 15 s, % of a core', server,
            cpu / run.settings['rules_s'] * 100 if recorded == wanted else None)
    server.stop()
    run.end_load()


def block_figures(folder):
    """Bytes and samples of all blocks, by their meta.json."""
    total = samples = 0
    for place, _, names in os.walk(folder):
        if 'meta.json' in names and 'index' in names:
            with open(os.path.join(place, 'meta.json'), encoding='utf-8') as file:
                samples += json.load(file).get('stats', {}).get('numSamples', 0)
            total += files_size(place)
    return total, samples


def stage_disk(run, server):
    """A day of one target every 15 s, compacted."""
    rounds = 24 * 240
    start_ms = (int(time.time()) - rounds * 15) * 1000
    server.clear()
    server.start()
    loaded = run.output(*run.writer(server, 'node', 1, start_ms, 15000, 0, rounds, 'stream'))[0]
    if server.name == 'victoria-metrics':
        time.sleep(10)
        server.get('/internal/force_merge')
        server.settle(quiet_s=10)
        total, samples = files_size(server.data), loaded['samples']
    else:
        deadline = time.monotonic() + 240  # the reference looks for work once a minute
        while time.monotonic() < deadline and block_figures(server.data)[1] < loaded['samples'] * 0.8:
            time.sleep(5)
        server.settle(quiet_s=70)
        total, samples = block_figures(server.data)
    run.put('disk bytes per sample, 24 h of node_exporter', server, total / samples if samples else None)
    server.stop()


RUNNERS = {'start': stage_start, 'scrape': stage_scrape, 'gzip': stage_gzip, 'write': stage_write,
           'queries': stage_queries, 'blocks': stage_blocks, 'rules': stage_rules, 'disk': stage_disk}


def number(value):
    if value is None:
        return '-'
    if value == 0:
        return '0'
    return f'{value:.0f}' if abs(value) >= 1000 else f'{value:.3g}'


def table(run, servers):
    names = [server.name for server in servers]
    peers = [name for name in names if name != 'ferula'] if 'ferula' in names else []
    lines = ['| what | ' + ' | '.join(names) + ''.join(f' | {peer} / ferula' for peer in peers) + ' |',
             '|---' * (1 + len(names) + len(peers)) + '|']
    # latencies first, then CPU
    figures = sorted((figure for figure in run.figures if not figure.startswith('_')),
                     key=lambda figure: figure.startswith('query CPU'))
    for figure in figures:
        values = run.figures[figure]
        cells = [number(values.get(name)) for name in names]
        for peer in peers:
            ours, theirs = values.get('ferula'), values.get(peer)
            cells.append(f'{theirs / ours:.1f}' if ours and theirs else '')
        lines.append(f'| {figure} | ' + ' | '.join(cells) + ' |')
    return lines


def compare_answers(run):
    """Which answers of ferula are not the reference's."""
    lines = []
    for name, answers in run.answers.items():
        if 'ferula' in answers and 'prometheus' in answers:
            if not same(answers['ferula'], answers['prometheus'], name.startswith('topk')):
                lines.append(f'ANSWER DIFFERS: {name}')
    return lines


def machine():
    model = ''
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        for line in file:
            if line.startswith('model name'):
                model = line.split(':', 1)[1].strip()
                break
    return {'cpu': model, 'cpus': os.cpu_count(), 'kernel': os.uname().release,
            'load': os.getloadavg()[0], 'time': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}


def parse_options():
    parser = argparse.ArgumentParser(description='ferula beside prometheus and victoria-metrics')
    parser.add_argument('--build', required=True, help='folder of a release build')
    parser.add_argument('--full', action='store_true', help='lengths as in the design; else about 3 minutes')
    parser.add_argument('--servers', default='ferula,prometheus,victoria-metrics')
    parser.add_argument('--stages', help='of ' + ','.join(STAGES))
    parser.add_argument('--port', type=int, default=19110, help='first of ten ports')
    parser.add_argument('--folder', help='where data goes; default: the folder for temporary files')
    parser.add_argument('--json', help='file for the figures')
    return parser.parse_args()


def main():
    options = parse_options()
    settings = FULL if options.full else QUICK
    stages = options.stages.split(',') if options.stages else settings['stages']
    os.sched_setaffinity(0, {0})
    for number in (signal.SIGTERM, signal.SIGINT):  # so that no server outlives the run
        signal.signal(number, lambda *_: sys.exit(1))
    run = Run(options, settings)
    binaries = {'ferula': os.path.join(options.build, 'server', 'ferula'), 'prometheus': 'prometheus',
                'victoria-metrics': 'victoria-metrics'}
    servers = [Server(name, binaries[name], run.folder, options.port + at)
               for at, name in enumerate(options.servers.split(','))]
    about = machine()
    status = 0
    try:
        for stage in stages:
            for server in servers:
                note(f'{stage}: {server.name}')
                try:
                    RUNNERS[stage](run, server)
                except (RuntimeError, OSError, ValueError, KeyError) as error:
                    print(f'{stage}: {server.name} failed: {error!r}')
                    status = 1
                    note('its last words: ' + server.last_words())
                finally:
                    run.end_load()
                    server.stop(signal.SIGKILL)
                    server.clear()
    finally:
        run.close()
    differences = compare_answers(run) + compare_layouts(run)
    print('\n'.join(table(run, servers) + layouts_table(run) + differences))
    if options.json:
        with open(options.json, 'w', encoding='utf-8') as file:
            json.dump({'machine': about, 'full': options.full, 'figures': run.figures, 'layouts': layouts_figures(run),
                       'answers_that_differ': differences}, file, indent=1)
    return 1 if differences else status


if __name__ == '__main__':
    sys.exit(main())
