/** The statement of a claim, from the agreement and the signed heads. circuits/README.md sections 1, 4 and 6. */
import { P } from "./field.js";
import { ascii, concat, sha256, uint } from "./bytes.js";
import { rulesAt } from "./terms.js";

/** Buses: message element 0. Numbered in the order of README.md section 4. */
const [HEADER, HEAD_LEDGER, HEAD_BEFORE, HEAD_AFTER, HEAD_SENT, HEAD_RECEIVED] = [5, 6, 7, 8, 9, 10];
const MESSAGE_LENGTH = 15;
const REGISTRY_CHAIN = 0;
const LIMB = 2n ** 24n;

/** Eight elements that commit to a domain and parts. */
export function contextElements(domain, ...parts) {
  const pieces = [uint(domain.length, 2), ascii(domain)];
  for (const part of parts) pieces.push(uint(part.length, 4), part);
  const seed = sha256(concat(pieces));
  const out = [];
  for (let block = 0; out.length < 8; block++) {
    const stream = sha256(seed, uint(block, 4));
    const view = new DataView(stream.buffer, stream.byteOffset, 32);
    for (let at = 0; at < 32 && out.length < 8; at += 4) {
      const word = view.getUint32(at) & 0x7fffffff;
      if (word < P) out.push(word);
    }
  }
  return out;
}

/** `count` limbs of a BigInt: 24 bits each but the last, low first. */
export function limbs(value, count) {
  const out = [];
  for (let i = 0, left = value; i < count; i++, left /= LIMB) out.push(Number(i === count - 1 ? left : left % LIMB));
  return out;
}

/**
 * {publics, interactions, logRows} of a table of a claim whose terms were checked against the agreement's. `caps`: null, all 0, for a site's; `meters`: of the lab, those in the table, and `heads` of their ledgers; `summaries`:
 * {name, head} of sites; `registry`: whether the table has the lab's registry; `logRows`: its height.
 */
export function statementOf(agreement, lab, claim, { caps, meters, heads, summaries, registry, logRows }) {
  const rules = rulesAt(agreement, claim.period);
  const { total, unattributed, lineage, freeze } = caps ?? { total: 0n, unattributed: 0n, lineage: 0n, freeze: null };
  const publics = [claim.firstEpoch, claim.lastEpoch];
  for (const cap of [total, unattributed, lineage, freeze === null || freeze > lineage ? lineage : freeze]) publics.push(...limbs(cap, 3));
  publics.push(rules.chargePeak ? 1 : 0, caps && rules.chargeResidue ? 1 : 0);
  const terms = [];
  const period = uint(claim.period, 4);
  const peaks = new Map(agreement.chips.map((chip) => [chip.name, chip.peak]));
  meters.forEach((meter, i) => {
    const header = contextElements("standstill/ledger/v1", agreement.digest, ascii(lab.name), ascii(meter.name), period);
    const peak = peaks.get(meter.chip);
    const bytes = [peak & 255, (peak >> 8) & 255, peak >> 16];
    const coverage = limbs(BigInt(meter.chips) * BigInt(agreement.epochSeconds), 2);
    terms.push([HEADER, i + 1, ...header, ...bytes, ...coverage], [HEAD_LEDGER, i + 1, ...heads[i]]);
  });
  summaries.forEach(({ name, head }, i) => {
    const chain = meters.length + i + 1;
    const header = contextElements("standstill/summary/v1", agreement.digest, ascii(lab.name), ascii(name), period);
    terms.push([HEADER, chain, ...header], [registry ? HEAD_SENT : HEAD_RECEIVED, chain, ...head]);
  });
  if (registry) {
    terms.push([HEADER, REGISTRY_CHAIN, ...contextElements("standstill/registry/v1", ascii(lab.name))]);
    terms.push([HEAD_BEFORE, REGISTRY_CHAIN, ...claim.headBefore], [HEAD_AFTER, REGISTRY_CHAIN, ...claim.headAfter]);
  }
  const padded = terms.map((term) => [P - 1, [...term, ...new Array(MESSAGE_LENGTH - term.length).fill(0)]]);
  return { publics, interactions: padded, logRows };
}
