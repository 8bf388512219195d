"""Grafana's two ways to a server, as its data source sends and reads: keep-alive, gzip, POST first.

What Grafana would refuse, this refuses too: see `read_answer`. Python's standard library only.
"""

import gzip
import http.client
import json
import re
import urllib.parse

# What the backend sends along with a panel's query, all to be ignored by the server.
PANEL_HEADERS = {
    "User-Agent": "Grafana/13.2.3",
    "Accept-Encoding": "gzip",
    "X-Dashboard-Uid": "rYdddlPWk",
    "X-Dashboard-Title": "Node%20Exporter%20Full",
    "X-Panel-Id": "77",
    "X-Panel-Title": "CPU%20%C3%BC",
    "X-Panel-Plugin-Id": "timeseries",
    "X-Datasource-Uid": "PBFA97CFB590B2093",
    "X-Grafana-Org-Id": "1",
    "X-Grafana-User": "admin",
    "X-Grafana-From-Expr": "false",
    "X-Query-Group-Id": "0b2f6d5c-5f2f-4f3e-9c55-3f7f7e7d8a10",
    "X-Forwarded-For": "192.0.2.7, 198.51.100.3",
    "Fromalert": "true",
    "X-Rule-Name": "High%20load",
    "X-Rule-Uid": "fe1c2e5e",
    "X-Rule-Folder": "Alerts",
    "X-Rule-Source": "grafana-ruler",
    "Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "Tracestate": "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7",
    "Cookie": "grafana_session=" + "a" * 2000,
}

# strconv.ParseFloat, as far as a server may write values
SAMPLE_VALUE = re.compile(r"^(NaN|[+-]Inf|-?\d+(\.\d+)?(e[+-]\d+)?)$")
# unix seconds, at most milliseconds behind the point, never an exponent
SAMPLE_TIME = re.compile(r"^-?\d+(\.\d{1,3})?$")


class Broken(Exception):
    """What Grafana would show as an error of the data source."""


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body
        self.text = body.decode("utf-8")
        self.content_type = headers.get("Content-Type", "")

    def json(self):
        return json.loads(self.text, parse_float=NumberText, parse_int=NumberText)

    def data(self):
        """`data` of a success, as the browser's code takes it."""
        value = json.loads(self.text)
        if self.status != 200 or value.get("status") != "success":
            raise Broken(f"status {self.status}: {self.text[:300]}")
        return value["data"]


class NumberText(str):
    """A JSON number by its text, since forms matter."""


class Client:
    """One keep-alive connection, as each of Grafana's workers has."""

    def __init__(self, port, prefix=""):
        self.port = port
        self.prefix = prefix
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def close(self):
        self.connection.close()

    def request(self, method, path, parameters=None, headers=None):
        path = self.prefix + path
        body = None
        sent = dict(PANEL_HEADERS)
        encoded = urllib.parse.urlencode(parameters, doseq=True) if parameters else ""
        if method == "POST":
            body = encoded.encode()
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        elif encoded:
            path += "?" + encoded
        sent.update(headers or {})
        self.connection.request(method, path, body, sent)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.getheader("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        return Answer(answer.status, answer.headers, content)

    def get(self, path, parameters=None):
        return self.request("GET", path, parameters)

    def post(self, path, parameters=None):
        return self.request("POST", path, parameters)

    def resource(self, path, parameters=None):
        """QueryResource: POST first; GET only behind 405 or 400."""
        answer = self.post(path, parameters)
        if answer.status in (400, 405):
            answer = self.get(path, parameters)
        return answer


def read_sample(pair):
    if not isinstance(pair, list) or len(pair) != 2:
        raise Broken(f"a sample is no pair: {pair}")
    time, value = pair
    if not isinstance(time, NumberText) or not SAMPLE_TIME.match(time):
        raise Broken(f"time {time!r}")
    if isinstance(value, NumberText) or not isinstance(value, str) or not SAMPLE_VALUE.match(value):
        raise Broken(f"value {value!r}")
    return float(time), float(value)


def read_labels(metric):
    if not isinstance(metric, dict) or not all(type(text) is str for text in metric.values()):
        raise Broken(f"metric {metric!r}")
    return metric


def read_notices(answer):
    for kind in ("warnings", "infos"):
        notices = answer.get(kind, [])
        if not isinstance(notices, list) or not all(type(text) is str for text in notices):
            raise Broken(f"{kind} {notices!r}")
        if len(notices) > 11:
            raise Broken(f"{len(notices)} {kind}")


def read_error(answer, value):
    """Codes 400, 422 and 503 are read as JSON; of all others the user sees the bare body."""
    if answer.status not in (400, 422, 503):
        raise Broken(f"unexpected response with status code {answer.status}: {answer.text[:200]}")
    if "data" in value:
        raise Broken(f"an error with data: {answer.text[:200]}")
    if not value.get("errorType") or not value.get("error"):
        raise Broken(f"an error without a text: {answer.text[:200]}")
    return value


def read_answer(answer):
    """The streaming reader of panel queries: (resultType, rows), or ("error", members)."""
    value = answer.json()
    read_notices(value)
    if value.get("status") == "error":
        return "error", read_error(answer, value)
    if answer.status != 200 or value.get("status") != "success":
        raise Broken(f"status {answer.status} {value.get('status')!r}")
    data = value["data"]
    if not isinstance(data, dict):
        raise Broken("expected object type")
    members = list(data)
    if "resultType" not in data:
        raise Broken("no resultType found")
    if members.index("resultType") > members.index("result"):
        raise Broken("result before resultType: read twice")
    return data["resultType"], read_result(data["resultType"], data["result"])


def read_result(kind, result):
    if kind == "scalar":
        return read_sample(result)
    if kind == "string":
        if not isinstance(result[0], NumberText) or type(result[1]) is not str:
            raise Broken(f"string {result!r}")
        return result
    if not isinstance(result, list):
        raise Broken(f"{kind} result {result!r}")
    rows = []
    for row in result:
        if next(iter(row)) != "metric":
            raise Broken("metric is not the first member")
        if kind == "vector":
            samples = [read_sample(row["value"])] if "value" in row else []
        else:
            samples = [read_sample(pair) for pair in row.get("values", [])]
        if "histogram" not in row and "histograms" not in row and not samples:
            raise Broken("a row without samples")
        rows.append((read_labels(row["metric"]), samples))
    return rows


def escape_utf8_name(name):
    """escapeForUtf8Support: what stands in the path of label values."""
    if re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name):
        return name
    out = "U__"
    for character in name:
        if character == "_":
            out += "__"
        elif re.match(r"[a-zA-Z0-9]", character):
            out += character
        else:
            out += f"_{ord(character):x}_"
    return out
