/** The worker in which everything is computed that takes time: one request at a time, one answer for each. */

import { recognise } from "./kinds.js";
import { survey } from "./survey.js";
import { Rejected } from "./verifier/errors.js";
import { LINK_BITS, signedHeads, verifyClaim, verifyTable } from "./verifier/index.js";

/** {survey}, {finding}, {table}, {heads} or {recognised}, or {unread: reason} where the request cannot be answered. */
export function answer(request) {
  try {
    if (request.survey) return { survey: survey(request.survey) };
    if (request.table) return { table: verifyTable(request.table) };
    if (request.signed) return { heads: signedHeads(request.signed.claim, request.signed.agreement) };
    if (request.file) return { recognised: recognise(request.file.data, request.file.chain) };
    return { finding: findingOf(request.claim) };
  } catch (error) {
    if (error instanceof Rejected) return { unread: error.message };
    return { unread: `the verifier failed: ${error && error.message ? error.message : "unknown error"}` };
  }
}

function findingOf(request) {
  const report = verifyClaim(request);
  if (report.verdict === "REJECTED") return { verdict: "REJECTED", check: String(report.check), reason: String(report.reason) };
  const { verdict, shows, over, lost, losses, earlier, transfers, moved, power, heads, bits, continuity, tables, then } = report;
  const kinds = report.missing.map(({ kind }) => kind);
  const missing = report.missing.map(({ what }) => `Missing: ${what}.`);
  return { verdict, reason: missing.join(" "), missing, kinds, shows, over, lost, losses, earlier, transfers, moved, power, heads, bits, continuity, tables, then, link: LINK_BITS };
}

if (typeof self !== "undefined" && typeof window === "undefined") {
  self.onmessage = ({ data }) => self.postMessage({ id: data.id, result: answer(data.request) });
}
