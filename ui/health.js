/* Targets, service discovery, rules, alerts, Alertmanagers. */
"use strict";

function targetRow(target) {
  return [
    el("a", { href: /^https?:/.test(target.globalUrl) ? target.globalUrl : undefined, class: "mono" }, target.scrapeUrl),
    state(target.health),
    labels(target.labels),
    [ago(target.lastScrape), el("div", { class: "quiet" }, `took ${durationText(target.lastScrapeDuration)}, every ${target.scrapeInterval}`)],
    target.lastError ? el("div", { class: "error" }, target.lastError) : "",
  ];
}

pages.targets = {
  title: "Target health",
  async draw(host) {
    const data = await api("targets", { state: "active" });
    const view = { text: "", health: "all" };
    const output = el("div");
    const draw = () => {
      const pools = new Map();
      for (const target of data.activeTargets) {
        if (!pools.has(target.scrapePool)) pools.set(target.scrapePool, []);
        pools.get(target.scrapePool).push(target);
      }
      replace(output, [...pools].map(([name, targets]) => {
        const up = targets.filter((target) => target.health === "up").length;
        const shown = targets.filter((target) => (view.health === "all" || target.health === view.health) &&
          JSON.stringify([target.scrapeUrl, target.labels, target.lastError]).toLowerCase().includes(view.text));
        return shown.length ? [
          el("h2", {}, `${name} `, el("span", { class: "quiet" }, `${up} / ${targets.length} up`)),
          table(["Endpoint", "State", "Labels", "Last scrape", "Error"], shown.map(targetRow), ["23%", "80px", "29%", "16%", "32%"]),
        ] : null;
      }), !data.activeTargets.length && el("p", { class: "quiet" }, "No targets: scrape_configs of the configuration is empty, or relabelling drops all of them."));
    };
    replace(host, el("h1", {}, "Targets"), el("div", { class: "tools" },
      filterBox("Filter by endpoint, label or error", (text) => { view.text = text; draw(); }),
      select([["all", "All states"], ["up", "Up"], ["down", "Down"], ["unknown", "Unknown"]], "all", (value) => { view.health = value; draw(); }),
      el("button", { onclick: () => pages.targets.draw(host) }, "Refresh")), output);
    draw();
  },
};

pages["service-discovery"] = {
  title: "Service discovery",
  async draw(host) {
    const data = await api("targets");
    const pools = new Map();
    const pool = (name) => pools.get(name) || pools.set(name, { active: [], dropped: [] }).get(name);
    for (const target of data.activeTargets) pool(target.scrapePool).active.push(target);
    for (const target of data.droppedTargets) pool(target.scrapePool).dropped.push(target);
    replace(host, el("h1", {}, "Service discovery"), [...pools].sort().map(([name, found]) => [
      el("h2", {}, `${name} `, el("span", { class: "quiet" }, `${found.active.length} active / ${found.active.length + (data.droppedTargetCounts || {})[name] || found.active.length} total`)),
      table(["Discovered labels", "Target labels"], [
        ...found.active.map((target) => [labels(target.discoveredLabels), labels(target.labels)]),
        ...found.dropped.map((target) => [labels(target.discoveredLabels), el("span", { class: "quiet" }, "dropped due to relabeling rules")]),
      ], ["58%", "42%"]),
    ]), !pools.size && el("p", { class: "quiet" }, "Nothing is discovered."));
  },
};

function queryLink(expression) {
  return el("a", { class: "mono", href: "query?" + new URLSearchParams({ "g0.expr": expression, "g0.tab": "table" }) }, expression);
}

function yamlLines(pairs) {
  return pairs.filter(([, value]) => value).map(([key, value]) => el("div", { class: "mono" }, `${key}: `, value));
}

function setLines(name, set) {
  const entries = Object.entries(set || {});
  return entries.length ? el("div", { class: "mono" }, name + ":", entries.map(([key, value]) => el("div", { style: "padding-left: 2ch" }, `${key}: ${value}`))) : null;
}

function ruleText(rule) {
  return [
    yamlLines([[rule.type === "alerting" ? "alert" : "record", rule.name], ["expr", queryLink(rule.query)],
      ["for", rule.duration ? durationText(rule.duration) : ""],
      ["keep_firing_for", rule.keepFiringFor ? durationText(rule.keepFiringFor) : ""]]),
    setLines("labels", rule.labels), setLines("annotations", rule.annotations),
  ];
}

function noRules() {
  return el("p", { class: "quiet" }, "No rules are loaded. Name rule files under rule_files: in the configuration; each begins with groups:.");
}

/* A rule file that was forgotten, as in a container where only the configuration is mounted. */
async function forgottenFiles() {
  const text = await fetch("metrics").then((answer) => answer.text(), () => "");
  const count = Number((text.match(/^ferula_rule_files_unmatched (\d+)/m) || [])[1] || 0);
  return count && el("div", { class: "warning" }, count === 1 ? "An entry of rule_files matches no file" :
    `${count} entries of rule_files match no file`, "; the log of the last start or reload says which.");
}

pages.rules = {
  title: "Rule health",
  async draw(host) {
    const [data, forgotten] = await Promise.all([api("rules"), forgottenFiles()]);
    const output = el("div");
    const draw = (text) => replace(output, data.groups.map((group) => {
      const rules = group.rules.filter((rule) => JSON.stringify([group.name, group.file, rule.name, rule.query]).toLowerCase().includes(text));
      return rules.length ? [
        el("h2", {}, `${group.name} `, el("span", { class: "quiet" }, group.file)),
        el("p", { class: "quiet" }, `every ${durationText(group.interval)}, last `, ago(group.lastEvaluation), `, took ${durationText(group.evaluationTime)}`),
        table(["Rule", "State", "Last evaluation"], rules.map((rule) => [
          [ruleText(rule), rule.lastError ? el("div", { class: "error" }, rule.lastError) : null],
          state(rule.health),
          [ago(rule.lastEvaluation), el("div", { class: "quiet" }, `took ${durationText(rule.evaluationTime)}`)]]),
        ["72%", "12%", "16%"]),
      ] : null;
    }), !data.groups.length && noRules());
    replace(host, el("h1", {}, "Rules"), forgotten, el("div", { class: "tools" }, filterBox("Filter by group, file, name or expression", draw)), output);
    draw("");
  },
};

function alertTable(alerts) {
  return table(["Labels", "State", "Active since", "Value", "Annotations"], alerts.map((alert) => [
    labels(alert.labels), state(alert.state), [el("div", {}, timeText(new Date(alert.activeAt))), el("div", { class: "quiet" }, ago(alert.activeAt))],
    { number: Number.isFinite(Number(alert.value)) ? String(Number(alert.value)) : alert.value },
    Object.entries(alert.annotations).map(([name, text]) => el("div", {}, el("b", {}, name + ": "), text)),
  ]), ["34%", "90px", "170px", "110px", "40%"]);
}

pages.alerts = {
  title: "Alerts",
  async draw(host) {
    const data = await api("rules", { type: "alert" });
    const view = { text: "", state: "all" };
    const output = el("div");
    const all = data.groups.flatMap((group) => group.rules);
    const count = (name) => all.filter((rule) => rule.state === name).length;
    const draw = () => replace(output, data.groups.map((group) => {
      const rules = group.rules.filter((rule) => (view.state === "all" || rule.state === view.state) &&
        JSON.stringify([rule.name, rule.labels, rule.alerts]).toLowerCase().includes(view.text));
      return rules.length ? [
        el("h2", {}, `${group.name} `, el("span", { class: "quiet" }, group.file)),
        rules.map((rule) => el("details", { class: "item", open: rule.state === "firing" || rule.state === "pending" },
          el("summary", {}, el("b", {}, rule.name), " ", state(rule.state), rule.alerts.length ? ` ${rule.alerts.length} active` : "",
            rule.lastError ? el("div", { class: "error" }, rule.lastError) : ""),
          ruleText(rule), rule.alerts.length ? alertTable(rule.alerts) : null)),
      ] : null;
    }), !data.groups.length && noRules());
    replace(host, el("h1", {}, "Alerts"), el("div", { class: "tools" },
      select([["all", `All states (${all.length})`], ["inactive", `Inactive (${count("inactive")})`],
        ["pending", `Pending (${count("pending")})`], ["firing", `Firing (${count("firing")})`]], "all", (value) => { view.state = value; draw(); }),
      filterBox("Filter by name or label", (text) => { view.text = text; draw(); }),
      el("button", { onclick: () => pages.alerts.draw(host) }, "Refresh")), output);
    draw();
  },
};

pages["alertmanager-discovery"] = {
  title: "Alertmanager discovery",
  async draw(host) {
    const data = await api("alertmanagers");
    const known = [...data.activeAlertmanagers, ...data.droppedAlertmanagers];
    replace(host, el("h1", {}, "Alertmanagers"),
      known.length > 0 && table(["URL", "State"], [...data.activeAlertmanagers.map((found) => [el("span", { class: "mono" }, found.url), "in use"]),
        ...data.droppedAlertmanagers.map((found) => [el("span", { class: "mono" }, found.url), "dropped by relabelling"])]),
      !data.activeAlertmanagers.length && el("p", { class: "quiet" }, "No Alertmanager is configured: alerts are evaluated and shown here, nobody is told."));
  },
};
