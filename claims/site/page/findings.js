/** What the browser found about a claim or a file, as elements. */

import { el, icon, readable } from "./dom.js";
import { plural } from "./text.js";

/** Checks (claims/verify/claim.py) in their order, in plain words: what it says of a claim that one holds, and that it does not. */
const CHECKS = [
  ["format", "It is one whole claim file, with nothing before, between or after.", "It is not a whole claim file."],
  ["agreement", "It is about this agreement, word for word as the parties signed it.", "It is not about this agreement, or the agreement is not as it was signed."],
  ["lab", "Its lab is one of the agreement\u2019s.", "The agreement has no such lab."],
  ["period", "Its period is one that the lab owes a claim for.", "The agreement has no such period for this lab."],
  ["meters", "It has every agreed meter, each once, and no other.", "It is not about exactly the agreed meters."],
  ["signatures", "Every meter signed its readings, and the lab signed the whole.", "A signature does not verify."],
  ["lists", "What it lists fits the agreement: lost meters, limits that it was over, parts of limits that moved.", "What it lists does not fit the agreement: lost meters, limits in place of agreed ones, or parts of limits that moved."],
  ["log", "Where a public log is agreed, it is the file that the log names, and its readings were fixed there as time went by.", "It is not what the public log holds."],
  ["continuity", "It goes on from the lab\u2019s claim before it, so that nothing was forgotten in between.", "It does not continue from the lab\u2019s last accepted claim."],
  ["proof", "The proof shows that these readings add up to no more than the limits, or than those that it states in their place.", "The proof does not hold."],
  ["evidence", "", "Evidence speaks against it."],
];

/** What a failed check says of a claim, in plain words, or "". */
const failed = ({ check }) => (CHECKS.find(([name]) => name === check) || ["", "", ""])[2];

/** "ok", "over" (it passes every check, and says itself that the lab is over a limit), "part", "bad", or "none" where nothing could be checked. */
export function grade(finding) {
  if (!finding || finding.unread || finding.absent) return "none";
  return { PROVEN: "ok", OVER: "over", REJECTED: "bad" }[finding.verdict] ?? "part";
}

/** One line for a cell of the table. `state`: what the publisher says. */
export function short(finding, state) {
  switch (grade(finding)) {
    case "ok": return state === "rejected" ? "checked here: the proof holds; the publisher rejects the claim for what it does not show" : "checked here: holds";
    case "over": return `checked here: over a limit (${finding.over[0]})`;
    case "part": return `checked here: not decided (${finding.reason})`;
    case "bad": return `checked here: fails. ${failed(finding) || `Check: ${finding.check}.`}`;
    default: return finding && finding.absent ? `looked for here: ${finding.reason}` : "could not be checked here";
  }
}

const list = (items) => el("ul", "", items.map((item) => el("li", "", readable(item))));

/** The finding in full. `title` names the file or claim; may be empty. `rest`: checks the tables that were left, or null where it cannot be asked for. */
export function finding(found, title = "", rest = null) {
  const kind = grade(found);
  const head = {
    ok: ["proven", "PROVEN: everything was checked in this browser."],
    over: ["over", "OVER: everything was checked in this browser, and by the claim itself the lab is over a limit."],
    part: ["late", found && found.left ? "INCOMPLETE: what was checked holds, and not everything was." : "INCOMPLETE: what is here holds, but something is missing."],
    bad: ["rejected", `REJECTED. Failed check: ${found && found.check}`],
    none: ["missing", found && found.absent ? "No claim that counts is here." : "Could not be checked."],
  }[kind];
  const box = el("div", `finding ${kind === "none" ? "" : kind}`.trim());
  if (title) box.append(el("p", "", title));
  box.append(el("strong", "", icon(head[0]), el("span", "", head[1])));
  if (kind === "none") box.append(el("p", "", found ? found.reason : "Not checked."));
  if (kind === "bad") {
    if (failed(found)) box.append(el("p", "", failed(found)));
    box.append(el("p", "", "Reason: ", readable(found.reason)));
  }
  if (kind === "part") box.append(list(found.missing && found.missing.length ? found.missing : [found.reason]));
  if (kind === "over") box.append(list(found.over));
  if (found && found.lost && found.lost.length) box.append(list(found.lost));
  if (found && found.power) box.append(el("p", "", `Power, by meters that are not the lab\u2019s: ${found.power}.`));
  if (found && found.transfers && found.transfers.length) box.append(el("p", "", "Parts of limits that moved, as it lists them:"), list(found.transfers));
  if (found && found.earlier && found.earlier.length) box.append(el("p", "", "Over a limit in earlier periods:"), list(found.earlier));
  if (kind === "part" && found.left && rest) box.append(restButton(found, rest));
  for (const note of found && found.notes ? found.notes : []) box.append(el("p", "", note));
  if (kind === "ok" || kind === "over") box.append(el("details", "", el("summary", "", "What was checked"), list(CHECKS.map(([, holds]) => holds).filter(Boolean))), details(found));
  return box;
}

function restButton({ left }, rest) {
  const button = el("button", "", `Check the other ${plural(left, "table")} too`);
  button.type = "button";
  button.addEventListener("click", () => {
    button.disabled = true;
    button.textContent = "Checking \u2026";
    rest();
  });
  return button;
}

function details(found) {
  const more = el("details", "", el("summary", "", "What this shows"));
  more.append(list(found.shows || []));
  const facts = el("dl", "");
  const add = (key, value) => facts.append(el("dt", "", key), el("dd", "", value));
  if (found.continuity) add("What came before", found.continuity);
  if (found.bits) {
    const { unique, johnson } = found.bits;
    const steps = ["would take some 2", el("sup", "", Math.floor(unique)), " computations of a hash"];
    add("To forge it", [...steps, ` (${unique} bits by unique decoding alone; by Johnson\u2019s bound ${johnson})`]);
  }
  if (found.bits && found.bits.link) add("What joins its tables", `at most ${found.bits.link} bits between its ${found.count} tables: a hash, conjectural`);
  if (found.size) add("Size", plural(found.size, "byte"));
  if (found.sha256) add("SHA-256", el("code", "digest", found.sha256));
  if (found.seconds !== undefined) add("Time", `${found.seconds.toFixed(1)} s`);
  more.append(facts);
  return more;
}

/** A file that is no claim: what it is, and what it says. `found`: {title, kind ("ok", "bad", "none"), lines}. */
export function recognised(found, name) {
  const mark = { ok: "proven", bad: "rejected", none: "pending" }[found.kind];
  const box = el("div", `finding ${found.kind === "none" ? "" : found.kind}`.trim(), el("p", "", name));
  box.append(el("strong", "", icon(mark), el("span", "", found.title)));
  for (const line of found.lines) box.append(el("p", "", line));
  return box;
}
