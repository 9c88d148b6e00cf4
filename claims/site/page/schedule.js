/** Which claims an agreement wants by when: computed from its canonical bytes, not taken from the publisher. */

/** States in which the publisher admits that a claim is not there, or need not be. */
const SETTLED = ["missing", "rejected", "lifted"];
const MOST = 200000;

/**
 * `agreement`: decoded (verifier/agreement.js). Every lab and period whose period has ended by `until` (Unix seconds), as
 * {lab, period, end, due, missingAfter}; empty where the agreement sets no deadlines.
 */
export function schedule(agreement, until) {
  const { deadlines, start, epochSeconds, epochsPerPeriod, periods } = agreement;
  if (!deadlines) return [];
  const first = agreement.amends ? agreement.amends.fromPeriod : 0;
  const length = epochSeconds * epochsPerPeriod;
  const out = [];
  for (let period = first; period < periods; period++) {
    const end = start + (period + 1) * length;
    if (end > until) break;
    for (const lab of agreement.labs) {
      if (period < lab.sincePeriod) continue;
      const due = end + deadlines.claim;
      out.push({ lab: lab.name, period, end, due, missingAfter: due + deadlines.grace });
      if (out.length >= MOST) return out;
    }
  }
  return out;
}

/**
 * What the publisher's rows leave out or move: {wrong, stale}, two lists of sentences' parts {lab, period, since}.
 *
 * `wrong`: missing already when the publisher computed the state, and not called so. `stale`: since then.
 */
export function compareSchedule(wanted, site, now) {
  const rows = new Map(site.claims.map((row) => [`${row.lab}-${row.period}`, row]));
  const wrong = [];
  const stale = [];
  const excused = site.log && site.log.problem && site.holds.answer !== "yes";
  for (const { lab, period, missingAfter } of wanted) {
    const row = rows.get(`${lab}-${period}`);
    if (missingAfter > now || (row && (row.claim || SETTLED.includes(row.state) || excused))) continue;
    (missingAfter <= site.computed_at ? wrong : stale).push({ lab, period, since: missingAfter });
  }
  return { wrong, stale };
}
