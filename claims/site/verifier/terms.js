/** What an agreement says: bounds of its numbers, and questions to one that is decoded. */
import { Rejected } from "./errors.js";

export const MAX_TIME = 253402300799; // 9999-12-31T23:59:59Z
export const MAX_EPOCHS = 2 ** 24 - 1;
export const MAX_LISTED = 4096;
export const MAX_PARTIES = 256;
export const MAX_FLEET = 2 ** 18;

/** The key of every role. */
export function allKeys(agreement) {
  const all = agreement.parties.map((x) => x.key);
  for (const lab of agreement.labs) for (const meter of lab.meters) all.push(meter.wholeKey);
  for (const party of agreement.parties) if (party.cosignKey) all.push(party.cosignKey);
  if (agreement.log) all.push(agreement.log.key);
  for (const { wholeKey } of agreement.feeds) all.push(wholeKey);
  for (const { key } of agreement.witnesses) all.push(key);
  return all;
}

/** First period under the agreement: 0, or where the amendment takes effect. */
export const firstPeriod = (agreement) => (agreement.amends ? agreement.amends.fromPeriod : 0);

const latest = (first, later, period) => later.reduce((now, [from, then]) => (from <= period ? then : now), first);
export const capsAt = (lab, period) => latest(lab.caps, lab.capsFrom, period);
export const rulesAt = (agreement, period) => latest(agreement.rules, agreement.rulesFrom, period);

/** [{name, meters}] of what a lab's meters have in one field, in order. */
function by(lab, field) {
  const found = new Map();
  for (const meter of lab.meters.filter((item) => item[field] !== null)) {
    if (!found.has(meter[field])) found.set(meter[field], []);
    found.get(meter[field]).push(meter);
  }
  return [...found.keys()].sort().map((name) => ({ name, meters: found.get(name) }));
}

/** The sites of a lab; none where it has no sites. */
export const sitesOf = (lab) => by(lab, "site");

/** Whether meters of a lab publish their roots in groups. */
export const isGrouped = (lab) => lab.meters[0].group !== null;

/** What publishes a root of its own for each epoch: the lab's groups, or each meter alone. */
export const unitsOf = (lab) => (isGrouped(lab) ? by(lab, "group") : lab.meters.map((meter) => ({ name: meter.name, meters: [meter] })));

export function labOf(agreement, name) {
  const lab = agreement.labs.find((x) => x.name === name);
  if (!lab) throw new Rejected("lab", `"${name}" is not a lab of the agreement`);
  return lab;
}

/** First and last epoch of a period. */
export function periodEpochs(agreement, period) {
  const first = firstPeriod(agreement);
  if (period < first || period >= agreement.periods) {
    throw new Rejected("period", `${period} is not one of the agreement's periods ${first} to ${agreement.periods - 1}`);
  }
  return [period * agreement.epochsPerPeriod, (period + 1) * agreement.epochsPerPeriod - 1];
}
