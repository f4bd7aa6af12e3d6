// HELLO, OPENING, PRESENT, VERDICT and the `info` value: one strict CBOR map each (firmware/present/README.md).

import { decode, encode } from './cbor.js';
import { Fault, utf8 } from './bytes.js';
import { price } from './claims.js';
import { REASONS } from './reasons.js';

const VERSION = 0, READER = 1, EVSES = 2, NONCE = 3, READER_EPHEMERAL = 4, TICKET = 5, EVSE = 6, SIGNATURE = 7;
const HOLDER_EPHEMERAL = 8, CODE = 9, REASON = 10, LIMITS = 11;

const LIMIT_NAMES = new Map([[10, 'maxEnergy'], [11, 'maxPower'], [12, 'maxCurrent'], [13, 'maxDuration']]);
const PRICE = 14;
const MAX_EVSES = 3;
const MAX_CODE = 8; // bytes

const isBytes = (value, length) => value instanceof Uint8Array && value.length === length;
const isText = (value, most) => typeof value === 'string' && value.length > 0 && utf8(value).length <= most;
const isEvse = (value) => isText(value, 56);

const RIGHT = new Map([
  [VERSION, (value) => value === 1],
  [READER, (value) => isText(value, 32)],
  [EVSES, (value) => Array.isArray(value) && value.length >= 1 && value.length <= MAX_EVSES && value.every(isEvse) &&
    new Set(value).size === value.length],
  [NONCE, (value) => isBytes(value, 32)],
  [READER_EPHEMERAL, (value) => isBytes(value, 32)],
  [EVSE, isEvse],
  [REASON, (value) => REASONS.includes(value)],
  [LIMITS, (value) => value instanceof Map && Array.from(value).every(isLimit)],
]);

function isLimit([key, value]) {
  if (key === PRICE) return price(value, true) !== undefined;
  return LIMIT_NAMES.has(key) && Number.isInteger(value) && value >= 0 && value <= 0x7fffffff;
}

function read(bytes, must, may = []) {
  let message;
  try {
    message = decode(bytes);
  } catch {
    throw new Fault('BAD_READER', 'no message');
  }
  if (!(message instanceof Map)) throw new Fault('BAD_READER', 'no map');
  for (const key of must) if (!message.has(key)) throw new Fault('BAD_READER', `no key ${key}`);
  for (const [key, value] of message) {
    if (!must.includes(key) && !may.includes(key)) throw new Fault('BAD_READER', `key ${key}`);
    if (!RIGHT.get(key)(value)) throw new Fault('BAD_READER', `value of key ${key}`);
  }
  return message;
}

/** What a station says of itself: {reader, evses}. All of these throw Fault BAD_READER for what is not their message. */
export function readInfo(bytes) {
  const message = read(bytes, [VERSION, READER, EVSES]);
  return { reader: message.get(READER), evses: message.get(EVSES) };
}

/** {reader, evses, nonce, ephemeral}, the last undefined where the station does not encrypt. */
export function readHello(bytes) {
  const message = read(bytes, [VERSION, READER, EVSES, NONCE], [READER_EPHEMERAL]);
  return {
    reader: message.get(READER),
    evses: message.get(EVSES),
    nonce: message.get(NONCE),
    ephemeral: message.get(READER_EPHEMERAL),
  };
}

/** {reason, evse, limits}, limits by the names of a ticket. */
export function readVerdict(bytes) {
  const message = read(bytes, [VERSION, REASON], [EVSE, LIMITS]);
  const limits = {};
  for (const [key, value] of message.get(LIMITS) ?? []) {
    limits[LIMIT_NAMES.get(key) ?? 'maxPrice'] = key === PRICE ? price(value, true) : value;
  }
  return { reason: message.get(REASON), evse: message.get(EVSE), limits };
}

/** What the holder sends in clear before an encrypted PRESENT. */
export const opening = (ephemeral) => encode(new Map([[VERSION, 1], [HOLDER_EPHEMERAL, ephemeral]]));

export function present({ ticket, evse, signature, code }) {
  const message = new Map([[VERSION, 1], [TICKET, ticket], [EVSE, evse], [SIGNATURE, signature]]);
  if (code) message.set(CODE, code);
  return encode(message);
}

/** The code as its driver typed it, or null where it is none. */
export function readCode(text) {
  const code = text.trim();
  return utf8(code).length <= MAX_CODE ? code : null;
}
