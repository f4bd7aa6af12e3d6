// What a ticket says: the closed schema of both forms in one table. For showing it to its driver; a reader decides.

import { Fault, fromBase64url, textOf, toBase64url } from './bytes.js';

export const DAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
export const ENCRYPTED = 'EphemeralKeyAgreement';

const MAX_INTEGER = 0x7fffffff;
const LAST_S = 253402300799; // 9999-12-31T23:59:59Z
const PRIVATE_CLAIM = -65537;
const OPERATOR = /^[A-Z]{2}\*?[A-Z0-9]{3}$/i;
const PROVIDER = /^[A-Z]{2}[*-]?[A-Z0-9]{3}$/i;
const place = (letter, longest) =>
  new RegExp(`^[A-Z]{2}\\*?[A-Z0-9]{3}\\*?${letter}(?=[A-Z0-9*]*[A-Z0-9])[A-Z0-9*]{1,${longest}}$`, 'i');
const POOL = place('P', 30), STATION = place('S', 50), EVSE = place('E', 30);

// Kinds of value: (value as parsed, whether the form is CWT) => the claim's value, or undefined where it is bad.

const size = (text) => new TextEncoder().encode(text).length;
const isText = (value, least, most) => typeof value === 'string' && size(value) >= least && size(value) <= most;
const isMap = (value) => value instanceof Map;

const matching = (pattern) => (value) => (typeof value === 'string' && pattern.test(value) ? value : undefined);

function id(value, cwt) {
  if (cwt) {
    try {
      value = value instanceof Uint8Array ? textOf(value) : undefined;
    } catch {
      return undefined;
    }
  }
  return isText(value, 1, 64) ? value : undefined;
}

/** Milliseconds since 1970. */
function time(value, cwt) {
  if (cwt) return Number.isInteger(value) && value >= 0 && value <= LAST_S ? value * 1000 : undefined;
  const form = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{3})?Z$/.exec(value);
  const ms = form && typeof value === 'string' ? Date.parse(value) : NaN;
  // Date.parse takes 24:00 and, in some engines, 30 February: the day that comes out must be the one that went in.
  return ms >= 0 && new Date(ms).toISOString().startsWith(form[1]) ? ms : undefined;
}

const word = (...words) => (value, cwt) => {
  if (cwt) return Number.isInteger(value) ? words[value] : undefined;
  return words.includes(value) ? value : undefined;
};

const integer = (value) => (Number.isInteger(value) && value >= 0 && value <= MAX_INTEGER ? value : undefined);

const each = (kind) => (values, cwt) => {
  if (!Array.isArray(values) || !values.length) return undefined;
  const found = values.map((value) => kind(value, cwt));
  return found.includes(undefined) ? undefined : found;
};

/** The public key's x, as base64url. */
function driverKey(value, cwt) {
  if (!isMap(value)) return undefined;
  if (cwt) {
    const key = value.get(1);
    if (!isMap(key) || key.get(1) !== 1 || key.get(-1) !== 6 || !(key.get(-2) instanceof Uint8Array)) return undefined;
    return key.get(-2).length === 32 ? toBase64url(key.get(-2)) : undefined;
  }
  const x = value.get('x');
  if (value.get('kty') !== 'OKP' || value.get('crv') !== 'Ed25519' || typeof x !== 'string') return undefined;
  return fromBase64url(x)?.length === 32 ? x : undefined;
}

export function price(value, cwt) {
  if (cwt ? !Array.isArray(value) || value.length !== 2 : !isMap(value)) return undefined;
  const [amount, currency] = cwt ? value : [value.get('amount'), value.get('currency')];
  if (typeof amount !== 'string' || amount.length > 20 || !/^(0|[1-9]\d*)(\.\d+)?$/.test(amount)) return undefined;
  return typeof currency === 'string' && /^[A-Z]{3}$/.test(currency) ? { amount, currency } : undefined;
}

function localText(value) {
  if (!isMap(value) || typeof value.get('text') !== 'string') return undefined;
  const language = value.get('language');
  if (typeof language !== 'string' || !/^[-0-9A-Za-z]{1,35}$/.test(language)) return undefined;
  return { language, text: value.get('text') };
}

function url(value) {
  return typeof value === 'string' && /^https?:\/\/[^\u0000- ]+$/.test(value) ? value : undefined;
}

function tariff(value, cwt) {
  if (isMap(value) && !cwt) value = value.get('tariffId');
  return isText(value, 1, 60) ? value : undefined;
}

// JSON member: [key in the private CWT claim or null, mandatory, kind of value]; values are judged in this order.
const TABLE = new Map([
  ['id', [null, true, id]],
  ['providerId', [null, true, matching(PROVIDER)]],
  ['created', [null, true, time]],
  ['notBefore', [null, true, time]],
  ['notAfter', [null, true, time]],
  ['multiUsage', [16, true, word('NotAllowed', 'OnlyAtTheSameEVSE', 'AfterOnlineValidation', 'Allowed')]],
  ['validationMethod', [17, true, word('OfflineChargingAllowed', 'ShouldBeValidated', 'MustBeValidated')]],
  ['driverPublicKey', [null, false, driverKey]],
  ['validOperators', [2, false, each(matching(OPERATOR))]],
  ['validChargingPools', [3, false, each(matching(POOL))]],
  ['validChargingStations', [4, false, each(matching(STATION))]],
  ['validEVSEIds', [5, false, each(matching(EVSE))]],
  ['invalidChargingPools', [6, false, each(matching(POOL))]],
  ['invalidChargingStations', [7, false, each(matching(STATION))]],
  ['invalidEVSEIds', [8, false, each(matching(EVSE))]],
  ['evseKind', [9, false, word('AC', 'DC')]],
  ['maxEnergy', [10, false, integer]],
  ['maxPower', [11, false, integer]],
  ['maxCurrent', [12, false, integer]],
  ['maxDuration', [13, false, integer]],
  ['maxPrice', [14, false, price]],
  ['daysOfWeek', [15, false, each(word(...DAYS))]],
  ['smartChargingMode', [18, false, word('NotAllowed', 'Smart', 'Bidirectional')]],
  ['meterValueSignatures', [19, false, word('WhenAvailable', 'Mandatory', 'Off')]],
  ['e2eCommunicationSecurity', [23, false, word('Unencrypted', ENCRYPTED)]],
  ['tariffs', [1, false, each(tariff)]],
  ['providerName', [20, false, each(localText)]],
  ['providerURL', [21, false, url]],
  ['description', [22, false, each(localText)]],
  ['customData', [24, false, (value) => (isMap(value) ? value : undefined)]],
]);
const REGISTERED = new Map([
  [1, 'providerId'], [4, 'notAfter'], [5, 'notBefore'], [6, 'created'], [7, 'id'], [8, 'driverPublicKey'],
]);
const BY_KEY = new Map(Array.from(TABLE, ([name, [key]]) => [key, name]).filter(([key]) => key !== null));
const TEXT = ['language', 'text'];

/** The claims of a JSON ticket (a Map of json.js), by the names of the table; `driverPublicKey` is its x.
 *  Throws Fault MALFORMED, UNKNOWN_CLAIM, BAD_CLAIM. */
export function fromJson(members) {
  if (!isMap(members)) throw new Fault('MALFORMED', 'no object');
  for (const name of members.keys()) if (!TABLE.has(name)) throw new Fault('UNKNOWN_CLAIM', name);
  knownInside(members, 'driverPublicKey', ['kty', 'crv', 'x']);
  knownInside(members, 'maxPrice', ['amount', 'currency']);
  knownInside(members, 'providerName', TEXT);
  knownInside(members, 'description', TEXT);
  return judge(members, false);
}

/** The claims of a CWT claims set (a Map of cbor.js). */
export function fromCwt(registered) {
  if (!isMap(registered)) throw new Fault('MALFORMED', 'no map');
  const members = new Map();
  const inner = registered.get(PRIVATE_CLAIM) ?? (registered.has(PRIVATE_CLAIM) ? null : new Map());
  const entries = [...Array.from(registered, (pair) => [REGISTERED, ...pair])];
  if (isMap(inner)) entries.push(...Array.from(inner, (pair) => [BY_KEY, ...pair]));
  for (const [names, key, value] of entries) {
    if (names.has(key)) members.set(names.get(key), value);
    else if (key !== PRIVATE_CLAIM || names !== REGISTERED) throw new Fault('UNKNOWN_CLAIM', String(key));
  }
  knownInside(members, 'providerName', TEXT);
  knownInside(members, 'description', TEXT);
  knownInside(members, 'driverPublicKey', [1]);
  if (isMap(members.get('driverPublicKey'))) knownInside(members.get('driverPublicKey'), 1, [1, -1, -2]);
  if (!isMap(inner)) throw new Fault('BAD_CLAIM', String(PRIVATE_CLAIM));
  return judge(members, true);
}

/** Refuses members other than `known` in the map, or the maps of the list, that `members` has by this name. */
function knownInside(members, name, known) {
  const value = members.get(name);
  for (const one of Array.isArray(value) ? value : [value]) {
    if (!isMap(one)) continue;
    for (const member of one.keys()) if (!known.includes(member)) throw new Fault('UNKNOWN_CLAIM', String(name));
  }
}

function judge(members, cwt) {
  const claims = {};
  for (const [name, [, mandatory, kind]] of TABLE) {
    if (!mandatory && !members.has(name)) continue;
    const value = members.has(name) ? kind(members.get(name), cwt) : undefined;
    if (value === undefined) throw new Fault('BAD_CLAIM', name);
    claims[name] = value;
  }
  if (claims.notBefore >= claims.notAfter) throw new Fault('BAD_CLAIM', 'notAfter');
  if (claims.e2eCommunicationSecurity === ENCRYPTED && !claims.driverPublicKey) {
    throw new Fault('BAD_CLAIM', 'driverPublicKey');
  }
  return claims;
}
