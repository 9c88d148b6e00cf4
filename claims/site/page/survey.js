/**
 * The browser's own picture of a standstill, without the claims themselves: which agreements hold and who signed them, which claims they want by
 * when, what the log has of each, when the pause was lifted, and who contradicted itself. From bytes alone: nothing of the publisher's computation.
 */

import { countedDecisions, liftedSpans } from "./decisions.js";
import { conviction } from "./evidence.js";
import { schedule } from "./schedule.js";
import { decodeAgreement, firstPeriod } from "./verifier/agreement.js";
import { equalBytes, toHex } from "./verifier/bytes.js";
import { ASSENT, CLAIM, DECISION, EPOCH, INSPECTION, countsUnder, decodeEntry, identityOf } from "./verifier/entries.js";
import { Rejected } from "./verifier/errors.js";
import { openLog } from "./verifier/log.js";
import { decodeSignatures, missingSignatures } from "./verifier/signatures.js";

const MAX_CHAIN = 64;

/**
 * `agreements`: [{agreement, signatures}], bytes (signatures may be null), the present one first. `decisions`, `evidence`: lists of bytes. `log`: bytes
 * of the bundle, or null. `until`: Unix seconds. Throws where the picture cannot be computed. Returns plain values:
 *
 *     digest, chain       of the present agreement; for each agreement of the chain, newest first: {place in `agreements`, from (period), log (whether one is agreed)}
 *     start, end          of the present agreement, Unix seconds
 *     unsigned, gaps      parties whose assent is missing; why periods before the present agreement cannot be judged
 *     lifted              spans in which the pause was lifted under the present agreement
 *     items               one for each lab and begun period (schedule.js), with
 *                         logged {claim, roots (hex), time} or null, logProblem (text), asOf (date of the head in use, or null), hours {ended, late,
 *                         allowed (or null)}, and sentences: evidence, conflicts (against the lab), inspected (findings that the log has)
 *     breaches            by others than a lab in a period
 *     log                 null, or {problem, size, date (of the head in use), newest (entries here that the log signed), shown (size of the largest head that
 *                         it signed), cosign (agreed time for cosigning, seconds, or null)}
 */
export function survey({ agreements, decisions, evidence, log, until }) {
  const chain = chainOf(agreements);
  const books = chain.map((item) => ({ ...item, log: logOf(item.terms, log) }));
  for (const book of books) Object.assign(book, indexOf(book));
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
function logOf(terms, log) {
  if (!terms.log) return { opened: null, problem: "" };
  if (!log) return { opened: null, problem: "The log is not here." };
  try {
    return { opened: openLog(terms, log), problem: "" };
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    return { opened: null, problem: `The log cannot be used: ${error.reason}.` };
  }
}

/**
 * {index, findings}: entries of this agreement by what there may be one of, a map of lists; and failures and refusals by inspectors, by LAB-PERIOD. Signatures are
 * verified when they are asked for.
 */
function indexOf({ terms, log }) {
  const [index, findings] = [new Map(), new Map()];
  const add = (map, key, value) => map.set(key, [...(map.get(key) ?? []), value]);
  if (log.opened) {
    log.opened.entries.forEach((data, at) => {
      const entry = decodeEntry(data);
      if (!entry || entry.kind === DECISION || !equalBytes(entry.agreement, terms.digest)) return;
      add(index, entry.identity, { ...entry, at });
      if (entry.kind === INSPECTION && terms.inspection && entry.outcome !== "passed") add(findings, `${entry.lab}-${entry.number}`, entry);
    });
  }
  return { index, findings };
}

const logLine = ({ terms: { deadlines }, log: { opened, problem } }) => ({ problem, newest: opened ? opened.newest : null, shown: opened ? opened.shown : null, cosign: deadlines ? deadlines.cosign : null, ...(opened ? opened.inUse(null) : { size: null, date: null }) });

/** The first entry of an identity that counts, under the heads that a quorum without `lab` has cosigned; or null. */
function first({ terms, log, index }, identity, lab) {
  const size = log.opened ? log.opened.inUse(lab).size : 0;
  return (index.get(identity) ?? []).find((entry) => entry.at < size && countsUnder(entry, terms)) ?? null;
}

function inTheLog(book, item, until) {
  const { opened, problem } = book.log;
  if (!opened) return { logged: null, logProblem: problem, asOf: null, hours: null };
  const { lab, period } = item;
  const { size, date } = opened.inUse(lab);
  const entry = first(book, identityOf(CLAIM, lab, lab, period), lab);
  return {
    logged: entry && { claim: toHex(entry.first), roots: toHex(entry.second), time: opened.dateOf(entry.at, lab) },
    logProblem: size ? "" : "No head of the log has enough cosignatures of other parties.",
    asOf: date,
    hours: hoursOf(book, item, until),
  };
}

/**
 * How many epochs of a period have ended, and how many of those came late by the heads that are here: a quorum cosigned, after the deadline, a head without the entry, and
 * nobody but the lab and the operator had it in time. `allowed`: how many may; null: any number. Null without [deadlines].
 */
function hoursOf({ terms, log: { opened }, index }, { lab, period }, until) {
  if (!terms.deadlines) return null;
  const { epochsPerPeriod, epochSeconds, start, deadlines } = terms;
  const { size } = opened.inUse(lab);
  let [ended, late] = [0, 0];
  for (let epoch = period * epochsPerPeriod; epoch < (period + 1) * epochsPerPeriod; epoch++) {
    const end = start + (epoch + 1) * epochSeconds;
    if (end > until) break;
    ended++;
    const deadline = end + deadlines.epoch;
    const entries = (index.get(identityOf(EPOCH, lab, lab, epoch)) ?? []).filter((entry) => entry.at < size);
    const entry = entries.length > 1 ? entries.find((other) => countsUnder(other, terms)) : entries[0];
    const at = entry ? entry.at : size;
    const stamp = entry ? opened.stampOf(at, lab) : null;
    const absent = opened.absentAt(at, lab);
    if (absent !== null && absent > deadline && !(stamp !== null && stamp <= deadline)) late++;
  }
  return { ended, late, allowed: deadlines.lateEpochs };
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
