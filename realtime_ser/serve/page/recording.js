// A recording that is dropped on the page or chosen: it goes to the server, and the answer comes back.

import { percent, Timeline } from "./view.js";

const $ = (id) => document.getElementById(id);

export async function classify(file, { page, model, token }) {
  const show = (shown) => ["file-answer", "file-result"].forEach((id) => ($(id).hidden = !shown));
  show(false);
  if (!file.size) {
    $("file-status").textContent = `${file.name} is empty (0 bytes): record or copy it again.`;
    return;
  }
  if (file.size > page.upload_bytes) {
    $("file-status").textContent = `${file.name} has over ${Math.floor(page.upload_bytes / 2 ** 20)} MiB; use realtime-ser classify.`;
    return;
  }
  $("file-status").textContent = `Classifying ${file.name} …`;
  const query = new URLSearchParams({ name: file.name, model: model.name, timeline: "1" });
  try {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const answer = await fetch(`/v1/classify?${query}`, { method: "POST", body: file, headers });
    const row = answer.headers.get("content-type")?.startsWith("application/json") ? await answer.json() : { error: await answer.text() };
    if (row.error) {
      $("file-status").textContent = row.error;
      return;
    }
    const label = model.labels.find((one) => one.name === row.label);
    $("file-status").textContent = `${row.path}: ${row.duration_s.toFixed(1)} s, of them ${row.speech_s.toFixed(1)} s speech`;
    $("file-word").textContent = label ? `${row.label}, ${percent(row.confidence)}` : "nobody speaks in it";
    Object.assign($("file-chip").style, { background: label?.colour || "", color: label?.ink || "" });
    $("file-chip").textContent = label?.letter || "·";
    show(true);
    const strip = new Timeline($("file-timeline"), model.labels, page.colours);
    strip.whole(row.windows, row.duration_s);
    strip.describe(row.path);
  } catch (error) {
    $("file-status").textContent = `The server does not answer: ${error.message}`;
  }
}
