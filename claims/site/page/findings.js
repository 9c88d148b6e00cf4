/** What the browser found about a claim, as elements; and whether that agrees with what the publisher says. */

import { amounts, el, icon, plural } from "./dom.js";

/** Names of checks (claims/verify.py) in plain words. */
const CHECKS = {
  format: "It is not a whole claim file.",
  agreement: "It is not about this agreement, or the agreement is not as it was signed.",
  lab: "The agreement has no such lab.",
  period: "The agreement has no such period for this lab.",
  meters: "It is not about exactly the agreed meters.",
  signatures: "A signature does not verify.",
  log: "It is not what the public log holds.",
  continuity: "It does not continue from the lab\u2019s last accepted claim.",
  proof: "The proof does not hold.",
};

/** States that rest on a claim which holds; those of all claims of a standstill that holds. */
const GOOD = ["proven", "under inspection"];
const SETTLED = ["proven", "pending", "lifted"];

/** "ok", "part" or "bad", or "none" where nothing could be checked. */
export function grade(result) {
  if (!result || result.unread) return "none";
  if (!result.accepted) return "bad";
  return result.proven ? "ok" : "part";
}

/** One line for a cell of the table. `row`: what the publisher says. */
export function short(result, row) {
  switch (grade(result)) {
    case "ok": return remark(row, result) ? "checked here: the claim itself holds" : "checked here: holds";
    case "part": return "checked here: holds in part";
    case "bad": return `checked here: fails (${result.check})`;
    default: return "could not be checked here";
  }
}

const list = (items) => el("ul", "", items.map((item) => el("li", "", amounts(item))));

/** The finding in full. `title` names the file or claim; may be empty. */
export function finding(result, title = "") {
  const kind = grade(result);
  const head = {
    ok: ["proven", "Accepted: everything was checked in this browser."],
    part: ["late", "Accepted, but not proven: something was left out."],
    bad: ["rejected", `Rejected. Failed check: ${result.check}`],
    none: ["missing", "Could not be checked."],
  }[kind];
  const box = el("div", `finding ${kind === "none" ? "" : kind}`.trim());
  if (title) box.append(el("p", "", title));
  box.append(el("strong", "", icon(head[0]), el("span", "", head[1])));
  if (kind === "none") box.append(el("p", "", result ? result.unread : "Not checked."));
  if (kind === "bad") {
    if (CHECKS[result.check]) box.append(el("p", "", CHECKS[result.check]));
    box.append(el("p", "", `Reason: ${result.reason}`));
  }
  if (kind === "part") box.append(list(result.limitations));
  for (const note of result && result.notes ? result.notes : []) box.append(el("p", "", note));
  if (kind === "ok" || kind === "part") box.append(details(result));
  return box;
}

function details(result) {
  const more = el("details", "", el("summary", "", "What this shows"));
  more.append(list(result.shows || []));
  const facts = el("dl", "");
  const add = (key, value) => facts.append(el("dt", "", key), el("dd", "", value));
  if (result.continuity) add("Continuity", result.continuity);
  if (result.bits) {
    const { unique, johnson } = result.bits;
    const steps = ["to forge it would take some 2", el("sup", "", Math.floor(unique)), " computations of a hash"];
    add("Soundness", [...steps, ` (${unique} bits by unique decoding alone; by Johnson\u2019s bound ${johnson})`]);
  }
  if (result.bytes) add("Size", plural(result.bytes, "byte"));
  if (result.sha256) add("SHA-256", el("code", "digest", result.sha256));
  if (result.seconds !== undefined) add("Time", `${result.seconds.toFixed(1)} s`);
  more.append(facts);
  return more;
}

/** Where the publisher's row and the browser's result contradict each other: a sentence, or "". */
export function contradiction(row, result) {
  const name = `${row.lab}, period ${row.period}`;
  const good = GOOD.includes(row.state);
  const kind = grade(result);
  if (good && kind === "bad") return `${name}: the publisher says \u201c${row.state}\u201d, but the claim fails here (${result.check}: ${result.reason}).`;
  if (good && kind === "none") return `${name}: the publisher says \u201c${row.state}\u201d, but the claim cannot be checked here (${result.unread}).`;
  if (good && kind === "part") return `${name}: the publisher says \u201c${row.state}\u201d, but this browser could not check everything (${result.limitations.join("; ")}).`;
  return "";
}

/** What the publisher's account says against itself, before anything is checked: sentences. */
export function inconsistencies(site) {
  const out = [];
  const seen = new Set();
  for (const row of site.claims) {
    const name = `${row.lab}, period ${row.period}`;
    const said = `the publisher says \u201c${row.state}\u201d`;
    if (!row.claim && GOOD.includes(row.state)) out.push(`${name}: ${said}, but no claim is published.`);
    if (site.holds.answer === "yes" && !SETTLED.includes(row.state)) out.push(`${name}: ${said}, and yet that the standstill holds.`);
    if (seen.has(name)) out.push(`${name}: the publisher lists it twice.`);
    seen.add(name);
  }
  if (site.holds.answer === "yes" && !site.claims.some((row) => row.state === "proven")) out.push("The publisher says that the standstill holds, and lists no proven claim.");
  if (site.holds.answer === "yes" && site.life.replaced) out.push("The publisher says that the standstill holds, and that another agreement has replaced this one.");
  return out;
}

/** Where the browser accepts what the publisher rejects: not a contradiction, for the publisher knows more files. */
export function remark(row, result) {
  if (row && row.state === "rejected" && grade(result) === "ok") {
    return `${row.lab}, period ${row.period}: the claim itself holds here. The publisher rejects it for what the claim does not show: ${row.reason}.`;
  }
  return "";
}
