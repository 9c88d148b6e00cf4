/**
 * What this browser makes of the page: a pure function of the publisher's account, the browser's own survey, and what it found of each claim.
 *
 * Anything that is absent, could not be computed or was not checked keeps the page from being confirmed. Nothing here asks the publisher whether
 * a claim is due, or holds.
 */

import { nameOf } from "./account.js";
import { moment } from "./text.js";

const GOOD = ["proven", "under inspection"];
const SETTLED = ["proven", "pending", "lifted"];
const MILDER = { late: ["pending"], missing: ["pending", "late"], proven: ["pending"] };
const NOT_JUDGED = ["inspection", "evidence", "deadlines"];
const MOST_NOTES = 8;
const SLACK = 86400; // seconds by which a visitor's clock may be behind the publisher's

/**
 * {kind, against, open, stale, own, notes}.
 *
 * `account`: of readAccount, or null where it cannot be read. `survey`: of survey.js, or null where it cannot be computed. `problem`: why one of
 * them is null. `findings`: Map of LAB-PERIOD to a finding, for what was looked at so far. `checked`: everything was looked at. `now`: Unix seconds.
 * `shown`: the answer that the page's text shows.
 *
 * `kind`: "contradicted" (`against` says why), "broken" (it cannot be worked out), "open" (not everything could be decided here: `open`), "unchecked",
 * "old" (the account agrees, and is out of date: `stale`), "confirmed". `own`: Map of LAB-PERIOD to the state that the browser found as of the
 * account's time, "unknown" where it has not looked.
 */
export function verdict({ account, survey, problem = "", findings, checked, now, shown }) {
  if (!account || !survey) {
    return { kind: "broken", against: [], open: [problem || "The browser could not work out which claims are due."], stale: [], own: new Map(), notes: [] };
  }
  const own = statesAt(account.computedAt, survey, findings, account);
  const against = [...contradictions(account, survey, findings, own), ...(shown === account.answer ? [] : ["The page\u2019s text and its site.json say different things."])];
  const open = undecided(account, survey, findings, own, now);
  const stale = overdue(account, survey, own, statesAt(now, survey, findings, account), now);
  const known = [...own.values()].every((state) => state !== "unknown");
  const kind = against.length ? "contradicted" : !checked || !known ? "unchecked" : open.length ? "open" : stale.length ? "old" : "confirmed";
  return { kind, against, open, stale, own, notes: notesOf(survey) };
}

/** What is worth knowing and speaks against nobody: the date of the log, a newer head, hours that came late. */
function notesOf({ log, items }) {
  const out = [];
  if (log && log.date !== null) {
    out.push(`The log here has ${log.size.toLocaleString("en")} entries that enough parties have cosigned, as of ${moment(log.date)}. An older copy of the log, if whole, cannot be told from the newest one without another mirror.`);
    if (log.shown > log.size) out.push(`The log signed a newer head, of size ${log.shown.toLocaleString("en")}, that not enough parties have cosigned yet. What it holds counts against a lab only.`);
  }
  const late = items.filter(({ hours }) => hours && hours.late > 0);
  out.push(...late.slice(0, MOST_NOTES).map((item) => `${say(item)}: ${item.hours.late} of ${item.hours.ended} hours committed late.`));
  return out;
}

const say = ({ lab, period }) => `${lab}, period ${period}`;
const quoted = (word) => `\u201c${word}\u201d`;
const holds = (finding) => finding !== undefined && finding.verdict === "PROVEN";

/** The state of each lab and period at a time, as the browser finds it: Map of LAB-PERIOD to a state or "unknown". */
function statesAt(time, survey, findings, account) {
  const states = new Map();
  const ordered = [...survey.items].sort((a, b) => a.period - b.period);
  for (const item of ordered) {
    const row = account.rows.get(nameOf(item));
    const finding = findings.get(nameOf(item)) ?? (row && row.claim ? undefined : { verdict: "INCOMPLETE", absent: true });
    states.set(nameOf(item), stateOf(item, finding, states.get(nameOf({ lab: item.lab, period: item.period - 1 })), time));
  }
  return states;
}

function stateOf(item, finding, earlier, time) {
  if (item.lifted) return "lifted";
  if (item.evidence.length) return "rejected";
  if (time < item.end) return "pending";
  if (item.conflicts.length) return "rejected";
  if (!finding) return "unknown";
  if (holds(finding)) return "proven";
  if (finding.verdict === "REJECTED") return "rejected";
  if (item.logProblem) return "pending";
  if (!finding.absent && !item.opening && ["rejected", "lifted"].includes(earlier)) return "rejected"; // what is not here accuses no later claim
  // With a log, only a copy of it that is dated after the deadline can show that nothing came by then.
  const seen = item.asOf === null ? time : Math.min(time, item.asOf);
  if (item.due === null || seen <= item.due) return "pending";
  return seen <= item.missingAfter ? "late" : "missing";
}

const isOwed = (item, time) => !item.lifted && time > (item.due ?? item.end);

/** What speaks against the publisher's account: sentences. */
function contradictions(account, survey, findings, own) {
  const { answer, computedAt } = account;
  const items = new Map(survey.items.map((item) => [nameOf(item), item]));
  const about = new Map(); // one sentence for each lab and period, the first that fits
  for (const [name, row] of account.rows) {
    const line = aboutRow(row, items.get(name), own.get(name), findings.get(name), answer);
    if (line) about.set(name, line);
  }
  for (const [name, item] of items) {
    if (about.has(name)) continue;
    const owed = isOwed(item, computedAt);
    if (!account.rows.has(name) && !account.replaced && computedAt >= item.end) {
      const since = owed ? `, and it is due since ${moment(item.due ?? item.end)}` : "";
      about.set(name, `${say(item)}: the agreement asks for a claim; the publisher leaves it out${since}.`);
    } else if (answer === "yes" && owed && !["proven", "unknown"].includes(own.get(name))) {
      about.set(name, `${say(item)}: this claim is due since ${moment(item.due ?? item.end)} and this browser did not find it to hold${why(item, findings.get(name))}; yet the publisher says that the standstill holds.`);
    }
  }
  const out = [...about.values()];
  return answer === "yes" ? [...out, ...againstYes(account, survey, own)] : out;
}

function againstYes(account, survey, own) {
  const out = [...survey.gaps, ...survey.breaches];
  const lifted = survey.lifted.find(([from, to]) => from <= account.computedAt && account.computedAt < to);
  const states = [...own.values()];
  if (survey.unsigned.length) out.push(`The publisher says that the standstill holds, and the agreement is not signed by ${survey.unsigned.join(", ")}.`);
  if (lifted && account.computedAt < survey.end) out.push(`The publisher says that the standstill holds, and the pause is lifted since ${moment(lifted[0])}.`);
  if (account.replaced) out.push("The publisher says that the standstill holds, and that another agreement has replaced this one.");
  if (!states.includes("proven") && !states.includes("unknown")) out.push("The publisher says that the standstill holds, and this browser finds no proven claim.");
  return out;
}

const why = (item, finding) => {
  const reason = (item && (item.evidence[0] || item.conflicts[0])) || (finding && finding.reason) || (item && item.logProblem) || "";
  return reason ? ` (${reason.replace(/\.$/, "")})` : "";
};

/** How a row of the publisher and the browser's own state contradict each other: a sentence, or "". */
function aboutRow(row, item, own, finding, answer) {
  const said = `the publisher says ${quoted(row.state)}`;
  if (answer === "yes" && !SETTLED.includes(row.state)) return `${say(row)}: ${said}, and yet that the standstill holds.`;
  if (!item) {
    if (["pending", "lifted"].includes(row.state)) return "";
    return `${say(row)}: ${said}, and the agreement asks for no claim of this lab for a period that has begun.`;
  }
  if (finding && finding.misfiled) return `${say(row)}: ${finding.misfiled}.`;
  if (GOOD.includes(row.state) && !row.claim) return `${say(row)}: ${said}, but no claim is published.`;
  if (own === row.state || (own === "proven" && row.state === "under inspection")) return "";
  if (own === "unknown") return row.state === "lifted" ? noLift(row) : "";
  if (row.state === "lifted") return noLift(row);
  if (row.state === "rejected") {
    // Inspections and lateness are not judged here, and a claim that is not here cannot be: that is said in `undecided`.
    return own === "proven" && !NOT_JUDGED.includes(row.check) ? `${say(row)}: ${said}, but the claim holds here.` : "";
  }
  if (answer !== "yes" && isMilder(row.state, own, item)) return "";
  if (own === "proven") return `${say(row)}: ${said}, but the claim is here and holds.`;
  if (GOOD.includes(row.state)) {
    const words = own === "rejected" ? "the claim fails here" : "this browser did not find the claim to hold";
    return `${say(row)}: ${said}, but ${words}${why(item, finding)}.`;
  }
  if (item.logProblem) return "";
  return `${say(row)}: ${said}, but by the agreement and the files here it is ${quoted(own)}${why(item, finding)}.`;
}

/** Where there is a log, the publisher may know of receipts and dates that leave more open than this browser finds: that is said in `undecided`. */
const isMilder = (said, own, item) => item.asOf !== null && (MILDER[own] ?? []).includes(said);

const noLift = (row) => `${say(row)}: the publisher says that the pause was lifted then, and shows no decision that counts.`;

/** What this browser cannot decide by itself: sentences, each of which keeps the page from being confirmed. */
function undecided(account, survey, findings, own, now) {
  const out = [];
  if (account.computedAt > now + SLACK) out.push(`The page says that it was computed ${moment(account.computedAt)}, which by your clock is in the future.`);
  if (survey.log && survey.log.problem) out.push(survey.log.problem);
  out.push(...newerHead(survey.log, account.computedAt));
  const items = new Map(survey.items.map((item) => [nameOf(item), item]));
  for (const row of account.rows.values()) {
    const finding = findings.get(nameOf(row));
    const state = own.get(nameOf(row));
    const item = items.get(nameOf(row));
    if (item && row.state === "proven" && state === "proven") out.push(...stillOpen(item));
    if (item && !["unknown", row.state].includes(state) && isMilder(row.state, state, item)) {
      out.push(`${say(row)}: the publisher says ${quoted(row.state)} (${row.reason.replace(/\.$/, "")}); this browser finds ${quoted(state)}.`);
    }
    if (row.state === "rejected" && state === "proven") {
      out.push(`${say(row)}: the proof holds here; the publisher rejects the claim for what it does not show (${row.reason.replace(/\.$/, "")}), which this browser has not checked.`);
    } else if (row.state === "rejected" && state !== "rejected" && state !== "unknown") {
      out.push(`${say(row)}: the publisher rejects a claim that cannot be checked here${why(null, finding)}.`);
    } else if (finding && finding.unread && row.claim) {
      out.push(`${say(row)}: the claim cannot be checked here (${finding.reason}).`);
    }
  }
  if (account.answer === "no" && ![...own.values()].some((state) => ["missing", "rejected", "unknown"].includes(state)) && !survey.breaches.length && !out.length) {
    out.push("The publisher says that the standstill does not hold, and this browser finds nothing that is missing or rejected.");
  }
  return out;
}

/** A head that the log signed, newer than the one in use: where it leaves the answer open. */
function newerHead(log, time) {
  if (!log || log.shown === null || log.shown <= (log.size ?? 0)) return [];
  if (log.newest < log.shown) return [`The log signed a newer head, of size ${log.shown}, and what it holds is not here.`];
  const { cosign, date } = log;
  return cosign !== null && date !== null && time > date + cosign ? [`The log signed a newer head, of size ${log.shown}, and not enough parties have cosigned it in the agreed time.`] : [];
}

/** Why a claim whose proof holds is not decided here: what inspectors entered in the log, and hours that came late. */
function stillOpen(item) {
  const { hours } = item;
  const late = hours && hours.allowed !== null && hours.late > hours.allowed;
  return [
    ...item.inspected.map((line) => `${say(item)}: ${line} Its record decides, which this browser does not check.`),
    ...(late ? [`${say(item)}: ${hours.late} of ${hours.ended} hours were committed late, and ${hours.allowed} may be.`] : []),
  ];
}

/** What has become due since the account was computed and this browser did not find to hold, and the end of the agreement: sentences. */
function overdue(account, survey, own, at, now) {
  const { computedAt } = account;
  const isNew = (item) => isOwed(item, now) && !isOwed(item, computedAt) && own.get(nameOf(item)) !== "rejected";
  const left = survey.items.filter((item) => isNew(item) && !["proven", "unknown"].includes(at.get(nameOf(item))));
  const out = left.map((item) => `${say(item)}: due since ${moment(item.due ?? item.end)}.`);
  if (computedAt < survey.end && survey.end <= now) out.push(`The agreement ended ${moment(survey.end)}.`);
  return out;
}
