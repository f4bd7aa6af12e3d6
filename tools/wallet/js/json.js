// Strict, bounded JSON (RFC 8259), as the reader takes it.
//
// JSON.parse keeps the last of duplicate members and loses digits; here duplicates (compared after unescaping), lone
// surrogates, a BOM and nesting over 8 are MALFORMED. Objects become Map. An integer is a number (a BigInt where a
// number would lose digits); every other number is a Decimal, which no claim takes.

import { Fault, textOf } from './bytes.js';

const MAX_DEPTH = 8;
const LONGEST_INTEGER = 18; // digits
const SPACE = /[ \t\r\n]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const WORD = /true|false|null/y;
const WORDS = { true: true, false: false, null: null };

/** A number with a point, an exponent or very many digits, as it was written. */
export class Decimal {
  constructor(text) {
    this.text = text;
  }
}

const malformed = (detail) => new Fault('MALFORMED', detail);

/** The value of these bytes. Throws Fault MALFORMED. */
export function parse(bytes) {
  let text;
  try {
    text = textOf(bytes);
  } catch {
    throw malformed('utf-8');
  }
  const input = { text, at: 0 };
  const found = value(input, 1);
  match(input, SPACE);
  if (input.at !== text.length) throw malformed('json end');
  return found;
}

/** What the pattern matches here, or undefined; the position moves behind it. */
function match(input, pattern) {
  pattern.lastIndex = input.at;
  const found = pattern.exec(input.text);
  if (found) input.at = pattern.lastIndex;
  return found;
}

/** The next letter that is no white space. */
function peek(input) {
  match(input, SPACE);
  return input.text[input.at];
}

function value(input, depth) {
  const letter = peek(input);
  if (letter === '"') return string(input);
  if (letter === '{' || letter === '[') {
    if (depth > MAX_DEPTH) throw malformed('nesting');
    input.at++;
    return letter === '{' ? object(input, depth + 1) : array(input, depth + 1);
  }
  const word = match(input, WORD);
  if (word) return WORDS[word[0]];
  const number = match(input, NUMBER);
  if (!number) throw malformed('json value');
  const [text, fraction, exponent] = number;
  if (fraction || exponent || text.replace('-', '').length > LONGEST_INTEGER) return new Decimal(text);
  return Number.isSafeInteger(Number(text)) ? Number(text) + 0 : BigInt(text);
}

function string(input) {
  const token = match(input, STRING);
  if (!token) throw malformed('json string');
  const text = JSON.parse(token[0]);
  if (/\p{Surrogate}/u.test(text)) throw malformed('surrogate');
  return text;
}

function object(input, depth) {
  const members = new Map();
  if (peek(input) === '}') return input.at++, members;
  for (;;) {
    if (peek(input) !== '"') throw malformed('json member');
    const name = string(input);
    if (members.has(name)) throw malformed('duplicate member');
    if (peek(input) !== ':') throw malformed('json member');
    input.at++;
    members.set(name, value(input, depth));
    const letter = peek(input);
    input.at++;
    if (letter === '}') return members;
    if (letter !== ',') throw malformed('json object');
  }
}

function array(input, depth) {
  const items = [];
  if (peek(input) === ']') return input.at++, items;
  for (;;) {
    items.push(value(input, depth));
    const letter = peek(input);
    input.at++;
    if (letter === ']') return items;
    if (letter !== ',') throw malformed('json array');
  }
}
