/** How a lab's epochs of a period came into the log: in time, late, or without a word on it. As claims/verify/lateness.py; FORMATS-log.md section 7. */

import { equalBytes } from "./verifier/bytes.js";
import { EPOCH } from "./verifier/entries.js";

const MOST_NAMES = 64;

/**
 * {start, seconds, count, allowed, operator, unit, late, undated, cosignedLate, heldBack, by}: when the first epoch ends, how long one is, how many there are; how many may be late, or null: any number; lists of the
 * deadlines of epochs that were late, that nothing shows to be late or in time, that were in the log in time and cosigned late, by whom (`by`: names), and that the operator held back. Null without
 * [deadlines] or a log. `until`: Unix seconds; nothing is looked up of later deadlines. `entryOf`: epoch to its first entry that its author signed, or null; null where no log can be used.
 */
export function latenessOf({ terms, log: { opened }, delivered }, { lab, period }, until, entryOf) {
  const { deadlines, epochSeconds, epochsPerPeriod, start } = terms;
  if (!deadlines || !terms.log) return null;
  const firstEpoch = period * epochsPerPeriod;
  const unit = epochSeconds === 3600 ? "hours" : "epochs";
  const end = (epoch) => start + (epoch + 1) * epochSeconds;
  const out = { start: end(firstEpoch), seconds: epochSeconds, count: epochsPerPeriod, allowed: deadlines.lateEpochs, operator: terms.log.operator, unit, late: [], undated: [], cosignedLate: [], heldBack: [], by: [] };
  if (!entryOf || !opened.usable(lab)) return out;
  const judge = judgeOf(opened, lab, delivered);
  const names = new Set();
  for (let epoch = firstEpoch; epoch < firstEpoch + epochsPerPeriod; epoch++) {
    const deadline = end(epoch) + deadlines.epoch;
    if (deadline >= until) break;
    const { kind, behind = [] } = judge(entryOf(epoch), epoch, deadline);
    if (kind) out[kind].push(deadline);
    for (const name of behind) if (names.size < MOST_NAMES) names.add(name);
  }
  return { ...out, by: [...names].sort() };
}

/** (entry or null, epoch, deadline) to {kind: "" (in time), "late", "undated", "cosignedLate" or "heldBack", behind: who cosigned late}. */
function judgeOf(opened, lab, delivered) {
  const dates = opened.dates(lab);
  const given = new Map(); // epoch to receipts of this lab's entries of it
  for (const item of delivered) {
    const { kind, lab: whose, number } = item.entry;
    if (kind === EPOCH && whose === lab) given.set(number, [...(given.get(number) ?? []), item]);
  }
  const isReceived = (entry, epoch, deadline) => (given.get(epoch) ?? []).some((item) =>
    [...item.times.values()].some((time) => time <= deadline) && (!entry || equalBytes(item.entry.unsigned, entry.unsigned)));
  return (entry, epoch, deadline) => {
    if (!entry || entry.at === Infinity) {
      if (isReceived(entry, epoch, deadline)) return { kind: "heldBack" };
      const whole = dates.absent(Infinity);
      return { kind: whole !== null && whole > deadline ? "late" : "" };
    }
    const quorum = dates.quorum(entry.at);
    if (quorum !== null && quorum <= deadline) return { kind: "" };
    const seen = dates.seen(entry.at);
    if (seen !== null && seen <= deadline) return { kind: "cosignedLate", behind: dates.behind(entry.at, deadline) };
    if (isReceived(entry, epoch, deadline)) return { kind: "heldBack" };
    const words = [dates.published(entry.at), dates.absent(entry.at)];
    return { kind: words.some((word) => word !== null && word > deadline) ? "late" : "undated" };
  };
}

/** {ended, late, undated, cosignedLate, heldBack}: numbers of epochs at a moment. */
export function countAt(hours, time) {
  const past = (list) => list.filter((deadline) => deadline < time).length;
  const ended = Math.max(0, Math.min(hours.count, Math.floor((time - hours.start) / hours.seconds) + 1));
  return { ended, late: past(hours.late), undated: past(hours.undated), cosignedLate: past(hours.cosignedLate), heldBack: past(hours.heldBack) };
}

/** Whether a claim with this lateness is "rejected", "open" (dates are missing) or neither (""). */
export function judgeAt(hours, time) {
  if (!hours || hours.allowed === null) return "";
  const { late, undated } = countAt(hours, time);
  if (late + undated <= hours.allowed) return "";
  return late > hours.allowed ? "rejected" : "open";
}

/** Sentences without a full stop: what every reader is told. */
export function latenessNotes(hours, time) {
  if (!hours) return [];
  const { ended, late, undated, cosignedLate, heldBack } = countAt(hours, time);
  const of = `of ${ended} ${hours.unit}`;
  return [
    late ? `${late} ${of} committed late` : "",
    undated ? `${undated} ${of} not shown to be in time: this copy of the log lacks their dates` : "",
    cosignedLate ? `${cosignedLate} ${of} in the log in time and cosigned late by ${hours.by.join(", ")}` : "",
    heldBack ? `${heldBack} ${of} delivered in time, as other parties\u2019 receipts say, and held back by the log\u2019s operator ${hours.operator}` : "",
    judgeAt(hours, time) ? `the agreement allows ${hours.allowed} late` : "",
  ].filter(Boolean);
}
