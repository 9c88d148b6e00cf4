/** When a pause was lifted: from decisions that enough of those who decide have signed. claims/FORMATS.md section 9. */

import { ascii, concat, equalBytes, fromHex, uint } from "./verifier/bytes.js";
import { verifySignature } from "./verifier/ed25519.js";
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
