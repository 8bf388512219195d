"""The servers that are set side by side: how each is started, watched and asked."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse

SERVER_CPU = 1
READY_TIMEOUT_S = 300
TICKS = os.sysconf('SC_CLK_TCK')

CONFIG = '''global:
  scrape_interval: {interval}s
  scrape_timeout: {interval}s
'''

SCRAPE_CONFIG = '''scrape_configs:
  - job_name: node
    static_configs:
      - targets: [{targets}]
'''


class Server:
    """One process on one core, with its data in a folder of its own."""

    def __init__(self, name, binary, folder, port):
        self.name = name
        self.binary = shutil.which(binary) or binary
        self.folder = folder
        self.port = port
        self.process = None
        self.start_s = None
        self.log = None

    @property
    def data(self):
        return os.path.join(self.folder, self.name)

    def arguments(self, config):
        if self.name == 'victoria-metrics':
            return [f'-storageDataPath={self.data}', f'-httpListenAddr=127.0.0.1:{self.port}',
                    f'-promscrape.config={config}', '-retentionPeriod=12', '-loggerLevel=WARN']
        return [f'--config.file={config}', f'--storage.tsdb.path={self.data}',
                f'--web.listen-address=127.0.0.1:{self.port}', '--web.enable-remote-write-receiver',
                '--log.level=warn']

    @property
    def ready_path(self):
        return '/health' if self.name == 'victoria-metrics' else '/-/ready'

    def clear(self):
        shutil.rmtree(self.data, ignore_errors=True)

    def start(self, targets=(), interval=5, rules=None, flags=()):
        """Starts it on what its folder holds and waits until it says that it is ready."""
        config = os.path.join(self.folder, self.name + '.yml')
        with open(config, 'w', encoding='utf-8') as file:
            file.write(CONFIG.format(interval=interval))
            if rules is not None:
                file.write(f"  evaluation_interval: {interval}s\nrule_files: ['{rules}']\n")
            if targets:
                file.write(SCRAPE_CONFIG.format(targets=', '.join(f"'{target}'" for target in targets)))
        os.makedirs(self.data, exist_ok=True)
        self.log = open(os.path.join(self.folder, self.name + '.log'), 'ab')
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [self.binary] + self.arguments(config) + list(flags), stdout=self.log, stderr=self.log,
            stdin=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CPU}))
        while not self.is_ready():
            if self.process.poll() is not None or time.perf_counter() - started > READY_TIMEOUT_S:
                raise RuntimeError(f'{self.name} does not start: see {self.log.name}')
            time.sleep(0.0005)
        self.start_s = time.perf_counter() - started

    def is_ready(self):
        try:
            with socket.create_connection(('127.0.0.1', self.port), timeout=5) as connection:
                connection.sendall(f'GET {self.ready_path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
                                   .encode())
                return connection.recv(64).startswith(b'HTTP/1.1 200')
        except OSError:
            return False

    def stop(self, how=signal.SIGTERM):
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        self.log.close()

    def last_words(self):
        try:
            with open(os.path.join(self.folder, self.name + '.log'), encoding='utf-8',
                      errors='replace') as log:
                return log.read()[-2000:]
        except OSError:
            return ''

    def cpu_s(self):
        with open(f'/proc/{self.process.pid}/stat', encoding='ascii') as file:
            fields = file.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def thread_cpu_s(self):
        """As cpu_s, to the nanosecond, but without threads that have ended."""
        total = 0
        folder = f'/proc/{self.process.pid}/task'
        for thread in os.listdir(folder):
            try:
                with open(f'{folder}/{thread}/schedstat', encoding='ascii') as file:
                    total += int(file.read().split()[0])
            except OSError:
                pass  # it ended just now
        return total / 1e9

    def memory(self):
        """(RSS, anonymous RSS) in bytes"""
        values = {}
        with open(f'/proc/{self.process.pid}/smaps_rollup', encoding='ascii') as file:
            for line in file:
                fields = line.split()
                if len(fields) == 3 and fields[2] == 'kB':
                    values[fields[0]] = int(fields[1]) * 1024
        return values['Rss:'], values['Anonymous:']

    def settle(self, quiet_s=3, limit_s=180):
        """Waits until it has nothing to do: less than a twentieth of the core for some seconds."""
        deadline = time.monotonic() + limit_s
        quiet_since = time.monotonic()
        before = self.cpu_s()
        while time.monotonic() < deadline and time.monotonic() - quiet_since < quiet_s:
            time.sleep(0.5)
            now = self.cpu_s()
            if now - before > 0.025:
                quiet_since = time.monotonic()
            before = now

    def get(self, path, **parameters):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=300)
        connection.request('GET', path + ('?' + urllib.parse.urlencode(parameters) if parameters else ''))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body


def files_size(folder, part=None):
    """Bytes of the files in a folder; with `part` only of those below a folder of that name."""
    total = 0
    for place, _, names in os.walk(folder):
        if part is not None and part not in os.path.relpath(place, folder).split(os.sep):
            continue
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                pass
    return total


def stripped_size(binary, folder):
    """Bytes of the binary without symbols, as a package would carry it."""
    copy = os.path.join(folder, 'stripped')
    if subprocess.run(['strip', '-o', copy, binary], check=False, capture_output=True).returncode != 0:
        return os.stat(binary).st_size
    size = os.stat(copy).st_size
    os.unlink(copy)
    return size
