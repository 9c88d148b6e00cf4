/** The worker in which a claim is checked: one request at a time, one answer for each. */

import { hex } from "./material.js";
import { schedule } from "./schedule.js";
import { decodeAgreement } from "./verifier/agreement.js";
import { verifyClaim } from "./verifier/index.js";

self.onmessage = async (event) => {
  const { id, request } = event.data;
  let result;
  try {
    if (request.schedule) result = { schedule: schedule(decodeAgreement(request.schedule.agreement), request.schedule.until) };
    else if (request.amendsOf) result = { amends: amendment(decodeAgreement(request.amendsOf)) };
    else result = plain(await verifyClaim(request));
  } catch (error) {
    result = { unread: `the verifier failed: ${error && error.message ? error.message : "unknown error"}` };
  }
  self.postMessage({ id, result });
};

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
