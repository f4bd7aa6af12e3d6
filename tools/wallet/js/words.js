// The words of the language in use, and numbers and times as it writes them.

import { DE } from './words-de.js';
import { EN } from './words-en.js';

export const LANGUAGES = { en: EN, de: DE };
const STORED = 'language';

let language = 'en';

/** The language to begin with: what was chosen here before, else the first of the browser's that we speak. */
export function preferred() {
  const wanted = [stored(), ...navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase())];
  return wanted.find((tag) => Object.hasOwn(LANGUAGES, tag)) ?? 'en';
}

function stored() {
  try {
    return localStorage.getItem(STORED) ?? '';
  } catch {
    return ''; // storage is off: the choice lasts as long as the page
  }
}

export function speak(tag, remember = false) {
  language = tag;
  try {
    if (remember) localStorage.setItem(STORED, tag);
  } catch {
    // as above
  }
}

export const spoken = () => language;

/** The words for a key, `{name}` in them replaced by values. */
export function t(key, values = {}) {
  return LANGUAGES[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** The word for a value of a claim, or for its name. */
export const word = (group, key) => LANGUAGES[language][group][key];

/** [what happened, what to do] for a reason code of a reader, or a fault of this wallet. */
export function told(code) {
  const { reasons, faults } = LANGUAGES[language];
  if (Object.hasOwn(reasons, code)) return reasons[code];
  return Object.hasOwn(faults, code) ? faults[code] : faults.UNFORESEEN;
}

/** A time in this phone's zone. */
export function when(ms, style = 'medium') {
  return new Intl.DateTimeFormat(language, { dateStyle: style, timeStyle: 'short' }).format(ms);
}

const number = (value, unit) => `${new Intl.NumberFormat(language, { maximumFractionDigits: 3 }).format(value)} ${unit}`;

/** A limit by its name in a ticket: 22000 is 22 kW. */
export function limit(name, value) {
  if (name === 'maxEnergy') return value < 1000 ? number(value, 'Wh') : number(value / 1000, 'kWh');
  if (name === 'maxPower') return value < 1000 ? number(value, 'W') : number(value / 1000, 'kW');
  if (name === 'maxCurrent') return number(value, 'A');
  if (name === 'maxPrice') return `${language === 'de' ? value.amount.replace('.', ',') : value.amount} ${value.currency}`;
  const hours = Math.floor(value / 60), minutes = value % 60;
  const parts = [hours && t('hours', { count: hours }), (minutes || !hours) && t('minutes', { count: minutes })];
  return parts.filter(Boolean).join(' ');
}

export const LIMITS = ['maxEnergy', 'maxPower', 'maxCurrent', 'maxDuration', 'maxPrice'];

/** Days of the week by their English names. */
export function days(names) {
  const style = new Intl.DateTimeFormat(language, { weekday: 'long', timeZone: 'UTC' });
  const order = ['Thursday', 'Friday', 'Saturday', 'Sunday', 'Monday', 'Tuesday', 'Wednesday']; // from 1970-01-01 on
  return names.map((name) => style.format(order.indexOf(name) * 86_400_000)).join(', ');
}

/** Of texts in several languages the one to show. */
export function localised(texts) {
  const mine = texts?.find((one) => one.language.slice(0, 2).toLowerCase() === language);
  return (mine ?? texts?.[0])?.text;
}
