/** When a pause was lifted: from decisions that enough of those who decide have signed, and entered in the log. claims/FORMATS.md section 9. */

import { ascii, concat, equalBytes, fromHex, uint } from "./verifier/bytes.js";
import { verifySignature } from "./verifier/ed25519.js";
import { Rejected } from "./verifier/errors.js";
import { datedLog } from "./verifier/log.js";
import { Reader } from "./verifier/reader.js";
import { logEntryMessage } from "./verifier/signatures.js";
import { isProse } from "./verifier/text.js";

const DOMAIN = ascii("standstill/sign/decision/v1");
const ENTRY_MAGIC = ascii("standstill-log");
const DECISION = 5;
const KINDS = { lift: 1, trigger: 2 };
const MAX_TIME = 253402300799;

/** {decision, effective} of a decision file that counts under the agreement, else null. */
export function readDecision(data, agreement) {
  let value;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
  } catch {
    return null;
  }
  if (!value || value.format !== "standstill-decision/1" || !Object.hasOwn(KINDS, value.decision) || !agreement.pause) return null;
  const { decision, effective, reason, signatures } = value;
  if (!Number.isInteger(effective) || effective < 0 || effective > MAX_TIME) return null;
  if (typeof reason !== "string" || !isProse(reason) || !Array.isArray(signatures)) return null;
  const digest = fromHex(value.agreement);
  if (digest === null || !equalBytes(digest, agreement.digest)) return null;
  const text = new TextEncoder().encode(reason);
  const message = concat([
    uint(DOMAIN.length, 2), DOMAIN, digest, uint(KINDS[decision], 1), uint(effective, 8), uint(text.length, 4), text,
  ]);
  const signers = new Set();
  for (const row of signatures) {
    const party = row && agreement.pause.deciders.includes(row.party) && agreement.parties.find((item) => item.name === row.party);
    const signature = row && fromHex(row.signature);
    if (!party || !signature || !verifySignature(party.key, signature, message)) return null;
    signers.add(party.name);
  }
  return signers.size >= agreement.pause.quorum ? { decision, effective } : null;
}

/**
 * {decision, effective} of every decision that counts. `files`: bytes of decision files, asked only where the agreement has no log; `log`: its
 * bundle, or null. With a log a decision counts from the moment that it states, or the later one by which the log had it from a quorum.
 */
export function countedDecisions(agreement, files, log) {
  if (!agreement.log) return files.map((data) => readDecision(data, agreement)).filter(Boolean);
  if (!log || !agreement.pause) return [];
  try {
    return loggedDecisions(agreement, datedLog(agreement, log));
  } catch (error) {
    if (error instanceof Rejected) return [];
    throw error;
  }
}

function loggedDecisions(agreement, { entries, dateOf }) {
  const found = new Map();
  entries.forEach((data, index) => {
    const entry = decisionEntry(data, agreement);
    if (!entry) return;
    const known = found.get(entry.content) ?? { ...entry, dates: new Map() };
    if (known.dates.has(entry.decider)) return;
    const { key } = agreement.parties.find((party) => party.name === entry.decider);
    if (!verifySignature(key, entry.signature, logEntryMessage(entry.unsigned))) return;
    known.dates.set(entry.decider, dateOf(index, entry.decider));
    found.set(entry.content, known);
  });
  return [...found.values()].flatMap(({ decision, effective, dates }) => {
    const ordered = [...dates.values()].filter((date) => date !== null).sort((a, b) => a - b);
    if (ordered.length < agreement.pause.quorum) return [];
    return [{ decision, effective: Math.max(effective, ordered[agreement.pause.quorum - 1]) }];
  });
}

/** An entry of kind 5 by a decider of this agreement, its signature not yet verified, or null. */
function decisionEntry(data, agreement) {
  if (data.length > 1024) return null;
  const read = new Reader(data, "log");
  try {
    if (!equalBytes(read.raw(ENTRY_MAGIC.length, "the magic"), ENTRY_MAGIC) || read.uint(2, "the version") !== 1) return null;
    if (read.uint(1, "the kind") !== DECISION || !equalBytes(read.raw(32, "the digest"), agreement.digest)) return null;
    const decider = read.name("the decider");
    const start = read.at;
    const kind = read.uint(1, "the decision");
    const effective = read.u64Number("the moment", MAX_TIME);
    read.raw(32, "the reason's digest");
    const unsigned = data.subarray(0, read.at);
    const content = data.subarray(start, read.at).join();
    const signature = read.raw(64, "the signature");
    read.end();
    const decision = Object.keys(KINDS).find((name) => KINDS[name] === kind);
    if (!decision || !agreement.pause.deciders.includes(decider)) return null;
    return { decider, decision, effective, content, unsigned, signature };
  } catch (error) {
    if (error instanceof Rejected) return null;
    throw error;
  }
}

/** Spans [begin, end) of Unix seconds in which the pause was lifted; of two decisions with one moment, "trigger" is the later one. */
export function liftedSpans(decisions) {
  const order = [...decisions].sort((a, b) => a.effective - b.effective || KINDS[a.decision] - KINDS[b.decision]);
  const spans = [];
  let begin = null;
  for (const { decision, effective } of order) {
    if (decision === "lift" && begin === null) begin = effective;
    if (decision === "trigger" && begin !== null) {
      if (effective > begin) spans.push([begin, effective]);
      begin = null;
    }
  }
  if (begin !== null) spans.push([begin, Infinity]);
  return spans;
}
