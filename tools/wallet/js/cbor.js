// Strict, bounded CBOR (RFC 8949), as the reader takes and gives it.
//
// Taken: integers, byte and text strings, arrays, maps with integers or texts as keys, true, false, null, in preferred
// serialisation (section 4.1: shortest heads, definite lengths). All else is MALFORMED: floats, tags, duplicate keys,
// text that is no UTF-8, nesting over 8, anything after the item. Maps become Map; integers over 2^53 become BigInt.

import { Fault, bigEndian, concat, textOf, utf8 } from './bytes.js';

const MAX_DEPTH = 8;
const UINT = 0, NEGATIVE = 1, BYTES = 2, TEXT = 3, ARRAY = 4, MAP = 5;
const SIMPLE = new Map([[0xf4, false], [0xf5, true], [0xf6, null]]);

const malformed = (detail) => new Fault('MALFORMED', detail);

/** The value of exactly these bytes. Throws Fault MALFORMED. */
export function decode(data) {
  const input = { data, at: 0 };
  const value = item(input, 1);
  if (input.at !== data.length) throw malformed('cbor end');
  return value;
}

function take(input, count) {
  if (count > input.data.length - input.at) throw malformed('cbor cut short');
  input.at += count;
  return input.data.subarray(input.at - count, input.at);
}

function item(input, depth) {
  const [head] = take(input, 1);
  const major = head >> 5;
  if (major > MAP) {
    if (!SIMPLE.has(head)) throw malformed('cbor tag or float');
    return SIMPLE.get(head);
  }
  const argument = argumentOf(input, head & 31);
  if (major === UINT) return argument;
  if (major === NEGATIVE) return typeof argument === 'bigint' ? -1n - argument : -1 - argument;
  if (argument > input.data.length - input.at) throw malformed('cbor cut short');
  if (major === BYTES) return take(input, argument).slice();
  if (major === TEXT) return text(take(input, argument));
  if (depth > MAX_DEPTH) throw malformed('nesting');
  return major === ARRAY ? array(input, argument, depth + 1) : map(input, argument, depth + 1);
}

function argumentOf(input, additional) {
  if (additional < 24) return additional;
  if (additional > 27) throw malformed('cbor indefinite');
  const size = 1 << (additional - 24);
  const number = take(input, size).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  if (number < (size === 1 ? 24n : 1n << BigInt(size * 4))) throw malformed('cbor head');
  return number > BigInt(Number.MAX_SAFE_INTEGER) ? number : Number(number);
}

function text(bytes) {
  try {
    return textOf(bytes);
  } catch {
    throw malformed('utf-8');
  }
}

function array(input, count, depth) {
  const items = [];
  while (count-- > 0) items.push(item(input, depth));
  return items;
}

function map(input, count, depth) {
  const members = new Map();
  while (count-- > 0) {
    const key = item(input, depth);
    if (typeof key !== 'string' && typeof key !== 'number' && typeof key !== 'bigint') throw malformed('cbor key');
    if (members.has(key)) throw malformed('duplicate member');
    members.set(key, item(input, depth));
  }
  return members;
}

/** The bytes of a value of the types above, maps in the order of their encoded keys (section 4.2.1). */
export function encode(value) {
  if (Number.isSafeInteger(value)) return value >= 0 ? head(UINT, value) : head(NEGATIVE, -1 - value);
  if (value instanceof Uint8Array) return concat(head(BYTES, value.length), value);
  if (typeof value === 'string') return concat(head(TEXT, utf8(value).length), utf8(value));
  if (Array.isArray(value)) return concat(head(ARRAY, value.length), ...value.map(encode));
  if (value instanceof Map) {
    const pairs = Array.from(value, ([key, one]) => [encode(key), encode(one)]).sort((a, b) => order(a[0], b[0]));
    return concat(head(MAP, pairs.length), ...pairs.flat());
  }
  for (const [byte, meaning] of SIMPLE) if (value === meaning) return Uint8Array.of(byte);
  throw new TypeError('no CBOR for this type');
}

function order(a, b) {
  const differs = a.findIndex((byte, i) => byte !== b[i]);
  return differs < 0 ? a.length - b.length : a[differs] - (b[differs] ?? -1);
}

function head(major, number) {
  if (number < 24) return Uint8Array.of((major << 5) | number);
  const additional = number < 0x100 ? 24 : number < 0x10000 ? 25 : number < 0x100000000 ? 26 : 27;
  return concat(Uint8Array.of((major << 5) | additional), bigEndian(number, 1 << (additional - 24)));
}
