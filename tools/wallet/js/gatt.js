// The station's GATT service over Web Bluetooth (firmware/ble/README.md). Every wait has a deadline.

import { Fault } from './bytes.js';
import { Joiner, split } from './frames.js';

const uuid = (number) => `b02b000${number}-8bd3-431f-9ede-7dc389a5640a`;
const SERVICE = uuid(1), INFO = uuid(2), INBOX = uuid(3), OUTBOX = uuid(4);

const CONNECT_MS = 10_000;
const CONNECT_TRIES = 3; // Android drops a first connection now and then
const STEP_MS = 5_000;
const FRAME_BYTES = 512; // the longest value; the MTU is not told, so the system makes long writes where it has to

/** Lets the driver choose a station in the browser's own list; must follow a click. */
export async function choose() {
  if (!navigator.bluetooth) throw new Fault('NO_BLUETOOTH');
  try {
    return await navigator.bluetooth.requestDevice({ filters: [{ services: [SERVICE] }] });
  } catch (error) {
    throw new Fault(error.name === 'NotFoundError' ? 'NOT_FOUND' : 'NOT_ALLOWED', error.message);
  }
}

function within(ms, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Fault('SILENT')), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** One connection to a station. */
export class Link {
  #joiner = new Joiner();
  #arrived = []; // whole messages, or the Fault that ended the connection
  #wake = () => {};
  #sent = 0; // frames

  /** Connects. Throws Fault UNREACHABLE. */
  static async open(device) {
    for (let tries = 1; ; tries++) {
      try {
        const server = await within(CONNECT_MS, device.gatt.connect());
        const service = await within(STEP_MS, server.getPrimaryService(SERVICE));
        const found = [INFO, INBOX, OUTBOX].map((one) => service.getCharacteristic(one));
        return new Link(device, await within(STEP_MS, Promise.all(found)));
      } catch (error) {
        device.gatt.disconnect();
        if (tries === CONNECT_TRIES) throw new Fault('UNREACHABLE', error.message);
        await pause(300 * tries);
      }
    }
  }

  constructor(device, [info, inbox, outbox]) {
    Object.assign(this, { device, info, inbox, outbox });
    this.onGone = () => this.#arrive(new Fault('LOST'));
    this.onValue = () => this.#take(outbox.value);
    device.addEventListener('gattserverdisconnected', this.onGone);
    outbox.addEventListener('characteristicvaluechanged', this.onValue);
  }

  #arrive(what) {
    this.#arrived.push(what);
    this.#wake();
  }

  #take(view) {
    try {
      const message = this.#joiner.take(new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice());
      if (message) this.#arrive(message);
    } catch (fault) {
      this.#arrive(fault);
    }
  }

  async #step(promise) {
    try {
      return await within(STEP_MS, promise);
    } catch (error) {
      throw error instanceof Fault ? error : new Fault('LOST', error.message);
    }
  }

  async readInfo() {
    const view = await this.#step(this.info.readValue());
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();
  }

  /** Has the station send what it answers. */
  async listen() {
    await this.#step(this.outbox.startNotifications());
  }

  /** Sends a message; `beforeLast` is called when only its last frame is missing, without which it counts for nothing. */
  async send(message, beforeLast = () => {}) {
    const frames = split(message, FRAME_BYTES, this.#sent);
    for (const frame of frames) {
      this.#sent++;
      if (frame === frames.at(-1)) beforeLast();
      await this.#step(this.inbox.writeValueWithResponse(frame));
    }
  }

  /** The next message from the station. Throws Fault LOST, SILENT, BAD_READER. */
  async receive(ms) {
    if (!this.#arrived.length) await within(ms, new Promise((resolve) => (this.#wake = resolve)));
    const next = this.#arrived[0];
    if (next instanceof Fault) throw next; // and stays: nothing comes after it
    return this.#arrived.shift();
  }

  close() {
    this.device.removeEventListener('gattserverdisconnected', this.onGone);
    this.outbox.removeEventListener('characteristicvaluechanged', this.onValue);
    this.device.gatt.disconnect();
  }
}
