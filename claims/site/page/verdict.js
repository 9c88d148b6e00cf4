/**
 * What this browser makes of the page: a pure function of the publisher's account, the browser's own survey, and what it found of each claim.
 *
 * Anything that is absent, could not be computed or was not checked keeps the page from being confirmed. Nothing here asks the publisher whether
 * a claim is due, or holds.
 */

import { nameOf } from "./account.js";
import { unreadFindings } from "./inspections.js";
import { judgeAt, latenessNotes } from "./lateness.js";
import { answerAt, evidenceAgainst, holds, isOwed, itemsAt, lifeAt, statesAt } from "./states.js";
import { moment } from "./text.js";

const GOOD = ["proven", "under inspection"];
const SETTLED = ["proven", "pending", "lifted"];
const NOT_JUDGED = ["inspection", "evidence"];
const MOST_NOTES = 8;
const SLACK = 86400; // seconds by which a visitor's clock may be behind the publisher's

/**
 * {kind, against, open, stale, answer, own, because, notes}.
 *
 * `account`: of readAccount, or null where it cannot be read. `survey`: of survey.js, or null where it cannot be computed. `problem`: why one of
 * them is null. `findings`: Map of LAB-PERIOD to a finding, for what was looked at so far. `checked`: everything was looked at. `now`: Unix seconds.
 * `shown`: the answer that the page's text shows.
 *
 * `kind`: "contradicted" (`against` says why), "broken" (it cannot be worked out), "open" (not everything could be decided here: `open`), "unchecked",
 * "old" (the account agrees, and is out of date: `stale`), "confirmed". `answer`: whether the standstill holds, as of the account's time, by what the browser found (states.js), or null. `own`: Map of LAB-PERIOD to the state that the browser found as of the
 * account's time, "unknown" where it has not looked. `because`: Map of
 * LAB-PERIOD to what, beside the claim file, leads to its state. `notes`: sentences that speak against nobody.
 */
export function verdict({ account, survey, problem = "", findings: given, checked, now, shown }) {
  if (!account || !survey) {
    return { kind: "broken", against: [], open: [problem || "The browser could not work out which claims are due."], stale: [], answer: null, own: new Map(), because: new Map(), notes: [] };
  }
  const findings = withUnjudged(survey, given);
  const time = account.computedAt;
  const own = statesAt(time, survey, findings, account);
  const { answer, why } = answerAt(time, survey, own, newerHead(survey.log, time));
  const against = [...contradictions(account, survey, findings, own), ...(shown === account.answer ? [] : ["The page\u2019s text and its site.json say different things."])];
  if (!against.length && answer === "no" && account.answer !== "no") against.push(`The publisher says ${quoted(account.answer)}, and by what this browser found the standstill does not hold: ${why.join("; ")}.`);
  const open = undecided(account, survey, findings, own, now);
  if (!against.length && !open.length && answer !== null && answer !== account.answer) {
    open.push(`The publisher says ${quoted(account.answer)}; by what this browser found the answer is ${quoted(answer)}${why.length ? `: ${why.join("; ").replace(/\.$/, "")}` : ""}.`);
  }
  const stale = overdue(account, survey, own, statesAt(now, survey, findings, account), now);
  const known = [...own.values()].every((state) => state !== "unknown");
  const kind = against.length ? "contradicted" : !checked || !known ? "unchecked" : open.length ? "open" : stale.length ? "old" : "confirmed";
  return { kind, against, open, stale, answer, own, because: reasonsOf(survey, findings, time), notes: notesOf(survey, time) };
}

/** What is worth knowing and speaks against nobody: the date of the log, a newer head, hours that came late. */
function notesOf({ log, items }, time) {
  const out = [];
  if (log && log.size !== null) {
    const date = log.date === null ? "it is not dated" : `as of ${moment(log.date)}`;
    out.push(`The log here has ${log.size.toLocaleString("en")} entries that enough parties have cosigned, ${date}. Whether it has gone on since, only another copy of it can tell.`);
  }
  if (isNewer(log)) out.push(newer(log));
  const late = items.map((item) => [item, latenessNotes(item.hours, time)]).filter(([, lines]) => lines.length);
  out.push(...late.slice(0, MOST_NOTES).map(([item, lines]) => `${say(item)}: ${lines.join("; ")}.`));
  if (late.length > MOST_NOTES) out.push(`Hours of ${late.length - MOST_NOTES} more claims came late or are not dated.`);
  return out;
}

/** What, beside the claim file itself, leads to the state of a lab and period: Map of LAB-PERIOD to a sentence. */
function reasonsOf({ items }, findings, time) {
  const out = new Map();
  for (const item of items) {
    const late = holds(findings.get(nameOf(item))) && judgeAt(item.hours, time) ? `${latenessNotes(item.hours, time).join("; ")}.` : "";
    const reason = evidenceAgainst(item, findings.get(nameOf(item)))[0] || item.conflicts[0] || item.held || late;
    if (reason && !item.lifted) out.set(nameOf(item), reason);
  }
  return out;
}

const isNewer = (log) => log && log.shown && log.shown.size > (log.size ?? -1);

/** A head that the log signed and that too few have cosigned: who has not, since when. */
function newer({ newest, shown: { size, date, behind } }) {
  const who = behind.map(({ name, size: last, date: since }) => (since === null ? `${name} (no head at all)` : `${name} (not since ${moment(since)}, ${last} entries)`));
  const here = newest < size ? " Its entries are not here." : " What it holds counts against its authors only.";
  return `The log signed a newer head of ${size.toLocaleString("en")} entries, ${date === null ? "of no date" : `of ${moment(date)}`}, that lacks its cosignatures: not cosigned by ${who.join(", ")}.${here}`;
}

const say = ({ lab, period }) => `${lab}, period ${period}`;
const quoted = (word) => `\u201c${word}\u201d`;
/** The findings, of which those are marked `unjudged` that only fail to hold because not all tables of the claim, or of one before it, were checked. */
function withUnjudged({ items }, findings) {
  const out = new Map(findings);
  for (const item of [...items].sort((a, b) => a.period - b.period)) {
    const finding = findings.get(nameOf(item));
    const before = out.get(nameOf({ lab: item.lab, period: item.period - 1 }));
    if (!finding || !finding.kinds || !finding.kinds.every((kind) => ["tables", "previous"].includes(kind))) continue;
    if (finding.kinds.includes("tables") || (finding.kinds.length && before && before.unjudged)) out.set(nameOf(item), { ...finding, unjudged: true });
  }
  return out;
}

/** Whether a claim is neither found to hold nor to fail: dates are not here, which a publisher with more heads may know; or not all that it says is judged here. */
const isOpen = (item, finding, time) => Boolean(item && finding) && (Boolean(finding.unjudged) || (holds(finding) && judgeAt(item.hours, time) === "open"));

/** What speaks against the publisher's account: sentences. */
function contradictions(account, survey, findings, own) {
  const { answer, computedAt } = account;
  const items = new Map(itemsAt(computedAt, survey).map((item) => [nameOf(item), item]));
  const about = new Map(); // one sentence for each lab and period, the first that fits
  for (const [name, row] of account.rows) {
    const line = aboutRow(row, items.get(name), own.get(name), findings.get(name), account);
    if (line) about.set(name, line);
  }
  for (const [name, item] of items) {
    if (about.has(name)) continue;
    const owed = isOwed(item, computedAt);
    if (!account.rows.has(name) && computedAt >= item.end) {
      const since = owed ? `, and it is due since ${moment(item.due ?? item.end)}` : "";
      about.set(name, `${say(item)}: the agreement asks for a claim; the publisher leaves it out${since}.`);
    } else if (answer === "yes" && owed && !["proven", "unknown"].includes(own.get(name)) && !isOpen(item, findings.get(name), computedAt)) {
      about.set(name, `${say(item)}: this claim is due since ${moment(item.due ?? item.end)} and this browser did not find it to hold${why(item, findings.get(name), computedAt)}; yet the publisher says that the standstill holds.`);
    }
  }
  const out = [...about.values(), ...againstMoved(account, survey), ...againstKeys(account, survey)];
  return answer === "yes" ? [...out, ...againstYes(account, survey, findings, own)] : out;
}

/** Where the publisher\u2019s list of transfers of cap is not what the log here has. */
function againstMoved({ allowances, computedAt }, survey) {
  if (survey.log && survey.log.problem) return [];
  const begun = new Set(itemsAt(computedAt, survey).filter(({ begin }) => begin <= computedAt).map(({ period }) => period));
  const words = (list) => new Map(list.map(({ period, transfers }) => [period, transfers.map(({ text, state }) => `${text}: ${state}`).join("; ")]));
  const [said, own] = [words(allowances), words(survey.moved.filter(({ period }) => begun.has(period)))];
  const periods = [...new Set([...said.keys(), ...own.keys()])].filter((period) => said.get(period) !== own.get(period));
  return periods.map((period) => `Period ${period}: the publisher lists other transfers of cap than the log here has (${own.get(period) ?? "none"}).`);
}

/** Where the publisher\u2019s list of keys that changed is not what the log here has. */
function againstKeys({ keys }, survey) {
  if ((survey.log && survey.log.problem) || keys.join("\n") === survey.keys.join("\n")) return [];
  return [`The publisher lists other changes of keys than the log here has (${survey.keys.join(". ") || "none"}).`];
}

function againstYes(account, survey, findings, own) {
  const out = [...survey.gaps, ...survey.breaches];
  const life = lifeAt(account.computedAt, survey);
  const states = [...own.values()];
  if (["draft", "amended", "lifted"].includes(life.state)) out.push(`The publisher says that the standstill holds, and ${life.reason}.`);
  if (account.replaced) out.push("The publisher says that the standstill holds, and that another agreement has replaced this one.");
  const mayHold = survey.items.some((item) => isOpen(item, findings.get(nameOf(item)), account.computedAt));
  if (!mayHold && !states.includes("proven") && !states.includes("unknown")) out.push("The publisher says that the standstill holds, and this browser finds no proven claim.");
  return out;
}

const why = (item, finding, time) => {
  const late = item && holds(finding) && judgeAt(item.hours, time) ? latenessNotes(item.hours, time).join("; ") : "";
  const reason = (item && (evidenceAgainst(item, finding)[0] || item.conflicts[0] || item.held)) || late || (finding && (finding.reason || (finding.over && finding.over[0]))) || (item && item.logProblem) || "";
  return reason ? ` (${reason.replace(/\.$/, "")})` : "";
};

/** How a row of the publisher and the browser's own state contradict each other: a sentence, or "". */
function aboutRow(row, item, own, finding, { answer, computedAt }) {
  const said = `the publisher says ${quoted(row.state)}`;
  if (answer === "yes" && !SETTLED.includes(row.state)) return `${say(row)}: ${said}, and yet that the standstill holds.`;
  if (!item) {
    if (["pending", "lifted"].includes(row.state)) return "";
    return `${say(row)}: ${said}, and the agreement asks for no claim of this lab for a period that has begun.`;
  }
  if (finding && finding.misfiled) return `${say(row)}: ${finding.misfiled}.`;
  if (GOOD.includes(row.state) && !row.claim) return `${say(row)}: ${said}, but no claim is published.`;
  const other = holds(finding) && GOOD.includes(row.state) ? otherWords(row, finding) : "";
  if (other) return `${say(row)}: ${other}.`;
  if (own === row.state || (own === "proven" && row.state === "under inspection")) return "";
  if (own === "unknown") return row.state === "lifted" ? noLift(row) : "";
  if (isOpen(item, finding, computedAt) && [...GOOD, "pending", "rejected"].includes(row.state)) return ""; // said in `undecided`
  if (row.state === "lifted") return noLift(row);
  if (row.state === "rejected") {
    // Inspections are not judged here, and a claim that is not here cannot be: that is said in `undecided`.
    return GOOD.includes(own) && !NOT_JUDGED.includes(row.check) ? `${say(row)}: ${said}, but the claim holds here.` : "";
  }
  if (own === "proven") return `${say(row)}: ${said}, but the claim is here and holds.`;
  if (own === "under inspection" && unreadFindings(item.inspections).length) return ""; // said in `undecided`
  if (own === "under inspection") return `${say(row)}: ${said}, but an inspection is drawn from the claim and no inspector\u2019s pass that counts is here.`;
  if (GOOD.includes(row.state)) {
    const words = own === "over" ? "by the claim itself the lab is over a limit" : own === "rejected" ? "the claim fails here" : "this browser did not find the claim to hold";
    return `${say(row)}: ${said}, but ${words}${why(item, finding, computedAt)}.`;
  }
  if (item.logProblem) return "";
  return `${say(row)}: ${said}, but by the agreement and the files here it is ${quoted(own)}${why(item, finding, computedAt)}.`;
}

/** In what a publisher says of a claim that holds something else than the claim and the log here do: of power, or of transfers. */
function otherWords({ power, transfers }, finding) {
  if (power !== finding.power) return `the publisher says ${quoted(power ?? "nothing")} of its power, and by the log here it is ${quoted(finding.power ?? "nothing")}`;
  return transfers.join() === finding.transfers.join() ? "" : `the publisher says ${quoted(transfers.join("; "))} of transfers of cap, and here it is ${quoted(finding.transfers.join("; "))}`;
}

const noLift = (row) => `${say(row)}: the publisher says that the pause was lifted then, and shows no decision that counts.`;

/** What this browser cannot decide by itself: sentences, each of which keeps the page from being confirmed. */
function undecided(account, survey, findings, own, now) {
  const out = [];
  if (account.computedAt > now + SLACK) out.push(`The page says that it was computed ${moment(account.computedAt)}, which by your clock is in the future.`);
  if (survey.log && survey.log.problem) out.push(survey.log.problem);
  out.push(...newerHead(survey.log, account.computedAt));
  const items = new Map(itemsAt(account.computedAt, survey).map((item) => [nameOf(item), item]));
  for (const row of account.rows.values()) {
    const finding = findings.get(nameOf(row));
    const state = own.get(nameOf(row));
    const item = items.get(nameOf(row));
    if (item && row.state === "proven" && state === "under inspection") out.push(...stillOpen(item));
    if (isOpen(item, finding, account.computedAt)) out.push(`${say(row)}: ${finding.unjudged ? finding.missing.join(" ") : `the proof holds; ${latenessNotes(item.hours, account.computedAt).join("; ")}.`}`);
    if (row.state === "rejected" && GOOD.includes(state) && !isOpen(item, finding, account.computedAt)) {
      out.push(`${say(row)}: the proof holds here; the publisher rejects the claim for what it does not show (${row.reason.replace(/\.$/, "")}), which this browser has not checked.`);
    } else if (row.state === "rejected" && state !== "rejected" && state !== "unknown") {
      out.push(`${say(row)}: the publisher rejects a claim that cannot be checked here${why(null, finding)}.`);
    } else if (finding && finding.unread && row.claim) {
      out.push(`${say(row)}: the claim cannot be checked here (${finding.reason}).`);
    }
  }
  return out;
}

/** A head that the log signed, newer than the one in use: where it leaves the answer open. */
function newerHead(log, time) {
  if (!isNewer(log)) return [];
  const { cosign, date, newest, shown } = log;
  const overdue = cosign !== null && time > (shown.date ?? date ?? 0) + cosign;
  return newest < shown.size || overdue ? [`${newer(log)}${overdue ? " The agreed time for cosigning it is over." : ""}`] : [];
}

/** Why a claim whose proof holds is not decided here: what inspectors entered in the log. */
const stillOpen = (item) => unreadFindings(item.inspections).map((line) => `${say(item)}: ${line}`);

/** What has become due since the account was computed and this browser did not find to hold, and the end of the agreement: sentences. */
function overdue(account, survey, own, at, now) {
  const { computedAt } = account;
  const isNew = (item) => isOwed(item, now) && !isOwed(item, computedAt) && own.get(nameOf(item)) !== "rejected";
  const left = itemsAt(now, survey).filter((item) => isNew(item) && !["proven", "unknown"].includes(at.get(nameOf(item))));
  const out = left.map((item) => `${say(item)}: due since ${moment(item.due ?? item.end)}.`);
  if (computedAt < survey.end && survey.end <= now) out.push(`The agreement ended ${moment(survey.end)}.`);
  return out;
}
