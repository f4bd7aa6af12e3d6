// The holder's proof: Ed25519 over the station's nonce, the station, the EVSE, the code and the ticket.

import { Fault, concat, sha256, utf8 } from './bytes.js';

const DOMAIN = utf8('charging-ticket-holder-proof-v1\0');
export const NO_CHANNEL = new Uint8Array(32);

function counted(text) {
  const bytes = utf8(text);
  if (bytes.length > 255) throw new Fault('BAD_READER', 'long text');
  return concat(Uint8Array.of(bytes.length), bytes);
}

/** The bytes to sign: domain 00 SHA-256(nonce[32] ‖ len8 reader ‖ len8 EVSE ‖ len8 code ‖ SHA-256(ticket) ‖ channel[32]). */
export async function message({ nonce, reader, evse, code, ticket, channel = NO_CHANNEL }) {
  return concat(
    DOMAIN,
    await sha256(nonce, counted(reader), counted(evse), counted(code), await sha256(ticket), channel),
  );
}

/** The 64 bytes of the signature, by a CryptoKey that never leaves the browser. */
export async function sign(privateKey, what) {
  return new Uint8Array(await crypto.subtle.sign('Ed25519', privateKey, await message(what)));
}
