/** The agreements that are here: which one amends which, who has not assented, what took over, and what leaves earlier periods unjudged. As claims/status/compute.py. */

import { first, openBook, underTerms } from "./book.js";
import { decodeAgreement } from "./verifier/agreement.js";
import { firstPeriod } from "./verifier/terms.js";
import { equalBytes, toHex } from "./verifier/bytes.js";
import { goesOn } from "./verifier/hybrid.js";
import { ASSENT, identityOf } from "./verifier/entries.js";
import { Rejected } from "./verifier/errors.js";
import { decodeSignatures, missingSignatures } from "./verifier/signatures.js";

const MAX_CHAIN = 64;
const CALENDAR = ["start", "epochSeconds", "epochsPerPeriod"];

/**
 * {books, others}: the present agreement and those that it amends, newest first, each with its log (book.js), its `place` in the list and `unsigned`: parties whose assent is missing, or came
 * too late; and the other agreements that are here.
 */
export function openAgreements(agreements, log, receipts, until) {
  const decoded = agreements.map(({ agreement, signatures }, place) => ({ place, terms: decodeAgreement(agreement), signatures }));
  const chain = [decoded[0]];
  while (chain.length < MAX_CHAIN) {
    const { amends } = chain[chain.length - 1].terms;
    const next = amends && decoded.find(({ terms }) => equalBytes(terms.digest, amends.digest));
    if (!next) break;
    chain.push(next);
  }
  const books = chain.map((item) => openBook(item, log, receipts, until));
  for (const book of books) book.unsigned = unsignedOf(book);
  const known = new Set(books.map(({ terms }) => terms.digestHex));
  return { books, others: decoded.filter(({ terms }) => !known.has(terms.digestHex)) };
}

/** Parties that have not signed the file; all of them where it is not a signatures file of this agreement. */
function partiesLeft({ terms, signatures }) {
  try {
    if (signatures) return missingSignatures(decodeSignatures(signatures), terms);
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
  }
  return terms.parties.map((party) => party.name);
}

/** Parties whose assent is missing; with a log and sign_by, those too whose assent the log did not have in time. */
function unsignedOf(book) {
  const { opened } = book.log;
  return [...new Set([...partiesLeft(book), ...(opened && opened.usable(null) ? lateAssents(book) : [])])].sort();
}

function lateAssents(book) {
  const { terms, log: { opened } } = book;
  const signBy = terms.deadlines ? terms.deadlines.signBy : null;
  if (signBy === null) return [];
  return terms.parties.map(({ name }) => name).filter((name) => {
    const entry = first(book, identityOf(ASSENT, name), null);
    const time = entry && opened.dateOf(entry.at, name);
    return !entry || time === null || time > signBy;
  });
}

const keepsCalendar = (one, other) => CALENDAR.every((field) => one[field] === other[field]);
const beginOf = (terms) => terms.start + firstPeriod(terms) * terms.epochSeconds * terms.epochsPerPeriod;
const amends = (later, terms) => later.amends !== null && equalBytes(later.amends.digest, terms.digest);

const roleOf = (name) => ({ role: 1, owner: name, holder: name });

/** Amendments of the present agreement by all its parties that all of theirs have signed: [{digest, from (period), begin (Unix seconds)}]. */
export function successorsOf([current], others) {
  const { terms, keys } = current;
  const isIn = (name, later) => keys.livesOf(roleOf(name)).some(({ key }) => later.parties.some((party) => goesOn(key, party.key)))
    || (keys.silencedAt(name) !== null && later.parties.some((party) => party.name === name));
  const keeps = (later) => keepsCalendar(terms, later) && terms.parties.every(({ name }) => isIn(name, later));
  const found = others.filter((item) => amends(item.terms, terms) && keeps(item.terms) && !partiesLeft(item).length && !isLapsed(current, item.terms));
  return found.map((item) => ({ digest: item.terms.digestHex, from: firstPeriod(item.terms), begin: beginOf(item.terms) }));
}

/** Whether the log shows that an amendment did not come into force: its sign_by passed without the assents of all. */
function isLapsed(current, later) {
  const { terms, log: { opened } } = current;
  const signBy = later.deadlines ? later.deadlines.signBy : null;
  if (signBy === null || !later.log || !opened) return false;
  const isSame = later.log.origin === terms.log.origin && equalBytes(later.log.key, terms.log.key);
  return isSame && (opened.inUse(null).date ?? 0) > signBy && lateAssents(underTerms(current, later)).length > 0;
}

/** The keys by which a party's assent is known; none where only a log that is not here could say which. */
const unrevoked = ({ terms, keys, log }, name) => (terms.keys && !log.opened ? [] : keys.livesOf(roleOf(name)).filter(({ revoked }) => revoked === null).map(({ key }) => key));

/** Sentences: who signed two amendments of one agreement that all had signed. Names are the amended agreement's, or, where that is not here, its known amendment's. */
export function rivalsOf(books, others) {
  const complete = [books[0], ...books.slice(1), ...others].filter((item) => item.terms.amends && !partiesLeft(item).length);
  const known = new Map(books.map((book) => [book.terms.digestHex, book.terms.parties.map(({ name }) => ({ name, own: unrevoked(book, name) }))]));
  const oldest = books[books.length - 1].terms;
  if (oldest.amends) known.set(toHex(oldest.amends.digest), oldest.parties.map(({ name, key }) => ({ name, own: [key] })));
  return [...known].flatMap(([digest, parties]) => {
    const rivals = complete.filter(({ terms }) => toHex(terms.amends.digest) === digest);
    const count = ({ own }) => rivals.filter(({ terms }) => terms.parties.some((party) => own.some((key) => goesOn(key, party.key)))).length;
    const twice = parties.filter((party) => count(party) > 1).map(({ name }) => name);
    return twice.length ? [`${twice.join(", ")} signed ${rivals.length} amendments of agreement ${digest}.`] : [];
  });
}

/** Why periods before the present agreement cannot be judged: what is hidden there would be forgiven. */
export function gapsOf(books) {
  const gaps = [];
  const oldest = books[books.length - 1].terms;
  if (oldest.amends) gaps.push(`The agreement that this one amends, ${toHex(oldest.amends.digest)}, is not here: nobody can tell whether it was kept.`);
  for (const { terms, log } of books) {
    if (!terms.deadlines || terms.deadlines.signBy === null || !terms.log || (log.opened && log.opened.usable(null))) continue;
    gaps.push(`Nobody can tell whether every party assented to agreement ${terms.digestHex} by its sign_by: its log cannot be used.`);
  }
  for (let i = 1; i < books.length; i++) {
    const [newer, older] = [books[i - 1].terms, books[i].terms];
    const name = `The amended agreement ${older.digestHex}`;
    const begin = firstPeriod(newer);
    if (books[i].unsigned.length) gaps.push(`${name} is not signed by ${books[i].unsigned.join(", ")}.`);
    else if (!keepsCalendar(older, newer)) gaps.push(`${name} has another calendar.`);
    else if (firstPeriod(older) > begin) gaps.push(`${name} begins after the one that amends it.`);
    else if (older.periods < begin) gaps.push(`${name} ends before the one that amends it begins.`);
  }
  return gaps;
}
