"""What samples cost on disk: ferula, prometheus and victoria-metrics on the same samples, in one run.

usage: disk_sizes.py BUILD [HOURS [PREFIX]] [--shapes LIST] [--port PORT]

disk_figures makes the samples and writes ferula's blocks; `promtool tsdb create-blocks-from openmetrics`
and an import into victoria-metrics with a forced merge take the same samples from files, which stay
where a PREFIX says where they go. Peers that are not installed are left out. Bytes are those of all files.
"""

import argparse
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from peers import Server, files_size

MERGE_TIMEOUT_S = 120


class Victoria(Server):
    def arguments(self, config):
        # samples of any age
        return [argument for argument in super().arguments(config)
                if not argument.startswith('-retentionPeriod')] + ['-retentionPeriod=100y']


def prometheus_bytes(path, folder):
    if shutil.which('promtool') is None:
        return None
    blocks = os.path.join(folder, 'prometheus')
    subprocess.run(['promtool', 'tsdb', 'create-blocks-from', 'openmetrics', '--max-block-duration=24h',
                    path, blocks], check=True, stdout=subprocess.DEVNULL)
    total = files_size(blocks)
    shutil.rmtree(blocks)
    return total


def victoria_size(server):
    return sum(files_size(os.path.join(server.data, part)) for part in ('data', 'indexdb'))


def rows(server):
    """Samples and parts that storage holds in files."""
    _, body = server.get('/metrics')
    total = parts = 0
    for line in body.decode().splitlines():
        if line.startswith('vm_rows{type="storage/'):
            total += int(float(line.rsplit(' ', 1)[1]))
        elif line.startswith('vm_parts{type="storage/'):
            parts += int(float(line.rsplit(' ', 1)[1]))
    return total, parts


def victoria_bytes(path, folder, port, samples):
    if shutil.which('victoria-metrics') is None:
        return None
    server = Victoria('victoria-metrics', 'victoria-metrics', folder, port)
    server.clear()
    server.start()
    try:
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=300)
        with open(path, 'rb') as body:
            connection.request('POST', '/api/v1/import', body,
                               {'Content-Length': str(os.path.getsize(path))})
            answer = connection.getresponse()
            answer.read()
        connection.close()
        if answer.status != 204:
            raise RuntimeError(f'victoria-metrics answers {answer.status} to an import')
        deadline = time.monotonic() + MERGE_TIMEOUT_S
        while True:
            server.get('/internal/force_flush')
            server.get('/internal/force_merge')
            server.settle(quiet_s=2, limit_s=20)
            total, parts = rows(server)
            if (total == samples and parts == 1) or time.monotonic() > deadline:
                break
        if total != samples or parts != 1:
            print(f'# victoria-metrics: {total} of {samples} samples in {parts} parts', file=sys.stderr)
    finally:
        server.stop()
    size = victoria_size(server)
    server.clear()
    return size


def parse_options():
    parser = argparse.ArgumentParser(description='bytes a sample on disk')
    parser.add_argument('build', help='folder of a release build')
    parser.add_argument('hours', nargs='?', default='24', help='of samples every 15 s')
    parser.add_argument('prefix', nargs='?', help='of the files with samples, to keep them')
    parser.add_argument('--shapes', default='node,jitter,integers,node-15s,node-15s-jitter,node-1s,hist,gauge-2dec,tsbs-int')
    parser.add_argument('--port', type=int, default=19130)
    return parser.parse_args()


def cell(size, samples):
    return '-' if size is None else f'{size / samples:.3f}'


def ratio(size, ours):
    return '-' if size is None else f'{size / ours:.2f}'


def main():
    options = parse_options()
    folder = tempfile.mkdtemp(prefix='ferula-disk-')
    prefix = options.prefix or os.path.join(folder, 'samples')
    print('| shape | samples | ferula, 2 h | ferula, merged | Prometheus | VictoriaMetrics | Prometheus / ferula | '
          'VictoriaMetrics / ferula |\n|---|---|---|---|---|---|---|---|', flush=True)
    try:
        for shape in options.shapes.split(','):
            made = subprocess.run([os.path.join(options.build, 'bench', 'disk_figures'), options.hours,
                                   prefix, shape], check=True, stdout=subprocess.PIPE, text=True).stdout
            if not made:
                continue
            figures = json.loads(made)
            samples = figures['samples']
            ours = figures['bytes_per_sample'] * samples
            prometheus = prometheus_bytes(f'{prefix}.{shape}.om', folder)
            victoria = victoria_bytes(f'{prefix}.{shape}.jsonl', folder, options.port, samples)
            print(f'| {shape} | {samples} | {figures["bytes_per_sample_2h"]:.3f} | {cell(ours, samples)} | '
                  f'{cell(prometheus, samples)} | {cell(victoria, samples)} | {ratio(prometheus, ours)} | '
                  f'{ratio(victoria, ours)} |', flush=True)
            if options.prefix is None:
                os.unlink(f'{prefix}.{shape}.om')
                os.unlink(f'{prefix}.{shape}.jsonl')
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == '__main__':
    main()
