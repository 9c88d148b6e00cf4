// Stands in for the verifier in tests of the page alone: judges a claim by its last four bytes.
import { schedule } from "./schedule.js";

const LABS = ["aurora", "borealis", "cygnus", "draco"];
const AGREEMENT = {
  start: 1767225600, epochSeconds: 3600, epochsPerPeriod: 336, periods: 26, amends: null,
  deadlines: { claim: 3 * 86400, grace: 2 * 86400 }, labs: LABS.map((name) => ({ name, sincePeriod: 0 })),
};

self.onmessage = (event) => {
  const { id, request } = event.data;
  if (request.calendar) {
    self.postMessage({ id, result: { schedule: schedule(AGREEMENT, request.calendar.until) } });
    return;
  }
  if (request.amendsOf) {
    self.postMessage({ id, result: { amends: null } });
    return;
  }
  const verdict = String.fromCharCode(...request.claim.slice(-4));
  const broken = request.previous.length && !request.previousAccepted;
  const answers = {
    good: { accepted: true, proven: true, limitations: [], unbroken: true, shows: ["total compute of the period: at most 3e24 FLOP"], bits: { unique: 103.5, johnson: 128 }, continuity: "checked" },
    part: { accepted: true, proven: false, limitations: ["log: NOT CHECKED <b>"], unbroken: true, shows: [], bits: null, continuity: "" },
  };
  const bad = { accepted: false, proven: false, check: "proof", reason: "<img src=x onerror=alert(1)> the constraints do not hold" };
  const result = broken ? { ...bad, check: "continuity", reason: "the claim before it was not accepted" } : answers[verdict] || bad;
  setTimeout(() => self.postMessage({ id, result }), 30);
};
