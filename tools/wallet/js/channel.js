// The encrypted channel (wire format section 2): ephemeral X25519, HKDF-SHA-256, AES-128-CTR, HMAC-SHA-256.
//
// record = counter[4, BE] ‖ AES-128-CTR(iv = counter ‖ 0¹²) ‖ HMAC-SHA-256(counter ‖ ciphertext)[:16], counters from 0

import { Fault, bigEndian, concat, equal, sha256, utf8 } from './bytes.js';

const INFO = utf8('charging-ticket-channel-v1');
const TAG_BYTES = 16;
const COUNTER_BYTES = 4;
const LAST_COUNTER = 0xffffffff;

/** A key pair for one connection: {ephemeral, agree}, the public key to send in clear, and `agree(hello)` below. */
export async function offer() {
  const { privateKey, publicKey } = await crypto.subtle.generateKey({ name: 'X25519' }, false, ['deriveBits']);
  const ephemeral = new Uint8Array(await crypto.subtle.exportKey('raw', publicKey));
  return { ephemeral, agree: (hello) => agree(privateKey, ephemeral, hello) };
}

/** The channel with the reader whose HELLO this is: {binding, seal, open}, the 32 bytes that bind it into the holder's
 * proof, and a message to its record and back. Throws Fault BAD_READER for a key that yields no secret. */
export async function agree(privateKey, ephemeral, { nonce, ephemeral: readerKey }) {
  const secret = await sharedSecret(privateKey, readerKey);
  const keys = await expand(secret, nonce, concat(INFO, readerKey, ephemeral));
  secret.fill(0);
  const [cipher, mac, readerCipher, readerMac] = [[0, 16], [16, 48], [48, 64], [64, 96]].map((of) => keys.slice(...of));
  keys.fill(0);
  return {
    binding: await sha256(readerKey, ephemeral),
    seal: sealer(await aesKey(cipher), await macKey(mac)),
    open: opener(await aesKey(readerCipher), await macKey(readerMac)),
  };
}

/** The X25519 secret. Browsers refuse points of low order; the all-zero secret that they yield is refused here too. */
export async function sharedSecret(privateKey, publicBytes) {
  try {
    const publicKey = await crypto.subtle.importKey('raw', publicBytes, { name: 'X25519' }, false, []);
    const algorithm = { name: 'X25519', public: publicKey };
    const secret = new Uint8Array(await crypto.subtle.deriveBits(algorithm, privateKey, 256));
    if (secret.some((byte) => byte)) return secret;
  } catch {
    // told below, as it is the same to the driver
  }
  throw new Fault('BAD_READER', 'ephemeral key');
}

/** HKDF-SHA-256 (RFC 5869), 96 bytes. */
export async function expand(secret, salt, info) {
  const key = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits']);
  return new Uint8Array(await crypto.subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt, info }, key, 96 * 8));
}

const aesKey = (raw) => crypto.subtle.importKey('raw', raw, 'AES-CTR', false, ['encrypt', 'decrypt']);
const macKey = (raw) => crypto.subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);

const stream = (counter) => ({ name: 'AES-CTR', counter: concat(counter, new Uint8Array(12)), length: 64 });

async function tag(key, sealed) {
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, sealed)).subarray(0, TAG_BYTES);
}

/** message => record, each with the next counter. */
function sealer(cipher, mac) {
  let next = 0;
  return async (message) => {
    if (next > LAST_COUNTER) throw new Fault('BAD_READER', 'counter');
    const counter = bigEndian(next++, COUNTER_BYTES);
    const sealed = concat(counter, new Uint8Array(await crypto.subtle.encrypt(stream(counter), cipher, message)));
    return concat(sealed, await tag(mac, sealed));
  };
}

/** record => message; Fault BAD_READER for a record that is not the reader's next one. */
function opener(cipher, mac) {
  let next = 0;
  return async (record) => {
    const counter = bigEndian(next, COUNTER_BYTES);
    const end = record.length - TAG_BYTES;
    if (end < COUNTER_BYTES || next > LAST_COUNTER) throw new Fault('BAD_READER', 'record');
    const sealed = record.subarray(0, end);
    const genuine = equal(await tag(mac, sealed), record.subarray(end));
    if (!genuine || !equal(record.subarray(0, COUNTER_BYTES), counter)) throw new Fault('BAD_READER', 'record');
    next++;
    const plain = await crypto.subtle.decrypt(stream(counter), cipher, record.subarray(COUNTER_BYTES, end));
    return new Uint8Array(plain);
  };
}
