"""Scrape targets that answer as they are told and keep what they were asked."""

import socket
import threading

TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Request:
    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = (lines[0].split(" ") + ["", ""])[:3]
        self.path, _, self.query = self.target.partition("?")
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()


class FakeTargets:
    """Answers /t/<name> as the function of that name says; keeps what was asked."""

    def __init__(self, family=socket.AF_INET, address=("127.0.0.1", 0), tls=None):
        self.answers = {}
        self.requests = {}
        self.connection_count = 0
        self.tls = tls
        self.lock = threading.Lock()
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if family != socket.AF_UNIX:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(address)
        self.socket.listen(512)
        self.port = self.socket.getsockname()[1] if family != socket.AF_UNIX else 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.socket.accept()
            self.connection_count += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    more = connection.recv(65536)
                    if not more:
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                request = Request(head)
                name = request.path.rsplit("/", 1)[-1]
                with self.lock:
                    self.requests.setdefault(name, []).append(request)
                answer = self.answers.get(name)
                keep = send(connection, answer(request) if callable(answer) else answer, request)
                if not keep:
                    return
        except OSError:
            pass
        finally:
            connection.close()

    def last(self, name):
        with self.lock:
            asked = self.requests.get(name, [])
            return asked[-1] if asked else None


def answer(body, content_type=TEXT, status="200 OK", headers=(), length=None):
    if isinstance(body, str):
        body = body.encode()
    lines = [f"HTTP/1.1 {status}"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    lines += headers
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def send(connection, what, request):
    """Sends an answer; a function gets the connection and ends it."""
    if what is None:
        what = answer("not here\n", status="404 Not Found")
    if callable(what):
        what(connection)
        return False
    if isinstance(what, str):
        what = answer(what)
    connection.sendall(what)
    return request.headers.get("connection", "").lower() != "close"
