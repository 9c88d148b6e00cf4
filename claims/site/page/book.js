/** A log's entries under one agreement: what each identity signed, first and rivals. */

import { readReceipts } from "./receipts.js";
import { equalBytes } from "./verifier/bytes.js";
import { DECISION, INSPECTION, KEY, TRANSFER, decodeEntry } from "./verifier/entries.js";
import { Rejected } from "./verifier/errors.js";
import { keysOf } from "./verifier/keys.js";
import { openLog } from "./verifier/log.js";

/** An agreement with its log and what that says: {...item, log: {opened, problem}, keys (keys.js), index, inspections, gifts, delivered}. `item`: with `terms`. */
export function openBook(item, log, receipts, now) {
  const book = withKeys({ ...item, log: logOf(item.terms, log, now) });
  return Object.assign(book, indexOf(book, log && readReceipts(receipts, book.keys.undated)));
}

/** The same log as it speaks under another agreement. */
export function underTerms({ log }, terms) {
  const book = withKeys({ terms, log });
  return Object.assign(book, indexOf(book, []));
}

const withKeys = (book) => ({ ...book, keys: keysOf(book.log.opened && book.log.opened.entries, book.terms) });

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
 * {index, inspections, gifts, delivered}: entries of this agreement by what there may be one of, a map of lists, those of receipts last; inspections, and transfers by their giver, by LAB-PERIOD; and
 * receipts (receipts.js). Signatures of the log's entries are verified when they are asked for.
 */
function indexOf({ terms, log }, receipts) {
  const [index, inspections, gifts] = [new Map(), new Map(), new Map()];
  const delivered = log.opened ? receipts ?? [] : [];
  const add = (map, key, value) => map.set(key, [...(map.get(key) ?? []), value]);
  const enter = (entry, at) => {
    if (!entry || [DECISION, KEY].includes(entry.kind) || !equalBytes(entry.agreement, terms.digest)) return;
    add(index, entry.identity, { ...entry, at });
    if (entry.kind === TRANSFER) add(gifts, `${entry.author}-${entry.number}`, entry);
    if (entry.kind === INSPECTION && terms.inspection) add(inspections, `${entry.lab}-${entry.number}`, entry);
  };
  if (log.opened) log.opened.entries.forEach((data, at) => enter(decodeEntry(data), at));
  for (const { entry } of delivered) enter(entry, Infinity);
  return { index, inspections, gifts, delivered };
}

/** The first entry of an identity that counts, under the heads that a quorum without `lab` has cosigned; or null. `all`: whoever has cosigned it, or none. */
export function first({ keys, log, index }, identity, lab, all = false) {
  const size = log.opened ? log.opened.inUse(lab).size : 0;
  return (index.get(identity) ?? []).find((entry) => (all || entry.at < size) && keys.counts(entry, entry.at)) ?? null;
}

/** An entry that has no rival: its signature is verified with the claim that rests on it (verifier/log.js). */
export function onlyOne({ index }, identity) {
  const entries = index.get(identity) ?? [];
  return entries.length === 1 ? entries[0] : null;
}

/** Whether an author signed two entries of one identity. */
export function isTwofold(keys, entries = []) {
  const [one, ...others] = entries;
  if (!others.some((entry) => !equalBytes(entry.word, one.word))) return false;
  const signed = entries.filter((entry) => keys.counts(entry, entry.at));
  return signed.some((entry) => !equalBytes(entry.word, signed[0].word));
}
