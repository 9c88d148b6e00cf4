/** When a pause was lifted: from decisions that enough of those who decide have signed, and entered in the log. claims/FORMATS.md section 9. */

import { ascii, concat, equalBytes, fromHex, toHex, uint } from "./verifier/bytes.js";
import { verifySignature } from "./verifier/ed25519.js";
import { DECISION, decodeEntry } from "./verifier/entries.js";
import { keysOf } from "./verifier/keys.js";
import { isProse } from "./verifier/text.js";

const DOMAIN = ascii("standstill/sign/decision/v1");
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
 * {decision, effective} of every decision that counts. `files`: bytes of decision files, asked only where the agreement has no log; `log`: opened
 * (verifier/log.js), or null. With a log a decision counts from the moment that it states, or the later one by which the log had it from a quorum.
 */
export function countedDecisions(agreement, files, log) {
  if (!agreement.pause) return [];
  if (!agreement.log) return files.map((data) => readDecision(data, agreement)).filter(Boolean);
  return log ? loggedDecisions(agreement, log) : [];
}

function loggedDecisions(agreement, { entries, dateOf, inUse }) {
  const [found, keys] = [new Map(), keysOf(entries, agreement)];
  entries.slice(0, inUse(null).size).forEach((data, index) => {
    const entry = decodeEntry(data);
    if (!entry || entry.kind !== DECISION || !equalBytes(entry.agreement, agreement.digest)) return;
    const { decision, effective } = entry;
    const content = [decision, effective, toHex(entry.reason)].join(" ");
    const known = found.get(content) ?? { decision, effective, dates: new Map() };
    if (known.dates.has(entry.author) || !keys.counts(entry, index)) return;
    known.dates.set(entry.author, dateOf(index, entry.author));
    found.set(content, known);
  });
  return [...found.values()].flatMap(({ decision, effective, dates }) => {
    const ordered = [...dates.values()].filter((date) => date !== null).sort((a, b) => a - b);
    if (ordered.length < agreement.pause.quorum) return [];
    return [{ decision, effective: Math.max(effective, ordered[agreement.pause.quorum - 1]) }];
  });
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
  if (begin !== null) spans.push([begin, Number.MAX_SAFE_INTEGER]); // JSON has no Infinity
  return spans;
}
