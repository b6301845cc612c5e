// Where the audio went from Start to Stop, over all connections of that time. All figures are seconds.

const SHOWN = 0.05; // less than this is 0.0 on the page, and within what resampling adds or takes

export class Account {
  constructor() {
    this.captured = 0; // what the microphone gave, or would have given without an interruption
    this.connections = [];
  }

  begin() {
    const connection = new Connection();
    this.connections.push(connection);
    return connection;
  }

  totals() {
    const sum = { classified: 0, gated: 0, lost: 0, pending: 0, unconfirmed: 0 };
    let sent = 0;
    for (const connection of this.connections) {
      sent += connection.sent;
      for (const [name, value] of Object.entries(connection.totals())) sum[name] += value;
    }
    sum.lost += Math.max(0, this.captured - sent);
    return sum;
  }

  soFar() {
    const { lost, unconfirmed } = this.totals();
    return `${this.captured.toFixed(1)} s captured, ${losses(lost, unconfirmed)}`;
  }

  final() {
    const { classified, gated, lost, pending, unconfirmed } = this.totals();
    const before = shares([classified, "classified"], [gated, "without speech"]);
    const after = shares([pending, "too short to classify"]);
    return `${this.captured.toFixed(1)} s captured: ${[...before, losses(lost, unconfirmed), ...after].join(", ")}`;
  }
}

function losses(lost, unconfirmed) {
  return shares([lost, "lost"], [unconfirmed, "sent but not confirmed"]).join(", ") || "nothing lost";
}

// [seconds, what became of them], without those that would be 0.0 s.
function shares(...parts) {
  return parts.filter(([seconds]) => seconds >= SHOWN).map(([seconds, name]) => `${seconds.toFixed(1)} s ${name}`);
}

// What one connection took, gaps included, and what the server said of it.
class Connection {
  constructor() {
    Object.assign(this, { sent: 0, gaps: 0, end: 0, classified: 0, gated: 0, lost: 0, rate: null, summary: null, over: false });
  }

  send(seconds) {
    this.sent += seconds;
  }

  gap(seconds) {
    this.sent += seconds;
    this.gaps += seconds;
  }

  record(record) {
    if (record.type === "session") this.rate = record.sample_rate;
    else if (record.type === "summary") this.summary = record;
    else if (record.type === "window") {
      const lost = record.lost_samples / this.rate;
      this.lost += lost;
      this[record.state === "no_speech" ? "gated" : "classified"] += Math.max(0, record.end_s - this.end - lost);
      this.end = record.end_s;
    }
  }

  totals() {
    if (this.summary) {
      const seconds = (name) => this.summary[`${name}_samples`] / this.rate;
      // The summary is the server's last word: what was sent after it, nobody took.
      const lost = seconds("dropped") + Math.max(0, this.sent - seconds("captured"));
      return { classified: seconds("classified"), gated: seconds("gated"), lost, pending: seconds("pending"), unconfirmed: 0 };
    }
    if (this.over && this.rate === null) return { lost: this.sent }; // no session ever began
    const { classified, gated } = this;
    const lost = Math.max(this.lost, this.gaps);
    // While the connection lives, what has no window yet is on its way.
    const unconfirmed = this.over ? Math.max(0, this.sent - classified - gated - lost) : 0;
    return { classified, gated, lost, unconfirmed };
  }
}
