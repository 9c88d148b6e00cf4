/**
 * The browser's own picture of a standstill, without the claims themselves: which agreements hold and who signed them, which claims they want by
 * when, what the log has of each, when the pause was lifted, and who contradicted itself. From bytes alone: nothing of the publisher's computation.
 */

import { countedDecisions, liftedSpans } from "./decisions.js";
import { conviction } from "./evidence.js";
import { schedule } from "./schedule.js";
import { decodeAgreement, firstPeriod } from "./verifier/agreement.js";
import { equalBytes, toHex } from "./verifier/bytes.js";
import { ASSENT, CLAIM, DECISION, EPOCH, countsUnder, decodeEntry, identityOf } from "./verifier/entries.js";
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
 *                         logged {claim, roots (hex), time} or null, logProblem (text), and evidence, conflicts: sentences against the lab
 *     breaches            by others than a lab in a period
 *     log                 null, or {problem}
 */
export function survey({ agreements, decisions, evidence, log, until }) {
  const chain = chainOf(agreements);
  const books = chain.map((item) => ({ ...item, log: logOf(item.terms, log) }));
  for (const book of books) book.index = indexOf(book);
  const [current] = books;
  const convicted = evidence.map((data) => books.map(({ terms }) => conviction(data, terms)).find(Boolean)).filter(Boolean);
  let before = Infinity;
  const items = books.flatMap((book) => {
    const { terms } = book;
    book.spans = liftedSpans(countedDecisions(terms, decisions, book.log.opened));
    const wanted = partiesLeft(book).length ? [] : schedule(terms, until, { before, spans: book.spans });
    before = Math.min(before, firstPeriod(terms));
    return wanted.map((item) => ({ ...item, ...inTheLog(book, item), ...against(book, item, convicted) }));
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
    log: current.terms.log ? { problem: current.log.problem } : null,
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

/** Entries of this agreement by what there may be one of: a map of lists; signatures are verified when they are asked for. */
function indexOf({ terms, log }) {
  const index = new Map();
  if (!log.opened) return index;
  log.opened.entries.forEach((data, at) => {
    const entry = decodeEntry(data);
    if (!entry || entry.kind === DECISION || !equalBytes(entry.agreement, terms.digest)) return;
    if (!index.has(entry.identity)) index.set(entry.identity, []);
    index.get(entry.identity).push({ ...entry, at });
  });
  return index;
}

/** The first entry of an identity that counts, under the heads that a quorum without `lab` has cosigned; or null. */
function first({ terms, log, index }, identity, lab) {
  const size = log.opened ? log.opened.shownTo(lab) : 0;
  return (index.get(identity) ?? []).find((entry) => entry.at < size && countsUnder(entry, terms)) ?? null;
}

function inTheLog(book, { lab, period }) {
  if (!book.log.opened) return { logged: null, logProblem: book.log.problem };
  const entry = first(book, identityOf(CLAIM, lab, lab, period), lab);
  const logProblem = book.log.opened.shownTo(lab) ? "" : "No head of the log has enough cosignatures of other parties.";
  if (!entry) return { logged: null, logProblem };
  return { logProblem, logged: { claim: toHex(entry.first), roots: toHex(entry.second), time: book.log.opened.dateOf(entry.at, lab) } };
}

/** {evidence, conflicts}: what speaks against a lab's claim of a period; conflicts are two entries of one identity under any head that the log signed. */
function against({ terms, index }, { lab, period }, convicted) {
  const mine = convicted.filter((item) => item.lab === lab && item.period === period && item.agreement === terms.digestHex);
  const conflicts = [];
  const last = (period + 1) * terms.epochsPerPeriod;
  for (let epoch = period * terms.epochsPerPeriod; epoch < last; epoch++) {
    if (isTwofold(terms, index.get(identityOf(EPOCH, lab, lab, epoch)))) conflicts.push(`Lab ${lab} published two different entries for epoch ${epoch}.`);
  }
  if (isTwofold(terms, index.get(identityOf(CLAIM, lab, lab, period)))) conflicts.push(`Lab ${lab} published two different claims for period ${period}.`);
  return { evidence: mine.map((item) => item.text), conflicts };
}

function isTwofold(terms, entries = []) {
  const [one, ...others] = entries;
  if (!others.some((entry) => !equalBytes(entry.unsigned, one.unsigned))) return false;
  const signed = entries.filter((entry) => countsUnder(entry, terms));
  return signed.some((entry) => !equalBytes(entry.unsigned, signed[0].unsigned));
}
