// Runs on the browser's audio thread: gathers blocks of about 40 ms as interleaved 16-bit samples, with the level of all channels.

const BLOCK_S = 0.04;

class Capture extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.channels = processorOptions.channels;
    this.size = Math.round(sampleRate * BLOCK_S) * this.channels;
    this.start();
  }

  start() {
    this.block = new Int16Array(this.size);
    this.filled = 0;
    this.square = 0;
    this.peak = 0;
  }

  process(inputs) {
    const [input] = inputs;
    if (input.length < this.channels) return true; // the source is not connected yet, or no more
    for (let frame = 0; frame < input[0].length; frame++) {
      for (let channel = 0; channel < this.channels; channel++) this.take(input[channel][frame]);
      if (this.filled === this.size) this.finish();
    }
    return true;
  }

  take(sample) {
    this.square += sample * sample;
    this.peak = Math.max(this.peak, Math.abs(sample));
    this.block[this.filled++] = Math.round(Math.max(-1, Math.min(1, sample)) * 32767);
  }

  finish() {
    const rms = Math.sqrt(this.square / this.size);
    this.port.postMessage({ samples: this.block.buffer, rms, peak: this.peak }, [this.block.buffer]);
    this.start();
  }
}

registerProcessor("capture", Capture);
