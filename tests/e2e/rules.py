"""Rules through the running server: evaluation, the rules API with its filters and pages, bad files at
start and at reload, alerts over a restart.

The expected texts are the reference's (Prometheus 3.14).
"""

import hashlib
import json
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lab  # noqa: E402

CHECKS = lab.Checks("rules")
CONFIG = """
global: {scrape_interval: 1s, evaluation_interval: 1s, external_labels: {dc: here}}
rule_files: [rules.yml, missing*.yml]
alerting:
  alertmanagers:
  - static_configs: [{targets: ["127.0.0.1:1"]}]
scrape_configs:
- job_name: self
  static_configs: [{targets: ["127.0.0.1:@PORT@"]}]
"""
RULES = """
groups:
- name: b
  limit: 5
  labels: {team: x}
  rules:
  - record: job:up:sum
    expr: sum   by(job) (up)
    labels: {a: "1"}
  - record: job:up:twice
    expr: job:up:sum * 2
  - alert: Up
    expr: up == 1
    keep_firing_for: 1m
    labels: {severity: page}
    annotations: {summary: "{{ $labels.job }} is at {{ $value }} <b>"}
  - alert: Never
    expr: up > 5
  - record: bad
    expr: '"text"'
- name: a
  interval: 2s
  rules:
  - alert: Other
    expr: vector(1.5)
    for: 1h
"""
BROKEN = """
groups:
- name: b
  rules:
  - record: a
    expr: up ==
  - alert: X
    exprs: up
"""
BROKEN_TEXTS = ("rules.yml:6:16: group \"b\", rule 1, \"a\": could not parse expression: 1:6: parse error: unexpected "
                "end of input", "rules.yml:8:5: field exprs not found in type rulefmt.Rule")


def write_rules(server, text):
    with open(os.path.join(server.folder, "rules.yml"), "w", encoding="utf-8") as file:
        file.write(text)


def groups(server, **parameters):
    return server.json("/api/v1/rules", {k.replace("__", "[]"): v for k, v in parameters.items()})["data"]["groups"]


def names(server, **parameters):
    return [rule["name"] for group in groups(server, **parameters) for rule in group["rules"]]


def evaluated(server):
    return all(rule["health"] != "unknown" for group in groups(server) for rule in group["rules"])


def settled(server):
    """Of both, what was written at one evaluation is there at the next."""
    up = [rule for group in groups(server, rule_name__="Up") for rule in group["rules"]]
    return up[0]["state"] == "firing" and server.query('job:up:twice{team="x"} == 2')["data"]["result"]


def check_answer(server):
    text = server.get("/api/v1/rules", {"rule_name[]": ["Up", "job:up:sum"]})[2].decode()
    text = re.sub(r'"\d{4}-\d\d-\d\dT[0-9:.]*Z"', '"T"', text)
    text = re.sub(r'"evaluationTime":[0-9.e-]+', '"evaluationTime":0', text)
    path = json.dumps(os.path.join(server.folder, "rules.yml"))
    instance = f"127.0.0.1:{server.port}"
    CHECKS.equal(text, '{"status":"success","data":{"groups":[{"name":"b","file":' + path + ',"rules":['
                 '{"name":"job:up:sum","query":"sum by (job) (up)","labels":{"a":"1","team":"x"},"health":"ok",'
                 '"evaluationTime":0,"lastEvaluation":"T","type":"recording"},'
                 '{"state":"firing","name":"Up","query":"up == 1","duration":0,"keepFiringFor":60,'
                 '"labels":{"severity":"page","team":"x"},'
                 '"annotations":{"summary":"{{ $labels.job }} is at {{ $value }} <b>"},"alerts":[{"labels":'
                 '{"alertname":"Up","instance":"' + instance + '","job":"self","severity":"page","team":"x"},'
                 '"annotations":{"summary":"self is at 1 <b>"},"state":"firing","activeAt":"T","value":"1e+00"}],'
                 '"health":"ok","evaluationTime":0,"lastEvaluation":"T","type":"alerting"}],"interval":1,"limit":5,'
                 '"evaluationTime":0,"lastEvaluation":"T"}]},"warnings":["rule_files: no file matches '
                 + os.path.join(server.folder, "missing*.yml") + '"]}', "the answer to the byte")
    rules = {rule["name"]: rule for group in groups(server) for rule in group["rules"]}
    CHECKS.equal((rules["bad"]["health"], rules["bad"].get("lastError")),
                 ("err", "rule result is not a vector or scalar"), "a rule that fails says why")
    CHECKS.equal((rules["Never"]["state"], rules["Never"]["alerts"]), ("inactive", []), "an alert without a series")
    CHECKS.equal(rules["Other"]["state"], "pending", "an alert that waits")


def check_filters(server):
    CHECKS.equal(names(server, type="alert"), ["Other", "Up", "Never"], "type=alert; groups are sorted by name")
    CHECKS.equal(names(server, type="Record"), ["job:up:sum", "job:up:twice", "bad"], "type=Record")
    CHECKS.equal(names(server, rule_group__="a"), ["Other"], "rule_group[]")
    CHECKS.equal(names(server, rule_name__="Up", rule_group__="a"), [], "filters together")
    CHECKS.equal(groups(server, file__="/nowhere"), [], "file[]")
    CHECKS.equal(names(server, match__='{severity="page"}'), ["Up"], "match[]")
    CHECKS.equal(groups(server, rule_name__="Up", exclude_alerts="true")[0]["rules"][0]["alerts"], None,
                 "exclude_alerts leaves them out")
    for parameters, text in (
            ({"type": "x"}, 'invalid parameter "type": not supported value "x"'),
            ({"exclude_alerts": "Yes"}, 'invalid parameter "exclude_alerts": error converting exclude_alerts: '
             'strconv.ParseBool: parsing "yes": invalid syntax'),
            ({"group_limit": "0"}, 'invalid parameter "group_limit": group_limit needs to be greater than 0'),
            ({"group_limit": "x"}, 'invalid parameter "group_limit": group_limit needs to be a valid number: '
             'strconv.ParseInt: parsing "x": invalid syntax'),
            ({"group_limit": "99999999999"}, 'invalid parameter "group_limit": group_limit needs to be a valid number: '
             'strconv.ParseInt: parsing "99999999999": value out of range'),
            ({"group_next_token": "x"}, 'invalid parameter "group_next_token": group_limit needs to be present in '
             'order to paginate over the groups'),
            ({"group_limit": "1", "group_next_token": "x"}, 'invalid parameter "group_next_token": invalid '
             'group_next_token \'x\'. were rule groups changed?'),
            ({"match[]": "{"}, '1:2: parse error: unexpected end of input inside braces: the "{" at 1:1 is not closed'),
            ({"match[]": '{a=~".*"}'}, "match[] must contain at least one non-empty matcher")):
        status, _, body = server.get("/api/v1/rules", parameters)
        CHECKS.equal((status, json.loads(body)), (400, {"status": "error", "errorType": "bad_data", "error": text}),
                     f"rules with {parameters}")


def check_pages(server):
    page = server.json("/api/v1/rules", {"group_limit": "1"})["data"]
    key = os.path.join(server.folder, "rules.yml") + ";b"
    CHECKS.equal(page.get("groupNextToken"), hashlib.sha256(key.encode()).hexdigest(), "the token of the next page")
    second = server.json("/api/v1/rules", {"group_limit": "1", "group_next_token": page["groupNextToken"]})["data"]
    CHECKS.equal([g["name"] for g in page["groups"] + second["groups"]], ["a", "b"], "two pages have all groups")
    CHECKS.check("groupNextToken" not in second, "the last page has no token")


def check_samples(server):
    CHECKS.check(lab.wait_for(lambda: server.query("ALERTS")["data"]["result"], 10), "ALERTS is written")
    result = server.query('job:up:twice{team="x"}')["data"]["result"]
    CHECKS.equal([row["value"][1] for row in result], ["2"], "a rule sees the results of the one before it")
    alerts = server.json("/api/v1/alerts")["data"]["alerts"]
    CHECKS.equal(sorted(alert["labels"]["alertname"] for alert in alerts), ["Other", "Up"], "alerts")
    CHECKS.equal(server.json("/api/v1/alertmanagers")["data"],
                 {"activeAlertmanagers": [{"url": "http://127.0.0.1:1/api/v2/alerts"}], "droppedAlertmanagers": []},
                 "alertmanagers")
    metrics = server.get("/metrics")[2].decode()
    key = os.path.join(server.folder, "rules.yml") + ";b"
    CHECKS.check(f'prometheus_rule_group_rules{{rule_group="{key}"}} 5' in metrics, "the number of rules")
    CHECKS.check(re.search(r'prometheus_rule_evaluation_failures_total{rule_group="[^"]*;b"} [1-9]', metrics),
                 "failures are counted")
    CHECKS.check("ferula_rule_files_unmatched 1" in metrics, "patterns without files are counted")
    CHECKS.check("missing*.yml" in server.log_text(), "patterns without files are in the log")
    notices = [notice["text"] for notice in server.json("/api/v1/notifications")["data"]]
    CHECKS.check(
        len(notices) == 1 and "missing*.yml of rule_files matches no file" in notices[0],
        "and a notification", notices,
    )


def check_reload(server):
    write_rules(server, BROKEN)
    status, _, body = server.get("/-/reload", method="POST", body=b"")
    CHECKS.equal(status, 500, "a bad rule file fails the reload")
    for text in BROKEN_TEXTS:
        CHECKS.check(text in body.decode(), "the answer has every problem", body)
        CHECKS.check(text.split(": ")[-1] in server.log_text(), "the log has every problem")
    CHECKS.check("\nprometheus_config_last_reload_successful 0\n" in server.get("/metrics")[2].decode(),
                 "the metric tells of it")
    CHECKS.equal(len(groups(server)), 2, "the old rules are still there")
    before = groups(server)[1]["lastEvaluation"]
    CHECKS.check(lab.wait_for(lambda: groups(server)[1]["lastEvaluation"] > before, 5), "and are evaluated")
    write_rules(server, RULES)
    CHECKS.equal(server.get("/-/reload", method="POST", body=b"")[0], 200, "a good file again")


def check_restart(server, start_took_s):
    def active_at():
        return groups(server, rule_group__="a")[0]["rules"][0]["alerts"][0]["activeAt"]

    def seconds_ago(seconds):
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - seconds))

    # longer than the restart takes, since that is added
    age_s = max(10, 5 * start_took_s)
    CHECKS.check(lab.wait_for(lambda: active_at() < seconds_ago(age_s), 20 + age_s), "the alert waits")
    server.stop()
    restarted_at = seconds_ago(0)
    server.start()
    CHECKS.check(lab.wait_for(lambda: evaluated(server), 10), "every rule is evaluated again")
    CHECKS.check(lab.wait_for(lambda: active_at() < restarted_at, 20), "a pending alert goes on after a restart",
                 f"active since {active_at()}")
    server.stop()
    write_rules(server, BROKEN)
    server.start(wait=False)
    server.popen.wait(30 * lab.PATIENCE)
    CHECKS.equal(server.popen.returncode, 2, "a bad rule file at start is exit code 2")
    CHECKS.check("Error loading rule file patterns from config" in server.log_text(), "and the log says so")


def main():
    server = lab.MonitoringServer(lab.ferula_binary(), CONFIG,
                                  ["--web.enable-lifecycle", "--rules.alert.for-grace-period=1m"])
    write_rules(server, RULES)
    begun = time.monotonic()
    server.start()
    start_took_s = time.monotonic() - begun
    CHECKS.check(lab.wait_for(lambda: evaluated(server), 15), "every rule is evaluated")
    CHECKS.check(lab.wait_for(lambda: settled(server), 15), "and sees a scrape, and the results of the others")
    check_answer(server)
    check_filters(server)
    check_pages(server)
    check_samples(server)
    check_reload(server)
    CHECKS.check(lab.wait_for(lambda: server.query('ALERTS_FOR_STATE{alertname="Other"}')["data"]["result"], 10),
                 "ALERTS_FOR_STATE is written")
    check_restart(server, start_took_s)
    CHECKS.finish()


main()
