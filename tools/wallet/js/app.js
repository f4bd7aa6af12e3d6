// The page: what is shown, and what its buttons do.

import { Fault } from './bytes.js';
import { choose } from './gatt.js';
import { closeDialog, confirm, nowWorking, sure, tellVerdict, working } from './dialog.js';
import { look, present } from './present.js';
import { fromFile, fromText, read } from './ticket.js';
import { inOrder, notice, ticketCard, translate } from './view.js';
import { LANGUAGES, preferred, speak, spoken, t, told } from './words.js';
import { open } from './vault.js';

const $ = (id) => document.getElementById(id);
const LINK = '#ticket=';
const MINUTE_MS = 60_000;

let vault = null;
let stopped = null; // the fault that keeps the wallet from working at all
let held = { waiting: undefined, tickets: [] };
let busy = false;

// Showing

function say(key) {
  $('status').textContent = '';
  // Emptied and filled again, so that the same words are read out twice.
  setTimeout(() => {
    $('status').textContent = t(key);
    clearTimeout(say.timer);
    say.timer = setTimeout(() => ($('status').textContent = ''), 6000);
  }, 50);
}

function problem(fault) {
  const [title, advice] = told(fault.code);
  $('add-problem').replaceChildren(`${title}. ${advice}`);
  $('add-problem').dataset.code = fault.code;
  $('add-problem').hidden = false;
  $('ticket-text').setAttribute('aria-invalid', 'true');
}

function clearProblem() {
  $('add-problem').hidden = true;
  $('ticket-text').removeAttribute('aria-invalid');
}

function notices() {
  const shown = [];
  if (stopped) shown.push(notice('bad', ...told(stopped.code)));
  if (navigator.bluetooth?.virtual) shown.push(notice('virtual', t('virtual'), t('virtualAdvice')));
  else if (!navigator.bluetooth) shown.push(notice('', ...told('NO_BLUETOOTH')));
  $('notices').replaceChildren(...shown);
}

function claimsOf(bytes) {
  try {
    return read(bytes);
  } catch {
    return null; // kept by another version of this page
  }
}

async function refresh() {
  if (vault) held = await vault.load();
  draw();
}

function draw() {
  translate();
  notices();
  for (const tag of Object.keys(LANGUAGES)) $(`lang-${tag}`).ariaPressed = String(tag === spoken());
  const opened = new Set(Array.from(document.querySelectorAll('.ticket:has(details[open])'), (card) => card.dataset.id));
  const focused = document.activeElement?.id;
  const now = Date.now();
  const tickets = inOrder(held.tickets.map((ticket) => ({ ...ticket, claims: claimsOf(ticket.bytes) })), now);
  const cards = tickets.map((ticket) => ticketCard(ticket, now, {
    onUse: () => use(ticket),
    onRemove: () => remove(ticket.id),
  }));
  for (const card of cards) card.querySelector('details').open = opened.has(card.dataset.id);
  $('tickets').replaceChildren(...cards);
  $('tickets').hidden = !cards.length;
  $('no-tickets').hidden = cards.length > 0;
  if (focused) $(focused)?.focus();
  drawKey();
}

function drawKey() {
  const { waiting } = held;
  $('no-key').hidden = Boolean(waiting);
  $('has-key').hidden = !waiting;
  $('share-key').hidden = !navigator.share;
  $('public-key').value = waiting ? jwkOf(waiting.x) : '';
  for (const id of ['make-key', 'ticket-text', 'open-file']) $(id).disabled = !vault;
  $('add').querySelector('[type=submit]').disabled = !vault;
}

const jwkOf = (x) => JSON.stringify({ kty: 'OKP', crv: 'Ed25519', x });

// Keys

async function makeKey() {
  try {
    await vault.makeKey();
  } catch (error) {
    stopped = error;
    return draw();
  }
  await refresh();
  $('copy-key').focus();
  say('keyMade');
  // Asks the browser not to clear away what cannot be replaced; it may say no.
  await navigator.storage?.persist?.();
}

async function copyKey() {
  try {
    await navigator.clipboard.writeText($('public-key').value);
    say('copied');
  } catch {
    $('public-key').select();
    say('copyFailed');
  }
}

async function shareKey() {
  try {
    await navigator.share({ text: $('public-key').value });
  } catch (error) {
    if (error.name !== 'AbortError') await copyKey();
  }
}

async function dropKey() {
  if (!(await sure('dropTitle', 'dropText', 'dropKey'))) return;
  await vault.removeKey(held.waiting.x);
  await refresh();
  $('make-key').focus();
  say('keyDropped');
}

// Tickets

/** Takes a ticket in: `find` gives its bytes. What is wrong with it stands below the field. */
async function add(find) {
  clearProblem();
  try {
    const bytes = await find();
    const claims = read(bytes);
    if (!claims.driverPublicKey) throw new Fault('NOT_BOUND');
    const id = await vault.addTicket(claims.driverPublicKey, bytes);
    $('ticket-text').value = '';
    await refresh();
    $(`use-${id}`).focus();
    say('ticketAdded');
  } catch (error) {
    problem(error);
    $('ticket-text').focus();
  }
}

async function fileOf(input) {
  try {
    return new Uint8Array(await input.files[0].slice(0, 1 << 16).arrayBuffer());
  } catch (error) {
    throw new Fault('FILE', error.name);
  } finally {
    input.value = '';
  }
}

/** The ticket in the address, or "". It is taken out of there and of the history at once, whatever becomes of it. */
function takeFromAddress() {
  const { hash, pathname, search } = location;
  if (!hash.startsWith(LINK)) return '';
  history.replaceState(null, '', pathname + search);
  return decoded(hash.slice(LINK.length));
}

function addLinked(ticket) {
  if (vault && ticket) add(() => fromText(ticket));
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function remove(id) {
  if (!(await sure('removeTitle', 'removeText', 'remove'))) return;
  await vault.remove(id);
  await refresh();
  $('main').focus();
  say('ticketRemoved');
}

// Presenting

/** Runs work while a page of the dialog says so. Gives its result, or null if the driver closed the dialog. */
function during(title, text, work) {
  return Promise.race([working(title, text), work]);
}

/** The whole way of a ticket to a station, as often as the driver tries again. */
async function use(ticket) {
  if (busy) return;
  busy = true;
  try {
    let device = null, again = null, codeAsked = false;
    do {
      const result = await attempt(ticket, device, codeAsked);
      if (!result) break;
      device = result.device;
      codeAsked = result.reason === 'PRESENCE_REQUIRED' || result.reason === 'HOLDER_PROOF_FAILED';
      await refresh();
      again = await tellVerdict(result);
    } while (again);
  } finally {
    busy = false;
    closeDialog();
    await refresh();
    $(`use-${ticket.id}`)?.focus();
  }
}

/** One try; {reason, limits, encrypted, device} of a verdict or a fault, or null where the driver gave up. */
async function attempt(ticket, known, codeAsked) {
  let device = known, confirmed = null;
  try {
    const key = await vault.keyOf(ticket.x);
    if (!key) throw new Fault('NO_KEY');
    device ??= await during(t('looking'), t('lookingText'), choose());
    const offer = device && (await during(t('connecting'), t('connectingText'), look(device)));
    confirmed = offer && (await confirm(offer, { codeAsked, mayRun: mayRun(ticket.id) }));
    if (!confirmed) return null;
    const { evse } = confirmed;
    let givenUp = false;
    const closed = working(t('presenting', { evse }), t('presentingText')).then(() => ((givenUp = true), null));
    const tell = (step) => step === 'waiting' && nowWorking(t('waiting'));
    const asked = { confirmed, ticket: ticket.bytes, claims: ticket.claims, key, tell, isGivenUp: () => givenUp };
    const work = present(device, asked);
    // Whoever closes the dialog once the ticket is there only stops looking: what the station decides is still noted.
    const noted = work.then(
      async (verdict) => {
        const reason = endedBy(verdict, evse) && mayRun(ticket.id) ? 'STOPPED' : verdict.reason;
        await note(ticket, evse, reason);
        return { ...verdict, reason, device };
      },
      async (error) => {
        if (error.code === 'LOST_LATE') await note(ticket, evse, error.code);
        throw error;
      },
    );
    noted.catch(() => {}).finally(refresh);
    return await Promise.race([noted, closed]);
  } catch (error) {
    if (!(error instanceof Fault)) console.error(error);
    return { reason: error.code ?? 'UNFORESEEN', device: error.code === 'UNREACHABLE' ? null : device };
  }
}

/** Whether a session of this ticket's may run: it was granted, or may have been. Presented there again it ends that. */
function mayRun(id) {
  const { spent, last } = held.tickets.find((ticket) => ticket.id === id) ?? {};
  return Boolean(spent) || last?.reason === 'LOST_LATE';
}

/** A station that ended the ticket's own session says so by naming the charging point, which a busy one does not. */
const endedBy = (verdict, evse) => verdict.reason === 'EVSE_BUSY' && verdict.evse === evse;

const note = (ticket, evse, reason) => vault.note(ticket.id, { at: Date.now(), evse, reason });

// Starting

function listen() {
  for (const tag of Object.keys(LANGUAGES)) {
    $(`lang-${tag}`).addEventListener('click', () => {
      speak(tag, true);
      clearProblem();
      draw();
      offline();
    });
  }
  $('make-key').addEventListener('click', makeKey);
  $('copy-key').addEventListener('click', copyKey);
  $('share-key').addEventListener('click', shareKey);
  $('drop-key').addEventListener('click', dropKey);
  $('add').addEventListener('submit', (event) => {
    event.preventDefault();
    add(() => fromText($('ticket-text').value));
  });
  $('open-file').addEventListener('click', () => $('ticket-file').click());
  $('ticket-file').addEventListener('change', () => add(async () => fromFile(await fileOf($('ticket-file')))));
  addEventListener('hashchange', () => addLinked(takeFromAddress()));
  setInterval(() => busy || draw(), MINUTE_MS);
}

async function offline() {
  const registration = await navigator.serviceWorker?.getRegistration();
  $('offline').textContent = registration?.active ? t('offlineReady') : '';
}

async function keepForOffline() {
  if (!navigator.serviceWorker) return;
  const script = globalThis.trustedTypes
    ? trustedTypes.createPolicy('wallet', { createScriptURL: (url) => (url === 'sw.js' ? url : '') }).createScriptURL('sw.js')
    : 'sw.js';
  try {
    await navigator.serviceWorker.register(script);
    await navigator.serviceWorker.ready;
    await offline();
  } catch (error) {
    console.warn('no offline use:', error.message); // the wallet works while there is a network
  }
}

async function start() {
  const linked = takeFromAddress();
  speak(preferred());
  listen();
  try {
    vault = await open();
  } catch (error) {
    stopped = error;
  }
  await refresh();
  addLinked(linked);
  document.documentElement.dataset.ready = '';
  await keepForOffline();
}

start();
