/* Which page this is; notices above it; waiting until the server is ready. */
"use strict";

function showNotices() {
  const host = document.getElementById("notices");
  api("notifications").then(
    (list) => replace(host, list.map((notice) => el("div", { class: "notice" }, notice.text))),
    () => {});
}

async function drawPage(name) {
  const host = document.getElementById("page");
  const page = pages[name];
  if (!page) {
    replace(host, el("p", {}, "There is no such page."));
    return;
  }
  document.title = `${page.title} · ${document.title}`;
  document.querySelectorAll("nav a:not(.brand)").forEach((link) => {
    if (link.getAttribute("href") !== name) return;
    link.classList.add("here");
    const menu = link.closest(".menu");
    if (menu) menu.querySelector("summary").classList.add("here");
  });
  for (;;) {
    try {
      await page.draw(host);
      return;
    } catch (error) {
      if (error.status !== 503) {
        replace(host, el("div", { class: "error" }, error.message));
        return;
      }
      const replay = await api("status/walreplay").catch(() => null);
      replace(host, el("div", { class: "notice" }, "The server is starting" +
        (replay && replay.max ? `: it replays its write-ahead log, segment ${replay.current} of ${replay.min} to ${replay.max}.` : ".")));
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}

document.addEventListener("click", (event) => {
  const menu = document.querySelector(".menu");
  if (menu && !menu.contains(event.target)) menu.open = false;
});
showNotices();
setInterval(showNotices, 15000);
drawPage(location.pathname.replace(/\/+$/, "").split("/").pop());
