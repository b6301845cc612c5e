// The socket of docs/protocol.md. A lost connection comes back; what was not sent meanwhile is counted as a gap.

const RETRY_MS = [300, 700, 1500, 3000, 5000];
const FULL_BUFFER_S = 1.5; // of audio that waits in the browser: beyond it blocks are left out, and counted
const FINAL = new Set(["not_allowed", "unsupported", "unknown_model", "full", "bad_message", "wrong_order", "rate_limited"]);

export class Stream {
  // handlers: onRecord(record, offset_s), onState("connecting" | "open" | "lost" | "ended", message)
  constructor({ rate, channels, model, token, onRecord, onState }) {
    this.rate = rate;
    this.settings = { type: "start", protocol: 1, format: "s16le", rate, channels, model, token };
    this.frameBytes = 2 * channels;
    this.onRecord = onRecord;
    this.onState = onState;
    this.captured = 0; // frames (a sample of each channel) that the microphone gave
    this.unsent = 0; // of them, those not yet sent to a server
    this.early = []; // blocks from before the first connection
    this.ended = false;
    this.attempt = 0;
    this.connect();
  }

  connect() {
    this.onState(this.attempt ? "lost" : "connecting", "");
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/v1/stream`);
    this.socket = socket;
    this.ready = false;
    this.fault = null;
    socket.onopen = () => {
      socket.send(JSON.stringify(this.settings));
      // What came since the last session is lost; this session's time begins where that one's ended.
      const early = this.early || [];
      this.early = null;
      const waiting = early.reduce((sum, block) => sum + this.frames(block), 0);
      this.offset = (this.captured - this.unsent - waiting) / this.rate;
      this.ready = true;
      for (const block of early) socket.send(block);
    };
    socket.onmessage = (event) => this.receive(JSON.parse(event.data));
    socket.onclose = () => this.closed(socket);
  }

  receive(record) {
    if (record.type === "session") {
      this.attempt = 0;
      this.onState("open", "");
    }
    if (record.type === "error" && record.fatal) this.fault = record;
    this.onRecord(record, this.offset || 0);
  }

  closed(socket) {
    if (socket !== this.socket) return;
    this.ready = false;
    if (this.ended) {
      this.onState("ended", "");
    } else if (this.fault && FINAL.has(this.fault.code)) {
      this.ended = true;
      this.onState("ended", this.fault.message);
    } else {
      this.onState("lost", "");
      const wait = RETRY_MS[Math.min(this.attempt, RETRY_MS.length - 1)];
      this.attempt += 1;
      this.timer = setTimeout(() => this.connect(), wait);
    }
  }

  frames(buffer) {
    return buffer.byteLength / this.frameBytes;
  }

  send(buffer) {
    const frames = this.frames(buffer);
    this.captured += frames;
    if (this.ended) return;
    if (this.early && this.captured < this.rate * FULL_BUFFER_S) {
      this.early.push(buffer);
      return;
    }
    const open = this.ready && this.socket.readyState === WebSocket.OPEN;
    if (!open || this.socket.bufferedAmount > this.frameBytes * this.rate * FULL_BUFFER_S) {
      this.unsent += frames;
      return;
    }
    if (this.unsent) {
      this.socket.send(JSON.stringify({ type: "gap", samples: this.unsent }));
      this.unsent = 0;
    }
    this.socket.send(buffer);
  }

  // "stop" requests the summary; the socket closes after it, or after two seconds.
  stop() {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    if (this.ready && this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify({ type: "stop" }));
      const socket = this.socket;
      setTimeout(() => socket.close(), 2000);
    } else {
      this.socket.close();
      this.onState("ended", "");
    }
  }
}
