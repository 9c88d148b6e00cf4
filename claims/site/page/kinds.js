/** What a file that is no claim is, and what it says under this page's agreement. Never throws. */

import { conviction } from "./evidence.js";
import { readDecision } from "./decisions.js";
import { checkReceipt, decodeReceipt } from "./receipts.js";
import { moment } from "./text.js";
import { decodeAgreement } from "./verifier/agreement.js";
import { ascii, equalBytes, sha256, toHex } from "./verifier/bytes.js";
import { ASSENT, CLAIM, DECISION, EPOCH, FEED_PERIOD, INSPECTION, JOULES, KEY, LOSS, TRANSFER, countsUnder, decodeEntry } from "./verifier/entries.js";
import { Rejected } from "./verifier/errors.js";
import { formatWork } from "./verifier/limits.js";
import { cosignersOf } from "./verifier/log.js";
import { openHead } from "./verifier/note.js";
import { changeText } from "./verifier/keys.js";
import { Reader } from "./verifier/reader.js";
import { decodeSignatures, missingSignatures } from "./verifier/signatures.js";

const VERIFIED_BY = "standstill status checks it together with the folder that it belongs to.";
const startsWith = (data, text) => data.length >= text.length && equalBytes(data.subarray(0, text.length), ascii(text));
const asText = (data) => new TextDecoder("utf-8", { fatal: true }).decode(data);
const found = (title, kind = "none", ...lines) => ({ title, kind, lines: lines.filter(Boolean) });

/**
 * {title, kind ("ok", "bad", "none"), lines} of a file's bytes, or null where it is of no published kind. `chain`: canonical bytes of the agreement and those
 * that it amends, the present one first.
 */
export function recognise(data, chain) {
  try {
    const agreements = chain.map((bytes) => decodeAgreement(bytes));
    if (startsWith(data, "standstill-roots")) return roots(data);
    if (startsWith(data, "standstill-log-bundle")) return found("The log, as this page carries it.", "none", VERIFIED_BY);
    if (startsWith(data, "standstill-log")) return entry(data, agreements);
    if (startsWith(data, "{")) return json(data, agreements);
    if (data.length > 2 && startsWith(data.subarray(2), "standstill/agreement/")) return agreement(data, agreements);
    return text(data, agreements);
  } catch (error) {
    if (error instanceof Rejected) return found("A damaged file.", "bad", `${error.reason}.`);
    return null;
  }
}

function agreement(data, [current, ...older]) {
  const digest = toHex(sha256(data));
  decodeAgreement(data);
  if (digest === current.digestHex) return found("The same agreement as on this page.", "ok", `Its digest is ${digest}.`);
  const amended = older.some((item) => item.digestHex === digest);
  return found(amended ? "An agreement that this page\u2019s agreement amends." : "Another agreement than this page\u2019s.", amended ? "ok" : "bad",
    `Its digest is ${digest}; this page\u2019s is ${current.digestHex}.`);
}

function roots(data) {
  const read = new Reader(data, "roots");
  read.raw("standstill-roots".length, "the magic");
  read.uint(2, "the version");
  read.raw(32, "the digest");
  const [lab, period] = [read.name("the lab"), read.uint(4, "the period")];
  return found("Epoch roots of a claim.", "none", `Lab ${lab}, period ${period}. They are checked together with the claim.`);
}

function entry(data, agreements) {
  const item = decodeEntry(data);
  if (!item) return found("A damaged log entry.", "bad");
  if (item.kind === KEY) return found(`A word about a key, by ${item.author}: ${changeText(item)}.`, "none", "It counts where it stands in the log, with those of others.");
  const counts = agreements.some((terms) => countsUnder(item, terms));
  const what = {
    [EPOCH]: `epoch ${item.number}`, [CLAIM]: `the claim of period ${item.number}`, [ASSENT]: "its assent", [INSPECTION]: `an inspection of ${item.lab}, period ${item.number}`, [DECISION]: "a decision",
    [LOSS]: `${item.target} of lab ${item.lab} is ${item.said === 1 ? "lost" : "back"} from epoch ${item.number} on`, [JOULES]: `the joules of epoch ${item.number}, hidden`,
    [FEED_PERIOD]: `all its joules of period ${item.number}, hidden`,
    [TRANSFER]: item.kind === TRANSFER ? `${formatWork(item.amount)} of its limit for period ${item.number} go to ${item.lab}` : "",
  };
  return found(`A log entry by ${item.author}: ${what[item.kind]}.`, counts ? "ok" : "bad",
    counts ? "Its author signed it. Whether the log has it is not looked up." : "It does not count under this page\u2019s agreement.");
}

function json(data, agreements) {
  const value = JSON.parse(asText(data));
  const format = typeof value.format === "string" ? value.format : "";
  if (format.startsWith("standstill-agreement-signatures/")) return signatures(data, agreements);
  if (format.startsWith("standstill-decision/")) {
    const decision = agreements.map((terms) => readDecision(data, terms)).find(Boolean);
    if (!decision) return found("A decision that does not count under this page\u2019s agreement.", "bad", "Too few deciders signed it, or it is about another agreement.");
    const line = agreements[0].log ? "With a log it counts once enough deciders have entered it there." : "";
    return found(`A decision: ${decision.decision === "lift" ? "the pause is lifted" : "the pause is triggered"} from ${moment(decision.effective)} on.`, "ok", "Enough deciders signed it.", line);
  }
  if (format.includes("evidence")) {
    const convicted = agreements.map((terms) => conviction(data, terms)).find(Boolean);
    return convicted ? found("Evidence that holds.", "bad", convicted.text) : found("Evidence that shows nothing under this page\u2019s agreement.");
  }
  if (format.startsWith("standstill-inspection-record/")) {
    return found("An inspection record.", "none", `It says: ${value.author} inspected lab ${value.lab}, period ${value.period}: ${value.outcome}.`, VERIFIED_BY);
  }
  if (format.startsWith("standstill-receipt/")) return receipt(data, agreements);
  if (format.startsWith("standstill-allowance/")) return found("A part of a lab\u2019s limit that another lab agreed to receive.", "none", "It counts once the giver has signed it, and the log has it.");
  if (format.startsWith("standstill-joules/")) return found("What a power feed drew in one epoch, opened. It is private: do not publish it.", "bad");
  if (format.includes("opening")) return found("An opening for one inspector. It is private: do not publish it.", "bad");
  if ("round" in value && "signature" in value) return found(`Round ${value.round} of the public randomness.`, "none", "standstill inspect checks it.");
  return null;
}

function receipt(data, agreements) {
  const read = decodeReceipt(data);
  if (!read) return found("A damaged receipt.", "bad");
  const checked = agreements.map((terms) => checkReceipt(read, [terms])).find(Boolean);
  if (!checked) return found("A receipt that does not count under this page\u2019s agreement.", "bad", "The entry does not fit it, or a signature does not verify.");
  const who = [...checked.times].map(([name, time]) => `${name} on ${moment(time)}`);
  return found(`A receipt of a log entry by ${checked.entry.author}.`, "ok", who.length ? `Countersigned by ${who.join(", ")}.` : "Nobody whose word counts has countersigned it.");
}

function signatures(data, agreements) {
  const signed = decodeSignatures(data);
  const terms = agreements.find((item) => equalBytes(item.digest, signed.agreement));
  if (!terms) return found("Signatures of another agreement.", "bad", `It has the digest ${toHex(signed.agreement)}.`);
  const missing = missingSignatures(signed, terms);
  return missing.length ? found("Signatures of this page\u2019s agreement.", "none", `Not signed by ${missing.join(", ")}.`) : found("Signatures of this page\u2019s agreement, by all parties.", "ok");
}

/** A head of the log, or the text of an agreement, which only the program can turn into its digest. */
function text(data, [terms]) {
  const words = asText(data);
  if (/^[^\n]+\n[0-9]+\n[A-Za-z0-9+/=]+\n/.test(words) && words.includes("\n\n\u2014 ")) {
    if (!terms.log) return found("A head of a log. This page\u2019s agreement names none.");
    const trust = { origin: terms.log.origin, key: terms.log.key, cosigners: cosignersOf(terms) };
    const head = openHead(data, trust);
    const names = [...head.times.keys()];
    return found(`A head of this page\u2019s log, of ${head.size} entries.`, "ok", `Cosigned by ${names.length ? names.join(", ") : "nobody"}.`);
  }
  if (words.includes("standstill-agreement/")) {
    return found("The text of an agreement.", "none", "Its digest is computed by: standstill agreement digest FILE. Paste the digest into the field below to compare it.");
  }
  if (words.includes("PRIVATE KEY")) return found("A private key. Do not publish it.", "bad");
  return null;
}
