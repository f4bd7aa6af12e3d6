// A ticket in either form, read strictly and for display only: its signature is not checked, since this page trusts no
// issuer. What is refused here every reader would refuse, for the same reason code.

import { decode } from './cbor.js';
import { fromCwt, fromJson } from './claims.js';
import { Fault, fromBase64url, textOf, utf8 } from './bytes.js';
import { parse } from './json.js';

export const MAX_BYTES = 4096;
const SIGNATURE_BYTES = 64;
const CWT_STARTS = [0x84, 0xd2, 0xd8]; // an array of four, tag 18, a tag of one byte; none of them begins a JWS

const malformed = (detail) => new Fault('MALFORMED', detail);

/** The claims of a ticket's bytes. Throws Fault TOO_LARGE, MALFORMED, UNSUPPORTED_ALGORITHM, UNKNOWN_CLAIM, BAD_CLAIM. */
export function read(bytes) {
  if (bytes.length > MAX_BYTES) throw new Fault('TOO_LARGE');
  return CWT_STARTS.includes(bytes[0]) ? readCwt(bytes) : readJws(bytes);
}

/** The bytes of a ticket as people pass it on: a JWS, base64url of a CWT, or a link with `#ticket=` and either. */
export function fromText(text) {
  if (text.length > 4 * MAX_BYTES) throw new Fault('TOO_LARGE');
  const token = text.trim().replace(/^\S*#ticket=/, '').replace(/\s+/g, '').replace(/={1,2}$/, '');
  if (!token) throw new Fault('EMPTY');
  const decoded = token.includes('.') ? null : fromBase64url(token);
  return decoded && CWT_STARTS.includes(decoded[0]) ? decoded : utf8(token);
}

/** The bytes of a ticket in a file, which holds it raw or as such a text. */
export function fromFile(bytes) {
  if (bytes.length > 4 * MAX_BYTES) throw new Fault('TOO_LARGE');
  return CWT_STARTS.includes(bytes[0]) ? bytes : fromText(new TextDecoder().decode(bytes));
}

function readJws(bytes) {
  const parts = new TextDecoder().decode(bytes).split('.');
  if (parts.length !== 3) throw malformed('jws');
  const [header, payload, signature] = parts.map(fromBase64url);
  if (!header || !payload || !signature) throw malformed('base64url');
  const members = parse(header);
  const names = ['alg', 'kid', 'typ'];
  if (!(members instanceof Map) || members.size !== 3) throw malformed('header');
  if (names.some((name) => typeof members.get(name) !== 'string')) throw malformed('header');
  if (members.get('typ') !== 'charging-ticket+jws') throw malformed('typ');
  if (!['Ed25519', 'EdDSA'].includes(members.get('alg'))) throw new Fault('UNSUPPORTED_ALGORITHM', members.get('alg'));
  if (signature.length !== SIGNATURE_BYTES) throw malformed('signature');
  return fromJson(parse(payload));
}

function readCwt(bytes) {
  if (bytes[0] === 0xd8 && bytes[1] === 0x3d) bytes = bytes.subarray(2);
  if (bytes[0] === 0xd2) bytes = bytes.subarray(1);
  const parts = decode(bytes);
  if (!Array.isArray(parts) || parts.length !== 4) throw malformed('cose');
  const [header, unprotected, payload, signature] = parts;
  if (![header, payload, signature].every((part) => part instanceof Uint8Array)) throw malformed('cose');
  if (!(unprotected instanceof Map) || unprotected.size) throw malformed('unprotected header');
  const members = decode(header);
  if (!(members instanceof Map) || members.size !== 2 || !members.has(1) || !members.has(4)) throw malformed('header');
  const alg = members.get(1), kid = members.get(4);
  if (!(kid instanceof Uint8Array) || !(Number.isInteger(alg) || typeof alg === 'string')) throw malformed('header');
  try {
    textOf(kid);
  } catch {
    throw malformed('kid');
  }
  if (alg !== -19 && alg !== -8) throw new Fault('UNSUPPORTED_ALGORITHM', String(alg));
  if (signature.length !== SIGNATURE_BYTES) throw malformed('signature');
  return fromCwt(decode(payload));
}
