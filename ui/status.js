/* Runtime and build information, storage, flags, configuration. */
"use strict";

const RUNTIME_NAMES = {
  startTime: "Start time", CWD: "Working directory", hostname: "Host name", serverTime: "Server time",
  reloadConfigSuccess: "Configuration reload", lastConfigTime: "Last successful configuration reload",
  corruptionCount: "WAL corruptions", goroutineCount: "Threads", GOMAXPROCS: "Processors", storageRetention: "Storage retention",
};

function facts(rows) {
  return table(["Name", "Value"], rows.map(([name, value]) => [name, el("span", { class: "mono" }, value)]), ["36%", "64%"], "facts");
}

pages.status = {
  title: "Status",
  async draw(host) {
    const [runtime, build] = await Promise.all([api("status/runtimeinfo"), api("status/buildinfo")]);
    const show = (key) => {
      if (key === "reloadConfigSuccess") return runtime[key] ? "Successful" : "Unsuccessful";
      return /Time$/.test(key) ? timeText(new Date(runtime[key])) : String(runtime[key]);
    };
    replace(host, el("h1", {}, "Runtime & build information"), el("h2", {}, "Runtime"),
      facts(Object.keys(RUNTIME_NAMES).filter((key) => key in runtime).map((key) => [RUNTIME_NAMES[key], show(key)])),
      el("h2", {}, "Build"), facts(Object.entries(build)));
  },
};

pages["tsdb-status"] = {
  title: "TSDB status",
  async draw(host) {
    const data = await api("status/tsdb");
    const head = data.headStats;
    const time = (ms) => (head.numSeries ? `${timeText(new Date(ms))} (${ms})` : "no data yet");
    const list = (title, name, rows) => [el("h2", {}, title), table([name, "Count"], rows.map((row) => [el("span", { class: "mono" }, row.name), { number: String(row.value) }]), ["80%", "20%"])];
    replace(host, el("h1", {}, "TSDB status"), el("h2", {}, "Head"),
      facts([["Series", String(head.numSeries)], ["Chunks", String(head.chunkCount)], ["Label pairs", String(head.numLabelPairs)],
        ["Oldest sample", time(head.minTime)], ["Newest sample", time(head.maxTime)]]),
      list("Top 10 metrics by number of series", "Metric", data.seriesCountByMetricName),
      list("Top 10 label names by number of values", "Label", data.labelValueCountByLabelName),
      list("Top 10 label names by memory", "Label", data.memoryInBytesByLabelName),
      list("Top 10 label pairs by number of series", "Pair", data.seriesCountByLabelValuePair));
  },
};

pages.flags = {
  title: "Command-line flags",
  async draw(host) {
    const data = await api("status/flags");
    const output = el("div");
    const draw = (text) => replace(output, facts(Object.entries(data)
      .filter(([name, value]) => `--${name}=${value}`.toLowerCase().includes(text)).map(([name, value]) => ["--" + name, value])));
    replace(host, el("h1", {}, "Command-line flags"), el("div", { class: "tools" }, filterBox("Filter by name or value", draw)), output);
    draw("");
  },
};

pages.config = {
  title: "Configuration",
  async draw(host) {
    const { yaml } = await api("status/config");
    replace(host, el("h1", {}, "Configuration"), el("div", { class: "tools" }, el("button", {
      onclick: (event) => navigator.clipboard.writeText(yaml).then(() => { event.target.textContent = "Copied"; }),
    }, "Copy")), el("pre", {}, yaml));
  },
};
