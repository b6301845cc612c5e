import { Listening } from "./listening.js";
import { listMicrophones } from "./microphone.js";
import { classify } from "./recording.js";
import { Bars, Level, Timeline, Word } from "./view.js";

const $ = (id) => document.getElementById(id);
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const state = { model: null, rate: null, spoken: "", spokenAt: 0, describedAt: null };
const choose = { device: () => $("device").value, model: () => state.model.name };
const listening = new Listening({ choose, token, onBlock, onSkipped, onRecord, onState });
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
  describe(null);
  $("headline").textContent = model.headline;
  $("description").textContent = `${model.name}: ${model.description}. One estimate every ${model.hop_s} s from the last ${model.window_s} s.`;
  $("failures").replaceChildren(
    ...model.known_failures.map((text) => Object.assign(document.createElement("li"), { textContent: text })),
  );
}

// The timeline for a screen reader, as it was at so many seconds; null: empty.
function describe(at) {
  state.describedAt = at;
  timeline.describe("The last minute");
}

function onRecord(record, offset) {
  if (record.type === "window") {
    showWindow(record, offset);
  } else if (record.type === "session") {
    state.rate = record.sample_rate;
    timeline.begin(offset, record.window_s);
  } else if (record.type === "event") {
    if (listening.kind === "open") status(record.message);
  } else if (record.type === "error") {
    fault(record.message);
  }
}

function showWindow(record, offset) {
  // What still comes after an interruption or Stop is of the past: it belongs into the timeline alone.
  if (listening.kind === "open") {
    word.show(record);
    bars.show(record);
    announce(record.state === "speech" ? record.label : $("word").textContent);
  }
  const end = offset + record.end_s;
  timeline.window(end, record.lost_samples / state.rate, record);
  if (state.describedAt === null || end - state.describedAt >= 5) describe(end);
  $("account").textContent = listening.account.soFar();
}

function onBlock({ rms, peak }) {
  if (listening.kind !== "interrupted") $("clipping").hidden = !level.show(rms, peak);
  if (listening.kind === "lost") onSkipped();
}

// Nothing comes from the server that would show how the loss grows.
function onSkipped() {
  $("account").textContent = listening.account.soFar();
}

function onState(kind, message) {
  const on = !["stopping", "ended", "failed"].includes(kind);
  $("toggle").textContent = on ? "Stop" : "Start";
  document.body.dataset.state = on ? "on" : "off";
  if (document.activeElement === $("resume")) $("toggle").focus(); // what is hidden loses the keyboard's place
  $("resume").hidden = kind !== "interrupted";
  if (kind !== "open") bars.show(null);
  SHOW[kind](message);
}

// What each state of listening shows.
const SHOW = {
  opening() {
    fault("");
    status("Opening the microphone …");
    timeline.clear();
    describe(null);
  },
  connecting() {
    status("Connecting …");
    fillDevices();
  },
  open() {
    const { name, rate } = listening.microphone;
    fault("");
    status(`Listening to ${name || "the microphone"}, ${rate} Hz.`);
    word.text("listening", "the first estimate comes after a second");
  },
  lost(message) {
    status(`The connection is lost; trying again${message ? ` (${message})` : ""}. Audio meanwhile counts as lost.`);
    word.text("no connection", "trying again");
  },
  interrupted() {
    status("The audio is interrupted, by a call or by the system. What is spoken meanwhile is lost. Press Resume to go on.");
    word.text("interrupted", "no audio comes from the microphone");
    silence();
  },
  changing() {
    status("Changing to what is chosen …");
    word.text("changing", "the stream begins again");
  },
  stopping() {
    status("Stopping …");
  },
  ended(message) {
    if (message) fault(message);
    finish(message ? "Ended by the server." : "Stopped.");
  },
  failed(message) {
    fault(message);
    finish("Stopped.");
  },
};

function silence() {
  $("clipping").hidden = true;
  level.off();
}

function finish(text) {
  silence();
  status(text);
  word.text("ready", "press Start and speak");
  describe(timeline.end);
  if (listening.account.captured > 0) $("account").textContent = listening.account.final();
}

async function fillDevices() {
  const devices = await listMicrophones();
  const chosen = $("device").value;
  const options = devices.map((device, index) => new Option(device.label || `Microphone ${index + 1}`, device.deviceId));
  $("device").replaceChildren(new Option("Default microphone", ""), ...options);
  if (options.some((option) => option.value === chosen)) $("device").value = chosen;
}

function listen() {
  const send = (file) => classify(file, { page, model: state.model, token });
  $("toggle").addEventListener("click", () => (listening.wanted ? listening.stop() : listening.start()));
  $("resume").addEventListener("click", () => listening.resume());
  $("device").addEventListener("change", () => listening.restart());
  $("model").addEventListener("change", () => {
    state.model = page.models.find((model) => model.name === $("model").value);
    showModel();
    listening.restart();
  });
  $("file").addEventListener("change", () => {
    if ($("file").files.length) send($("file").files[0]);
    $("file").value = "";
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    window.addEventListener(kind, (event) => {
      event.preventDefault();
      document.body.classList.toggle("dropping", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) send(event.dataTransfer.files[0]);
    });
  }
  // Every way out lets the microphone go: another page, a closed tab, the back button.
  window.addEventListener("pagehide", () => listening.stop());
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
