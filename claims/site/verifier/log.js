/**
 * A claim against the public log: heads, cosignatures, entries, and the roots file. claims/FORMATS.md, FORMATS-log.md.
 *
 * The log comes as a bundle, or as {heads: [bytes], entries: [bytes]} with what a bundle holds:
 *
 *     "standstill-log-bundle" || u16 1 || u16 number of heads, for each: blob note || u32 number of entries, for each: u16 length || entry
 */
import { ascii, equalBytes, sha256 } from "./bytes.js";
import { sitesOf } from "./terms.js";
import { Reader } from "./reader.js";
import { CLAIM, EPOCH, LOSS, TRANSFER, decodeEntry, kindOf } from "./entries.js";
import { keysOf } from "./keys.js";
import { HeadDates, mergeHeads } from "./dates.js";
import { NOTE_LIMIT, openHead } from "./note.js";
import { judgeRoots } from "./roots.js";
import { prefixRoots } from "./rfc6962.js";
import { byBytes } from "./text.js";
import { Rejected } from "./errors.js";

const BUNDLE_MAGIC = ascii("standstill-log-bundle");
const MAX_HEADS = 4096;
const MAX_ENTRIES = 2 ** 20;
const MAX_ENTRY = 6144;
const MAX_BUNDLE = 256 * 2 ** 20;

/** Seconds by which a date may lie after the reader's clock. */
const AHEAD = 600;

const bad = (what) => new Rejected("log", what);

/**
 * {opened, entries, problem}: a log as openLog gives it and, of its entries, those under the head in use for a lab's claims; or null, and why they are missing ("" where the agreement has no log).
 */
export function readLog(agreement, lab, log, now) {
  if (!agreement.log) return { opened: null, entries: null, problem: "" };
  if (!log) return { opened: null, entries: null, problem: "the log: without it the readings may have been committed to only after the fact" };
  try {
    const opened = openLog(agreement, log, now);
    if (!opened.usable(lab.name)) throw bad(`no head with ${agreement.log.cosignatures} cosignatures of other parties covers the entries`);
    return { opened, entries: opened.entries.slice(0, opened.inUse(lab.name).size), problem: "" };
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    return { opened: null, entries: null, problem: `a log that can be used: ${error.reason}` };
  }
}

const same = (names, others) => names.length === others.length && names.every((name, i) => name === others[i].name);

/** Whether a claim's meters and sites are exactly a lab's. */
export const hasAgreedMeters = (claim, lab) => same(lab.meters.map(({ name }) => name), claim.meters) && same(sitesOf(lab).map(({ name }) => name), claim.sites);

/**
 * Holds a previous claim, made under `terms`, against the log of `agreement`; false where the one to go on from is not at hand: that is said in `missing`. Rejected("continuity"): the
 * lab contradicts itself. `entries`: of readLog, or null: that the log is missing is said of all of them.
 */
export function isLogged(claim, terms, agreement, { entries, previousAccepted, roots, missing }) {
  if (!terms.log) return true;
  if (!isSameLog(terms, agreement)) {
    const known = missing.some(({ kind }) => kind === "previous log");
    if (!previousAccepted && !known) missing.push({ kind: "previous log", what: "the log of the agreement before, which the previous claims are in" });
    return true;
  }
  if (!entries) return true;
  const what = `lab ${claim.lab}\u2019s claim for period ${claim.period}`;
  let found;
  try {
    found = collect(entries, terms, claim);
  } catch (error) {
    if (error instanceof Rejected) throw new Rejected("continuity", `${what}: ${error.reason}`);
    throw error;
  }
  if (!found.claim && previousAccepted) return true;
  if (found.claim && equalBytes(found.claim.first, sha256(claim.bytes))) {
    const lab = terms.labs.find(({ name }) => name === claim.lab);
    if (previousAccepted || !lab || !hasAgreedMeters(claim, lab)) return true; // another lab, or other meters, are rejected with the claim's other terms
    try {
      missing.push(...checkLog(claim, terms, lab, entries, roots).missing);
    } catch (error) {
      if (error instanceof Rejected) throw new Rejected("continuity", `${what} is rejected: ${error.message}`);
      throw error;
    }
    return true;
  }
  missing.push(found.claim ? { kind: "previous", what: `${what} that the log names; another one was given` } : { kind: "entry", what: `the log\u2019s entry of ${what}` });
  return false;
}

/**
 * Holds a claim and its roots files (of filesBySum) against the log's entries: {missing: [{kind, what}], epochs: each epoch to its entry, {..., at}}. Rejected("log") where it is not what the log
 * holds.
 */
export function checkLog(claim, agreement, lab, entries, roots) {
  if (!agreement.log) return { missing: [], epochs: new Map() };
  const published = collect(entries, agreement, claim);
  const { epochs } = published;
  if (!published.claim) return { epochs, missing: [{ kind: "entry", what: `the entry of lab ${lab.name}\u2019s claim for period ${claim.period}, which this copy of the log has not` }] };
  if (!equalBytes(published.claim.first, sha256(claim.bytes))) throw bad("the log's entry is about another claim file");
  for (let epoch = claim.firstEpoch; epoch <= claim.lastEpoch; epoch++) {
    if (!epochs.has(epoch)) throw bad(`the log has no entry for lab ${lab.name}'s epoch ${epoch}`);
  }
  return { epochs, missing: judgeRoots(claim, published.claim.second, roots, agreement, lab, epochs) };
}

function asGiven(log) {
  const lists = [log.heads, log.entries];
  if (!lists.every((list) => Array.isArray(list) && list.every((item) => item instanceof Uint8Array))) {
    throw bad("the log is not given as heads and entries");
  }
  if (log.heads.length > MAX_HEADS || log.entries.length > MAX_ENTRIES) throw bad("the log is too long");
  return log;
}

function decodeBundle(data) {
  if (data.length > MAX_BUNDLE) throw bad("the log is too long");
  const read = new Reader(data, "log");
  if (!equalBytes(read.raw(BUNDLE_MAGIC.length, "the magic"), BUNDLE_MAGIC)) throw bad("this is not a log");
  if (read.uint(2, "the version") !== 1) throw bad("this version of a log is not supported");
  const heads = read.list("the number of heads", MAX_HEADS, () => read.blob("a head", NOTE_LIMIT));
  const entries = [];
  for (let left = read.uint(4, "the number of entries", MAX_ENTRIES); left > 0; left--) {
    entries.push(read.raw(read.uint(2, "an entry's length", MAX_ENTRY), "an entry"));
  }
  read.end();
  return { heads, entries };
}

/**
 * A log as a whole, under one agreement. Rejected("log"): not the log. In what follows `name` is a party whose own cosignatures do not count, a list of such, or null.
 *
 *     entries       those under the largest head that the log signed and whose entries are here, whoever cosigned it
 *     shown         the largest head that the log signed, whether its entries are here or not (dates.js); shownDate: the least date that anyone gives it, or null
 *     inUse(name)   {size, date} of the largest head that a quorum without the operator has cosigned, and the latest time at or after which one had, dates more than AHEAD after `now` not counted; {size: 0, date: null} where there is none
 *     usable(name)  whether there is such a head
 *     dates(name)   who said when that an entry was there: HeadDates (dates.js)
 *     dateOf(index, name)   the least time by which such a quorum had cosigned a head with the entry, or null
 *     behind(name)  cosigners that have not cosigned `shown`: [{name, size, date}] of the largest head that each cosigned, null for none
 */
export function openLog(agreement, log, now = Infinity) {
  const given = log instanceof Uint8Array ? decodeBundle(log) : asGiven(log);
  const heads = mergeHeads(openHeads(given, agreement));
  const shown = heads[heads.length - 1];
  const here = heads.filter((head) => head.size <= given.entries.length);
  const { operator, cosignatures } = agreement.log;
  const names = cosignersOf(agreement).map(({ name }) => name).sort(byBytes);
  const witnesses = agreement.witnesses.map(({ name }) => name);
  const known = new Map();
  // The newest head dates what is before it even where its own entries are not here.
  const all = here.includes(shown) ? here : [...here, shown];
  const dates = (name) => {
    const barred = [name].flat();
    const key = barred.join(" ");
    if (!known.has(key)) known.set(key, new HeadDates(all, here.length, { names: names.filter((who) => !barred.includes(who) && !witnesses.includes(who)), witnesses, quorum: cosignatures, own: !barred.includes(operator), until: now + AHEAD }));
    return known.get(key);
  };
  return {
    entries: given.entries.slice(0, here.length ? here[here.length - 1].size : 0),
    shown,
    shownDate: [...shown.times.values(), ...(shown.dated ? [shown.dated.time] : [])].filter((time) => time <= now + AHEAD).reduce((a, b) => (a === null || b < a ? b : a), null),
    inUse: (name) => dates(name).inUse,
    usable: (name) => dates(name).usable,
    dates,
    dateOf: (index, name) => dates(name).quorum(index),
    behind: (name) => names.filter((who) => who !== name && !shown.times.has(who)).map((who) => {
      const last = here.findLast((head) => head.stamps.has(who));
      return { name: who, size: last ? last.size : null, date: last ? Math.max(...last.stamps.get(who)) : null };
    }),
  };
}

/** What the log of `agreement` has of a claim under `terms`, as collect; null where there is none, it is another one, or not at hand. */
export const saidOf = (entries, terms, agreement, claim) => (entries && isSameLog(terms, agreement) ? collect(entries, terms, claim) : null);

/**
 * {terms, fixed}: the agreement with the keys by which a claim's signatures are judged, those in force at the lab's entry of it, and whether a log says which. `terms`: the claim's agreement;
 * `entries`: all of the log of `agreement`, or null.
 */
export function keysForClaim(claim, terms, agreement, entries) {
  if (!terms.keys) return { terms, fixed: true };
  const here = entries && isSameLog(terms, agreement) ? entries : null;
  const keys = keysOf(here, terms);
  const isIts = (entry) => entry && entry.kind === CLAIM && entry.author === claim.lab && entry.number === claim.period;
  const at = (here ?? []).findIndex((data, index) => {
    const entry = kindOf(data) === CLAIM ? decodeEntry(data) : null;
    return isIts(entry) && keys.counts(entry, index);
  });
  return { terms: at < 0 ? keys.now : keys.at(at), fixed: at >= 0 };
}

const isSameLog = (terms, agreement) => Boolean(terms.log && agreement.log) && terms.log.origin === agreement.log.origin && equalBytes(terms.log.key, agreement.log.key);

/** Who cosigns a log, parties and witnesses: its operator's cosignatures count for nothing. */
export const cosignersOf = ({ parties, log, witnesses }) => [...parties.filter((party) => party.cosignKey && party.name !== log.operator).map(({ name, cosignKey }) => ({ name, key: cosignKey })), ...witnesses];

/** The heads that the log signed, of which those no longer than the entries are theirs. */
function openHeads({ heads, entries }, agreement) {
  const { log } = agreement;
  const cosigners = cosignersOf(agreement);
  const trust = { origin: log.origin, key: log.key, cosigners };
  const opened = [];
  let failure = bad("the log shows no head");
  for (const data of heads) {
    try {
      opened.push(openHead(data, trust));
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      failure = error;
    }
  }
  if (opened.length === 0) throw failure;
  const roots = prefixRoots(entries, opened.map((head) => head.size));
  for (const { size, root } of opened) {
    if (roots.has(size) && !equalBytes(roots.get(size), root)) throw bad(`the entries do not lead to the head of size ${size} that the log signed`);
  }
  return opened;
}

/** The lab's entries about this claim's period, the first of each identity, and all that was said of its losses: {claim, epochs, losses}; Rejected("log") where it contradicts itself. */
function collect(entries, agreement, claim) {
  const [found, given, keys] = [{ claim: null, epochs: new Map(), losses: [] }, new Map(), keysOf(entries, agreement)];
  for (const [at, data] of entries.entries()) {
    const entry = decodeEntry(data);
    if (entry && entry.kind === LOSS && entry.lab === claim.lab && keys.counts(entry, at)) found.losses.push({ entry, at });
    if (!entry || ![EPOCH, CLAIM, TRANSFER].includes(entry.kind) || entry.author !== claim.lab) continue;
    const ofEpoch = entry.kind === EPOCH;
    if (ofEpoch ? entry.number < claim.firstEpoch || entry.number > claim.lastEpoch : entry.number !== claim.period) continue;
    const known = ofEpoch ? found.epochs.get(entry.number) : entry.kind === CLAIM ? found.claim : given.get(entry.identity);
    if (known && equalBytes(known.word, entry.word)) continue;
    if (!keys.counts(entry, at)) continue;
    if (known) throw bad(`lab ${claim.lab} published two different entries for ${ofEpoch ? "epoch" : entry.kind === CLAIM ? "the claim of period" : "a transfer of period"} ${entry.number}`);
    if (ofEpoch) found.epochs.set(entry.number, { ...entry, at });
    else if (entry.kind === CLAIM) found.claim = entry;
    else given.set(entry.identity, entry);
  }
  return found;
}
