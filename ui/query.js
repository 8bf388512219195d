/* /query: panels of an expression, each with a table and a graph. The state is in the URL, in the
 * reference's parameters (g0.expr, g0.tab, g0.range_input, ...), so links from Alertmanager work. */
"use strict";

const TABLE_ROWS_MAX = 10000;
const RANGES = ["5m", "15m", "30m", "1h", "2h", "6h", "12h", "1d", "2d", "1w", "2w", "4w", "8w", "1y"];

function rangeSeconds(text) {
  const units = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 };
  let seconds = 0;
  for (const [, number, unit] of text.matchAll(/(\d+)(ms|[smhdwy])/g)) seconds += number * units[unit];
  return seconds || 3600;
}

function rangeText(seconds) {
  const exact = RANGES.find((text) => rangeSeconds(text) === Math.round(seconds));
  return exact || Math.max(1, Math.round(seconds)) + "s";
}

function readPanels() {
  const found = [];
  for (const [key, value] of new URLSearchParams(location.search)) {
    const match = key.match(/^g(\d+)\.(\w+)$/);
    if (match) (found[match[1]] = found[match[1]] || {})[match[2]] = value;
  }
  const panels = found.filter(Boolean).map((given) => ({
    expr: given.expr || "",
    tab: given.tab === "0" || given.tab === "graph" ? "graph" : given.tab === "explain" ? "explain" : "table",
    range: given.range_input || "1h",
    end: given.end_input || "",
    moment: given.moment_input || "",
    step: given.step_input || given.res_step || "",
    zero: given.y_axis_min === "zero",
    hidden: new Set(),
  }));
  return panels.length ? panels : [newPanel()];
}

function newPanel() {
  return { expr: "", tab: "table", range: "1h", end: "", moment: "", step: "", zero: false, hidden: new Set() };
}

function writePanels(panels) {
  const parameters = new URLSearchParams();
  panels.forEach((panel, index) => {
    const put = (key, value) => value && parameters.set(`g${index}.${key}`, value);
    put("expr", panel.expr);
    parameters.set(`g${index}.tab`, panel.tab);
    put("range_input", panel.tab !== "table" && panel.range);
    put("end_input", panel.end);
    put("moment_input", panel.moment);
    put("step_input", panel.step);
    put("y_axis_min", panel.zero && "zero");
  });
  history.replaceState(null, "", "query?" + parameters);
}

/* "2026-11-20 13:46:00", local; empty = now */
function momentSeconds(text) {
  const date = text ? new Date(text.replace(" ", "T")) : new Date();
  return Number.isNaN(date.getTime()) ? Date.now() / 1000 : date.getTime() / 1000;
}

function annotations(answer) {
  return [
    ...(answer.warnings || []).map((text) => el("div", { class: "warning" }, text)),
    ...(answer.infos || []).map((text) => el("div", { class: "warning" }, text)),
  ];
}

function histogramText(histogram) {
  return `count ${histogram.count}, sum ${histogram.sum}` +
    (histogram.buckets || []).map(([, lower, upper, count]) => ` [${lower}, ${upper}] ${count}`).join(";");
}

function resultTable(data) {
  if (data.resultType === "scalar" || data.resultType === "string") {
    return table([data.resultType, "value"], [[data.resultType, { number: data.result[1] }]]);
  }
  if (!data.result.length) return el("p", { class: "quiet" }, "Empty query result: no series matches at this time.");
  const rows = data.result.slice(0, TABLE_ROWS_MAX).map((series) => {
    const name = el("span", { class: "mono" }, series.metric.__name__ || "", " ", labels(series.metric, ["__name__"]));
    if (data.resultType === "vector") {
      return [name, { number: series.value ? series.value[1] : histogramText(series.histogram[1]) }];
    }
    return [name, (series.values || []).map(([time, value]) => el("div", { class: "mono" }, `${value} @${time}`))];
  });
  const cut = data.result.length > TABLE_ROWS_MAX && el("p", { class: "warning" }, `Only the first ${TABLE_ROWS_MAX} of ${data.result.length} series are shown.`);
  return [cut, table(["Series", "Value"], rows, data.resultType === "vector" && data.result.every((series) => series.value) ? ["78%", "22%"] : undefined)];
}

async function runTable(panel, output) {
  const started = performance.now();
  const parameters = { query: panel.expr };
  if (panel.moment) parameters.time = momentSeconds(panel.moment);
  const answer = await api("query", parameters, { post: true, whole: true, signal: panel.abort.signal });
  replace(output, annotations(answer), resultTable(answer.data),
    el("p", { class: "quiet" }, `Load time: ${Math.round(performance.now() - started)}ms, result series: ${
      Array.isArray(answer.data.result) && answer.data.resultType !== "scalar" && answer.data.resultType !== "string" ? answer.data.result.length : 1}`));
}

/* Start, end and step of the panel in seconds. */
function graphSpan(panel) {
  const span = rangeSeconds(panel.range);
  const end = momentSeconds(panel.end);
  const step = panel.step ? rangeSeconds(/^\d+$/.test(panel.step) ? panel.step + "s" : panel.step) : Math.max(1, Math.floor(span / 250));
  return { start: end - span, end, step };
}

/* What each operator did: the tree of stats=explain, one row each, children below and further right. */
async function runExplain(panel, output) {
  const answer = await api("query_range", { query: panel.expr, ...graphSpan(panel), stats: "explain" }, { post: true, whole: true, signal: panel.abort.signal });
  const stats = answer.data.stats;
  const rows = [];
  const visit = (operator, depth) => {
    rows.push([
      el("div", { style: `padding-left: ${Math.min(depth, 12)}em` }, operator.operator, " ", el("span", { class: "mono quiet" }, operator.expression)),
      { number: String(operator.rows) }, { number: String(operator.values) }, { number: String(operator.samples) },
      { number: String(operator.ownBytes) }, { number: (operator.ownSeconds * 1000).toFixed(3) },
    ]);
    operator.children.forEach((child) => visit(child, depth + 1));
  };
  if (stats.explain) visit(stats.explain, 0);
  replace(output, annotations(answer),
    rows.length ? table(["Operator", "Rows", "Values", "Samples", "Bytes", "Milliseconds"], rows, ["50%", "10%", "10%", "10%", "10%", "10%"]) : el("p", { class: "quiet" }, "Nothing to explain."),
    el("p", { class: "quiet" }, `Evaluated in ${(stats.timings.execTotalTime * 1000).toFixed(3)}ms, samples: ${
      stats.samples.totalQueryableSamples} in all windows, ${stats.samples.samplesRead} read, ${stats.samples.peakSamples} at most in memory`));
}

async function runGraph(panel, output, changed) {
  const started = performance.now();
  const { start, end, step } = graphSpan(panel);
  const parameters = { query: panel.expr, start, end, step };
  const answer = await api("query_range", parameters, { post: true, whole: true, signal: panel.abort.signal });
  const data = answer.data.result.slice(0, GRAPH_SERIES_MAX).map((series) => ({
    name: seriesName(series.metric),
    points: (series.values || []).map(([time, value]) => [time, Number(value.replace("Inf", "Infinity"))]),
  }));
  const host = el("div");
  const count = answer.data.result.length;
  replace(output, annotations(answer),
    count > GRAPH_SERIES_MAX && el("p", { class: "warning" }, `Only the first ${GRAPH_SERIES_MAX} of ${count} series are drawn.`),
    count ? host : el("p", { class: "quiet" }, "Empty query result: no series has samples in this range."),
    el("p", { class: "quiet" }, `Load time: ${Math.round(performance.now() - started)}ms, resolution: ${step}s, result series: ${count}`));
  if (!count) return;
  drawGraph(host, data, {
    start: parameters.start, end, step, zero: panel.zero, hidden: panel.hidden,
    zoom: (from, to) => {
      panel.range = rangeText(to - from);
      panel.end = timeText(new Date(to * 1000));
      changed();
    },
  });
}

function panelView(panel, panels, redrawAll) {
  const output = el("div");
  const tools = el("div", { class: "tools" });
  const changed = () => {
    drawTools();
    run();
  };
  async function run() {
    writePanels(panels);
    if (panel.abort) panel.abort.abort();
    panel.abort = new AbortController();
    if (!panel.expr.trim()) {
      replace(output, el("p", { class: "quiet" }, "Enter an expression, for example up"));
      return;
    }
    replace(output, el("p", { class: "quiet" }, "Evaluating…"));
    try {
      const show = { graph: runGraph, explain: runExplain, table: runTable }[panel.tab];
      await show(panel, output, changed);
    } catch (error) {
      if (error.name !== "AbortError") replace(output, el("div", { class: "error" }, error.message));
    }
  }
  const text = el("textarea", {
    rows: Math.min(12, Math.max(2, panel.expr.split("\n").length)), value: panel.expr, spellcheck: "false",
    placeholder: "Expression (Enter to execute, Shift+Enter for a new line)", "aria-label": "Expression",
    oninput: (event) => { panel.expr = event.target.value; suggest(event.target, list); },
    onkeydown: (event) => {
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        panel.expr = event.target.value;
        run();
      }
    },
  });
  const list = el("div", { class: "tools" });
  const tab = (key, name) => el("button", {
    "aria-selected": String(panel.tab === key),
    onclick: () => { panel.tab = key; changed(); },
  }, name);
  function drawTools() {
    const shift = (sign) => () => {
      panel.end = timeText(new Date((momentSeconds(panel.end) + sign * rangeSeconds(panel.range) / 2) * 1000));
      changed();
    };
    const scale = (direction) => () => {
      const at = RANGES.findIndex((range) => rangeSeconds(range) >= rangeSeconds(panel.range));
      panel.range = RANGES[Math.min(RANGES.length - 1, Math.max(0, (at < 0 ? RANGES.length - 1 : at) + direction))];
      changed();
    };
    const box = (key, placeholder, size) => el("input", {
      value: panel[key], placeholder, "aria-label": placeholder, size,
      onchange: (event) => { panel[key] = event.target.value.trim(); changed(); },
    });
    const common = [tab("table", "Table"), tab("graph", "Graph"), tab("explain", "Explain")];
    replace(tools, common, panel.tab === "table" ? box("moment", "Evaluation time (now)", 20) : [
      el("button", { onclick: scale(-1), "aria-label": "Shorter range" }, "−"), box("range", "Range", 5),
      el("button", { onclick: scale(1), "aria-label": "Longer range" }, "+"),
      el("button", { onclick: shift(-1), "aria-label": "Earlier" }, "‹"), box("end", "End time (now)", 19),
      el("button", { onclick: shift(1), "aria-label": "Later" }, "›"), box("step", "Resolution (auto)", 14),
      panel.tab === "graph" && el("label", {}, el("input", { type: "checkbox", checked: panel.zero, onchange: (event) => { panel.zero = event.target.checked; changed(); } }), " from zero"),
    ]);
  }
  drawTools();
  run();
  return el("section", { class: "panel" }, text, list,
    el("div", { class: "tools" }, el("button", { class: "main", onclick: run }, "Execute"),
      el("button", { onclick: async () => {
        try {
          panel.expr = text.value = await api("format_query", { query: panel.expr }, { post: true });
          text.rows = Math.min(12, Math.max(2, panel.expr.split("\n").length));
        } catch (error) {
          replace(output, el("div", { class: "error" }, error.message));
        }
      } }, "Format"),
      panels.length > 1 && el("button", { onclick: () => { panels.splice(panels.indexOf(panel), 1); redrawAll(); } }, "Remove panel")),
    tools, output);
}

/* Metric names that go on from the word before the cursor. */
let metricNames = null;

async function suggest(text, list) {
  if (!metricNames) metricNames = api("label/__name__/values", { limit: 40000 }).catch(() => []);
  const names = await metricNames;
  const before = text.value.slice(0, text.selectionStart);
  const word = (before.match(/[A-Za-z_:][\w:]*$/) || [""])[0];
  const found = word.length < 2 ? [] : names.filter((name) => name !== word && name.includes(word))
    .sort((a, b) => (b.startsWith(word) - a.startsWith(word)) || a.length - b.length).slice(0, 8);
  replace(list, found.map((name) => el("button", { class: "mono", onclick: () => {
    text.setRangeText(name, before.length - word.length, before.length, "end");
    text.dispatchEvent(new Event("input"));
    replace(list);
    text.focus();
  } }, name)));
}

pages.query = {
  title: "Query",
  draw(host) {
    const panels = readPanels();
    const redraw = () => {
      writePanels(panels);
      replace(host, panels.map((panel) => panelView(panel, panels, redraw)),
        el("button", { onclick: () => { panels.push(newPanel()); redraw(); } }, "Add panel"));
    };
    redraw();
  },
};
