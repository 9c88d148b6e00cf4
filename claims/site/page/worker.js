/** The worker in which everything is computed that takes time: one request at a time, one answer for each. */

import { recognise } from "./kinds.js";
import { survey } from "./survey.js";
import { sha256, toHex } from "./verifier/bytes.js";
import { decodeClaim } from "./verifier/claim.js";
import { Rejected } from "./verifier/errors.js";
import { verifyClaim } from "./verifier/index.js";

/** {survey}, {finding} or {recognised}, or {unread: reason} where the request cannot be answered. */
export function answer(request) {
  try {
    if (request.survey) return { survey: survey(request.survey) };
    if (request.file) return { recognised: recognise(request.file.data, request.file.chain) };
    return { finding: findingOf(request.claim) };
  } catch (error) {
    if (error instanceof Rejected) return { unread: error.message };
    return { unread: `the verifier failed: ${error && error.message ? error.message : "unknown error"}` };
  }
}

/** Checks before which nobody knows that the lab made a claim at all. */
const UNSIGNED = ["format", "agreement", "lab", "period", "meters", "signatures"];

function findingOf(request) {
  const report = verifyClaim(request);
  if (report.verdict === "REJECTED") {
    const heads = UNSIGNED.includes(report.check) ? "" : headsOf(request.claim);
    return { verdict: "REJECTED", check: String(report.check), reason: String(report.reason), heads };
  }
  const { verdict, shows, bits, continuity } = report;
  const kinds = report.missing.map(({ kind }) => kind);
  const missing = report.missing.map(({ what }) => `Missing: ${what}.`);
  return { verdict, reason: missing.join(" "), missing, kinds, shows, bits, continuity, heads: headsOf(request.claim) };
}

/** A digest of what a claim commits to: two signed claims of one lab and period that differ in it contradict each other. */
function headsOf(bytes) {
  const { headAfter, meters } = decodeClaim(bytes);
  const text = JSON.stringify([headAfter, meters.map(({ name, head, rootsDigest }) => [name, head, toHex(rootsDigest)])]);
  return toHex(sha256(new TextEncoder().encode(text)));
}

if (typeof self !== "undefined" && typeof window === "undefined") {
  self.onmessage = ({ data }) => self.postMessage({ id: data.id, result: answer(data.request) });
}
