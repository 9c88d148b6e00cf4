/**
 * The state of every lab and period at a moment, and whether the standstill holds, as this browser finds it. As claims/status/rows.py and
 * claims/status/compute.py decide.
 */

import { nameOf } from "./account.js";
import { inspectedAs } from "./inspections.js";
import { judgeAt } from "./lateness.js";
import { moment } from "./text.js";
import { LOST_METER } from "./verifier/losses.js";

/** Whether a claim passes every check of its own: also one that says itself that it is over limits. */
export const holds = (finding) => ["PROVEN", "OVER"].includes(finding?.verdict);

/**
 * Sentences: the evidence that counts against a lab and period. What was signed with the key of a meter that was lost by then counts against nobody: by the claim where one holds (`finding`, else null),
 * else as the lab said in the log. As claims/status/rows.py.
 */
export function evidenceAgainst({ evidence }, finding) {
  const isListed = ({ meter, site, epoch }) => finding.losses.some(({ kind, name, firstEpoch }) => firstEpoch <= epoch && name === (kind === LOST_METER ? meter : site));
  const wasLost = (by) => by !== null && (holds(finding) ? isListed(by) : by.said);
  return evidence.filter(({ by }) => !wasLost(by)).map(({ text }) => text);
}

/** A claim's deadline has passed; without one, its period has ended. */
export const isOwed = (item, time) => !item.lifted && time > (item.due ?? item.end);

/** The items of a moment: where an amendment has taken over, none of its periods is left of the agreement before. */
export function itemsAt(time, survey) {
  const next = successorAt(time, survey);
  return next ? survey.items.filter((item) => !item.present || item.period < next.from) : survey.items;
}

/** Map of LAB-PERIOD to a state, "unknown" where a claim was not looked at. `account`: whose rows say where a claim file is published at all. */
export function statesAt(time, survey, findings, account) {
  const walk = new Walk(time, survey);
  for (const item of [...itemsAt(time, survey)].sort((a, b) => a.period - b.period)) {
    const row = account.rows.get(nameOf(item));
    walk.judge(item, findings.get(nameOf(item)) ?? (row && row.claim ? undefined : { verdict: "INCOMPLETE", absent: true }));
  }
  return walk.states;
}

/** Labs and periods in ascending order: what was found of one decides whether the next can go on from it. */
class Walk {
  constructor(time, survey) {
    this.time = time;
    this.states = new Map();
    this.items = new Map(survey.items.map((item) => [nameOf(item), item]));
    this.verified = new Set(); // their claims are gone on from
    this.waiting = new Set(); // no claim that counts is here: that accuses no later one
    this.open = new Set(); // cannot be judged, through no fault of the lab
  }

  judge(item, finding) {
    const name = nameOf(item);
    const state = this.found(name, item, finding);
    const against = evidenceAgainst(item, this.verified.has(name) ? finding : null);
    if (against.length) this.verified.delete(name);
    this.states.set(name, item.lifted ? "lifted" : against.length ? "rejected" : state);
  }

  found(name, item, finding) {
    const { time } = this;
    if (time < item.end) return "pending";
    if (item.conflicts.length) return "rejected";
    if (item.held) return this.undecided(name);
    if (!finding) return "unknown";
    if (finding.absent || finding.unread) return this.unproven(name, item);
    const before = nameOf({ lab: item.lab, period: item.period - 1 });
    if (!item.opening && !this.verified.has(before)) {
      const earlier = this.items.get(before);
      if (this.states.get(before) === "unknown") return "unknown";
      if (!earlier || earlier.logProblem || this.open.has(before)) return this.undecided(name);
      return this.waiting.has(before) ? this.unproven(name, item) : "rejected";
    }
    if (finding.verdict === "REJECTED") return "rejected";
    if (finding.kinds && finding.kinds.includes("tables")) {
      this.waiting.add(name);
      return "pending";
    }
    if (!holds(finding)) return this.unproven(name, item);
    this.verified.add(name);
    const late = judgeAt(item.hours, time);
    const inspected = inspectedAs(item.inspections, finding, time);
    if (late === "rejected" || inspected === "failed") return "rejected";
    if (finding.verdict === "OVER") return "over"; // what is still open makes nothing good
    if (late === "open") return "pending";
    return ["open", "waiting"].includes(inspected) ? "under inspection" : "proven";
  }

  undecided(name) {
    this.open.add(name);
    return "pending";
  }

  /** No claim that counts is here. With a log, only a copy of it that is dated after the deadline can show that nothing came by then. */
  unproven(name, item) {
    const { time } = this;
    if (item.logProblem) return "pending";
    if (!item.lifted || item.logged) this.waiting.add(name);
    if (item.due === null) return "pending";
    if (item.silenced) {
      this.waiting.add(name);
      return this.undecided(name);
    }
    const seen = item.asOf === null ? time : Math.min(time, item.asOf);
    if (time > item.missingAfter && seen > item.missingAfter) return "missing";
    this.waiting.add(name);
    return time <= item.due || seen <= item.due ? "pending" : "late";
  }
}

/** The amendment that has taken over, or null: of several, the one that begins first. */
function successorAt(time, { successors }) {
  const begun = successors.filter((item) => item.begin <= time).sort((a, b) => a.from - b.from || (a.digest < b.digest ? -1 : 1));
  return begun[0] ?? null;
}

/** {state, reason}: the agreement's life, as claims/decisions/life.py. */
export function lifeAt(time, survey) {
  const { unsigned, start, end, lifted } = survey;
  if (unsigned.length) return { state: "draft", reason: `the agreement is not signed by ${unsigned.join(", ")}` };
  const next = successorAt(time, survey);
  if (next) return { state: "amended", reason: `agreement ${next.digest} has replaced this one from period ${next.from} on` };
  if (time >= end) return { state: "expired", reason: `the agreement ended ${moment(end)}` };
  const span = lifted.find(([from, to]) => from <= time && time < to);
  if (span) return { state: "lifted", reason: `the pause is lifted since ${moment(span[0])}` };
  if (time < start) return { state: "signed", reason: `the agreement begins ${moment(start)}` };
  return { state: "in force", reason: "" };
}

/** {answer, why}: "yes", "no" or "undecided", and why; answer null where not everything was looked at. `states`: of statesAt; `openLog`: why the log leaves the answer open, sentences. */
export function answerAt(time, survey, states, openLog) {
  const items = itemsAt(time, survey);
  const stateOf = (item) => states.get(nameOf(item));
  const named = (item) => `the claim of ${item.lab} for period ${item.period} is ${stateOf(item)}`;
  if (items.some((item) => stateOf(item) === "unknown")) return { answer: null, why: [] };
  const broken = items.filter((item) => ["missing", "rejected", "over"].includes(stateOf(item)));
  if (survey.breaches.length || broken.length) return { answer: "no", why: [...survey.breaches, ...broken.map(named)] };
  const life = lifeAt(time, survey);
  if (!["in force", "expired"].includes(life.state)) return { answer: "undecided", why: [life.reason] };
  const ended = life.state === "expired"; // what is said then is of the whole agreement
  const isLeft = (item) => ["late", "under inspection"].includes(stateOf(item)) || (stateOf(item) === "pending" && (ended || isOwed(item, time)));
  const left = items.filter(isLeft);
  if (left.length || survey.gaps.length || openLog.length) return { answer: "undecided", why: [...survey.gaps, ...openLog, ...left.map(named)] };
  if (ended && items.some((item) => stateOf(item) === "lifted" && item.period === survey.periods - 1)) {
    return { answer: "undecided", why: ["the pause was lifted when the agreement ended"] };
  }
  if (!items.some((item) => stateOf(item) === "proven")) return { answer: "undecided", why: ["no claim is due yet"] };
  return { answer: "yes", why: [] };
}
