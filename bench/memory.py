"""What memory the server takes for each series, minute by minute, under scrapes and under remote write.

usage: memory.py --build FOLDER [--targets N] [--interval S] [--minutes N] [--rounds N] [--port N] [--folder FOLDER]
                 [--nice N]

ferula alone. First targets of 1,026 series are scraped every INTERVAL seconds for so many minutes; then a
process that has seen nothing else gets as many series by remote write, ROUNDS samples of each at 15 s.
Prints Markdown. Memory hardly depends on what else the machine does, so this needs no quiet one.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from peers import Server

NODE_SERIES = 1026
HEAD = '| minute | samples | series | RSS, B a series | anonymous | files | peak |\n|---|---|---|---|---|---|---|'


class FreeServer(Server):
    """Not pinned to a core."""

    def start(self, targets=(), interval=5, rules=None):
        super().start(targets, interval, rules)
        for thread in os.listdir(f'/proc/{self.process.pid}/task'):
            os.sched_setaffinity(int(thread), range(os.cpu_count()))


def status_bytes(server):
    fields = {}
    with open(f'/proc/{server.process.pid}/status', encoding='ascii') as file:
        for line in file:
            words = line.split()
            if words[-1] == 'kB':
                fields[words[0].rstrip(':')] = int(words[1]) * 1024
    return fields


def metric(server, name):
    _, body = server.get('/metrics')
    total = 0
    for line in body.decode().splitlines():
        if line.startswith(name) and line[len(name)] in ' {':
            total += float(line.rsplit(' ', 1)[1])
    return total


def print_line(server, minute):
    series = metric(server, 'prometheus_tsdb_head_series')
    samples = metric(server, 'prometheus_tsdb_head_samples_appended_total')
    memory = status_bytes(server)
    cells = [f'{memory[field] / series:.0f}' for field in ('VmRSS', 'RssAnon', 'RssFile', 'VmHWM')]
    print(f'| {minute} | {samples:.0f} | {series:.0f} | ' + ' | '.join(cells) + ' |', flush=True)


def tool(options, name):
    return os.path.join(options.build, 'bench', name)


def scrapes(options, server):
    port = options.port + 9
    print(f'\nScrapes: {options.targets} targets of {NODE_SERIES} series every {options.interval} s\n\n{HEAD}')
    count = options.targets + options.targets // 250 * 6  # addresses end with 1 to 250
    load = subprocess.Popen([tool(options, 'bench_targets'), str(port), str(count),
                             str(options.interval), 'plain'])
    try:
        time.sleep(1)
        server.start([f'127.0.{number // 250}.{number % 250 + 1}:{port}' for number in range(options.targets)],
                     options.interval)
        began = time.monotonic()
        for minute in range(1, options.minutes + 1):
            time.sleep(max(0, began + minute * 60 - time.monotonic()))
            print_line(server, minute)
        server.stop(signal.SIGKILL)
    finally:
        load.kill()
        load.wait()


def remote_write(options, server):
    print(f'\nRemote write: {options.targets} x {NODE_SERIES} series, {options.rounds} rounds at 15 s\n\n{HEAD}')
    server.clear()
    server.start()
    start_ms = (int(time.time()) - options.rounds * 15 - 30) * 1000
    began = time.monotonic()
    # in parts, since all bodies are made before the first is sent
    for first in range(0, options.rounds, 40):
        rounds = min(40, options.rounds - first)
        output = subprocess.run([tool(options, 'bench_remote_writer'), str(server.port), '/api/v1/write', 'node',
                                 str(options.targets), str(start_ms), '15000', str(first), str(rounds), 'encoded'],
                                capture_output=True, check=True, text=True).stdout
        if json.loads(output)['failed']:
            raise RuntimeError(f'refused: {output}')
        time.sleep(2)
        print_line(server, f'{(time.monotonic() - began) / 60:.1f}')
    time.sleep(65)  # maintenance comes once a minute; all this data came in much less
    print_line(server, f'{(time.monotonic() - began) / 60:.1f}')
    server.stop(signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--build', required=True)
    parser.add_argument('--targets', type=int, default=292)
    parser.add_argument('--interval', type=int, default=5)
    parser.add_argument('--minutes', type=int, default=12)
    parser.add_argument('--rounds', type=int, default=240)
    parser.add_argument('--port', type=int, default=9890)
    parser.add_argument('--folder')
    parser.add_argument('--nice', type=int, default=0, help='of the server and the load; below 0 on a busy machine')
    options = parser.parse_args()
    os.setpriority(os.PRIO_PROCESS, 0, options.nice)
    folder = tempfile.mkdtemp(prefix='ferula-memory-', dir=options.folder)
    server = FreeServer('ferula', os.path.join(options.build, 'server', 'ferula'), folder, options.port)
    try:
        if options.minutes > 0:
            scrapes(options, server)
        if options.rounds > 0:
            remote_write(options, server)
    except RuntimeError as error:
        sys.exit(f'{error}\n{server.last_words()}')
    finally:
        server.stop(signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == '__main__':
    main()
