// The socket of docs/protocol.md. A lost connection comes back; what was not sent meanwhile is counted as a gap.

const RETRY_MS = [300, 700, 1500, 3000, 5000];
const SILENT_S = 10; // of audio for which the server has no record; it sends one for each hop, and one at once for "start"
const FULL_BUFFER_S = 1.5; // of audio that waits in the browser: beyond it blocks are left out, and counted
const FINAL = new Set(["not_allowed", "unsupported", "unknown_model", "bad_message", "wrong_order", "rate_limited"]);

export class Stream {
  // account: an Account, which learns of every frame (a sample of each channel). begun: whether the server took a stream
  // of this page before, which it may still hold.
  // handlers: onRecord(record, offset_s), onState("connecting" | "open" | "lost" | "ended", message)
  constructor({ rate, channels, model, token, account, begun, onRecord, onState }) {
    this.rate = rate;
    this.frameBytes = 2 * channels;
    this.settings = { type: "start", protocol: 1, format: "s16le", rate, channels, model, token };
    this.account = account;
    this.onRecord = onRecord;
    this.onState = onState;
    this.captured = 0; // frames that the microphone gave
    this.unsent = 0; // of them, those not yet sent to a server
    this.early = []; // blocks from before the first connection
    this.begun = begun;
    this.ended = false;
    this.attempt = 0;
    this.connect();
  }

  connect() {
    if (!this.attempt) this.onState("connecting", "");
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/v1/stream`);
    this.socket = socket;
    this.connection = null;
    this.fault = null;
    this.unanswered = 0; // frames since the server's last record: given to the socket, or while it connects captured
    this.patience_s = SILENT_S;
    socket.onopen = () => {
      this.unanswered = 0;
      this.moved = performance.now();
      socket.send(JSON.stringify(this.settings));
      // What came since the last connection is lost; this one's time begins where that one's ended.
      const early = this.early || [];
      this.early = null;
      const waiting = early.reduce((sum, block) => sum + this.frames(block), 0);
      this.offset = (this.captured - this.unsent - waiting) / this.rate;
      this.connection = this.account.begin();
      for (const block of early) this.pass(block);
    };
    socket.onmessage = (event) => this.receive(JSON.parse(event.data));
    socket.onclose = () => this.closed(socket);
  }

  // What waits in the socket has not reached the server: on a slow line that is no silence, unless nothing moves.
  awaitAnswer() {
    const now = performance.now();
    const waiting = this.socket.readyState === WebSocket.OPEN ? this.socket.bufferedAmount : 0;
    if (!waiting || waiting < this.waiting) this.moved = now;
    this.waiting = waiting;
    const stuck = waiting && now - this.moved > SILENT_S * 1000;
    if (stuck || this.unanswered - waiting / this.frameBytes > this.rate * this.patience_s) this.silent();
  }

  // The server hangs, or the network takes the packets and says nothing. Closing a socket waits for an answer too: this
  // one gets no more attention.
  silent() {
    const { socket } = this;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.fault = { message: "the server does not answer" };
    this.closed(socket);
  }

  receive(record) {
    this.unanswered = 0;
    this.connection?.record(record);
    if (record.type === "session") {
      this.attempt = 0;
      this.begun = true;
      this.patience_s = Math.max(SILENT_S, 2 * (record.window_s + record.hop_s)); // no window is due before
      this.onState("open", "");
    }
    if (record.type === "error" && record.fatal) this.fault = record;
    else this.onRecord(record, this.offset || 0);
  }

  // Whether the server would refuse the next attempt as well. "full" passes: after a lost connection the place that is
  // taken may be our own, which the server still holds.
  refused() {
    return this.fault && (FINAL.has(this.fault.code) || (this.fault.code === "full" && !this.begun));
  }

  closed(socket) {
    if (socket !== this.socket) return;
    if (this.connection) this.connection.over = true;
    this.connection = null;
    if (this.ended) {
      this.onState("ended", this.fault ? this.fault.message : "");
    } else if (this.refused()) {
      this.ended = true;
      this.onState("ended", this.fault.message);
    } else {
      this.onState("lost", this.fault ? this.fault.message : "");
      const wait = RETRY_MS[Math.min(this.attempt, RETRY_MS.length - 1)];
      this.attempt += 1;
      this.timer = setTimeout(() => this.connect(), wait);
    }
  }

  frames(buffer) {
    return buffer.byteLength / this.frameBytes;
  }

  // What the microphone gave.
  send(buffer) {
    if (this.ended) return;
    const frames = this.frames(buffer);
    this.count(frames);
    if (this.socket.readyState === WebSocket.CONNECTING) this.unanswered += frames;
    if (this.socket.readyState <= WebSocket.OPEN) this.awaitAnswer();
    if (this.early && !this.unsent && this.captured < this.rate * FULL_BUFFER_S) {
      this.early.push(buffer);
    } else if (!this.open() || this.socket.bufferedAmount > this.frameBytes * this.rate * FULL_BUFFER_S) {
      this.unsent += frames;
    } else {
      this.sendGap();
      this.pass(buffer);
    }
  }

  // What it would have given, had it not been interrupted. Sent at once: a server ends a stream on which nothing comes.
  skip(frames) {
    if (this.ended) return;
    this.count(frames);
    this.unsent += frames;
    if (this.open()) this.sendGap();
  }

  count(frames) {
    this.captured += frames;
    this.account.captured += frames / this.rate;
  }

  open() {
    return this.connection && this.socket.readyState === WebSocket.OPEN;
  }

  pass(buffer) {
    this.socket.send(buffer);
    this.unanswered += this.frames(buffer);
    this.connection.send(this.frames(buffer) / this.rate);
  }

  sendGap() {
    if (!this.unsent) return;
    this.socket.send(JSON.stringify({ type: "gap", samples: this.unsent }));
    this.connection.gap(this.unsent / this.rate);
    this.unsent = 0;
  }

  // "stop" requests the summary; the socket closes after it, or after two seconds.
  stop() {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    if (this.open()) {
      this.sendGap();
      this.socket.send(JSON.stringify({ type: "stop" }));
      const socket = this.socket;
      setTimeout(() => socket.close(), 2000);
    } else {
      this.socket.onclose = null; // a connection that cannot be made takes long to close
      this.socket.close();
      this.fault = null; // a full server is not what ends it
      this.closed(this.socket);
    }
  }
}
