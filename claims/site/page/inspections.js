/** What the log says of inspections, and what follows: as claims/inspection/count.py and claims/inspection/record.py. The draws themselves are the inspectors' to check. */

import { first, isTwofold } from "./book.js";
import { canonical } from "./canonical.js";
import { ascii, concat, equalBytes, fromHex, sha256, toHex, uint } from "./verifier/bytes.js";
import { verifySignature } from "./verifier/ed25519.js";
import { EPOCH, identityOf } from "./verifier/entries.js";

const ROUNDS = { genesis: 1692803367, period: 3 }; // of the public randomness, as claims/inspection/beacon.py
const FORMAT = "standstill-inspection-record/2";
const DOMAIN = ascii("standstill/sign/inspection-record/v1");
const FIELDS = ["agreement", "author", "committed", "draws", "failures", "format", "heads", "lab", "opening", "outcome", "period", "round", "signature", "slots"];
const FAILURES = ["external", "genesis", "heads", "joules", "meter-signature", "overlap", "power", "proof", "reading-path", "reading-values", "selection", "site", "slot-missing", "slot-path", "slot-values"];
const LIMIT = 64 * 1024;

const timeOf = (round) => ROUNDS.genesis + (Number(round) - 1) * ROUNDS.period;

/** The number of the round that draws from what was committed to by a moment. */
function roundOf({ deadlines, inspection, start, epochSeconds, epochsPerPeriod }, period, committed) {
  const due = deadlines ? Math.max(deadlines.epoch, deadlines.claim) : 0;
  const settled = Math.max(start + (period + 1) * epochsPerPeriod * epochSeconds + due, committed) + inspection.margin;
  return Math.max(1, Math.floor((settled - ROUNDS.genesis) / ROUNDS.period) + 2);
}

/** SHA-256 (hex) of each of these files to its bytes. */
export const recordsBySum = (files) => new Map(files.filter((data) => data.length <= LIMIT).map((data) => [toHex(sha256(data)), data]));

/**
 * {drawn, entries}: when the round that draws from a claim is due (Unix seconds; null: nothing dates what the claim rests on), and every inspection of it in the log: {author, outcome, counts (null:
 * what is not here decides), heads (hex, that it is about, or null), failures (names), ifLost (whether it counts only of a claim that lists losses)}. Null where no inspection is agreed. `entry`: the claim's in the log; `records`: of recordsBySum.
 */
export function inspectionsOf(book, { lab, period }, entry, records) {
  const { terms, log: { opened }, index } = book;
  if (!terms.inspection) return null;
  const moments = [opened.dateOf(entry.at, lab)];
  for (let epoch = period * terms.epochsPerPeriod; epoch < (period + 1) * terms.epochsPerPeriod; epoch++) {
    const own = first(book, identityOf(EPOCH, lab, lab, epoch), lab);
    moments.push(own ? opened.dateOf(own.at, lab) : null);
  }
  const round = moments.includes(null) ? null : roundOf(terms, period, Math.max(...moments));
  const identities = new Set((book.inspections.get(`${lab}-${period}`) ?? []).map(({ identity }) => identity));
  const found = [...identities].map((identity) => first(book, identity, lab, true)).filter(Boolean).sort((a, b) => a.at - b.at);
  const entries = found.map((item) => ({ author: item.author, outcome: item.outcome, ...judge(book, item, round, records, index.get(item.identity)) }));
  return { drawn: round === null ? null : timeOf(round), entries };
}

function judge(book, item, round, records, versions) {
  const { terms, log: { opened }, voided } = book;
  const isUsed = item.at < opened.inUse(item.lab).size;
  const dated = opened.dateOf(item.at, item.lab);
  const moment = dated ?? (isUsed ? null : opened.dates(item.lab).seen(item.at));
  const no = { counts: false, heads: null, failures: [], ifLost: false };
  if (round !== null && (item.round > BigInt(round) || (item.round < BigInt(round) && item.outcome === "passed"))) return no;
  if (item.outcome === "passed" && (!isUsed || (dated ?? Infinity) < timeOf(item.round))) return no;
  if (item.outcome === "refused") {
    const undated = moment === null && !isUsed;
    if (!terms.deadlines || (!undated && (moment === null || moment <= timeOf(item.round) + terms.deadlines.opening))) return no;
  }
  const data = records.get(toHex(item.record));
  if (!data || (item.outcome === "refused" && moment === null)) return { ...no, counts: null };
  const record = readRecord(data, item.at === Infinity ? terms : book.keys.at(item.at));
  const isOf = record && record.author === item.author && record.lab === item.lab && record.period === item.number && BigInt(record.round) === item.round && record.outcome === item.outcome;
  const { draws, slots } = terms.inspection;
  const more = record.draws > draws; // what is lost, or has no joules, draws another
  if (!isOf || record.draws < draws || record.draws > 2 * draws || record.slots !== slots || record.round !== roundOf(terms, record.period, record.committed)) return no;
  if (item.outcome === "passed" && (voided.has(item.identity) || isTwofold(book.keys, versions))) return no;
  return { counts: true, heads: record.heads, failures: record.failures, ifLost: more && !terms.feeds.some(({ lab }) => lab === item.lab) };
}

/** The fields of a record that its author signed and that fits the agreement, or null. */
function readRecord(data, terms) {
  try {
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data));
    if (value.format !== FORMAT || !equalBytes(ascii(canonical(value)), data) || Object.keys(value).sort().join() !== FIELDS.join()) return null;
    const numbers = [value.period, value.round, value.committed, value.draws, value.slots];
    if (!numbers.every((item) => Number.isSafeInteger(item) && item >= 0) || !isSensible(value)) return null;
    const author = terms.parties.find(({ name }) => name === value.author);
    const agreed = value.agreement === terms.digestHex && terms.labs.some(({ name }) => name === value.lab);
    const { signature, ...signed } = value;
    const message = concat([uint(DOMAIN.length, 2), DOMAIN, sha256(ascii(canonical(signed)))]);
    return author && agreed && verifySignature(author.key, fromHex(signature), message) ? value : null;
  } catch {
    return null; // not JSON, or not the fields that belong there
  }
}

function bytes(text, length) {
  const data = fromHex(text);
  if (data === null || data.length !== length) throw new Error("not bytes in hexadecimal");
  return data;
}

function isSensible({ author, lab, outcome, failures, opening, heads }) {
  if (author === lab || failures.some((item, i) => !FAILURES.includes(item) || (i > 0 && failures[i - 1] >= item))) return false;
  for (const item of [opening, heads]) if (item !== null) bytes(item, 32);
  if (outcome === "passed") return failures.length === 0 && opening !== null && heads !== null;
  if (outcome === "failed") return failures.length > 0 && opening !== null;
  return outcome === "refused" && failures.length === 0 && opening === null && heads === null;
}

/** What follows for a claim that holds otherwise: "" (not agreed, or not drawn yet), "waiting", "open" (a record is needed), "passed" or "failed". `finding`: of the claim. */
export function inspectedAs(found, { heads, losses }, time) {
  if (!found) return "";
  const { drawn } = found;
  const entries = found.entries.map((item) => ({ ...item, counts: item.counts && (!item.ifLost || losses.length > 0) }));
  const isPass = ({ outcome }) => outcome === "passed";
  const against = entries.filter((item) => !isPass(item));
  if (drawn === null) return against.some(({ outcome, counts }) => counts && outcome === "failed") ? "failed" : "waiting";
  if (against.some(({ counts }) => counts)) return "failed";
  if (against.some(({ counts }) => counts === null)) return "open";
  if (time < drawn) return "";
  const passes = entries.filter(isPass);
  if (passes.some((item) => item.counts && item.heads === heads)) return "passed";
  return passes.some(({ counts }) => counts === null) ? "open" : "waiting";
}

/** Sentences about findings whose record is not here. */
export const unreadFindings = (found) =>
  (found ? found.entries : []).filter(({ outcome, counts }) => outcome !== "passed" && counts === null).map(({ author, outcome }) => `${author} entered in the log that the inspection was ${outcome}. Its record decides, and is not here.`);
