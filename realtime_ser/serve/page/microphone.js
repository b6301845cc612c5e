// The microphone as it is: no gain control, no noise suppression, no echo cancellation, at the device's own rate,
// and both channels of it: the voice may be on either, and the server mixes them as it does for a live stream.

const WORDS = {
  NotAllowedError: "The browser refused the microphone. Allow it for this page (the icon beside the address), then press Start.",
  NotFoundError: "There is no microphone. Plug one in, then press Start.",
  NotReadableError: "The microphone is in use by another program, or its driver fails.",
  OverconstrainedError: "That microphone is gone. Choose another one.",
};

export class MicrophoneError extends Error {}

export async function openMicrophone(deviceId, onBlock, onLost) {
  if (!navigator.mediaDevices) {
    throw new MicrophoneError("Browsers give a microphone only to https:// pages and to localhost. Serve with TLS, or through an SSH tunnel.");
  }
  const constraints = { autoGainControl: false, noiseSuppression: false, echoCancellation: false };
  if (deviceId) constraints.deviceId = { exact: deviceId };
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: constraints });
  } catch (error) {
    throw new MicrophoneError(WORDS[error.name] || `The microphone cannot be opened: ${error.message}`);
  }
  const [track] = stream.getAudioTracks();
  const channels = track.getSettings().channelCount >= 2 ? 2 : 1;
  const letGo = () => stream.getTracks().forEach((track) => track.stop());
  let context;
  try {
    context = new AudioContext();
    await context.audioWorklet.addModule("/page/worklet.js");
    const source = context.createMediaStreamSource(stream);
    // "explicit": by default a node takes as many channels as come, whatever its channelCount.
    const options = { numberOfInputs: 1, numberOfOutputs: 0, channelCount: channels, channelCountMode: "explicit" };
    const node = new AudioWorkletNode(context, "capture", { ...options, processorOptions: { channels } });
    node.port.onmessage = (event) => onBlock(event.data);
    source.connect(node);
    if (context.state === "suspended") await Promise.race([context.resume(), new Promise((done) => setTimeout(done, 300))]);
  } catch (error) {
    letGo();
    if (context) context.close();
    throw new MicrophoneError(`The audio system does not start: ${error.message}`);
  }
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    letGo();
    context.close();
  };
  track.addEventListener("ended", () => {
    if (!open) return;
    close();
    onLost();
  });
  return { rate: context.sampleRate, channels, name: track.label, suspended: context.state === "suspended", context, close };
}

export async function listMicrophones() {
  if (!navigator.mediaDevices) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "audioinput" && device.deviceId && device.deviceId !== "default");
}
