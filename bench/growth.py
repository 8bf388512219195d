"""How the cost of queries grows with series, range and steps, and what memory a wide one takes.

usage: growth.py --build FOLDER [--small] [--port N] [--folder FOLDER]

ferula alone, on one core, the client on the other. For each query three sizes of each of the three, all
27 of them; then `sum by` of a rate over 100,000 series and 1,000 steps, whose peak must stay within
MEMORY_MAX_MB of what the process held before. Prints Markdown.
"""

import argparse
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

from peers import Server
from side_by_side import TSBS_OFFSET_MS, TSBS_STEP_MS, machine, note

FULL = {'hosts': (50, 200, 800), 'hours': (1, 2.5, 6), 'steps': (30, 120, 480), 'runs': 7, 'wide': 8340}
SMALL = {'hosts': (5, 10, 20), 'hours': (0.25, 0.5, 1), 'steps': (30, 60, 120), 'runs': 3, 'wide': 840}
WIDE_STEPS = 1000
WIDE_ROUNDS = 60
MEMORY_MAX_MB = 100

QUERIES = (
    ('sum of rate', 'sum by (hostname) (rate(net_bytes_total[5m]))', 2),
    ('avg of a gauge', 'avg by (region) (cpu_usage_user)', 1),
    ('topk of avg_over_time', 'topk(5, avg_over_time(cpu_usage_user[5m]))', 1),
    ('histogram_quantile', 'histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))',
     12),
)
WIDE = 'sum by (service) (rate(http_request_duration_seconds_bucket[5m]))'
DIMENSIONS = ('series', 'range', 'steps')


class GrowthServer(Server):
    """The reference counts 100 million values for the wide query and would refuse it by default."""

    def arguments(self, config):
        return super().arguments(config) + ['--query.max-samples=1000000000']


def load(options, server, hosts, rounds, end_s):
    start_ms = end_s * 1000 - rounds * TSBS_STEP_MS + TSBS_OFFSET_MS
    server.clear()
    server.start()
    command = [os.path.join(options.build, 'bench', 'bench_remote_writer'), str(server.port), '/api/v1/write',
               'tsbs', str(hosts), str(start_ms), str(TSBS_STEP_MS), '0', str(rounds), 'stream']
    result = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    if result['failed'] or not result['samples']:
        raise RuntimeError(f'the load was refused: {result}')
    server.settle(quiet_s=1)


def ask_all(options, server, paths, runs):
    """Fastest of some runs, by name: what else the machine does only ever adds."""
    lines = ''.join(f'{name}\t{path}\n' for name, path in paths.items())
    command = [os.path.join(options.build, 'bench', 'bench_query_client'), str(server.port), 'turn', str(runs)]
    output = subprocess.run(command, input=lines, capture_output=True, text=True, check=True).stdout
    times = {}
    for line in output.splitlines():
        result = json.loads(line)
        if result['failed'] or result['status'] != 200:
            raise RuntimeError(f'no answer: {line}')
        times[result['name']] = result['min_ms']
    return times


def range_path(expression, end_s, length_s, steps):
    step = length_s / steps
    start = end_s - length_s + step
    return '/api/v1/query_range?' + urllib.parse.urlencode(
        {'query': expression, 'start': f'{start:.3f}', 'end': end_s, 'step': f'{step:.3f}'})


def measure(options, server, sizes):
    """{(query, hosts, hours, steps): ms}"""
    times = {}
    rounds = int(max(sizes['hours']) * 3600 + 600) * 1000 // TSBS_STEP_MS
    for hosts in sizes['hosts']:
        note(f'{hosts} hosts')
        end_s = int(time.time()) // 60 * 60
        load(options, server, hosts, rounds, end_s)
        paths, keys = {}, {}
        for name, expression, _ in QUERIES:
            for hours in sizes['hours']:
                for steps in sizes['steps']:
                    key = (name, hosts, hours, steps)
                    keys[str(key)] = key
                    paths[str(key)] = range_path(expression, end_s, hours * 3600, steps)
        for text, value in ask_all(options, server, paths, sizes['runs']).items():
            times[keys[text]] = value
        server.stop(signal.SIGKILL)
    return times


def memory_kb(server, field):
    with open(f'/proc/{server.process.pid}/status', encoding='ascii') as file:
        for line in file:
            if line.startswith(field + ':'):
                return int(line.split()[1])
    raise RuntimeError(f'no {field}')


def measure_memory(options, server, sizes):
    """(series, MB before, MB more at the peak, ms)"""
    note('memory')
    end_s = int(time.time()) // 60 * 60
    load(options, server, sizes['wide'], WIDE_ROUNDS, end_s)
    path = range_path(WIDE, end_s, WIDE_ROUNDS * TSBS_STEP_MS // 1000, WIDE_STEPS)
    before = memory_kb(server, 'VmRSS')
    with open(f'/proc/{server.process.pid}/clear_refs', 'w', encoding='ascii') as file:
        file.write('5')  # the peak begins anew
    ms = ask_all(options, server, {'wide': path}, 1)['wide']
    more = memory_kb(server, 'VmHWM') - before
    server.stop(signal.SIGKILL)
    return sizes['wide'] * 12, before / 1024, more / 1024, ms


def exponents(times, name, sizes):
    """The slope of log(time) over log(size) along each dimension, the others at their largest."""
    axes = (sizes['hosts'], sizes['hours'], sizes['steps'])
    largest = [axis[-1] for axis in axes]
    slopes = []
    for at, axis in enumerate(axes):
        ends = []
        for size in (axis[0], axis[-1]):
            point = list(largest)
            point[at] = size
            ends.append(times[(name, *point)])
        slopes.append(math.log(ends[1] / ends[0]) / math.log(axis[-1] / axis[0]))
    return slopes


def bar(value, largest, width=40):
    return '#' * max(1, round(value / largest * width))


def print_query(times, name, per_host, sizes):
    print(f'\n### {name}\n')
    columns = [(hours, steps) for hours in sizes['hours'] for steps in sizes['steps']]
    print('| series | ' + ' | '.join(f'{hours} h, {steps} steps' for hours, steps in columns) + ' |')
    print('|---' * (len(columns) + 1) + '|')
    for hosts in sizes['hosts']:
        cells = [f'{times[(name, hosts, hours, steps)]:.2f}' for hours, steps in columns]
        print(f'| {hosts * per_host} | ' + ' | '.join(cells) + ' |')
    slopes = ', '.join(f'{dimension}^{slope:.2f}' for dimension, slope
                       in zip(DIMENSIONS, exponents(times, name, sizes)))
    print(f'\nGrows as {slopes}.\n')
    hosts, hours, steps = (sizes[key][-1] for key in ('hosts', 'hours', 'steps'))
    points = [(f'{size * per_host} series', (name, size, hours, steps)) for size in sizes['hosts']]
    points += [(f'{size} h', (name, hosts, size, steps)) for size in sizes['hours']]
    points += [(f'{size} steps', (name, hosts, hours, size)) for size in sizes['steps']]
    largest = max(times[key] for _, key in points)
    for label, key in points:
        print(f'    {label:>12} {times[key]:9.2f} ms {bar(times[key], largest)}')


def main():
    parser = argparse.ArgumentParser(description='growth of query cost')
    parser.add_argument('--build', required=True, help='folder of a release build')
    parser.add_argument('--small', action='store_true', help='little data, to see that it works')
    parser.add_argument('--port', type=int, default=19130)
    parser.add_argument('--folder', help='where data goes; default: the folder for temporary files')
    options = parser.parse_args()
    sizes = SMALL if options.small else FULL
    os.sched_setaffinity(0, {0})
    folder = tempfile.mkdtemp(prefix='ferula-growth-', dir=options.folder)
    server = GrowthServer('ferula', os.path.join(options.build, 'server', 'ferula'), folder, options.port)
    try:
        times = measure(options, server, sizes)
        series, before_mb, more_mb, ms = measure_memory(options, server, sizes)
    finally:
        server.stop(signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
    print(f"Milliseconds, the fastest of {sizes['runs']}. {json.dumps(machine())}")
    for name, _, per_host in QUERIES:
        print_query(times, name, per_host, sizes)
    print(f'\n### Memory of a wide query\n\n`{WIDE}`: {series} series, {WIDE_STEPS} steps: {more_mb:.1f} MB above '
          f'the {before_mb:.0f} MB that the process held before (at most {MEMORY_MAX_MB}), {ms:.0f} ms.')
    return 0 if more_mb <= MEMORY_MAX_MB else 1


if __name__ == '__main__':
    sys.exit(main())
