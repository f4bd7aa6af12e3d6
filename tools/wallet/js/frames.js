// Messages in frames: flags[1: bit 0 first, bit 1 last] ‖ seq[1] ‖ total[2, BE, first only] ‖ data.
//
// `seq` counts the frames of one direction, from 0 at the connection on, modulo 256.

import { Fault, bigEndian, concat } from './bytes.js';

export const MAX_MESSAGE = 6000; // bytes
const FIRST = 1, LAST = 2;

/** The frames of a message, of at most `size` bytes each; `seq` is the number of the first one. */
export function split(message, size, seq) {
  const stream = concat(bigEndian(message.length, 2), message); // the total is the head of the first frame's data
  const room = size - 2;
  const count = Math.ceil(stream.length / room);
  return Array.from({ length: count }, (_, i) => {
    const flags = (i === 0 ? FIRST : 0) | (i === count - 1 ? LAST : 0);
    return concat(Uint8Array.of(flags, (seq + i) & 0xff), stream.subarray(i * room, (i + 1) * room));
  });
}

/** Puts messages together from frames. A frame that does not continue what came before is a Fault BAD_READER. */
export class Joiner {
  #parts = null;
  #next = 0;
  #total = 0;
  #size = 0;

  /** The message that this frame completes, else null. */
  take(frame) {
    const [flags, seq] = frame;
    if (frame.length < 2 || flags > (FIRST | LAST)) throw bad('flags');
    let data = frame.subarray(2);
    if (flags & FIRST) {
      if (this.#parts || data.length < 2) throw bad('first');
      this.#parts = [];
      this.#total = data[0] * 256 + data[1];
      this.#size = 0;
      data = data.subarray(2);
      if (this.#total > MAX_MESSAGE) throw bad('total');
    }
    if (!this.#parts || seq !== this.#next) throw bad('sequence');
    this.#next = (seq + 1) & 0xff;
    this.#size += data.length;
    if (this.#size > this.#total) throw bad('longer than its total');
    this.#parts.push(data);
    if (!(flags & LAST)) return null;
    if (this.#size !== this.#total) throw bad('shorter than its total');
    const message = concat(...this.#parts);
    this.#parts = null;
    return message;
  }
}

const bad = (detail) => new Fault('BAD_READER', `frame: ${detail}`);
