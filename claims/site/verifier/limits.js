/** The limits that a claim is proven under: the agreed ones, and in place of those that it is over the ones that it states. As claims/claim/limits.py; claims/FORMATS.md section 5. */
import { capsAt } from "./terms.js";
import { Rejected } from "./errors.js";
import { lostShare } from "./losses.js";

const [TOTAL, UNATTRIBUTED, LINEAGE, FREEZE, LOST] = [1, 2, 3, 4, 5];
const NAMES = { [TOTAL]: "total", [UNATTRIBUTED]: "unattributed", [LINEAGE]: "lineage", [FREEZE]: "freeze", [LOST]: "lost" };
const WHAT = {
  [TOTAL]: "total compute of the period",
  [UNATTRIBUTED]: "unattributed compute of the period",
  [LINEAGE]: "cumulative compute behind a checkpoint, or all unattributed compute",
  [FREEZE]: "compute behind a checkpoint that was trained further, or all unattributed compute",
  [LOST]: "chip-seconds of lost meters",
};
const MOST = 2n ** 64n - 1n;

const coverage = (agreement, meter) => BigInt(meter.chips) * BigInt(agreement.epochSeconds);

/** What holds for a claim, by number of the limit, null where none is agreed. `moved`: what transfers that it lists add to its total. */
function agreedLimits(lab, period, moved) {
  const { total, unattributed, lineage, freeze } = capsAt(lab, period);
  return { [TOTAL]: total + moved, [UNATTRIBUTED]: unattributed, [LINEAGE]: lineage, [FREEZE]: freeze, [LOST]: BigInt(lab.lost) };
}

/** The caps that a claim's proofs are about, `moved` as above. Rejected("lists"): a stated limit is of none that is agreed or says that another one is, or the lost share is not the one that is stated. */
export function limitsOf(agreement, lab, claim, moved = 0n) {
  const agreed = agreedLimits(lab, claim.period, moved);
  const share = lostShare(agreement, lab, claim);
  for (const limit of claim.limits) {
    if (agreed[limit.which] !== limit.agreed) throw new Rejected("lists", `the claim states a limit in place of another ${NAMES[limit.which]} than is agreed`);
  }
  const stated = claim.limits.find(({ which }) => which === LOST)?.stated ?? agreed[LOST];
  if (stated !== (share > agreed[LOST] ? share : agreed[LOST])) {
    throw new Rejected("lists", `the claim lists ${formatShare(share)} as lost, where ${formatShare(agreed[LOST])} is agreed: it states that exactly where it is more`);
  }
  const caps = { ...capsAt(lab, claim.period), total: agreed[TOTAL] };
  for (const { which, stated: value } of claim.limits) if (which !== LOST) caps[NAMES[which]] = value;
  return caps;
}

/** What the lab's next claim lists as earlier limits that were over. */
export const oversAfter = (claim) => [...claim.overs, ...claim.limits.map((limit) => ({ period: claim.period, ...limit }))];

export const sameOvers = (one, other) =>
  one.length === other.length && one.every((item, i) => ["period", "which", "agreed", "stated"].every((field) => item[field] === other[i][field]));

/** What the lab's meters can do in a period at their chips' peak, units of 10^12 FLOP. */
export function capacity(agreement, lab) {
  const peaks = new Map(agreement.chips.map((chip) => [chip.name, BigInt(chip.peak)]));
  return lab.meters.reduce((sum, meter) => sum + coverage(agreement, meter) * peaks.get(meter.chip), 0n) * BigInt(agreement.epochsPerPeriod);
}

const isUnbounded = ({ which, stated }, most) => which !== LOST && (stated === MOST || (most !== null && which <= UNATTRIBUTED && stated >= most));

/** A limit that is over, in words. `most`: the lab's capacity, where it is known. */
export function limitWords(limit, most = null) {
  const { which, agreed, stated } = limit;
  if (which === LOST) return `${WHAT[LOST]}: ${formatShare(stated)}, agreed at most ${formatShare(agreed)}`;
  const bound = isUnbounded(limit, most) ? "no bound" : `at most ${formatWork(stated)}`;
  return `${WHAT[which]} over the ${NAMES[which]} limit: agreed at most ${formatWork(agreed)}, stated ${bound}`;
}

/** Whether stated limits bound nothing, for each of a list of numbers of limits: true where all of them do not. */
export function unbounded(limits, most) {
  const free = new Set(limits.filter((limit) => isUnbounded(limit, most)).map(({ which }) => which));
  return (numbers) => numbers.every((which) => free.has(which));
}

/** Units of 10^12 FLOP as exact text. */
export function formatWork(units) {
  if (units === 0n) return "0 FLOP";
  const digits = units.toString();
  const mantissa = digits.replace(/0+$/, "");
  return `${mantissa[0]}${mantissa.length > 1 ? `.${mantissa.slice(1)}` : ""}e${digits.length - 1 + 12} FLOP`;
}

export function formatShare(parts) {
  const [whole, rest] = [parts / 10000n, parts % 10000n];
  return `${`${whole}.${rest.toString().padStart(4, "0")}`.replace(/0+$/, "").replace(/\.$/, "")} %`;
}
