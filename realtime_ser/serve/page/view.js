// What is drawn: bars, the word, the level, timelines. Colours and letters are those of the terminal.

const WORDS = {
  no_speech: ["silence", "nobody speaks", "·"],
  unsure: ["not sure", "someone speaks, no emotion is sure", "?"],
};
export const percent = (share) => `${Math.round(100 * share)} %`;

export class Bars {
  constructor(list, labels) {
    list.replaceChildren();
    this.rows = labels.map((label) => {
      const row = document.createElement("li");
      row.className = "bar";
      const make = (className, parent) => {
        const element = document.createElement("span");
        element.className = className;
        parent.append(element);
        return element;
      };
      const letter = make("letter", row);
      letter.textContent = label.letter;
      letter.ariaHidden = "true";
      letter.style.background = label.colour;
      letter.style.color = label.ink;
      make("name", row).textContent = label.name;
      const track = make("track", row);
      track.setAttribute("role", "meter");
      track.setAttribute("aria-label", label.name);
      track.setAttribute("aria-valuemin", "0");
      track.setAttribute("aria-valuemax", "100");
      const fill = make("fill", track);
      fill.style.background = label.colour;
      const mark = make("mark", track);
      const share = make("share", row);
      list.append(row);
      return { label, row, track, fill, mark, share };
    });
    this.show(null);
  }

  show(record) {
    for (const { label, row, track, fill, mark, share } of this.rows) {
      const smoothed = record?.smoothed?.[label.name];
      const raw = record?.probs?.[label.name];
      const known = smoothed !== undefined && smoothed !== null;
      row.classList.toggle("leads", record?.state === "speech" && record.label === label.name);
      fill.style.width = known ? `${100 * smoothed}%` : "0";
      mark.style.opacity = raw === undefined || raw === null ? "0" : "1";
      mark.style.left = `calc(${100 * (raw || 0)}% - ${3 * (raw || 0)}px)`;
      share.textContent = known ? percent(smoothed) : "–";
      track.setAttribute("aria-valuenow", known ? Math.round(100 * smoothed) : 0);
      track.setAttribute("aria-valuetext", known ? percent(smoothed) : "unknown");
    }
  }
}

export class Word {
  constructor({ word, chip, remark, confidence }, labels, colours) {
    this.parts = { word, chip, remark, confidence };
    this.colours = colours;
    this.labels = Object.fromEntries(labels.map((label) => [label.name, label]));
  }

  text(word, remark, letter = "·") {
    this.set(word, remark, letter, "", "", "");
  }

  show(record) {
    if (record.state === "speech") {
      const label = this.labels[record.label];
      this.set(record.label, "speech", label.letter, label.colour, label.ink, percent(record.confidence));
    } else {
      this.set(...WORDS[record.state], "", "", "");
    }
  }

  set(word, remark, letter, colour, ink, confidence) {
    const { parts } = this;
    parts.word.textContent = word;
    parts.chip.textContent = letter;
    parts.chip.style.background = colour;
    parts.chip.style.color = ink;
    if (parts.remark) parts.remark.textContent = remark;
    if (parts.confidence) parts.confidence.textContent = confidence;
  }
}

export class Level {
  constructor({ meter, fill, peak, text }) {
    Object.assign(this, { meter, fill, peak, text });
    this.held = -120;
  }

  show(rms, peak) {
    const db = (value) => (value > 1e-6 ? 20 * Math.log10(value) : -120);
    const place = (level) => Math.max(0, Math.min(1, 1 + level / 60));
    const [level, top] = [db(rms), db(peak)];
    this.held = Math.max(top, this.held - 0.6); // 15 dB a second
    this.fill.style.width = `${100 * place(level)}%`;
    this.fill.classList.toggle("high", top > -9 && top <= -1.5);
    this.fill.classList.toggle("full", top > -1.5);
    this.peak.style.opacity = this.held > -60 ? "1" : "0";
    this.peak.style.left = `calc(${100 * place(this.held)}% - 2px)`;
    this.say(level > -120 ? `${level.toFixed(1).replace("-", "−")} dBFS` : "no sound", level);
    return top > -0.05;
  }

  off() {
    this.held = -120;
    this.fill.style.width = "0";
    this.peak.style.opacity = "0";
    this.say("no audio", -60);
  }

  say(text, level) {
    this.text.textContent = text;
    this.meter.setAttribute("aria-valuenow", Math.round(Math.max(-60, level)));
    this.meter.setAttribute("aria-valuetext", text);
  }
}

// Pieces [start_s, end_s, state, label], coloured, with a letter where there is room for one.
export class Timeline {
  constructor(canvas, labels, colours) {
    this.canvas = canvas;
    this.colours = colours;
    this.labels = Object.fromEntries(labels.map((label) => [label.name, label]));
    this.clear();
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  clear() {
    this.pieces = [];
    this.range = [-60, 0];
    this.begin(0, 0);
  }

  // A connection's audio begins at so many seconds; longest is a window's length.
  begin(end, longest) {
    Object.assign(this, { end, longest });
  }

  // A window of the running stream covers what came since the last one: first what was lost, then itself.
  window(end, lost, { state, label }) {
    const start = Math.max(this.end + lost, end - this.longest);
    if (lost > 0) this.add(start - lost, start, "lost", null);
    this.add(start, end, state, label);
    this.end = end;
    this.range = [end - 60, end];
    this.draw();
  }

  add(start, end, state, label) {
    const last = this.pieces.at(-1);
    if (last && last.state === state && last.label === label && Math.abs(last.end - start) < 0.01) last.end = end;
    else this.pieces.push({ start, end, state, label });
    while (this.pieces.length && this.pieces[0].end < end - 70) this.pieces.shift();
  }

  whole(pieces, duration) {
    this.pieces = pieces.map(([start, end, state, label]) => ({ start, end, state, label }));
    this.range = [0, Math.max(1, duration)];
    this.fixed = true;
    this.draw();
  }

  draw() {
    const { canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const ink = getComputedStyle(canvas);
    const colour = (name) => ink.getPropertyValue(name).trim();
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const floor = height - 22;
    const [from, to] = this.range;
    const x = (seconds) => ((seconds - from) / (to - from)) * width;
    context.fillStyle = colour("--track");
    context.beginPath();
    context.roundRect(0, 0, width, floor, 6);
    context.fill();
    context.save();
    context.clip();
    for (const piece of merged(this.pieces)) this.piece(context, piece, x, floor, width);
    context.restore();
    this.ticks(context, x, floor, width, colour("--quiet"));
  }

  piece(context, { start, end, state, label }, x, floor, width) {
    const [left, right] = [Math.max(0, x(start)), Math.min(width, x(end))];
    if (right <= left) return;
    const known = this.labels[label];
    context.font = "600 14px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.textAlign = "center";
    const middle = (left + right) / 2;
    if (state === "no_speech") {
      context.fillStyle = this.colours.no_speech;
      for (let at = left + 3; at < right - 1; at += 7) context.fillRect(at, floor / 2 - 1, 2, 2);
      return;
    }
    context.fillStyle = known ? known.colour : state === "lost" ? this.colours.lost : this.colours.unsure;
    context.globalAlpha = state === "unsure" ? 0.45 : 1;
    const top = state === "speech" ? 0 : floor * 0.3;
    context.fillRect(left, top, right - left + 0.5, floor - 2 * top);
    context.globalAlpha = 1;
    if (right - left < 13) return;
    context.fillStyle = known ? known.ink : state === "lost" ? "#ffffff" : getComputedStyle(this.canvas).color;
    context.fillText(known ? known.letter : state === "lost" ? "×" : "?", middle, floor / 2);
  }

  ticks(context, x, floor, width, colour) {
    context.fillStyle = colour;
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "bottom";
    const [from, to] = this.range;
    const marks = this.fixed
      ? [0, 0.25, 0.5, 0.75, 1].map((share) => [share * to, `${(share * to).toFixed(to < 20 ? 1 : 0)} s`])
      : [-60, -45, -30, -15, 0].map((ago) => [to + ago, ago ? `${ago} s` : "now"]);
    for (const [seconds, text] of marks) {
      const at = Math.min(width, Math.max(0, x(seconds)));
      context.textAlign = at < 10 ? "left" : at > width - 10 ? "right" : "center";
      context.fillRect(Math.min(width - 1, at), floor + 2, 1, 4);
      context.fillText(text.replace("-", "−"), at, floor + 22);
    }
  }

  describe(title) {
    const seconds = {};
    for (const { start, end, state, label } of this.pieces) {
      const name = state === "speech" ? label : state === "lost" ? "lost" : WORDS[state][0];
      const inside = Math.min(end, this.range[1]) - Math.max(start, this.range[0]);
      if (inside > 0) seconds[name] = (seconds[name] || 0) + inside;
    }
    const parts = Object.entries(seconds).sort((one, other) => other[1] - one[1]);
    this.canvas.setAttribute("aria-label", `${title}: ${parts.map(([name, value]) => `${name} ${value.toFixed(0)} s`).join(", ") || "no audio yet"}`);
  }
}

function merged(pieces) {
  const runs = [];
  for (const piece of pieces) {
    const last = runs.at(-1);
    if (last && last.state === piece.state && last.label === piece.label && Math.abs(last.end - piece.start) < 0.02) last.end = piece.end;
    else runs.push({ ...piece });
  }
  return runs;
}
