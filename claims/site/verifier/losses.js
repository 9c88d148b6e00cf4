/**
 * Lost meters and sites: the ledgers and summaries that a verifier makes in place of those that nobody can make any more, charged in full; and losses over time. As claims/claim/losses.py and
 * claims/verify/losses.py; claims/FORMATS.md section 5.
 */
import { sitesOf } from "./terms.js";
import { ascii, equalBytes, uint } from "./bytes.js";
import { Rejected } from "./errors.js";
import { SIGNATURES } from "./hybrid.js";
import { headOf } from "./poseidon2.js";
import { contextElements, limbs } from "./statement.js";

export const [LOST_METER, LOST_SITE] = [1, 2];
const [LOST, BACK] = [1, 2];
const UNATTRIBUTED = 2;
const MAX_LOST = 256;
const MAX_MADE = 2n ** 18n;
const MAX_AMOUNT = 2n ** 48n - 1n;
const MILLION = 1000000n;
const ZERO = new Array(8).fill(0);

const coverage = (agreement, meter) => BigInt(meter.chips) * BigInt(agreement.epochSeconds);
const peakOf = (agreement, meter) => BigInt(agreement.chips.find((chip) => chip.name === meter.chip).peak);
const lists = (what) => new Rejected("lists", what);

/** The meters that a loss is about. */
const metersOf = (lab, { kind, name }) => lab.meters.filter((meter) => (kind === LOST_METER ? meter.name : meter.site) === name);

/** Names of the sites that a claim lists as lost: they have no proof. */
export const lostSites = (claim) => new Set(claim.losses.filter(({ kind }) => kind === LOST_SITE).map(({ name }) => name));

/** Names of the lost meters that signed no head. */
export const unsignedMeters = (lab, claim) => new Set(claim.losses.filter((loss) => !loss.signed).flatMap((loss) => metersOf(lab, loss).map(({ name }) => name)));

/** Map of each meter that a claim lists as lost, itself or with its site, to the first lost epoch. Rejected("lists"). */
export function lostMeters(agreement, lab, claim) {
  const found = new Map();
  let made = 0n;
  for (const loss of claim.losses) {
    const own = metersOf(lab, loss);
    if (!own.length || loss.firstEpoch < claim.firstEpoch || loss.firstEpoch > claim.lastEpoch || own.some(({ name }) => found.has(name))) {
      throw lists(`the claim lists ${loss.name} as lost from epoch ${loss.firstEpoch} on: that is no meter or site of the lab, is listed twice, or no epoch of the period`);
    }
    for (const { name } of own) found.set(name, loss.firstEpoch);
    if (loss.kind === LOST_METER) {
      const step = MAX_AMOUNT / peakOf(agreement, own[0]);
      made += ((coverage(agreement, own[0]) + step - 1n) / step) * BigInt(agreement.epochsPerPeriod);
    }
  }
  if (claim.losses.filter(({ kind }) => kind === LOST_METER).length > MAX_LOST || made > MAX_MADE) throw lists(`more than ${MAX_LOST} meters, or ${MAX_MADE} readings, are lost: that is a lost site`);
  return found;
}

/** Chip-seconds that a claim lists as lost, parts per million of the period's, rounded up. Rejected("lists"). */
export function lostShare(agreement, lab, claim) {
  const lost = lostMeters(agreement, lab, claim);
  let [seconds, total] = [0n, 0n];
  for (const meter of lab.meters) {
    total += coverage(agreement, meter);
    if (lost.has(meter.name)) seconds += coverage(agreement, meter) * BigInt(claim.lastEpoch - lost.get(meter.name) + 1);
  }
  const all = total * BigInt(agreement.epochsPerPeriod);
  return (seconds * MILLION + all - 1n) / all;
}

/** What a claim holds of what is lost is zero, but for a head that a lost meter signed. Rejected("lists"). */
export function checkLosses(agreement, lab, claim) {
  const lost = lostMeters(agreement, lab, claim);
  const signed = new Set(claim.losses.filter((loss) => loss.signed).map(({ name }) => name));
  const isZero = (list) => list.every((item) => item === 0);
  for (const { name, head, signature } of claim.meters) {
    if (lost.has(name) && !signed.has(name) && !(isZero(head) && signature.length === SIGNATURES[0] && isZero(signature))) throw lists(`meter ${name} is listed as lost without a signed head, and has one`);
  }
  const sites = lostSites(claim);
  for (const { name, head, proof } of claim.sites) {
    if (sites.has(name) && !(isZero(head) && isZero(proof))) throw lists(`site ${name} is listed as lost, and has a summary or a proof`);
  }
}

/** The head of a lost meter's ledger: every chip-second of the period, unattributed at the class peak. */
export function lostHead(agreement, lab, meter, claim) {
  const header = contextElements("standstill/ledger/v1", agreement.digest, ascii(lab.name), ascii(meter.name), uint(claim.period, 4));
  const peak = peakOf(agreement, meter);
  const step = MAX_AMOUNT / peak;
  const blocks = [ZERO, header];
  for (let epoch = claim.firstEpoch; epoch <= claim.lastEpoch; epoch++) {
    for (let left = coverage(agreement, meter); left > 0n; left -= step) {
      const seconds = left < step ? left : step;
      blocks.push([epoch, UNATTRIBUTED, ...limbs(seconds, 2), ...limbs(seconds * peak, 2), 0, 0]);
    }
  }
  return headOf([...blocks, ZERO]);
}

/** The head of a lost site's summary: one record of all that its meters can do. */
export function lostSummary(agreement, lab, site, claim) {
  const header = contextElements("standstill/summary/v1", agreement.digest, ascii(lab.name), ascii(site), uint(claim.period, 4));
  const each = sitesOf(lab).find(({ name }) => name === site).meters.reduce((sum, meter) => sum + coverage(agreement, meter) * peakOf(agreement, meter), 0n);
  return headOf([ZERO, header, [0, UNATTRIBUTED, 0, 0, ...limbs(each * BigInt(agreement.epochsPerPeriod), 3), 0], ZERO]);
}

/**
 * Holds the losses of a claim against those of the claim before, and against the log. Rejected("continuity") or ("log"). `link`: {claim, agreement, lab}; `before`: the same of the claim before, or
 * null; `said`: {losses: [{entry, at}], epochs: epoch to {at}} of the log under the claim's agreement (verifier/log.js), or null. Where a log is agreed, and not at hand up to the period's last
 * epoch, nothing is judged: the verdict waits for it.
 */
export function checkHistory({ claim, agreement, lab }, before, said) {
  if (agreement.log && (said?.epochs.size ?? 0) <= claim.lastEpoch - claim.firstEpoch) return; // `epochs` has those of the period alone
  const lost = lostMeters(agreement, lab, claim);
  const still = before ? stillLost(lab, before) : new Set();
  const words = said ? said.losses.filter(({ entry, at }) => entry.number >= claim.firstEpoch && entry.number <= claim.lastEpoch && at < (said.epochs.get(entry.number)?.at ?? -1)).map(({ entry }) => entry) : [];
  const epochsOf = (meter, which) => words.filter(({ what, target, said: word }) => word === which && target === (what === LOST_METER ? meter.name : meter.site)).map(({ number }) => number);
  const isBack = (meter) => epochsOf(meter, BACK).includes(claim.firstEpoch);
  for (const meter of lab.meters) {
    if (still.has(meter.name) && lost.get(meter.name) !== claim.firstEpoch && !isBack(meter)) {
      throw new Rejected("continuity", `meter ${meter.name} was lost in the claim before, and is not listed as lost from epoch ${claim.firstEpoch} on: an inspector's word in the log ends a loss, or an amendment with a new key`);
    }
  }
  if (!said) return;
  for (const meter of lab.meters) {
    const first = lost.get(meter.name);
    const goesOn = still.has(meter.name) && first === claim.firstEpoch; // whatever a rival says in the log
    if (first !== undefined && !goesOn && !epochsOf(meter, LOST).includes(first)) {
      throw new Rejected("log", `the claim lists meter ${meter.name} as lost from epoch ${first} on, and the log does not have that before its entry of epoch ${first}`);
    }
  }
  for (const meter of lab.meters) {
    for (const first of epochsOf(meter, LOST)) {
      if ((lost.get(meter.name) ?? first + 1) > first) throw new Rejected("log", `meter ${meter.name} is lost from epoch ${first} on, as the lab said in the log, and the claim does not list it from there on`);
    }
  }
}

/** Names of the meters that the claim before lists as lost, under the same key. */
function stillLost(lab, before) {
  const lost = lostMeters(before.agreement, before.lab, before.claim);
  const keys = new Map(before.lab.meters.map(({ name, key }) => [name, key]));
  return new Set(lab.meters.filter(({ name, key }) => lost.has(name) && equalBytes(keys.get(name), key)).map(({ name }) => name));
}
