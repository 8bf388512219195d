/* Lines over time as SVG: axes, tooltip, drag to zoom, click on the legend to isolate. */
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const GRAPH_SERIES_MAX = 200;

function svg(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function seriesColor(index) {
  return `hsl(${Math.round((index * 137.508 + 150) % 360)} 60% 48%)`;
}

/* 1, 2, 2.5 or 5 times a power of ten, so that about `count` steps fit. */
function niceStep(span, count) {
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((step) => step >= rough) || power * 10;
}

function shortNumber(value) {
  const size = Math.abs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return value.toExponential(1);
  for (const [limit, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (size >= limit) return String(Number((value / limit).toPrecision(4))) + unit;
  }
  return String(Number(value.toPrecision(4)));
}

function timeSteps(start, end, count) {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
    172800, 604800, 2592000, 31536000];
  const step = steps.find((candidate) => (end - start) / candidate <= count) || 31536000;
  const offset = new Date(start * 1000).getTimezoneOffset() * 60;
  const ticks = [];
  for (let at = Math.ceil((start - offset) / step) * step + offset; at <= end; at += step) ticks.push(at);
  return { step, ticks };
}

function drawGraph(host, data, options) {
  const width = Math.max(320, host.clientWidth || 800);
  const height = 320;
  const box = { left: 54, right: width - 10, top: 8, bottom: height - 24 };
  const hidden = options.hidden;
  const shown = data.filter((series) => !hidden.has(series.name));
  const values = shown.flatMap((series) => series.points.map((point) => point[1])).filter(Number.isFinite);
  let low = values.reduce((a, b) => Math.min(a, b), Infinity);
  let high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!values.length) [low, high] = [0, 1];
  if (options.zero) [low, high] = [Math.min(0, low), Math.max(0, high)];
  if (low === high) [low, high] = [low - Math.abs(low || 1) * 0.5, high + Math.abs(high || 1) * 0.5];
  const x = (time) => box.left + (time - options.start) / (options.end - options.start || 1) * (box.right - box.left);
  const y = (value) => box.bottom - (value - low) / (high - low) * (box.bottom - box.top);
  const root = svg("svg", { class: "graph", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "graph" });

  const step = niceStep(high - low, 5);
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-6; at += step) {
    root.append(svg("line", { class: "grid", x1: box.left, x2: box.right, y1: y(at), y2: y(at) }),
      svg("text", { x: box.left - 6, y: y(at) + 4, "text-anchor": "end" }, shortNumber(Math.abs(at) < step * 1e-6 ? 0 : at)));
  }
  const time = timeSteps(options.start, options.end, Math.min(8, width / 90));
  for (const at of time.ticks) {
    const text = timeText(new Date(at * 1000));
    root.append(svg("line", { class: "grid", x1: x(at), x2: x(at), y1: box.top, y2: box.bottom }),
      svg("text", { x: x(at), y: height - 8, "text-anchor": "middle" },
        time.step >= 86400 ? text.slice(5, 10) : time.step >= 60 ? text.slice(11, 16) : text.slice(11)));
  }

  data.forEach((series, index) => {
    if (hidden.has(series.name)) return;
    let path = "";
    let last = null;
    for (const [at, value] of series.points) {
      if (!Number.isFinite(value)) {
        last = null;
        continue;
      }
      const joined = last !== null && at - last <= options.step * 1.5;
      /* a lone point is a short line, so that it is seen */
      path += `${joined ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}${joined ? "" : "h.1"}`;
      last = at;
    }
    root.append(svg("path", { d: path, fill: "none", stroke: seriesColor(index), "stroke-width": 1.6, "stroke-linecap": "round", "stroke-linejoin": "round" }));
  });
  attachPointer(root, host, data, { ...options, x, y, box, width });
  replace(host, root, legend(data, options, () => drawGraph(host, data, options)));
}

/* Nearest point under the pointer; a drag selects a new time range. */
function attachPointer(root, host, data, view) {
  const tip = el("div", { class: "tooltip", hidden: "" });
  const mark = svg("circle", { r: 4, fill: "none", "stroke-width": 2, visibility: "hidden" });
  const band = svg("rect", { y: view.box.top, height: view.box.bottom - view.box.top, fill: "currentColor", opacity: 0.12, visibility: "hidden" });
  root.append(band, mark);
  let from = null;
  const place = (event) => {
    const frame = root.getBoundingClientRect();
    return { x: (event.clientX - frame.left) / frame.width * view.width, y: (event.clientY - frame.top) / frame.height * 320 };
  };
  const timeAt = (at) => view.start + (Math.min(Math.max(at, view.box.left), view.box.right) - view.box.left) /
    (view.box.right - view.box.left) * (view.end - view.start);
  root.addEventListener("pointermove", (event) => {
    const at = place(event);
    if (from !== null) {
      band.setAttribute("x", Math.min(from, at.x));
      band.setAttribute("width", Math.abs(at.x - from));
      band.setAttribute("visibility", "visible");
    }
    let best = null;
    data.forEach((series, index) => {
      if (view.hidden.has(series.name)) return;
      for (const [time, value] of series.points) {
        const distance = Math.hypot((view.x(time) - at.x) * 2, view.y(value) - at.y);
        if (Number.isFinite(value) && (!best || distance < best.distance)) best = { distance, series, index, time, value };
      }
    });
    if (!best) return;
    mark.setAttribute("cx", view.x(best.time));
    mark.setAttribute("cy", view.y(best.value));
    mark.setAttribute("stroke", seriesColor(best.index));
    mark.setAttribute("visibility", "visible");
    replace(tip, el("div", {}, timeText(new Date(best.time * 1000))), el("b", {}, String(best.value)), el("div", { class: "mono" }, best.series.name));
    tip.hidden = false;
    if (!tip.isConnected) document.body.append(tip);
    tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + "px";
    tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8) + "px";
  });
  root.addEventListener("pointerleave", () => tip.remove());
  root.addEventListener("pointerdown", (event) => { from = place(event).x; });
  root.addEventListener("pointerup", (event) => {
    const to = place(event).x;
    tip.remove();
    if (from !== null && Math.abs(to - from) > 8) view.zoom(timeAt(Math.min(from, to)), timeAt(Math.max(from, to)));
    from = null;
    band.setAttribute("visibility", "hidden");
  });
}

function legend(data, options, redraw) {
  return el("div", { class: "legend" }, data.map((series, index) =>
    el("div", {
      class: "mono " + (options.hidden.has(series.name) ? "off" : ""),
      onclick: (event) => {
        const hidden = options.hidden;
        if (event.ctrlKey || event.metaKey) {
          if (!hidden.delete(series.name)) hidden.add(series.name);
        } else if (!hidden.has(series.name) && hidden.size === data.length - 1) {
          hidden.clear();
        } else {
          data.forEach((other) => hidden.add(other.name));
          hidden.delete(series.name);
        }
        redraw();
      },
    }, el("i", { style: `background:${seriesColor(index)}` }), series.name)));
}
