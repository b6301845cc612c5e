import { listMicrophones, MicrophoneError, openMicrophone } from "./microphone.js";
import { Stream } from "./stream.js";
import { Bars, Level, percent, Timeline, Word } from "./view.js";

const $ = (id) => document.getElementById(id);
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const state = { microphone: null, stream: null, model: null, starting: false, spoken: "", spokenAt: 0 };
let page, bars, word, level, timeline;

function fault(message) {
  $("fault").textContent = message;
  $("fault").hidden = !message;
}

function status(message) {
  $("status").textContent = message;
}

// For a screen reader: what changed, not every window.
function announce(text) {
  const now = performance.now();
  if (text === state.spoken || now - state.spokenAt < 2000) return;
  state.spoken = text;
  state.spokenAt = now;
  $("announce").textContent = text;
}

function showModel() {
  const { model } = state;
  bars = new Bars($("bars"), model.labels);
  word = new Word({ word: $("word"), chip: $("chip"), remark: $("remark"), confidence: $("confidence") }, model.labels, page.colours);
  timeline = new Timeline($("timeline"), model.labels, page.colours);
  timeline.draw();
  $("headline").textContent = model.headline;
  $("description").textContent = `${model.name}: ${model.description}. One estimate every ${model.hop_s} s from the last ${model.window_s} s.`;
  $("failures").replaceChildren(
    ...model.known_failures.map((text) => Object.assign(document.createElement("li"), { textContent: text })),
  );
}

function onRecord(record, offset) {
  if (record.type === "window") {
    word.show(record);
    bars.show(record);
    const end = offset + record.end_s;
    const lost = record.lost_samples / state.rate;
    const start = end - (state.hop || state.model.hop_s);
    if (lost > 0) timeline.add(start - lost, start, "lost", null);
    timeline.add(start, end, record.state, record.label);
    timeline.follow(end);
    state.lost = (state.lost || 0) + lost;
    account(end);
    announce(record.state === "speech" ? record.label : $("word").textContent);
  } else if (record.type === "session") {
    state.rate = record.sample_rate;
    state.hop = record.hop_s;
  } else if (record.type === "event") {
    status(record.message);
  } else if (record.type === "error") {
    fault(record.message);
  } else if (record.type === "summary") {
    const rate = state.rate;
    const seconds = (name) => (record[`${name}_samples`] / rate).toFixed(1);
    const lost = record.dropped_samples ? `${seconds("dropped")} s lost` : "nothing lost";
    $("account").textContent =
      `${seconds("captured")} s captured: ${seconds("classified")} s classified, ${seconds("gated")} s without speech, ${lost}, ${seconds("pending")} s too short to classify`;
  }
}

function account(end) {
  $("account").textContent = `${end.toFixed(1)} s captured, ${state.lost > 0 ? `${state.lost.toFixed(1)} s lost` : "nothing lost"}`;
  if (Math.round(end) % 5 === 0) timeline.describe("The last minute");
}

function onState(kind, message) {
  if (kind === "open") {
    fault("");
    status(`Listening to ${state.microphone ? state.microphone.name || "the microphone" : "the microphone"}, ${state.microphone ? state.microphone.rate : "?"} Hz.`);
    word.text("listening", "the first estimate comes after a second");
  } else if (kind === "connecting") {
    status("Connecting …");
  } else if (kind === "lost") {
    status("The connection is lost; trying again. Audio meanwhile counts as lost.");
    word.text("no connection", "trying again");
    bars.show(null);
  } else {
    if (message) fault(message);
    finish(message ? "Ended by the server." : "Stopped.");
  }
}

async function start() {
  if (state.starting) return;
  state.starting = true;
  fault("");
  status("Opening the microphone …");
  try {
    state.lost = 0;
    const onBlock = ({ samples, rms, peak }) => {
      $("clipping").hidden = !level.show(rms, peak);
      if (state.stream) state.stream.send(samples);
    };
    state.microphone = await openMicrophone($("device").value, onBlock, () => {
      fault("The microphone is gone. Plug it in again, then press Start.");
      stop();
    });
    timeline.pieces = [];
    state.stream = new Stream({ rate: state.microphone.rate, channels: state.microphone.channels, model: state.model.name, token, onRecord, onState });
    $("toggle").textContent = "Stop";
    $("toggle").setAttribute("aria-pressed", "true");
    document.body.dataset.state = "on";
    fillDevices();
  } catch (error) {
    fault(error instanceof MicrophoneError ? error.message : `It does not start: ${error.message}`);
    status("Stopped.");
    letGo();
  } finally {
    state.starting = false;
  }
}

function letGo() {
  if (state.microphone) state.microphone.close();
  state.microphone = null;
}

function stop() {
  letGo();
  if (state.stream) state.stream.stop();
}

function finish(text) {
  letGo();
  state.stream = null;
  status(text);
  $("toggle").textContent = "Start";
  $("toggle").setAttribute("aria-pressed", "false");
  document.body.dataset.state = "off";
  $("clipping").hidden = true;
  level.off();
  bars.show(null);
  word.text("ready", "press Start and speak");
}

async function fillDevices() {
  const chosen = $("device").value;
  const options = (await listMicrophones()).map((device, index) => new Option(device.label || `Microphone ${index + 1}`, device.deviceId));
  $("device").replaceChildren(new Option("Default microphone", ""), ...options);
  if (options.some((option) => option.value === chosen)) $("device").value = chosen;
}

async function classify(file) {
  const result = $("file-result");
  result.hidden = true;
  if (file.size > page.upload_bytes) {
    $("file-status").textContent = `${file.name} has over ${Math.floor(page.upload_bytes / 2 ** 20)} MiB; use realtime-ser classify.`;
    return;
  }
  $("file-status").textContent = `Classifying ${file.name} …`;
  const query = new URLSearchParams({ name: file.name, model: state.model.name, timeline: "1" });
  try {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const answer = await fetch(`/v1/classify?${query}`, { method: "POST", body: file, headers });
    const row = answer.headers.get("content-type")?.startsWith("application/json") ? await answer.json() : { error: await answer.text() };
    if (row.error) {
      $("file-status").textContent = row.error;
      return;
    }
    const label = state.model.labels.find((one) => one.name === row.label);
    $("file-status").textContent = `${row.path}: ${row.duration_s.toFixed(1)} s, of them ${row.speech_s.toFixed(1)} s speech`;
    $("file-word").textContent = label ? `${row.label}, ${percent(row.confidence)}` : "nobody speaks in it";
    Object.assign($("file-chip").style, { background: label?.colour || "", color: label?.ink || "" });
    $("file-chip").textContent = label?.letter || "·";
    result.hidden = false;
    const strip = new Timeline($("file-timeline"), state.model.labels, page.colours);
    strip.whole(row.windows, row.duration_s);
    strip.describe(row.path);
  } catch (error) {
    $("file-status").textContent = `The server does not answer: ${error.message}`;
  }
}

function listen() {
  $("toggle").addEventListener("click", () => (state.stream || state.microphone ? stop() : start()));
  $("device").addEventListener("change", () => {
    if (state.stream) status("The new microphone is used from the next Start on.");
  });
  $("model").addEventListener("change", () => {
    state.model = page.models.find((model) => model.name === $("model").value);
    showModel();
  });
  $("file").addEventListener("change", () => {
    if ($("file").files.length) classify($("file").files[0]);
    $("file").value = "";
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    window.addEventListener(kind, (event) => {
      event.preventDefault();
      document.body.classList.toggle("dropping", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) classify(event.dataTransfer.files[0]);
    });
  }
  // Every way out lets the microphone go: another page, a closed tab, the back button.
  window.addEventListener("pagehide", stop);
  navigator.mediaDevices?.addEventListener("devicechange", fillDevices);
}

async function open() {
  try {
    page = await (await fetch("/v1/page")).json();
  } catch (error) {
    fault(`The server does not answer: ${error.message}`);
    return;
  }
  level = new Level({ meter: $("level"), fill: $("level-fill"), peak: $("level-peak"), text: $("level-text") });
  state.model = page.models[0];
  $("model").replaceChildren(...page.models.map((model) => new Option(model.name, model.name)));
  $("model-choice").hidden = page.models.length < 2;
  $("version").textContent = `realtime-ser ${page.version}`;
  const where = page.local
    ? "by realtime-ser on this computer. The audio goes no further and is not kept."
    : `by realtime-ser at ${location.host}. The audio goes there and is not kept.`;
  $("privacy").textContent = `While the microphone is on, voices are analysed ${where}`;
  if (token) $("overlay-link").hash = location.hash;
  if (page.token && !token) fault("This server needs a token: open the page with #token=... at the end of its address.");
  showModel();
  fillDevices();
  listen();
  document.body.dataset.state = "off";
}

open();
