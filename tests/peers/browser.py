"""Debian's chromium by its chromedriver, spoken to over HTTP with the standard library."""

import base64
import json
import os
import urllib.error
import urllib.request

import lab

# The browser knows 127.0.0.1 and no other host.
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--disable-extensions", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


class Browser:
    def __init__(self):
        self.folder = lab.temporary_folder()
        self.port = lab.free_port()
        self.driver = lab.Process(
            ["chromedriver", f"--port={self.port}"],
            os.path.join(self.folder, "chromedriver.log"),
            {"HOME": self.folder},
            self.folder,
        )
        self.session = None

    def start(self):
        self.driver.start()
        if not lab.wait_for(self._is_ready, 30):
            raise RuntimeError("chromedriver does not start:\n" + self.driver.log_text())
        options = {
            "args": [*FLAGS, f"--user-data-dir={self.folder}/profile", "--window-size=1200,900"],
        }
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"},
        }}})
        self.session = "/session/" + answer["sessionId"]
        return self

    def stop(self):
        if self.session:
            self._call("DELETE", self.session)
        self.driver.stop()

    def _is_ready(self):
        try:
            return self._call("GET", "/status")["ready"]
        except OSError:
            return False

    def _call(self, method, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.read().decode()[:800]}") from error

    def _devtools(self, command, **parameters):
        return self._call("POST", self.session + "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def resize(self, width, height):
        self._devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def open(self, url):
        self._call("POST", self.session + "/url", {"url": url})

    def run(self, script, *arguments):
        """The value that a script returns."""
        return self._call("POST", self.session + "/execute/sync", {"script": script, "args": list(arguments)})

    def console(self):
        """What the console got since the last call, warnings and errors only."""
        entries = self._call("POST", self.session + "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def screenshot(self, path):
        answer = self._devtools("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(answer["data"]))
