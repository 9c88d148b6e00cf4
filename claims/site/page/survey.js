/**
 * The browser's own picture of a standstill, without the claims themselves: which agreements hold and who signed them, which claims they want by
 * when, what the log has of each, when the pause was lifted, and who contradicted itself. From bytes alone: nothing of the publisher's computation.
 */

import { countedDecisions, liftedSpans } from "./decisions.js";
import { conviction } from "./evidence.js";
import { latenessOf } from "./lateness.js";
import { readReceipts } from "./receipts.js";
import { schedule } from "./schedule.js";
import { decodeAgreement, firstPeriod } from "./verifier/agreement.js";
import { equalBytes, toHex } from "./verifier/bytes.js";
import { ASSENT, CLAIM, DECISION, EPOCH, INSPECTION, countsUnder, decodeEntry, identityOf } from "./verifier/entries.js";
import { Rejected } from "./verifier/errors.js";
import { moment } from "./text.js";
import { openLog } from "./verifier/log.js";
import { decodeSignatures, missingSignatures } from "./verifier/signatures.js";

const MAX_CHAIN = 64;
const ROUNDS = { genesis: 1692803367, period: 3 }; // of the public randomness, as claims/inspection/beacon.py

/**
 * `agreements`: [{agreement, signatures}], bytes (signatures may be null), the present one first. `decisions`, `evidence`, `receipts`: lists of bytes. `log`: bytes
 * of the bundle, or null. `until`: Unix seconds. Throws where the picture cannot be computed. Returns plain values:
 *
 *     digest, chain       of the present agreement; for each agreement of the chain, newest first: {place in `agreements`, from (period), log (whether one is agreed)}
 *     start, end          of the present agreement, Unix seconds
 *     unsigned, gaps      parties whose assent is missing; why periods before the present agreement cannot be judged
 *     lifted              spans in which the pause was lifted under the present agreement
 *     items               one for each lab and begun period (schedule.js), with
 *                         logged {claim, roots (hex)} or null, logProblem (text), held (why a claim that was delivered does not count yet, or ""), asOf (until when this copy of the log
 *                         shows that there is no claim: a date, or null: without end), inspection {drawn, passed} or null, hours (lateness.js), and sentences: evidence, conflicts (against the lab), inspected (findings that the log has)
 *     breaches            by others than a lab in a period
 *     log                 null, or {problem, size, date (of the head in use; size null where there is none), newest (entries here that the log signed), shown {size, date (least that anyone gives
 *                         it, or null), behind [{name, size, date}]} or null: the largest head that it signed, cosign (agreed time for cosigning, seconds, or null)}
 */
export function survey({ agreements, decisions, evidence, receipts = [], log, until }) {
  const chain = chainOf(agreements);
  const books = chain.map((item) => ({ ...item, log: logOf(item.terms, log, until) }));
  for (const book of books) Object.assign(book, indexOf(book, log && readReceipts(receipts, book.terms)));
  const [current] = books;
  const convicted = evidence.map((data) => books.map(({ terms }) => conviction(data, terms)).find(Boolean)).filter(Boolean);
  let before = Infinity;
  const items = books.flatMap((book) => {
    const { terms } = book;
    book.spans = liftedSpans(countedDecisions(terms, decisions, book.log.opened));
    const wanted = partiesLeft(book).length ? [] : schedule(terms, until, { before, spans: book.spans });
    before = Math.min(before, firstPeriod(terms));
    return wanted.map((item) => ({ ...item, ...inTheLog(book, item, until), ...against(book, item, convicted) }));
  });
  const length = current.terms.epochSeconds * current.terms.epochsPerPeriod;
  return {
    digest: current.terms.digestHex,
    chain: books.map(({ place, terms }) => ({ place, from: firstPeriod(terms), log: terms.log !== null })),
    start: current.terms.start + firstPeriod(current.terms) * length,
    end: current.terms.start + current.terms.periods * length,
    unsigned: unsignedOf(current),
    gaps: gapsOf(books),
    lifted: current.spans,
    items,
    breaches: convicted.filter((item) => !item.lab).map((item) => item.text),
    log: current.terms.log ? logLine(current) : null,
  };
}

// ---- agreements ----

/** The present agreement and those that it amends, newest first, as far as they are here: {place, terms, signatures}. */
function chainOf(agreements) {
  const decoded = agreements.map(({ agreement, signatures }, place) => ({ place, terms: decodeAgreement(agreement), signatures }));
  const chain = [decoded[0]];
  while (chain.length < MAX_CHAIN) {
    const { amends } = chain[chain.length - 1].terms;
    const next = amends && decoded.find(({ terms }) => equalBytes(terms.digest, amends.digest));
    if (!next) break;
    chain.push(next);
  }
  return chain;
}

function partiesLeft({ terms, signatures }) {
  if (!signatures) return terms.parties.map((party) => party.name);
  return missingSignatures(decodeSignatures(signatures), terms);
}

/** Parties whose assent is missing; with a log and sign_by, those too whose assent the log did not have in time. */
function unsignedOf(book) {
  const { terms, log, index } = book;
  const missing = new Set(partiesLeft(book));
  const signBy = terms.deadlines && terms.deadlines.signBy;
  if (signBy !== null && log.opened) {
    for (const { name } of terms.parties) {
      const entry = first(book, identityOf(ASSENT, name), null);
      const time = entry && log.opened.dateOf(entry.at, name);
      if (!entry || time === null || time > signBy) missing.add(name);
    }
  }
  return [...missing].sort();
}

/** Why periods before the present agreement cannot be judged: what is hidden there would be forgiven. */
function gapsOf(books) {
  const gaps = [];
  const oldest = books[books.length - 1].terms;
  if (oldest.amends) gaps.push(`The agreement that this one amends, ${toHex(oldest.amends.digest)}, is not here: nobody can tell whether it was kept.`);
  for (let i = 1; i < books.length; i++) {
    const [newer, older] = [books[i - 1].terms, books[i].terms];
    const name = `The amended agreement ${older.digestHex}`;
    const begin = firstPeriod(newer);
    const left = partiesLeft(books[i]);
    if (left.length) gaps.push(`${name} is not signed by ${left.join(", ")}.`);
    else if (["start", "epochSeconds", "epochsPerPeriod"].some((field) => newer[field] !== older[field])) gaps.push(`${name} has another calendar.`);
    else if (firstPeriod(older) > begin) gaps.push(`${name} begins after the one that amends it.`);
    else if (older.periods < begin) gaps.push(`${name} ends before the one that amends it begins.`);
  }
  return gaps;
}

// ---- the log ----

/** {opened, problem}: the log under an agreement, or why there is none. */
function logOf(terms, log, now) {
  if (!terms.log) return { opened: null, problem: "" };
  if (!log) return { opened: null, problem: "The log is not here." };
  try {
    return { opened: openLog(terms, log, now), problem: "" };
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    return { opened: null, problem: `The log cannot be used: ${error.reason}.` };
  }
}

/**
 * {index, findings, passes, delivered}: entries of this agreement by what there may be one of, a map of lists, those of receipts last; failures and refusals by inspectors, and passes, by LAB-PERIOD; and
 * receipts (receipts.js). Signatures of the log's entries are verified when they are asked for.
 */
function indexOf({ terms, log }, receipts) {
  const [index, findings, passes] = [new Map(), new Map(), new Map()];
  const delivered = log.opened ? receipts ?? [] : [];
  const add = (map, key, value) => map.set(key, [...(map.get(key) ?? []), value]);
  const enter = (entry, at) => {
    if (!entry || entry.kind === DECISION || !equalBytes(entry.agreement, terms.digest)) return;
    add(index, entry.identity, { ...entry, at });
    if (entry.kind === INSPECTION && terms.inspection) add(entry.outcome === "passed" ? passes : findings, `${entry.lab}-${entry.number}`, { ...entry, at });
  };
  if (log.opened) log.opened.entries.forEach((data, at) => enter(decodeEntry(data), at));
  for (const { entry } of delivered) enter(entry, Infinity);
  return { index, findings, passes, delivered };
}

function logLine({ terms: { deadlines }, log: { opened, problem } }) {
  const cosign = deadlines ? deadlines.cosign : null;
  if (!opened) return { problem, size: null, date: null, newest: null, shown: null, cosign };
  const { size, date } = opened.inUse(null);
  const { times, dated, size: largest } = opened.shown;
  const first = [...times.values(), ...(dated ? [dated.time] : [])].reduce((a, b) => Math.min(a, b), Infinity);
  const shown = { size: largest, date: first === Infinity ? null : first, behind: opened.behind(null) };
  return { problem, size: opened.usable(null) ? size : null, date, newest: opened.entries.length, shown, cosign };
}

/** The first entry of an identity that counts, under the heads that a quorum without `lab` has cosigned; or null. `all`: whoever has cosigned it, or none. */
function first({ terms, log, index }, identity, lab, all = false) {
  const size = log.opened ? log.opened.inUse(lab).size : 0;
  return (index.get(identity) ?? []).find((entry) => (all || entry.at < size) && countsUnder(entry, terms)) ?? null;
}

/**
 * {drawn, passed}: when the round that draws from a claim is due (Unix seconds), and whether the log has a pass by an inspector, whose record the browser does not judge; null where none is agreed, or nothing
 * dates what the claim rests on.
 */
function drawnFor(book, { lab, period, end }, claim) {
  const { terms: { inspection, deadlines, epochsPerPeriod }, log: { opened }, index, passes } = book;
  if (!inspection) return null;
  const moments = [opened.dateOf(claim.at, lab)];
  for (let epoch = period * epochsPerPeriod; epoch < (period + 1) * epochsPerPeriod; epoch++) {
    const entry = onlyOne(book, identityOf(EPOCH, lab, lab, epoch)) ?? (index.get(identityOf(EPOCH, lab, lab, epoch)) ?? [])[0];
    moments.push(entry ? opened.dateOf(entry.at, lab) : null);
  }
  if (moments.includes(null)) return null;
  const due = deadlines ? Math.max(deadlines.epoch, deadlines.claim) : 0;
  const settled = moments.reduce((a, b) => Math.max(a, b), end + due) + inspection.margin;
  const drawn = ROUNDS.genesis + (Math.max(1, Math.floor((settled - ROUNDS.genesis) / ROUNDS.period) + 2) - 1) * ROUNDS.period;
  const { size } = opened.inUse(lab);
  return { drawn, passed: (passes.get(`${lab}-${period}`) ?? []).some((entry) => entry.at < size && countsUnder(entry, book.terms)) };
}

/** An entry that has no rival: its signature is verified with the claim that rests on it (verifier/log.js). */
function onlyOne({ index }, identity) {
  const entries = index.get(identity) ?? [];
  return entries.length === 1 ? entries[0] : null;
}

function inTheLog(book, item, until) {
  const { opened, problem } = book.log;
  if (!opened) return { logged: null, logProblem: problem, held: "", asOf: null, inspection: null, hours: latenessOf(book, item, until, null) };
  const { lab, period } = item;
  const entry = first(book, identityOf(CLAIM, lab, lab, period), lab);
  const waits = opened.behind(lab).map(({ name, date }) => `${name} (${date === null ? "no head at all" : `not since ${moment(date)}`})`);
  return {
    logged: entry && { claim: toHex(entry.first), roots: toHex(entry.second) },
    logProblem: opened.usable(lab) ? "" : `No head of the log has enough cosignatures of other parties: not cosigned by ${waits.join(", ")}.`,
    held: heldUp(book, item, waits),
    asOf: entry ? null : opened.inUse(lab).date ?? 0,
    inspection: entry ? drawnFor(book, item, entry) : null,
    hours: latenessOf(book, item, until, (epoch) => onlyOne(book, identityOf(EPOCH, lab, lab, epoch)) ?? first(book, identityOf(EPOCH, lab, lab, epoch), lab, true)),
  };
}

/** Why a claim that the lab has delivered does not count yet, through no fault of its own; "" where it has not delivered it, or where it counts. */
function heldUp(book, { lab, period }, waits) {
  const { terms: { epochsPerPeriod, log: { cosignatures, operator } }, log: { opened }, delivered, index } = book;
  const wanted = [identityOf(CLAIM, lab, lab, period)];
  for (let epoch = period * epochsPerPeriod; epoch < (period + 1) * epochsPerPeriod; epoch++) wanted.push(identityOf(EPOCH, lab, lab, epoch));
  const { size } = opened.inUse(lab);
  if (!opened.usable(lab) || !wanted.some((identity) => (index.get(identity) ?? []).some((entry) => entry.at >= size))) return "";
  let waiting = false;
  for (const identity of wanted) {
    const entry = first(book, identity, lab, true);
    if (!entry) return "";
    if (entry.at < size) continue;
    waiting = true;
    if (entry.at < Infinity) continue;
    const { times } = delivered.find((item) => equalBytes(item.entry.unsigned, entry.unsigned));
    if (times.size < cosignatures) return "";
    const who = [...times].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, time]) => `${name} on ${moment(time)}`).join(", ");
    const what = entry.kind === CLAIM ? `the claim of period ${period}` : `epoch ${entry.number}`;
    return `Delivered: ${who} countersigned lab ${lab}\u2019s entry of ${what}, and the log\u2019s operator ${operator} left it out.`;
  }
  return waiting ? `It is in the log, and waits for cosignatures: the head of size ${opened.shown.size} is not cosigned by ${waits.join(", ")}.` : "";
}

/**
 * {evidence, conflicts, inspected}: what speaks against a lab's claim of a period. Conflicts are two entries of one identity, and `inspected` failures and
 * refusals that an inspector entered, under any head that the log signed.
 */
function against({ terms, index, findings }, { lab, period }, convicted) {
  const mine = convicted.filter((item) => item.lab === lab && item.period === period && item.agreement === terms.digestHex);
  const conflicts = [];
  const last = (period + 1) * terms.epochsPerPeriod;
  for (let epoch = period * terms.epochsPerPeriod; epoch < last; epoch++) {
    if (isTwofold(terms, index.get(identityOf(EPOCH, lab, lab, epoch)))) conflicts.push(`Lab ${lab} published two different entries for epoch ${epoch}.`);
  }
  if (isTwofold(terms, index.get(identityOf(CLAIM, lab, lab, period)))) conflicts.push(`Lab ${lab} published two different claims for period ${period}.`);
  const inspected = (findings.get(`${lab}-${period}`) ?? []).filter((entry) => countsUnder(entry, terms));
  return { evidence: mine.map((item) => item.text), conflicts, inspected: inspected.map(({ author, outcome }) => `${author} entered in the log that the inspection was ${outcome}.`) };
}

function isTwofold(terms, entries = []) {
  const [one, ...others] = entries;
  if (!others.some((entry) => !equalBytes(entry.unsigned, one.unsigned))) return false;
  const signed = entries.filter((entry) => countsUnder(entry, terms));
  return signed.some((entry) => !equalBytes(entry.unsigned, signed[0].unsigned));
}
