"""Every web page in Debian's chromium, wide and narrow, against a server with a down target, alerts in
all states, a rule that fails, and labels that try to be markup.

Looked at: what the page says, errors in the console, nothing wider than the screen, no foreign script
run. Screenshots stay in build/screenshots for the eye.
"""

import http.server
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import lab  # noqa: E402
from browser import Browser  # noqa: E402

CHECKS = lab.Checks("pages")
WIDTHS = {"wide": (1200, 900), "narrow": (400, 860)}
SCREENSHOTS = os.path.join(lab.ROOT, "build", "screenshots")
MARKUP = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
LONG = "averyverylongvaluewithoutanyplacetobreak" * 4

RULES = """
groups:
- name: service_health
  interval: 1s
  rules:
  - alert: ServiceDown
    expr: up == 0
    labels: {severity: critical, team: "%(markup)s"}
    annotations:
      summary: "{{ $labels.job }} on {{ $labels.instance }} is down"
      runbook: "https://example.invalid/runbooks/%(long)s"
  - alert: SlowRequests
    expr: page_load_seconds > 1
    for: 1h
    keep_firing_for: 5m
    annotations: {summary: "{{ $value | humanizeDuration }} a page"}
  - alert: NothingWrong
    expr: page_load_seconds > 1e9
- name: recorded
  interval: 1s
  rules:
  - record: job:page_load_seconds:avg
    expr: avg by (job) (page_load_seconds)
  - record: broken:match
    expr: page_load_seconds * on (job) page_load_seconds
"""

CONFIG = """
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: [rules.yml, not_mounted.yml]
alerting:
  alertmanagers:
  - static_configs: [{targets: ["127.0.0.1:9"]}]
scrape_configs:
- job_name: prometheus
  static_configs: [{targets: ["127.0.0.1:@PORT@"]}]
- job_name: pages
  static_configs: [{targets: ["127.0.0.1:%(good)d"], labels: {zone: "a b", note: "%(long)s"}}]
- job_name: down
  static_configs: [{targets: ["127.0.0.1:%(dead)d", "nowhere.invalid:80"]}]
- job_name: dropped
  relabel_configs: [{action: drop, source_labels: [__address__], regex: ".*"}]
  static_configs: [{targets: ["127.0.0.1:%(good)d"]}]
"""


class Target(http.server.BaseHTTPRequestHandler):
    scrapes = 0

    def do_GET(self):
        Target.scrapes += 1
        markup = MARKUP.replace("\\", "\\\\").replace('"', '\\"')
        body = "# HELP page_load_seconds Load times.\n# TYPE page_load_seconds gauge\n"
        for at in range(6):
            body += f'page_load_seconds{{path="/page/{at}",text="{markup}"}} {at + Target.scrapes % 7}\n'
        body += f'page_info{{long="{LONG}"}} 1\npage_views_total {Target.scrapes * 17}\n'
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments):
        pass


def start_servers():
    target = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
    threading.Thread(target=target.serve_forever, daemon=True).start()
    config = CONFIG % {"good": target.server_port, "dead": lab.free_port(), "long": LONG}
    server = lab.MonitoringServer(lab.ferula_binary(), config, ["--web.enable-lifecycle"])
    with open(os.path.join(server.folder, "rules.yml"), "w", encoding="utf-8") as file:
        file.write(RULES % {"markup": MARKUP.replace('"', '\\"'), "long": LONG})
    return server.start()


def states(server):
    """State or health of each rule by name."""
    groups = server.json("/api/v1/rules")["data"]["groups"]
    return {rule["name"]: rule.get("state", rule["health"]) for group in groups for rule in group["rules"]}


EXPECTED_STATES = {
    "ServiceDown": "firing",
    "SlowRequests": "pending",
    "NothingWrong": "inactive",
    "job:page_load_seconds:avg": "ok",
    "broken:match": "err",
}

# page, query string, texts that must stand on it
PAGES = [
    ("query", "?g0.expr=page_load_seconds&g0.tab=table", ["page_load_seconds", 'path="/page/3"', MARKUP, "result series: 6"]),
    ("query", "?g0.expr=page_load_seconds&g0.tab=graph&g0.range_input=1m", ['path="/page/3"', "result series: 6"]),
    ("query", "?g0.expr=sum(page_load_seconds)%20by%20(path)&g0.tab=explain&g0.range_input=1m",
     ["aggregation", "selector", "page_load_seconds", "at most in memory"]),
    ("query", "?g0.expr=page_info&g0.tab=table&g1.expr=sum(up)%20by%20(job)&g1.tab=graph", [LONG, "Remove panel"]),
    ("query", "?g0.expr=sum(page_load_seconds&g0.tab=table", ["unclosed left parenthesis"]),
    ("targets", "", ["connection refused", "nowhere.invalid", "no such host", "0 / 2 up", "1 / 1 up", "DOWN", 'zone="a b"']),
    ("alerts", "", ["ServiceDown", "FIRING", "SlowRequests", "PENDING", "NothingWrong", "INACTIVE", "severity", "critical",
                    "nowhere.invalid:80 is down", MARKUP, LONG, "ago", "2 active"]),
    ("rules", "", ["service_health", "recorded", "rules.yml", "job:page_load_seconds:avg", "avg by (job) (page_load_seconds)",
                   "ERR", "1h", "keep_firing_for", "many-to-many", "matches no file"]),
    ("service-discovery", "", ["__address__", "dropped due to relabeling rules", "0 active / 1 total", "2 active / 2 total"]),
    ("alertmanager-discovery", "", ["http://127.0.0.1:9/api/v2/alerts"]),
    ("status", "", ["Start time", "Working directory", "Successful", "version"]),
    ("tsdb-status", "", ["Top 10 metrics", "prometheus_http_requests_total", "__name__", "Oldest sample"]),
    ("flags", "", ["--web.enable-lifecycle", "--storage.tsdb.path"]),
    ("config", "", ["job_name: pages", "scrape_interval: 1s"]),
]

SETTLED = """
const page = document.getElementById('page');
return document.readyState === 'complete' && page && page.innerText.trim() !== '' &&
  !page.innerText.includes('Evaluating');
"""

LOOK = """
const wide = [...document.querySelectorAll('main *, header *, #notices *')].filter((node) => {
  const box = node.getBoundingClientRect();
  return box.right > innerWidth + 1 && !node.closest('.scroll, pre, svg, details.menu:not([open])');
});
return {
  text: document.getElementById('page').innerText,
  whole: document.getElementById('page').textContent,
  title: document.title,
  width: document.documentElement.scrollWidth,
  wide: wide.slice(0, 5).map((node) => node.outerHTML.slice(0, 160)),
  sideways: [...document.querySelectorAll('.scroll')].filter((node) => node.scrollWidth > node.clientWidth + 1).length,
  foreign: document.querySelectorAll('#page img, #page script, #page iframe').length,
  lines: document.querySelectorAll('svg.graph path').length,
  tiny: [...document.querySelectorAll('svg.graph text')].filter((node) => node.getBoundingClientRect().height < 9).length,
};
"""


def check_page(browser, server, at, name, query, texts):
    for size, (width, height) in WIDTHS.items():
        what = f"{name}{query[:40]} {size}"
        browser.resize(width, height)
        browser.open(f"{server.url}/{name}{query}")
        CHECKS.check(lab.wait_for(lambda: browser.run(SETTLED), 15), f"{what} draws")
        browser.run("return new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
        seen = browser.run(LOOK)
        for text in texts:
            CHECKS.check(
                text in seen["text"] or text in seen["whole"], f"{what} says {text[:60]!r}", seen["text"][:1500]
            )
        CHECKS.check("[object" not in seen["text"], f"{what} shows texts and numbers only", seen["text"][:1500])
        CHECKS.check(seen["width"] <= width and not seen["wide"], f"{what} is not wider than the screen", (seen["width"], seen["wide"]))
        if size == "narrow":
            CHECKS.equal(seen["sideways"], 0, f"{what}: no table scrolls sideways")
        CHECKS.check("taken" not in seen["title"] and not seen["foreign"], f"{what}: labels are text", seen["title"])
        if "tab=graph" in query:
            CHECKS.check(seen["lines"] >= 3, f"{what} draws lines", seen["lines"])
        errors = [line for line in browser.console() if not expected_error(query, line)]
        CHECKS.equal(errors, [], f"{what}: an empty console")
        browser.screenshot(os.path.join(SCREENSHOTS, f"{at:02d}-{name}-{size}.png"))


def expected_error(query, line):
    """The browser itself reports the 400 of a wrong expression."""
    return "sum(page_load_seconds&" in query and "400 (Bad Request)" in line


def check_use(browser, server):
    """Clicks: the menu, a filter, the tab."""
    browser.resize(*WIDTHS["narrow"])
    browser.open(server.url + "/targets")
    lab.wait_for(lambda: browser.run(SETTLED), 15)
    browser.run("document.querySelector('.menu summary').click()")
    box = browser.run(
        "const box = document.querySelector('.menu > div').getBoundingClientRect(); return [box.left, box.right, box.height]"
    )
    CHECKS.check(box[0] >= 0 and box[1] <= 400 and box[2] > 100, "the open menu is on the screen", box)
    browser.screenshot(os.path.join(SCREENSHOTS, "20-menu-narrow.png"))
    shown = browser.run(
        "const box = document.querySelector('input[type=search]'); box.value = 'nowhere.invalid';"
        "box.dispatchEvent(new Event('input')); return document.querySelectorAll('tbody tr').length"
    )
    CHECKS.equal(shown, 1, "the filter of targets leaves the one that matches")
    browser.open(server.url + "/query?g0.expr=up&g0.tab=table")
    lab.wait_for(lambda: browser.run(SETTLED), 15)
    browser.run("[...document.querySelectorAll('button')].find((node) => node.innerText === 'Graph').click()")
    drawn = lab.wait_for(lambda: browser.run("return document.querySelectorAll('svg.graph path').length"), 10)
    CHECKS.check(drawn and drawn >= 4, "the Graph tab draws a line a series", drawn)
    CHECKS.check("g0.tab=graph" in browser.run("return location.search"), "the tab is in the URL")
    browser.open(server.url + "/graph?g0.expr=up&g0.tab=1")
    CHECKS.check(
        lab.wait_for(lambda: browser.run("return location.pathname") == "/query", 5), "the old path leads to the query page"
    )
    CHECKS.equal(browser.console(), [], "an empty console after the clicks")


def main():
    os.makedirs(SCREENSHOTS, exist_ok=True)
    server = start_servers()
    lab.wait_for(lambda: states(server) == EXPECTED_STATES, 30, 0.2)
    CHECKS.equal(states(server), EXPECTED_STATES, "the states that the pages show")
    lab.wait_for(lambda: all(t["health"] != "unknown" for t in server.json("/api/v1/targets")["data"]["activeTargets"]), 10)
    browser = Browser().start()
    for at, page in enumerate(PAGES):
        check_page(browser, server, at, *page)
    check_use(browser, server)
    browser.stop()
    CHECKS.equal(server.stop(), 0, "a clean stop")
    CHECKS.finish()


main()
