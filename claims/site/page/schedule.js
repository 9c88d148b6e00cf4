/** Which claims an agreement wants by when: computed from its canonical bytes, not taken from the publisher. */

const MOST = 100000;

/**
 * Every lab and period whose period has begun, as {lab, period, begin, end, due, missingAfter, lifted, opening}. Throws where there are too many to compute.
 *
 * `agreement`: decoded (verifier/agreement.js). `until`: Unix seconds. `before`: the period in which an amendment takes over. `spans`:
 * when the pause was lifted. `due` and `missingAfter` are null where the agreement sets no deadlines. `opening`: the lab's first period.
 */
export function schedule(agreement, until, { before = Infinity, spans = [] } = {}) {
  const { deadlines, start, epochSeconds, epochsPerPeriod, periods } = agreement;
  const first = agreement.amends ? agreement.amends.fromPeriod : 0;
  const length = epochSeconds * epochsPerPeriod;
  const out = [];
  for (let period = first; period < Math.min(periods, before); period++) {
    const begin = start + period * length;
    const end = begin + length;
    if (begin > until) break;
    const lifted = spans.some(([from, to]) => from < end && begin < to);
    for (const lab of agreement.labs) {
      if (period < lab.sincePeriod) continue;
      if (out.length === MOST) throw new Error(`the agreement asks for more than ${MOST} claims, too many for a browser`);
      const due = deadlines ? end + deadlines.claim : null;
      const missingAfter = deadlines ? due + deadlines.grace : null;
      out.push({ lab: lab.name, period, begin, end, due, missingAfter, lifted, opening: period === lab.sincePeriod });
    }
  }
  return out;
}
