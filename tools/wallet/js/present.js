// One ticket to one station: what it offers, what the driver confirms, HELLO, PRESENT, VERDICT.

import { ENCRYPTED } from './claims.js';
import { Fault } from './bytes.js';
import { Link } from './gatt.js';
import { offer } from './channel.js';
import { opening, present as presentMessage, readHello, readInfo, readVerdict } from './messages.js';
import { sign } from './proof.js';

const HELLO_MS = 5_000;
const VERDICT_MS = 15_000; // a controller may take five seconds, a signature check two on a small board

/** What the station says of itself, {reader, evses}. It drops those who connect and idle, so the link is closed while
 * the driver looks at the label. */
export async function look(device) {
  const link = await Link.open(device);
  try {
    return readInfo(await link.readInfo());
  } finally {
    link.close();
  }
}

/** Presents a ticket for the EVSE that its driver confirmed; gives {reason, evse, limits, encrypted}.
 *
 * confirmed: {reader, evse, code}; ticket: its bytes; claims: what it says; key: the CryptoKey that it names;
 * tell: called with 'presenting' and 'waiting'; isGivenUp: whether the driver has thought better of it, which counts until
 * the last frame. Throws Fault; LOST_LATE where the station may have decided. */
export async function present(device, { confirmed, ticket, claims, key, tell, isGivenUp }) {
  const { reader, evse, code } = confirmed;
  const link = await Link.open(device);
  let sent = false;
  try {
    tell('presenting');
    await link.listen();
    const own = await offer();
    await link.send(opening(own.ephemeral));
    const hello = readHello(await link.receive(HELLO_MS));
    if (hello.reader !== reader || !hello.evses.includes(evse)) throw new Fault('OTHER_READER');
    if (!hello.ephemeral && claims.e2eCommunicationSecurity === ENCRYPTED) throw new Fault('NO_CHANNEL');
    const channel = hello.ephemeral ? await own.agree(hello) : null;
    const signature = await sign(key, { ...hello, evse, code, ticket, channel: channel?.binding });
    const message = presentMessage({ ticket, evse, signature, code });
    await link.send(channel ? await channel.seal(message) : message, () => {
      if (isGivenUp()) throw new Fault('LOST', 'given up');
      sent = true;
    });
    tell('waiting');
    const answer = await link.receive(VERDICT_MS);
    return { ...readVerdict(channel ? await channel.open(answer) : answer), encrypted: Boolean(channel) };
  } catch (error) {
    if (sent && ['LOST', 'SILENT'].includes(error.code)) throw new Fault('LOST_LATE', error.detail);
    throw error;
  } finally {
    link.close();
  }
}
