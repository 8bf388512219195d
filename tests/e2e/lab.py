"""What the end-to-end tests share: processes on free ports, HTTP, remote write, counting checks.

Python's standard library only. Every process started here is ended by its own id.
"""

import atexit
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STALE_BITS = 0x7FF0000000000002
PATIENCE = 4
PORT_FIRST = 10000


def ferula_binary():
    """The binary under test: FERULA_BIN, or the newest build."""
    given = os.environ.get("FERULA_BIN")
    if given:
        return os.path.abspath(given)
    candidates = [
        os.path.join(ROOT, build, "server", "ferula")
        for build in ("build/sanitize", "build/release", "build")
    ]
    candidates = [path for path in candidates if os.path.exists(path)]
    if not candidates:
        sys.exit("no ferula binary: build first, or set FERULA_BIN")
    return max(candidates, key=os.path.getmtime)


def shared_folder():
    """Folder of the optional test data, None where it is not there."""
    given = os.environ.get("FERULA_SHARED", os.path.join(os.path.dirname(ROOT), "shared"))
    return given if os.path.isdir(given) else None


_ports_given = set()


def _ephemeral_port_first():
    """From here on the kernel gives ports to connections of anybody."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            return int(file.read().split()[0])
    except (OSError, ValueError):
        return 32768


def free_port():
    """A port that nobody listens on and that was not given before: its user may be slow to take it, and
    gives it back when it is started again. No connection takes it meanwhile."""
    last = max(_ephemeral_port_first() - 1, PORT_FIRST + 1000)
    while True:
        port = random.randint(PORT_FIRST, last)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _ports_given:
            _ports_given.add(port)
            return port


def wait_for(condition, timeout_s=30.0, interval_s=0.05):
    """Calls condition until it is true; returns its last value. The time is that of a machine with time to
    spare: a busy one gets PATIENCE times as long."""
    deadline = time.monotonic() + timeout_s * PATIENCE
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(interval_s)


def soonest(attempt, limit_s, attempts=5):
    """The best of some attempts, tuples that begin with their seconds; the first below the limit ends them.
    Other programs may have the processor once, but what is slow by itself is slow each time."""
    best = attempt()
    for _ in range(attempts - 1):
        if best[0] < limit_s:
            break
        best = min(best, attempt(), key=lambda outcome: outcome[0])
    return best


class Checks:
    """Counts checks; a failing one is printed and the test goes on."""

    def __init__(self, name):
        self.name = name
        self.passed = 0
        self.failed = 0
        self.skipped = 0

    def check(self, condition, what, detail=""):
        if condition:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {self.name}: {what}" + (f": {detail}" if detail != "" else ""), flush=True)
        return bool(condition)

    def equal(self, got, expected, what):
        return self.check(got == expected, what, f"got {got!r}, expected {expected!r}")

    def skip(self, what):
        self.skipped += 1
        print(f"SKIPPED {self.name}: {what}", flush=True)

    def finish(self):
        tail = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {self.failed} failed{tail}", flush=True)
        sys.exit(1 if self.failed or not self.passed else 0)


_processes = []
_folders = []


def temporary_folder():
    folder = tempfile.mkdtemp(prefix="ferula-test-")
    os.chmod(folder, 0o755)
    _folders.append(folder)
    return folder


@atexit.register
def _clean_up():
    for process in _processes:
        process.stop(kill=True)
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)


class Process:
    """A program with its log in a file."""

    def __init__(self, arguments, log_path, environment=None, working_directory=None):
        self.arguments = arguments
        self.log_path = log_path
        self.environment = environment
        self.working_directory = working_directory
        self.popen = None
        _processes.append(self)

    def start(self):
        self.log = open(self.log_path, "ab")
        self.popen = subprocess.Popen(
            self.arguments,
            stdout=self.log,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(self.environment or {})},
            cwd=self.working_directory,
            start_new_session=True,
        )
        return self

    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def stop(self, kill=False, timeout_s=60):
        """Returns the exit code; None when it was never started."""
        if self.popen is None:
            return None
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            try:
                self.popen.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        code = self.popen.returncode
        self.log.close()
        return code

    def log_text(self):
        with open(self.log_path, "rb") as log:
            return log.read().decode("utf-8", "replace")


class MonitoringServer(Process):
    """ferula or Debian's prometheus with a configuration text, on its own port and folder."""

    def __init__(self, binary, config, extra_flags=(), name="server", port=None):
        self.folder = temporary_folder()
        self.port = port or free_port()
        self.data_path = os.path.join(self.folder, "data")
        self.config_path = os.path.join(self.folder, "prometheus.yml")
        self.write_config(config)
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(
            [
                binary,
                f"--config.file={self.config_path}",
                f"--storage.tsdb.path={self.data_path}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                *extra_flags,
            ],
            os.path.join(self.folder, name + ".log"),
        )

    def write_config(self, config):
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(config.replace("@PORT@", str(self.port)))

    def start(self, wait=True):
        super().start()
        if wait and not wait_for(lambda: self.ready() or not self.running(), 60):
            raise RuntimeError("server does not become ready:\n" + self.log_text()[-4000:])
        if wait and not self.running():
            raise RuntimeError("server ended:\n" + self.log_text()[-4000:])
        return self

    def ready(self):
        try:
            return self.get("/-/ready")[0] == 200
        except OSError:
            return False

    def get(self, path, parameters=None, headers=None, method="GET", body=None, timeout_s=60):
        """(status, headers, body bytes) of any answer."""
        url = self.url + path
        if parameters:
            url += "?" + urllib.parse.urlencode(parameters, doseq=True)
        request = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def json(self, path, parameters=None):
        return json.loads(self.get(path, parameters)[2])

    def post_form(self, path, parameters):
        body = urllib.parse.urlencode(parameters, doseq=True).encode()
        status, headers, answer = self.get(
            path,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            method="POST",
            body=body,
        )
        return status, headers, json.loads(answer)

    def query(self, expression, time_s=None):
        parameters = {"query": expression}
        if time_s is not None:
            parameters["time"] = repr(time_s)
        return self.post_form("/api/v1/query", parameters)[2]

    def query_range(self, expression, start_s, end_s, step_s):
        parameters = {"query": expression, "start": repr(start_s), "end": repr(end_s), "step": repr(step_s)}
        return self.post_form("/api/v1/query_range", parameters)[2]

    def remote_write(self, series, timeout_s=60):
        """series: [({name: value}, [(t_ms, value)])]. Returns (status, text)."""
        status, _, text = self.get(
            "/api/v1/write",
            headers={
                "Content-Type": "application/x-protobuf",
                "Content-Encoding": "snappy",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
            },
            method="POST",
            body=snappy_literal(write_request(series)),
            timeout_s=timeout_s,
        )
        return status, text.decode("utf-8", "replace")


def raw_request(port, request_line):
    """The whole answer to a request without redirects or any other help."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(f"{request_line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer.decode("utf-8", "replace")


def varint(value):
    out = bytearray()
    value &= (1 << 64) - 1
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def write_request(series):
    """The protobuf WriteRequest of remote write 1.0. A value may be an int: the bits of a double."""
    out = bytearray()
    for labels, samples in series:
        body = bytearray()
        for name in sorted(labels):
            pair = _field(1, name.encode()) + _field(2, labels[name].encode())
            body += _field(1, pair)
        for timestamp_ms, value in samples:
            bits = struct.pack("<Q", value) if isinstance(value, int) else struct.pack("<d", value)
            body += _field(2, b"\x09" + bits + b"\x10" + varint(timestamp_ms))
        out += _field(1, bytes(body))
    return bytes(out)


def snappy_literal(data):
    """A valid snappy block without any compression."""
    out = bytearray(varint(len(data)))
    for start in range(0, len(data), 65536):
        chunk = data[start : start + 65536]
        out += bytes([61 << 2]) + struct.pack("<H", len(chunk) - 1) + chunk
    return bytes(out)
