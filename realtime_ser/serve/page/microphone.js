// The microphone as it is: no gain control, no noise suppression, no echo cancellation, at the device's own rate,
// and both channels of it: the voice may be on either, and the server mixes them as it does for a live stream.

const WORDS = {
  NotAllowedError: "The browser refused the microphone. Allow it for this page (the icon beside the address), then press Start.",
  NotFoundError: "There is no microphone. Plug one in, then press Start.",
  NotReadableError: "The microphone is in use by another program, or its driver fails.",
  OverconstrainedError: "That microphone is gone. Choose another one.",
};
const SKIP_MS = 1000;

export class MicrophoneError extends Error {}

async function request(audio) {
  if (!navigator.mediaDevices) {
    throw new MicrophoneError("Browsers give a microphone only to https:// pages and to localhost. Serve with TLS, or through an SSH tunnel.");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new MicrophoneError(WORDS[error.name] || `The microphone cannot be opened: ${error.message}`);
  }
}

const letGo = (stream) => stream.getTracks().forEach((track) => track.stop());

// handlers: onBlock({ samples, rms, peak }), onLost() when the microphone ends, and for an interruption of the audio by a
// call or the system onInterrupted(), onSkipped(frames that were not captured), onResumed(). The last three after watch().
export async function openMicrophone(deviceId, { onBlock, onLost, onInterrupted, onSkipped, onResumed }) {
  const constraints = { autoGainControl: false, noiseSuppression: false, echoCancellation: false };
  if (deviceId) constraints.deviceId = { exact: deviceId };
  const stream = await request(constraints);
  const [track] = stream.getAudioTracks();
  const channels = track.getSettings().channelCount >= 2 ? 2 : 1;
  let open = true;
  let context;
  try {
    context = new AudioContext();
    await context.audioWorklet.addModule("/page/worklet.js");
    const source = context.createMediaStreamSource(stream);
    // "explicit": by default a node takes as many channels as come, whatever its channelCount.
    const options = { numberOfInputs: 1, numberOfOutputs: 0, channelCount: channels, channelCountMode: "explicit" };
    const node = new AudioWorkletNode(context, "capture", { ...options, processorOptions: { channels } });
    node.port.onmessage = (event) => open && onBlock(event.data);
    source.connect(node);
    if (context.state === "suspended") await Promise.race([context.resume(), new Promise((done) => setTimeout(done, 300))]);
  } catch (error) {
    letGo(stream);
    if (context) context.close();
    throw new MicrophoneError(`The audio system does not start: ${error.message}`);
  }
  const interruption = new Interruption(context.sampleRate, onSkipped);
  const changed = () => {
    const away = context.state !== "running";
    if (!open || away === interruption.on) return;
    if (away) {
      interruption.begin();
      onInterrupted();
    } else {
      interruption.end();
      onResumed();
    }
  };
  const watch = () => {
    context.onstatechange = changed;
    changed();
  };
  const close = () => {
    if (!open) return;
    interruption.end();
    open = false;
    letGo(stream);
    context.close();
  };
  track.addEventListener("ended", () => {
    if (!open) return;
    close();
    onLost();
  });
  const resume = () => context.resume().catch(() => {}); // during a call the system refuses
  return { rate: context.sampleRate, channels, name: track.label, suspended: context.state !== "running", watch, resume, close };
}

// Counts the frames that were not captured, every second: the stream is told in time that it is still in use.
class Interruption {
  constructor(rate, onSkipped) {
    Object.assign(this, { rate, onSkipped, on: false });
  }

  begin() {
    this.on = true;
    this.since = performance.now();
    this.skipped = 0;
    this.timer = setInterval(() => this.skip(), SKIP_MS);
  }

  skip() {
    const frames = Math.round(((performance.now() - this.since) / 1000) * this.rate) - this.skipped;
    this.skipped += frames;
    if (frames > 0) this.onSkipped(frames);
  }

  end() {
    if (!this.on) return;
    clearInterval(this.timer);
    this.skip();
    this.on = false;
  }
}

export async function listMicrophones() {
  if (!navigator.mediaDevices) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "audioinput" && device.deviceId && device.deviceId !== "default");
}

// The id of the microphone whose name has this part. Browsers show names only to a page that may use the microphone.
export async function findMicrophone(part) {
  const inputs = async () => (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "audioinput");
  let devices = navigator.mediaDevices ? await inputs() : [];
  if (!devices.some((device) => device.label)) {
    const stream = await request(true);
    try {
      devices = await inputs();
    } finally {
      letGo(stream);
    }
  }
  const found = devices.filter((device) => device.label.toLowerCase().includes(part.toLowerCase()));
  if (!found.length) throw new MicrophoneError(`There is no microphone named ${part}.`);
  return (found.find((device) => device.deviceId !== "default") || found[0]).deviceId;
}
