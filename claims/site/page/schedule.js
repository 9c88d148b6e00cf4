/** Which claims an agreement wants by when: computed from its canonical bytes, not taken from the publisher. */

/** States in which the publisher admits that a claim is not there. */
const ADMITTED = ["missing", "rejected"];
const MOST = 200000;

/**
 * Every lab and period whose period has ended, as {lab, period, end, due, missingAfter, lifted}.
 *
 * `agreement`: decoded (verifier/agreement.js). `until`: Unix seconds. `before`: the period in which an amendment takes over. `spans`:
 * when the pause was lifted. `due` and `missingAfter` are null where the agreement sets no deadlines.
 */
export function schedule(agreement, until, { before = Infinity, spans = [] } = {}) {
  const { deadlines, start, epochSeconds, epochsPerPeriod, periods } = agreement;
  const first = agreement.amends ? agreement.amends.fromPeriod : 0;
  const length = epochSeconds * epochsPerPeriod;
  const out = [];
  for (let period = first; period < Math.min(periods, before); period++) {
    const begin = start + period * length;
    const end = begin + length;
    if (end > until) break;
    const lifted = spans.some(([from, to]) => from < end && begin < to);
    for (const lab of agreement.labs) {
      if (period < lab.sincePeriod) continue;
      const due = deadlines ? end + deadlines.claim : null;
      out.push({ lab: lab.name, period, end, due, missingAfter: deadlines ? due + deadlines.grace : null, lifted });
      if (out.length >= MOST) return out;
    }
  }
  return out;
}

/**
 * What the publisher's rows leave out or move: {wrong, stale}, two lists of {lab, period, since, why}.
 *
 * `wrong`: what speaks against the publisher's account as of when it was computed. `stale`: claims that went missing since then, or,
 * where no deadline is agreed, of periods that ended since then.
 */
export function compareSchedule(wanted, site, now) {
  const rows = new Map(site.claims.map((row) => [`${row.lab}-${row.period}`, row]));
  const wrong = [];
  const stale = [];
  const excused = site.log && site.log.problem && site.holds.answer !== "yes";
  for (const { lab, period, end, due, missingAfter, lifted } of wanted) {
    const row = rows.get(`${lab}-${period}`);
    const owed = due === null ? end : due;
    const say = (list, since, why) => list.push({ lab, period, since, why });
    if (row && row.state === "lifted" && !lifted) {
      say(wrong, end, "the publisher says that the pause was lifted then, and shows no decision that counts");
    } else if (lifted || (row && (row.claim || ADMITTED.includes(row.state) || excused))) {
      continue;
    } else if (missingAfter !== null && missingAfter <= site.computed_at) {
      say(wrong, missingAfter, "the agreement counts this claim as missing; the publisher does not say so");
    } else if (site.holds.answer === "yes" && owed < site.computed_at) {
      say(wrong, owed, "this claim is due and not there, and yet the publisher says that the standstill holds");
    } else if (missingAfter !== null && missingAfter <= now) {
      say(stale, missingAfter, "");
    } else if (missingAfter === null && end > site.computed_at) {
      say(stale, end, "");
    }
  }
  return { wrong, stale };
}
