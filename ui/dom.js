/* What all pages share: elements, the API, texts of times. Texts from the server become text nodes, never
 * markup. */
"use strict";

function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "open" || key === "disabled") node[key] = value;
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(key, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function replace(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child));
}

/* The data of an answer; throws an Error with the server's own words. */
async function api(path, parameters, options) {
  const form = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters || {})) {
    if (value !== undefined && value !== "") form.append(key, value);
  }
  const post = options && options.post;
  const url = "api/v1/" + path + (!post && [...form].length ? "?" + form : "");
  const response = await fetch(url, post ? { method: "POST", body: form, signal: options.signal } : {});
  const text = await response.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch (error) {
    const failure = new Error(response.status === 503 ? "The server is not ready yet." : `${response.status} ${text.slice(0, 300)}`);
    failure.status = response.status;
    throw failure;
  }
  if (answer.status !== "success") throw new Error(answer.error || `status ${response.status}`);
  return options && options.whole ? answer : answer.data;
}

function labels(set, without) {
  return Object.entries(set)
    .filter(([name]) => !(without || []).includes(name))
    .map(([name, value]) => el("span", { class: "label" }, `${name}="${value}"`));
}

function quoted(text) {
  return JSON.stringify(text);
}

/* up{job="x"} */
function seriesName(metric) {
  const pairs = Object.entries(metric).filter(([name]) => name !== "__name__");
  const name = metric.__name__ || "";
  return name + (pairs.length || !name ? "{" + pairs.map(([key, value]) => `${key}=${quoted(value)}`).join(", ") + "}" : "");
}

const NEVER = "0001-01-01T00:00:00Z";

function two(number) {
  return String(number).padStart(2, "0");
}

/* Local time with a 24 hour clock. */
function timeText(date) {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function durationText(seconds) {
  if (seconds < 0.001) return (seconds * 1e6).toFixed(0) + "µs";
  if (seconds < 1) return (seconds * 1e3).toFixed(seconds < 0.01 ? 2 : 0) + "ms";
  if (seconds < 60) return String(Number(seconds.toFixed(1))) + "s";
  let rest = Math.round(seconds);
  let text = "";
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]]) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count) text += count + unit + " ";
  }
  return text.trim();
}

function ago(time) {
  if (!time || time === NEVER) return el("span", { class: "quiet" }, "never");
  const date = new Date(time);
  return el("span", { title: timeText(date) }, durationText(Math.max(0, (Date.now() - date) / 1000)) + " ago");
}

function state(text) {
  return el("span", { class: "state " + text }, text);
}

/* Column names and rows of cells; narrow screens show each row as a card. `widths` (percent or CSS) keeps
 * the columns of several tables under each other. */
function table(columns, rows, widths, kind) {
  const isNumber = (at) => rows.length && rows.every((cells) => cells[at] && cells[at].number);
  const width = (at) => (widths ? `width: ${widths[at]}` : undefined);
  return el("div", { class: "scroll" }, el("table", { class: `cards ${widths ? "fixed" : ""} ${kind || ""}` },
    el("thead", {}, el("tr", {}, columns.map((column, at) =>
      el("th", { class: isNumber(at) ? "number" : undefined, style: width(at) }, column)))),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell, at) =>
      el("td", { "data-name": columns[at], class: cell && cell.number ? "number" : undefined },
        cell && cell.number ? cell.number : cell)))))));
}

/* A text box that filters what `draw` shows. */
function filterBox(placeholder, draw) {
  return el("input", { type: "search", placeholder, "aria-label": placeholder, oninput: (event) => draw(event.target.value.toLowerCase()) });
}

function select(options, value, change) {
  return el("select", { onchange: (event) => change(event.target.value) },
    options.map(([key, text]) => el("option", { value: key, selected: key === value ? "" : undefined }, text)));
}

const pages = {};
