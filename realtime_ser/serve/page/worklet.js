// Runs on the browser's audio thread: gathers blocks of about 40 ms as 16-bit samples, with their level.

const BLOCK_S = 0.04;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.size = Math.round(sampleRate * BLOCK_S);
    this.start();
  }

  start() {
    this.block = new Int16Array(this.size);
    this.filled = 0;
    this.square = 0;
    this.peak = 0;
  }

  process(inputs) {
    const channel = inputs[0][0];
    if (!channel) return true;
    for (const sample of channel) {
      this.square += sample * sample;
      this.peak = Math.max(this.peak, Math.abs(sample));
      this.block[this.filled++] = Math.round(Math.max(-1, Math.min(1, sample)) * 32767);
      if (this.filled === this.size) {
        const rms = Math.sqrt(this.square / this.size);
        this.port.postMessage({ samples: this.block.buffer, rms, peak: this.peak }, [this.block.buffer]);
        this.start();
      }
    }
    return true;
  }
}

registerProcessor("capture", Capture);
