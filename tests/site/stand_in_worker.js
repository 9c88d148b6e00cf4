// Stands in for the verifier in tests of the page alone: judges a claim by its last four bytes.
import { schedule } from "./schedule.js";
import { sha256, toHex } from "./verifier/bytes.js";

const LABS = ["aurora", "borealis", "cygnus", "draco"];
const DAY = 86400;
const MOVED = { text: "1e24 FLOP moved from aurora to borealis (serial 1)", state: "counts, dated 2026-01-14T10:00:00Z" };
const KEYS = ["party borealis: 0123456789abcdef of the agreement, revoked by entry 9; 89abcdef01234567 since log entry 9"];
const AGREEMENT = {
  start: 1767225600, epochSeconds: 3600, epochsPerPeriod: 336, periods: 26, amends: null,
  deadlines: { claim: 3 * DAY, grace: 2 * DAY }, labs: LABS.map((name) => ({ name, sincePeriod: 0 })),
};

function survey({ agreements, until }) {
  const items = schedule(AGREEMENT, until).map((item) => ({ ...item, present: true, logged: null, logProblem: "", asOf: null, hours: null, inspections: null, delivered: [], evidence: [], conflicts: [] }));
  const length = AGREEMENT.epochSeconds * AGREEMENT.epochsPerPeriod;
  return {
    digest: toHex(sha256(agreements[0].agreement)), chain: [{ place: 0, digest: toHex(sha256(agreements[0].agreement)), from: 0, log: false }], items,
    start: AGREEMENT.start, end: AGREEMENT.start + AGREEMENT.periods * length, periods: AGREEMENT.periods, unsigned: [], gaps: [], successors: [], lifted: [], breaches: [], log: null, moved: [{ period: 1, transfers: [MOVED] }], keys: KEYS,
  };
}

function finding(request) {
  const verdict = String.fromCharCode(...request.claim.slice(-4));
  const good = { verdict: "PROVEN", shows: ["total compute of the period: at most 3e24 FLOP"], bits: { unique: 103.5, johnson: 128 }, continuity: "checked" };
  const part = { verdict: "INCOMPLETE", reason: "log: NOT CHECKED <b>", missing: ["log: NOT CHECKED <b>"] };
  const bad = { verdict: "REJECTED", check: "proof", reason: "<img src=x onerror=alert(1)> the constraints do not hold" };
  const lab = String.fromCharCode(...request.claim.slice(51, 51 + request.claim[50]));
  const later = request.claim.length > 60 && new DataView(request.claim.buffer, request.claim.byteOffset).getUint32(51 + request.claim[50]) > 0;
  if (later && !request.previous.length) return { ...part, reason: "the claim before it is not proven", missing: ["the claim before it is not proven"] };
  const transfers = lab === "aurora" && later ? ["total cap 2e24 FLOP after transfers, 3e24 FLOP agreed", `${MOVED.text}: ${MOVED.state}`] : [];
  Object.assign(good, { transfers, power: lab === "aurora" ? "9 of 12 meters under a feed, 3 of 336 hours absent" : null });
  return { good, part }[verdict] ?? bad;
}

self.onmessage = ({ data: { id, request } }) => {
  const result = request.survey ? { survey: survey(request.survey) } : request.file ? { recognised: null } : request.signed ? { heads: [] } : { finding: finding(request.claim) };
  setTimeout(() => self.postMessage({ id, result }), 30);
};
