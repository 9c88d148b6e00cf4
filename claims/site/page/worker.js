/** The worker in which a claim is checked: one request at a time, one answer for each. */

import { hex } from "./material.js";
import { countedDecisions, liftedSpans } from "./decisions.js";
import { schedule } from "./schedule.js";
import { decodeAgreement } from "./verifier/agreement.js";
import { verifyClaim } from "./verifier/index.js";

self.onmessage = async (event) => {
  const { id, request } = event.data;
  let result;
  try {
    if (request.calendar) result = { schedule: calendar(request.calendar) };
    else if (request.amendsOf) result = { amends: amendment(decodeAgreement(request.amendsOf)) };
    else result = plain(await verifyClaim(request));
  } catch (error) {
    result = { unread: `the verifier failed: ${error && error.message ? error.message : "unknown error"}` };
  }
  self.postMessage({ id, result });
};

/** What all agreements of a chain, newest first, want by a time; `decisions`: bytes of files; `log`: bytes of the bundle, or null. */
function calendar({ chain, decisions, log, until }) {
  let before = Infinity;
  return chain.flatMap((bytes) => {
    const agreement = decodeAgreement(bytes);
    const spans = liftedSpans(countedDecisions(agreement, decisions, log));
    const wanted = schedule(agreement, until, { before, spans });
    before = Math.min(before, agreement.amends ? agreement.amends.fromPeriod : 0);
    return wanted;
  });
}

const amendment = ({ amends }) => amends && { digest: hex(amends.digest), fromPeriod: amends.fromPeriod };

function plain(report) {
  if (!report.accepted) return { accepted: false, proven: false, check: String(report.check), reason: String(report.reason) };
  const limitations = report.limitations.map(String);
  return {
    accepted: true,
    proven: report.proven === true && limitations.length === 0,
    limitations,
    unbroken: !limitations.some((line) => line.startsWith("continuity")),
    shows: report.shows.map(String),
    bits: report.bits || null,
    continuity: report.continuity ? String(report.continuity) : "",
  };
}
