// From Start to Stop: a microphone, its stream, and how both begin again when another microphone or model is chosen.

import { Account } from "./account.js";
import { MicrophoneError, openMicrophone } from "./microphone.js";
import { Stream } from "./stream.js";

export class Listening {
  // choose: { device(), model() }, the microphone's id (or a promise of it) and the model's name as they are chosen now.
  // onState(kind, message): "opening", "connecting", "open", "lost", "interrupted", "stopping", "changing", "ended" or "failed".
  // "ended" with a message: the server ended it; "failed": the microphone did.
  constructor({ choose, token, clickFirst = false, onBlock = () => {}, onSkipped = () => {}, onRecord, onState }) {
    Object.assign(this, { choose, token, clickFirst, onBlock, onSkipped, onRecord, onState });
    this.wanted = false; // Start was pressed, and not Stop
    this.running = false;
    this.away = false; // the microphone is interrupted
    this.account = null;
    this.kind = "ended";
  }

  async start() {
    if (this.wanted) return;
    this.wanted = true;
    this.account = new Account();
    this.begun = false; // whether the server took a stream of this Start
    if (this.running) return; // the loop below goes on
    this.running = true;
    while (this.wanted) {
      this.end = ["ended", ""];
      try {
        await this.listen();
      } catch (error) {
        this.fail(error instanceof MicrophoneError ? error.message : `It does not start: ${error.message}`);
      }
    }
    this.running = false;
    this.set(...this.end);
  }

  stop() {
    if (!this.running) return;
    this.wanted = false;
    this.set("stopping");
    this.close();
  }

  // Another microphone or model was chosen: end this stream, and begin one with what is chosen.
  restart() {
    if (!this.wanted) return;
    this.changed = true;
    this.set("changing");
    this.close();
  }

  resume() {
    return this.microphone?.resume();
  }

  // One stream, until it has ended.
  async listen() {
    this.changed = false;
    this.away = false;
    this.stream = this.microphone = null;
    this.set("opening");
    const device = await this.choose.device();
    if (!this.wanted || this.changed) return;
    const microphone = await openMicrophone(device, {
      onBlock: (block) => {
        this.stream?.send(block.samples);
        this.onBlock(block);
      },
      onLost: () => this.fail("The microphone is gone. Plug it in again, then press Start."),
      onInterrupted: () => this.interrupted(true),
      onSkipped: (frames) => {
        this.stream?.skip(frames);
        this.onSkipped();
      },
      onResumed: () => this.interrupted(false),
    });
    if (!this.wanted || this.changed || (this.clickFirst && microphone.suspended)) {
      microphone.close();
      if (!this.changed) this.wanted = false;
      return;
    }
    this.microphone = microphone;
    const { rate, channels } = microphone;
    const { token, account, begun, onRecord } = this;
    await new Promise((done) => {
      const show = (record, offset) => this.changed || onRecord(record, offset);
      const onState = (kind, message) => {
        if (kind !== "ended") return this.connection(kind, message);
        // The server ended it, or it answers our stop.
        if (message && !this.changed) {
          this.wanted = false;
          this.end = ["ended", message];
        }
        done();
      };
      this.stream = new Stream({ rate, channels, model: this.choose.model(), token, account, begun, onRecord: show, onState });
      microphone.watch();
    });
    microphone.close();
  }

  fail(message) {
    this.wanted = false;
    this.end = ["failed", message];
    if (this.running) this.set("stopping");
    this.close();
  }

  close() {
    this.microphone?.close();
    this.stream?.stop();
  }

  connection(kind, message) {
    this.reached = [kind, message];
    if (kind === "open") this.begun = true;
    if (this.wanted && !this.changed && !this.away) this.set(kind, message);
  }

  interrupted(away) {
    this.away = away;
    if (!this.wanted || this.changed) return;
    if (away) this.set("interrupted");
    else this.set(...this.reached);
  }

  set(kind, message = "") {
    this.kind = kind;
    this.onState(kind, message);
  }
}
