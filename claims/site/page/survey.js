/**
 * The browser's own picture of a standstill, without the claims themselves: which agreements hold and who signed them, which claims they want by
 * when, what the log has of each, when the pause was lifted, and who contradicted itself. From bytes alone: nothing of the publisher's computation.
 */

import { gapsOf, openAgreements, rivalsOf, successorsOf } from "./agreements.js";
import { first, isTwofold, onlyOne } from "./book.js";
import { countedDecisions, liftedSpans } from "./decisions.js";
import { conviction } from "./evidence.js";
import { inspectionsOf, recordsBySum } from "./inspections.js";
import { latenessOf } from "./lateness.js";
import { schedule } from "./schedule.js";
import { moment } from "./text.js";
import { firstPeriod } from "./verifier/terms.js";
import { transfersOf } from "./verifier/allowances.js";
import { concat, equalBytes, toHex } from "./verifier/bytes.js";
import { CLAIM, EPOCH, LOSS, TRANSFER, identityOf } from "./verifier/entries.js";
import { FEED, METER } from "./verifier/keys.js";
import { LOST_METER } from "./verifier/losses.js";

/**
 * `agreements`: [{agreement, signatures}], bytes (signatures may be null), the present one first, others in any order. `decisions`, `evidence`, `receipts`, `records`: lists of bytes. `log`: bytes
 * of the bundle, or null. `until`: Unix seconds. Throws where the picture cannot be computed. Returns plain values:
 *
 *     digest, chain       of the present agreement; for each agreement of the chain, newest first: {place in `agreements`, digest, from (period), log (whether one is agreed)}
 *     start, end, periods of the present agreement, Unix seconds, and how many periods it has
 *     unsigned, gaps      parties whose assent is missing; why periods before the present agreement cannot be judged
 *     successors          amendments of the present agreement that all have signed: [{digest, from (period), begin (Unix seconds)}]
 *     lifted              spans in which the pause was lifted under the present agreement
 *     items               one for each lab and begun period (schedule.js), with present (whether under the present agreement),
 *                         logged {claim, roots (hex)} or null, logProblem (text), held (why a claim that was delivered does not count yet, or ""), asOf (until when this copy of the log
 *                         shows that there is no claim: a date, or null: without end), silenced (whether the lab has no key that could sign), inspections (inspections.js) or null, hours (lateness.js), delivered (transfers of the period in receipts, hex), and sentences: evidence, conflicts (against the lab)
 *     moved               transfers of cap, for each period that has any: {agreement (digest, hex), period, transfers: [{text, state, counts, giver, receiver}]}
 *     keys                of the present agreement that changed, and changes that lack words: sentences
 *     breaches            by others than a lab in a period
 *     log                 null, or {problem, size, date (of the head in use; size null where there is none), newest (entries here that the log signed), shown {size, date (least that anyone gives
 *                         it, or null), behind [{name, size, date}]} or null: the largest head that it signed, cosign (agreed time for cosigning, seconds, or null)}
 */
export function survey({ agreements, decisions, evidence, receipts = [], records = [], log, until }) {
  const { books, others } = openAgreements(agreements, log, receipts, until);
  const [current] = books;
  const convicted = evidence.map((data) => books.map((book) => convictionIn(data, book)).find(Boolean)).filter(Boolean);
  for (const book of books) book.voided = new Set(convicted.filter((item) => item.agreement === book.terms.digestHex).map((item) => item.identity));
  const recorded = recordsBySum(records);
  let before = Infinity;
  const items = books.flatMap((book) => {
    const { terms } = book;
    book.spans = liftedSpans(countedDecisions(terms, decisions, book.log.opened));
    const wanted = book.unsigned.length ? [] : schedule(terms, until, { before, spans: book.spans });
    before = Math.min(before, firstPeriod(terms));
    book.items = wanted.map((item) => ({ ...item, present: book === current, ...inTheLog(book, item, until, recorded), ...against(book, item, convicted) }));
    return book.items;
  });
  const { digestHex, start, epochSeconds, epochsPerPeriod, periods } = current.terms;
  return {
    digest: digestHex,
    chain: books.map(({ place, terms }) => ({ place, digest: terms.digestHex, from: firstPeriod(terms), log: terms.log !== null })),
    start: start + firstPeriod(current.terms) * epochSeconds * epochsPerPeriod,
    end: start + periods * epochSeconds * epochsPerPeriod,
    periods,
    unsigned: current.unsigned,
    gaps: gapsOf(books),
    successors: successorsOf(books, others),
    lifted: current.spans,
    items,
    moved: books.flatMap(movedIn),
    keys: current.keys.texts(),
    breaches: [...rivalsOf(books, others), ...convicted.filter((item) => item.breach).map((item) => item.text)],
    log: current.terms.log ? logLine(current) : null,
  };
}

/** What a file convicts under an agreement by keys that are not revoked; none where only a log that is not here could say which. */
const convictionIn = (data, { terms, keys, log }) => (terms.keys && !log.opened ? null : keys.undated.map((view, _, views) => conviction(data, view, views)).find(Boolean) ?? null);

// ---- the log ----

function logLine({ terms: { deadlines }, log: { opened, problem } }) {
  const cosign = deadlines ? deadlines.cosign : null;
  if (!opened) return { problem, size: null, date: null, newest: null, shown: null, cosign };
  const { size, date } = opened.inUse(null);
  const shown = { size: opened.shown.size, date: opened.shownDate, behind: opened.behind(null) };
  return { problem, size: opened.usable(null) ? size : null, date, newest: opened.entries.length, shown, cosign };
}

function inTheLog(book, item, until, records) {
  const { opened, problem } = book.log;
  if (!opened) return { logged: null, logProblem: problem, held: "", asOf: null, silenced: false, inspections: null, delivered: [], hours: latenessOf(book, item, until, null) };
  const { lab, period } = item;
  const entry = first(book, identityOf(CLAIM, lab, lab, period), lab);
  const waits = opened.behind(lab).map(({ name, date }) => `${name} (${date === null ? "no head at all" : `not since ${moment(date)}`})`);
  return {
    delivered: givenIn(book).filter(({ number }) => number === period).map((entry) => toHex(bytesOf(entry))),
    logged: entry && { claim: toHex(entry.first), roots: toHex(entry.second) },
    logProblem: opened.usable(lab) ? "" : `No head of the log has enough cosignatures of other parties: not cosigned by ${waits.join(", ")}.`,
    held: heldUp(book, item, waits),
    asOf: entry ? null : opened.inUse(lab).date ?? 0,
    silenced: silencedAt(book, item),
    inspections: entry ? inspectionsOf(book, item, entry, records) : null,
    hours: latenessOf(book, item, until, (epoch) => onlyOne(book, identityOf(EPOCH, lab, lab, epoch)) ?? first(book, identityOf(EPOCH, lab, lab, epoch), lab, true)),
  };
}

/** Whether the lab can publish nothing: a key that its claim needs was revoked before that was missing, and none took its place. Of a meter that has not signed the whole period, the lab says that it is lost. */
function silencedAt(book, { lab, period, missingAfter }) {
  const { keys, index: entries, terms, log: { opened } } = book;
  const end = (period + 1) * terms.epochsPerPeriod - 1;
  const last = first(book, identityOf(EPOCH, lab, lab, end), lab);
  const { meters } = terms.labs.find(({ name }) => name === lab);
  const inUse = opened.inUse(lab);
  return missingAfter !== null && keys.silent().some(({ role: { role, owner, holder }, index }) => {
    if (owner !== lab || role === FEED || (role === METER && (!last || index < last.at))) return false;
    if (role === METER && wordsOfLoss(keys, entries, lab).some((word) => word.number <= end && word.target === (word.what === LOST_METER ? holder : meters.find(({ name }) => name === holder).site))) return false;
    const date = opened.dateOf(index, lab) ?? (index < inUse.size ? null : inUse.date ?? 0);
    return date === null || date <= missingAfter;
  });
}

const givenIn = ({ delivered }) => delivered.map(({ entry }) => entry).filter(({ kind }) => kind === TRANSFER);
const bytesOf = ({ unsigned, signature }) => concat([unsigned, signature]);

/** The transfers for each period with a row under an agreement. */
function movedIn(book) {
  const { terms, items, log: { opened } } = book;
  if (!opened) return [];
  return [...new Set(items.map(({ period }) => period))].flatMap((period) => {
    const found = transfersOf(opened.entries, givenIn(book).map(bytesOf), terms, period, (index, names) => opened.dates(names).quorum(index));
    const transfers = found.map(({ text, state, counts, giver, receiver }) => ({ text, state, counts, giver, receiver }));
    return transfers.length ? [{ agreement: terms.digestHex, period, transfers }] : [];
  });
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
 * {evidence, conflicts}: what speaks against a lab's claim of a period. Conflicts are two entries of one identity, under any head that the log signed. evidence: {text, by: null, or where a log dates
 * losses, whose key it rests on: {meter, site, epoch (the last that it is about), said (whether the lab said in the log that it was lost by then)}}.
 */
function against({ terms, keys, index, gifts }, { lab, period }, convicted) {
  const mine = convicted.filter((item) => item.lab === lab && item.period === period && item.agreement === terms.digestHex);
  const conflicts = [];
  const last = (period + 1) * terms.epochsPerPeriod;
  for (let epoch = period * terms.epochsPerPeriod; epoch < last; epoch++) {
    if (isTwofold(keys, index.get(identityOf(EPOCH, lab, lab, epoch)))) conflicts.push(`Lab ${lab} published two different entries for epoch ${epoch}.`);
  }
  if (isTwofold(keys, index.get(identityOf(CLAIM, lab, lab, period)))) conflicts.push(`Lab ${lab} published two different claims for period ${period}.`);
  if ((gifts.get(`${lab}-${period}`) ?? []).some(({ identity }) => isTwofold(keys, index.get(identity)))) conflicts.push(`Lab ${lab} published two different transfers of one number for period ${period}.`);
  const own = terms.labs.find((item) => item.name === lab);
  const evidence = mine.map(({ text, meter, epoch }) => {
    if (meter === null || !terms.log) return { text, by: null };
    const { site } = own.meters.find(({ name }) => name === meter);
    return { text, by: { meter, site, epoch, said: wordsOfLoss(keys, index, lab).some((word) => word.number <= epoch && word.target === (word.what === LOST_METER ? meter : site)) } };
  });
  return { evidence, conflicts };
}

/** The lab's own entries that something is lost. */
const wordsOfLoss = (keys, index, lab) => [...index.values()].flat().filter((entry) => entry.kind === LOSS && entry.author === lab && entry.said === 1 && keys.counts(entry, entry.at));
