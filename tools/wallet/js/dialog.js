// The dialog in which a ticket is presented, or something is confirmed. It is modal: the browser keeps the focus in it
// and closes it with Escape, which cancels.

import { LIMITS, limit, t, told } from './words.js';
import { readCode } from './messages.js';

const $ = (id) => document.getElementById(id);

/** An element with properties, attributes (names with a dash, role, for), and children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes('-') || name === 'role' || name === 'for') element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';
const SIGNS = { good: 'M8 21l9 9 15-19', wait: 'M20 9v13M20 30v.5', bad: 'M11 11l18 18M29 11L11 29' };

function sign(mood) {
  const picture = document.createElementNS(SVG, 'svg');
  picture.setAttribute('viewBox', '0 0 40 40');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', SIGNS[mood]);
  picture.append(path);
  return make('div', { className: `verdict ${mood}`, 'aria-hidden': 'true' }, picture);
}

// What the driver can put right on the spot, so that it is no alarm.
const SOON = new Set(['PRESENCE_REQUIRED', 'EVSE_BUSY', 'NOT_YET_VALID', 'ONLINE_VALIDATION_REQUIRED', 'NOT_FOUND',
  'LOST', 'LOST_LATE', 'SILENT', 'UNREACHABLE', 'NOT_ALLOWED']);
const DONE = ['GRANTED', 'STOPPED'];
const moodOf = (code) => (DONE.includes(code) ? 'good' : SOON.has(code) ? 'wait' : 'bad');

function button(key, className, onclick) {
  return make('button', { type: 'button', className, textContent: t(key), onclick });
}

/** Shows a page of the dialog and puts the focus on its title, or on `focus`, so that it is read out. */
function show(title, className, ...children) {
  const dialog = $('present');
  dialog.className = className;
  $('present-title').textContent = title;
  $('present-body').replaceChildren(...children.filter(Boolean));
  if (!dialog.open) dialog.showModal();
  $('present-title').focus();
}

/** A promise of the one answer to the page that is shown: what `settle` is given, or null when the dialog is closed. */
function answer(ask) {
  const dialog = $('present');
  return new Promise((resolve) => {
    const closed = () => settle(null);
    const settle = (value) => {
      dialog.removeEventListener('close', closed);
      resolve(value);
    };
    dialog.addEventListener('close', closed);
    ask(settle);
  });
}

export const closeDialog = () => $('present').close();

/** Work under way. Gives a promise that is fulfilled if the driver closes the dialog meanwhile. */
export function working(title, text) {
  return answer(() => {
    show(title, '', make('p', { textContent: text, role: 'status', id: 'working' }),
      make('progress', { 'aria-label': title }),
      make('div', { className: 'actions' }, button('cancel', 'quiet', closeDialog)));
  });
}

/** How far the work under way is. */
export function nowWorking(text) {
  const line = $('working');
  if (line) line.textContent = text;
}

/** Asks which EVSE, and for the code that a station may show. codeAsked: this one seems to; mayRun: the ticket may have a
 * session there. Gives {reader, evse, code}, or null. */
export function confirm({ reader, evses }, { codeAsked, mayRun }) {
  const single = evses.length === 1;
  const problem = make('p', { className: 'problem', role: 'alert', hidden: true });
  const code = make('input', {
    type: 'text', id: 'code', autocomplete: 'off', spellcheck: false, maxLength: 8, 'aria-describedby': 'code-hint',
  });
  const choice = single
    ? make('p', { className: 'evse', textContent: evses[0] })
    : make('fieldset', {}, make('legend', { textContent: t('confirmMany') }), ...evses.map((evse, i) =>
        make('label', { className: 'pick' },
          make('input', { type: 'radio', name: 'evse', value: evse, id: `evse-${i}` }), make('span', { textContent: evse }))));
  return answer((settle) => {
    const submit = (event) => {
      event.preventDefault();
      const evse = single ? evses[0] : choice.querySelector(':checked')?.value;
      const entered = readCode(code.value);
      problem.hidden = Boolean(evse) && entered !== null;
      if (!problem.hidden) problem.textContent = t(evse ? 'codeBad' : 'chooseFirst');
      else settle({ reader, evse, code: entered });
    };
    const form = make('form', { onsubmit: submit },
      single ? make('p', { textContent: t('confirmText') }) : null,
      choice,
      make('p', { className: 'fine', textContent: t('station', { reader }) }),
      mayRun ? make('p', { className: 'notice', textContent: t('mayRun') }) : null,
      make('details', { open: codeAsked }, make('summary', { textContent: t('showsCode') }),
        make('label', { for: 'code', textContent: t('code') }), code,
        make('p', { className: 'fine', id: 'code-hint', textContent: t('codeHint') })),
      problem,
      make('div', { className: 'actions' },
        make('button', { type: 'submit', className: 'primary', textContent: t('confirm') }),
        button('cancel', 'quiet', closeDialog)));
    show(t('confirmTitle'), '', form);
  });
}

/** Tells how it went; `verdict` is {reason, limits, encrypted}, or {reason} of a fault. Gives 'again' or null. */
export function tellVerdict({ reason, limits = {}, encrypted = false }) {
  const [title, advice] = told(reason);
  const facts = LIMITS.filter((name) => name in limits).map((name) => limit(name, limits[name])).join(', ');
  const again = SOON.has(reason) || reason === 'HOLDER_PROOF_FAILED' || reason === 'OTHER_READER';
  return answer((settle) => {
    show(title, 'told', sign(moodOf(reason)),
      make('p', { className: 'advice', textContent: advice }),
      facts ? make('dl', {}, make('dt', { textContent: t('limits') }), make('dd', { textContent: facts })) : null,
      encrypted ? make('p', { className: 'fine', textContent: t('encryptedMark') }) : null,
      DONE.includes(reason) ? null : make('p', { className: 'fine', textContent: t('reasonCode', { code: reason }) }),
      make('div', { className: 'actions' },
        again ? button('again', 'primary', () => settle('again')) : null,
        button('close', again ? 'quiet' : 'primary', closeDialog)));
  });
}

/** Asks before something that cannot be undone. Gives true, or null. */
export async function sure(title, text, yes) {
  const agreed = await answer((settle) => {
    show(t(title), '', make('p', { textContent: t(text) }), make('div', { className: 'actions' },
      button(yes, 'primary danger', () => settle(true)), button('keep', '', closeDialog)));
  });
  if (agreed) closeDialog();
  return agreed;
}
