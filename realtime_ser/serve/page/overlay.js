import { Listening } from "./listening.js";
import { findMicrophone } from "./microphone.js";
import { Bars, Word } from "./view.js";

// ?device=NAME chooses a microphone by part of its name, ?model=NAME a model.
const $ = (id) => document.getElementById(id);
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const query = new URLSearchParams(location.search);
const device = query.get("device");
// A browser (not OBS) requires a click before a page may process audio.
const choose = { device: () => (device ? findMicrophone(device) : ""), model: () => model.name };
const listening = new Listening({ choose, token, clickFirst: true, onRecord, onState });
let page, model, bars, word;

function fault(message) {
  $("fault").textContent = message;
  $("fault").hidden = !message;
}

function onRecord(record) {
  if (record.type === "window" && listening.kind === "open") {
    word.show(record);
    bars.show(record);
  }
}

function onState(kind, message) {
  const off = kind === "ended" || kind === "failed";
  $("toggle").hidden = !off && kind !== "interrupted";
  $("toggle").textContent = off ? "Start" : "Resume";
  // Nothing of the past stays on air.
  bars.show(null);
  word.text({ open: "listening", lost: "no connection", interrupted: "interrupted" }[kind] || "ready", "");
  if (kind === "interrupted") fault("The audio is interrupted, by a call or by the system. Press Resume to go on.");
  else fault(message || "");
}

async function open() {
  try {
    page = await (await fetch("/v1/page")).json();
  } catch (error) {
    fault(`The server does not answer: ${error.message}`);
    return;
  }
  const wanted = query.get("model") || page.models[0].name;
  model = page.models.find((one) => one.name === wanted);
  if (!model) {
    fault(`This server has no model ${wanted}, it offers ${page.models.map((one) => one.name).join(", ")}.`);
    return;
  }
  bars = new Bars($("bars"), model.labels);
  word = new Word({ word: $("word"), chip: $("chip") }, model.labels, page.colours);
  window.addEventListener("pagehide", () => listening.stop());
  $("toggle").addEventListener("click", () => (listening.wanted ? listening.resume() : listening.start()));
  listening.start();
}

open();
