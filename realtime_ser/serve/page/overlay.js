import { MicrophoneError, openMicrophone } from "./microphone.js";
import { Stream } from "./stream.js";
import { Bars, Word } from "./view.js";

// ?device=NAME chooses a microphone by part of its name, ?model=NAME a model.
const $ = (id) => document.getElementById(id);
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const query = new URLSearchParams(location.search);
let page, bars, word, microphone, stream;

function fault(message) {
  $("fault").textContent = message;
  $("fault").hidden = !message;
}

function onRecord(record) {
  if (record.type === "window") {
    word.show(record);
    bars.show(record);
  }
}

function onState(kind, message) {
  if (kind === "open") fault("");
  else if (kind === "lost") word.text("no connection", "");
  else if (kind === "ended") {
    microphone?.close();
    microphone = null;
    fault(message);
    $("toggle").hidden = false;
  }
}

async function start() {
  $("toggle").hidden = true;
  fault("");
  try {
    let deviceId = "";
    if (query.get("device")) {
      const devices = await navigator.mediaDevices.enumerateDevices();
      const wanted = query.get("device").toLowerCase();
      deviceId = devices.find((one) => one.kind === "audioinput" && one.label.toLowerCase().includes(wanted))?.deviceId || "";
    }
    microphone = await openMicrophone(deviceId, ({ samples }) => stream?.send(samples), () => {
      fault("The microphone is gone.");
      stop();
    });
    if (microphone.suspended) {
      // A browser (not OBS) requires a click before a page may process audio.
      microphone.close();
      $("toggle").hidden = false;
      return;
    }
    const model = page.models.find((one) => one.name === query.get("model")) || page.models[0];
    stream = new Stream({ rate: microphone.rate, channels: microphone.channels, model: model.name, token, onRecord, onState });
  } catch (error) {
    fault(error instanceof MicrophoneError ? error.message : String(error));
    $("toggle").hidden = false;
  }
}

function stop() {
  microphone?.close();
  microphone = null;
  stream?.stop();
}

async function open() {
  page = await (await fetch("/v1/page")).json();
  const model = page.models.find((one) => one.name === query.get("model")) || page.models[0];
  bars = new Bars($("bars"), model.labels);
  word = new Word({ word: $("word"), chip: $("chip") }, model.labels, page.colours);
  window.addEventListener("pagehide", stop);
  $("toggle").addEventListener("click", start);
  start();
}

open();
