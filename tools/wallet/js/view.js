// Tickets on the page, and the fixed texts in the language in use. Nothing that came from outside becomes HTML.

import { LIMITS, days, limit, localised, spoken, t, told, when, word } from './words.js';
import { make } from './dialog.js';
import { ENCRYPTED } from './claims.js';

const PLACES = [
  ['operators', 'validOperators'], ['pools', 'validChargingPools'],
  ['stations', 'validChargingStations'], ['evses', 'validEVSEIds'],
];
const EXCEPT = [
  ['pools', 'invalidChargingPools'], ['stations', 'invalidChargingStations'], ['evses', 'invalidEVSEIds'],
];
const WORDED = [
  'multiUsage', 'validationMethod', 'smartChargingMode', 'meterValueSignatures', 'e2eCommunicationSecurity',
];
const TIMES = ['created', 'notBefore', 'notAfter'];

/** Puts the words of the language into all elements that name them. */
export function translate() {
  document.documentElement.lang = spoken();
  document.title = t('title');
  const card = document.getElementById('ticket-card').content;
  for (const root of [document, card]) {
    for (const element of root.querySelectorAll('[data-t]')) element.textContent = t(element.dataset.t);
    for (const element of root.querySelectorAll('[data-t-label]')) element.ariaLabel = t(element.dataset.tLabel);
  }
}

/** 'valid', 'early', 'ended' or 'used', by this phone's clock and by what stations said. */
function stateOf({ claims, spent }, now) {
  if (now >= claims.notAfter) return 'ended';
  if (now < claims.notBefore) return 'early';
  return spent && claims.multiUsage === 'NotAllowed' ? 'used' : 'valid';
}

/** The order of the list: those that can be used come first, and of those the newest. */
export function inOrder(tickets, now) {
  const states = ['valid', 'early', 'used', 'ended', null];
  const rank = (ticket) => states.indexOf(ticket.claims && stateOf(ticket, now));
  return tickets.sort((a, b) => rank(a) - rank(b) || b.added - a.added);
}

const providerOf = (claims) => localised(claims.providerName) || claims.providerId;

function untilOf(claims, state) {
  const values = { time: when(claims.notAfter), from: when(claims.notBefore) };
  return t(state === 'ended' ? 'endedAt' : state === 'early' ? 'from' : 'until', values);
}

const listed = (claims, lists) =>
  lists.filter(([, name]) => claims[name]).map(([key, name]) => t(key, { ids: claims[name].join(', ') }));

function placesOf(claims) {
  const places = listed(claims, PLACES.slice(1));
  const operators = listed(claims, PLACES.slice(0, 1));
  const where = [...operators, places.join(` ${t('or')} `)].filter(Boolean).join(', ');
  const but = listed(claims, EXCEPT).join(', ');
  return [where || t('anywhere', { provider: claims.providerId }), but && t('except', { places: but })]
    .filter(Boolean).join(', ');
}

function usesOf(claims) {
  const online = claims.validationMethod === 'OfflineChargingAllowed' ? '' : word('validationMethod', claims.validationMethod);
  const encrypted = claims.e2eCommunicationSecurity === ENCRYPTED ? t('encryptedOnly') : '';
  return [word('multiUsage', claims.multiUsage), online, encrypted].filter(Boolean).join(', ');
}

/** The few lines that a driver needs, as [label, text]. */
function factsOf(claims) {
  const limits = LIMITS.filter((name) => name in claims).map((name) => limit(name, claims[name])).join(', ');
  return [
    [t('where'), placesOf(claims)],
    [t('limits'), limits || t('noLimit')],
    [t('tariffs'), claims.tariffs?.join(', ')],
    [t('days'), claims.daysOfWeek && days(claims.daysOfWeek)],
    [t('kind'), claims.evseKind],
    [t('times'), usesOf(claims)],
  ].filter(([, text]) => text);
}

/** All that it says but the key and free data, as [label, text]. */
function detailsOf(claims) {
  const shown = Object.entries(claims).filter(([name]) => name !== 'driverPublicKey' && name !== 'customData');
  return shown.map(([name, value]) => [word('names', name), worded(name, value)]);
}

function worded(name, value) {
  if (WORDED.includes(name)) return word(name, value);
  if (TIMES.includes(name)) return when(value);
  if (LIMITS.includes(name)) return limit(name, value);
  if (name === 'daysOfWeek') return days(value);
  if (name === 'providerName' || name === 'description') return localised(value);
  return Array.isArray(value) ? value.join(', ') : value;
}

const row = ([label, text]) => [make('dt', { textContent: label }), make('dd', { textContent: text })];

function lastOf(last) {
  const what = last.reason === 'LOST_LATE' ? t('lastBroken') : told(last.reason)[0];
  return t('last', { what, evse: last.evse, time: when(last.at, 'short') });
}

/** A ticket's list item. `claims` is null where they cannot be read. */
export function ticketCard(ticket, now, { onUse, onRemove }) {
  const { id, claims, last } = ticket;
  const card = document.getElementById('ticket-card').content.cloneNode(true).firstElementChild;
  const part = (name) => card.querySelector(`[data-p="${name}"]`);
  const state = claims ? stateOf(ticket, now) : 'unreadable';
  card.dataset.id = id;
  part('state').textContent = t(state);
  part('state').classList.add(state === 'early' ? 'wait' : state === 'valid' ? 'now' : 'over');
  part('provider').textContent = claims ? providerOf(claims) : '–';
  part('provider').id = `provider-${id}`;
  part('use').id = `use-${id}`;
  card.firstElementChild.setAttribute('aria-labelledby', `provider-${id}`);
  part('use').setAttribute('aria-describedby', `provider-${id}`);
  part('remove').setAttribute('aria-describedby', `provider-${id}`);
  if (claims) {
    part('until').textContent = untilOf(claims, state);
    part('facts').append(...factsOf(claims).flatMap(row));
    part('details').append(...detailsOf(claims).map((pair) => make('div', {}, ...row(pair))));
  }
  if (last) {
    part('last').hidden = false;
    part('last').textContent = lastOf(last);
  }
  // An ended ticket may still end the session that it began.
  part('use').disabled = !claims || (state === 'ended' && last?.reason !== 'GRANTED');
  part('use').classList.toggle('primary', state === 'valid');
  part('use').addEventListener('click', onUse);
  part('remove').addEventListener('click', onRemove);
  return card;
}

export function notice(kind, title, text) {
  return make('p', { className: `notice ${kind}` }, make('strong', { textContent: title }), text);
}
