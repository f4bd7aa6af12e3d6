// What the wallet keeps, in IndexedDB of this browser alone.
//
// keys:    {x, created, key}  x: the public key, base64url; key: a CryptoKey that no script can export
// tickets: {id, x, bytes, added, last, spent}  id: of this record; x: its key; last: null, or {at, evse, reason} of the last
//          try, STOPPED where that ended its session; spent: whether a station has said that it was used

import { Fault, toBase64url } from './bytes.js';

const NAME = 'charging-wallet';
const LAYOUT = 1;
export const MOST_TICKETS = 100;

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Opens the vault. Throws Fault NO_STORAGE where the browser gives none, as in some private windows. */
export async function open() {
  try {
    const request = indexedDB.open(NAME, LAYOUT);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('keys', { keyPath: 'x' });
      request.result.createObjectStore('tickets', { keyPath: 'id' });
    };
    return new Vault(await settled(request));
  } catch (error) {
    throw new Fault('NO_STORAGE', error.name);
  }
}

class Vault {
  constructor(database) {
    this.database = database;
    database.onversionchange = () => database.close();
  }

  /** Runs `work(keys, tickets)` in one transaction, durable when this resolves; gives what `work` gave. */
  async #change(work) {
    const transaction = this.database.transaction(['keys', 'tickets'], 'readwrite', { durability: 'strict' });
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error ?? new Error('aborted'));
    });
    done.catch(() => {}); // told by the await below, or overtaken by what `work` threw
    let result;
    try {
      result = await work(transaction.objectStore('keys'), transaction.objectStore('tickets'));
    } catch (error) {
      transaction.abort();
      throw error;
    }
    await done;
    return result;
  }

  #all(store) {
    return settled(this.database.transaction(store).objectStore(store).getAll());
  }

  /** The key that has no ticket yet, or undefined; and the tickets. */
  async load() {
    const [keys, tickets] = await Promise.all([this.#all('keys'), this.#all('tickets')]);
    const used = new Set(tickets.map((ticket) => ticket.x));
    return { waiting: keys.find((key) => !used.has(key.x)), tickets };
  }

  /** A fresh key for one ticket: Ed25519, not exportable. Throws Fault NO_ED25519 on browsers without it. */
  async makeKey() {
    let pair;
    try {
      pair = await crypto.subtle.generateKey({ name: 'Ed25519' }, false, ['sign']);
    } catch (error) {
      throw new Fault('NO_ED25519', error.name);
    }
    const x = toBase64url(new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey)));
    await this.#change((keys) => settled(keys.add({ x, created: Date.now(), key: pair.privateKey })));
  }

  async keyOf(x) {
    return (await settled(this.database.transaction('keys').objectStore('keys').get(x)))?.key;
  }

  /** Keeps a ticket for the key x. Throws Fault NOT_MINE, KEY_USED, ALREADY_HERE, TOO_MANY. */
  async addTicket(x, bytes) {
    return this.#change(async (keys, tickets) => {
      if (!(await settled(keys.get(x)))) throw new Fault('NOT_MINE');
      const held = await settled(tickets.getAll());
      const sibling = held.find((ticket) => ticket.x === x);
      if (sibling) throw new Fault(same(sibling.bytes, bytes) ? 'ALREADY_HERE' : 'KEY_USED');
      if (held.length >= MOST_TICKETS) throw new Fault('TOO_MANY');
      const id = crypto.randomUUID();
      await settled(tickets.add({ id, x, bytes, added: Date.now(), last: null, spent: false }));
      return id;
    });
  }

  /** Remembers how the last try to use a ticket went. */
  async note(id, last) {
    await this.#change(async (_, tickets) => {
      const ticket = await settled(tickets.get(id));
      const spent = ['GRANTED', 'ALREADY_USED'].includes(last.reason);
      if (ticket) await settled(tickets.put({ ...ticket, last, spent: ticket.spent || spent }));
    });
  }

  /** Forgets a ticket and its key. */
  async remove(id) {
    await this.#change(async (keys, tickets) => {
      const ticket = await settled(tickets.get(id));
      if (!ticket) return;
      await settled(keys.delete(ticket.x));
      await settled(tickets.delete(id));
    });
  }

  /** Forgets the key x, unless a ticket needs it. */
  async removeKey(x) {
    await this.#change(async (keys, tickets) => {
      const held = await settled(tickets.getAll());
      if (!held.some((ticket) => ticket.x === x)) await settled(keys.delete(x));
    });
  }
}

const same = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);
