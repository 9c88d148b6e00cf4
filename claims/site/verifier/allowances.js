/**
 * Transfers of cap between labs for one period: which ones count, in a copy of the log, and what they make of a claim. As claims/claim/allowances.py and claims/verify/allowances.py; claims/FORMATS-log.md
 * section 9. Nothing is clamped: a transfer counts whole or not at all.
 */
import { capsAt, periodEpochs } from "./terms.js";
import { equalBytes, sha256, toHex } from "./bytes.js";
import { TRANSFER, decodeEntry, kindOf } from "./entries.js";
import { Rejected } from "./errors.js";
import { keysOf } from "./keys.js";
import { formatWork } from "./limits.js";

const MOST = 2n ** 64n;

/** `2026-12-01T00:00:00Z`, of Unix seconds; what no calendar has, such as a cosigner may write, as `second N` (claims/base/units.py). */
const formatTime = (seconds) => (seconds > 253402300799 ? `second ${seconds}` : new Date(seconds * 1000).toISOString().replace(".000Z", "Z"));

/**
 * All transfers for a period under an agreement, in the log's order: [{giver, receiver, serial, amount (BigInt, units of 10^12 FLOP), digest (hex, of the entry, by which a claim lists it), void (why it
 * never counts, whoever reads, or ""), counts (by this copy of the log), state and text (in words)}]. `entries`: of a log, and `given`: of receipts; `dated`: (index, two names) to when a quorum without these
 * and the operator had seen an entry, or null.
 */
export function transfersOf(entries, given, agreement, period, dated = () => null) {
  const begin = agreement.start + periodEpochs(agreement, period)[0] * agreement.epochSeconds;
  const [gave, received, known, found, keys] = [new Map(), new Map(), new Set(), [], keysOf(entries, agreement)];
  const add = (sums, name, amount) => sums.set(name, (sums.get(name) ?? 0n) + amount);
  for (const [at, data] of [...entries, ...given].entries()) {
    const entry = kindOf(data) === TRANSFER ? decodeEntry(data) : null;
    if (!entry || entry.number !== period || !equalBytes(entry.agreement, agreement.digest)) continue;
    if (known.has(entry.identity) || !keys.counts(entry, at < entries.length ? at : Infinity)) continue;
    known.add(entry.identity);
    const { author: giver, lab: receiver, round: serial, amount } = entry;
    const isVoid = whyVoid(agreement, entry, gave.get(giver) ?? 0n, received.get(receiver) ?? 0n);
    if (!isVoid) {
      add(gave, giver, amount);
      add(received, receiver, amount);
    }
    const date = dated(at, [giver, receiver]);
    const counts = !isVoid && date !== null && date < begin;
    const when = date === null ? "this copy of the log does not date it" : `dated ${formatTime(date)}${counts ? "" : ", when the period had begun"}`;
    const state = isVoid ? `void: ${isVoid}` : `${counts ? "counts," : "does not count:"} ${when}`;
    const text = `${formatWork(amount)} moved from ${giver} to ${receiver} (serial ${serial})`;
    found.push({ giver, receiver, serial, amount, digest: toHex(sha256(data)), void: isVoid, counts, state, text });
  }
  return found;
}

/** Why a transfer is void after what the log has before it; "" where it stands. */
function whyVoid(agreement, { author, lab, number, amount }, given, received) {
  const [giver, receiver] = [author, lab].map((name) => agreement.labs.find((item) => item.name === name));
  if (given + amount > capsAt(giver, number).total) return `${giver.name} would give more than its own agreed total`;
  if (receiver.ceiling === null) return `${receiver.name} has no ceiling, and receives nothing`;
  if (capsAt(receiver, number).total + received + amount > receiver.ceiling) return `${receiver.name} would come above its ceiling, ${formatWork(receiver.ceiling)}`;
  return "";
}

/** What a transfer adds to a lab's total, negative for its giver. */
const toward = ({ giver, receiver, amount }, lab) => (receiver === lab ? amount : giver === lab ? -amount : 0n);

const sum = (transfers, lab) => transfers.reduce((total, item) => total + toward(item, lab), 0n);

/**
 * What a claim's list of transfers comes to: {moved (what they add to its total, or null where one is not in this copy of the log), texts (the total after them and what it lists, in words), over (why it is over by this copy of
 * the log, sentences without a full stop), missing: [{kind, what}]}. Rejected("lists"). `entries`: as above, or null where no log can be used; `dated`: as above, or null: the list is not held against
 * those that count, as of an earlier claim.
 */
export function allowanceOf(claim, agreement, lab, entries, given, dated) {
  const nothing = { moved: 0n, texts: [], over: [], missing: [] };
  if (claim.transfers.length > 0 && !agreement.log) throw new Rejected("lists", "the claim lists transfers of cap, and the agreement has no log to date any");
  if (!entries) return claim.transfers.length > 0 ? { ...nothing, moved: null } : nothing;
  const transfers = transfersOf(entries, given, agreement, claim.period, dated ?? undefined);
  const listed = claim.transfers.map(toHex);
  const unknown = listed.find((digest) => !transfers.some((item) => item.digest === digest));
  if (unknown) return { ...nothing, moved: null, missing: [{ kind: "entry", what: `the log entry of a transfer of cap that the claim lists, with the SHA-256 ${unknown}` }] };
  const own = transfers.filter(({ digest }) => listed.includes(digest));
  const other = own.find((item) => toward(item, lab.name) === 0n);
  if (other) throw new Rejected("lists", `the claim lists a transfer between other labs: ${other.text}`);
  const [moved, agreed] = [sum(own, lab.name), capsAt(lab, claim.period).total];
  if (agreed + moved < 0n || agreed + moved >= MOST) throw new Rejected("lists", `the transfers that the claim lists leave lab ${lab.name} no total cap that can be`);
  const texts = listed.map((digest) => own.find((item) => item.digest === digest)).map(({ text, state }) => `${text}: ${state}`);
  if (texts.length > 0) texts.unshift(`total cap ${formatWork(agreed + moved)} after transfers, ${formatWork(agreed)} agreed`);
  return { moved, texts, over: dated ? misjudged(agreed + moved, agreed, lab.name, listed, transfers) : [], missing: [] };
}

/** Why a claim is over by this copy of the log: its list gives it a higher total than the transfers that count. */
function misjudged(stated, agreed, lab, listed, transfers) {
  const most = agreed + sum(transfers.filter(({ counts }) => counts), lab);
  if (stated <= most) return [];
  const out = [`its total is ${formatWork(stated)} with the transfers that it lists, and ${formatWork(most)} with those that count here`];
  for (const item of transfers) {
    if (listed.includes(item.digest) && item.receiver === lab && !item.counts) out.push(`listed: ${item.text}; ${item.state}`);
    else if (item.counts && item.giver === lab && !listed.includes(item.digest)) out.push(`not listed: ${item.text}`);
  }
  return out;
}
