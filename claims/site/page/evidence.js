/** Evidence that a key signed two things where there may be one. claims/FORMATS.md section 6, claims/FORMATS-log.md. */

import { canonical } from "./canonical.js";
import { ascii, compareBytes, concat, equalBytes, fromHex, toHex, uint } from "./verifier/bytes.js";
import { decodeLists } from "./verifier/claim.js";
import { verifySignature } from "./verifier/ed25519.js";
import { CLAIM, EPOCH, TRANSFER, countsUnder, decodeEntry } from "./verifier/entries.js";
import { Rejected } from "./verifier/errors.js";
import { P } from "./verifier/field.js";
import { isHybrid } from "./verifier/hybrid.js";
import { LOST_METER } from "./verifier/losses.js";
import { openHead } from "./verifier/note.js";
import { rootsOfPrefix } from "./verifier/rfc6962.js";
import { ledgerHeadMessage, registryHeadMessage } from "./verifier/signatures.js";

const LIMIT = 512 * 1024;
const MAX_NUMBER = 2 ** 24;
const SIGNED = ["digest", "head", "signature"];
/** What reads each format, its fields beside `format`, and those of the objects in them. */
const KINDS = {
  "standstill-evidence/3": { read: twoHeads, fields: ["agreement", "heads", "lab", "meter", "period"], inner: { heads: SIGNED } },
  "standstill-roots-evidence/1": { read: twoRoots, fields: ["agreement", "epoch", "lab", "meter", "roots"], inner: { roots: ["root", "signature"] } },
  "standstill-entries-evidence/1": { read: twoEntries, fields: ["entries"], inner: {} },
  "standstill-lost-head-evidence/1": { read: hiddenHead, fields: ["agreement", "lab", "listed", "meter", "period", "signed"], inner: { listed: ["head", "lists", "signature"], signed: SIGNED } },
  "standstill-log-evidence/1": { read: twoHistories, fields: ["heads", "key", "nodes", "origin"], inner: {} },
};

/**
 * What a file convicts under an agreement: {text, lab, period, meter, epoch, breach, identity, agreement (digest, hex)}; null: nothing. Lab and period are null where it is no lab's claim that is
 * spoilt: then it is a breach by the log's operator, or the entry of that identity counts for nothing. Meter and epoch: whose key it rests on, and the last epoch that it is about; null: no meter's. `data`: bytes. `terms`: decoded agreement; `views`: the same with each set of keys that counts. Never throws.
 */
export function conviction(data, terms, views = [terms]) {
  if (data.length > LIMIT) return null;
  try {
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data));
    if (!Object.hasOwn(KINDS, value.format) || !equalBytes(ascii(canonical(value)), data)) return null;
    const { read, fields, inner } = KINDS[value.format];
    const parts = Object.entries(inner).flatMap(([field, names]) => [value[field]].flat().map((part) => [part, names]));
    if (![[value, ["format", ...fields]], ...parts].every(([part, names]) => Object.keys(part).sort().join() === [...names].sort().join())) return null;
    const found = read(value, terms, views);
    return found && { lab: null, period: null, meter: null, epoch: null, breach: false, identity: null, ...found, agreement: terms.digestHex };
  } catch {
    return null; // not JSON, not the fields that belong there, not bytes in hexadecimal
  }
}

/** Bytes of hexadecimal text of that length; throws for anything else. */
function bytes(text, length) {
  const data = fromHex(text);
  if (data === null || data.length !== length) throw new Rejected("evidence");
  return data;
}

function head(text) {
  const view = new DataView(bytes(text, 32).buffer);
  const words = Array.from({ length: 8 }, (_, i) => view.getUint32(4 * i));
  if (words.some((word) => word >= P)) throw new Rejected("evidence");
  return words;
}

const lastEpoch = ({ epochsPerPeriod }, period) => (period + 1) * epochsPerPeriod - 1;
const within = (value) => Number.isInteger(value) && value >= 0 && value < MAX_NUMBER;
const pair = (list) => (Array.isArray(list) && list.length === 2 ? list : null);
const keyOf = (terms, name) => terms.parties.find((party) => party.name === name).key;
const labOf = (terms, name) => terms.labs.find((lab) => lab.name === name);

function twoHeads(value, terms) {
  const { lab, meter, period } = value;
  const heads = pair(value.heads);
  if (!heads || !within(period) || value.agreement !== terms.digestHex || !labOf(terms, lab)) return null;
  const key = meter === null ? keyOf(terms, lab) : labOf(terms, lab).meters.find((item) => item.name === meter).wholeKey;
  const signed = heads.every((item) => {
    const digest = bytes(item.digest, 32);
    const message = meter === null
      ? registryHeadMessage(terms.digest, lab, period, head(item.head), digest)
      : ledgerHeadMessage(terms.digest, lab, meter, period, head(item.head), digest);
    return verifySignature(key, fromHex(item.signature), message);
  });
  if (!signed || (heads[0].head === heads[1].head && heads[0].digest === heads[1].digest)) return null;
  const who = meter === null ? `Lab ${lab}` : `Meter ${lab}/${meter}`;
  return { lab, period, ...(meter === null ? {} : { meter, epoch: lastEpoch(terms, period) }), text: `${who} signed two heads for period ${period}.` };
}

/** A head of a meter that the lab's claim lists as lost without one. */
function hiddenHead(value, terms, views) {
  const { lab, meter, period, listed, signed } = value;
  if (!within(period) || value.agreement !== terms.digestHex || !labOf(terms, lab)) return null;
  const { losses, listsDigest } = decodeLists(fromHex(listed.lists), period);
  if (!losses.some((loss) => loss.kind === LOST_METER && loss.name === meter && !loss.signed)) return null;
  const keys = views.map((view) => labOf(view, lab).meters.find((item) => item.name === meter).wholeKey); // lab and meter signed at different times
  const byLab = registryHeadMessage(terms.digest, lab, period, head(listed.head), listsDigest);
  const byMeter = ledgerHeadMessage(terms.digest, lab, meter, period, head(signed.head), bytes(signed.digest, 32));
  if (!verifySignature(keyOf(terms, lab), fromHex(listed.signature), byLab) || !keys.some((key) => verifySignature(key, fromHex(signed.signature), byMeter))) return null;
  return { lab, period, meter, epoch: lastEpoch(terms, period), text: `Meter ${lab}/${meter} signed a head for period ${period}, and the lab\u2019s claim lists it as lost without one.` };
}

function twoRoots(value, terms) {
  const { lab, meter, epoch } = value;
  const roots = pair(value.roots);
  if (!roots || !within(epoch) || value.agreement !== terms.digestHex || !labOf(terms, lab) || roots[0].root === roots[1].root) return null;
  if (roots[0].root > roots[1].root) return null;
  const { key, wholeKey } = labOf(terms, lab).meters.find((item) => item.name === meter);
  const domain = ascii("standstill/sign/epoch-root/v1");
  const name = (text) => concat([uint(text.length, 1), ascii(text)]);
  const signed = roots.every((item) => verifySignature(key, bytes(item.signature, 64), concat([
    uint(domain.length, 2), domain, terms.digest, name(lab), name(meter), uint(epoch, 4), bytes(item.root, 32),
  ])));
  if (!signed) return null;
  const text = `Meter ${lab}/${meter} signed two roots for epoch ${epoch}`;
  if (isHybrid(wholeKey)) return { text: `${text}, with Ed25519 alone, and it has a period key: that rejects no claim.` };
  return { lab, period: Math.floor(epoch / terms.epochsPerPeriod), meter, epoch, text: `${text}.` };
}

function twoEntries(value, terms) {
  const [one, two] = pair(value.entries).map((text) => fromHex(text));
  const entries = [decodeEntry(one), decodeEntry(two)];
  if (compareBytes(one, two) > 0 || entries[0].identity !== entries[1].identity || equalBytes(entries[0].word, entries[1].word)) return null;
  if (!entries.every((entry) => countsUnder(entry, terms))) return null;
  const { kind, author, lab, number, identity } = entries[0];
  if (kind === EPOCH) return { lab, period: Math.floor(number / terms.epochsPerPeriod), text: `Lab ${lab} signed two different entries for epoch ${number}.` };
  if (kind === CLAIM) return { lab, period: number, text: `Lab ${lab} signed two different claims for period ${number}.` };
  if (kind === TRANSFER) return { lab: author, period: number, text: `Lab ${author} signed two different transfers of one number for period ${number}.` };
  return { identity, text: `${author} signed two different log entries where there may be one.` };
}

function twoHistories(value, terms) {
  if (!terms.log || value.origin !== terms.log.origin || value.key !== toHex(terms.log.key)) return null;
  const trust = { origin: terms.log.origin, key: terms.log.key, cosigners: [] };
  const [one, two] = pair(value.heads).map((text) => openHead(new TextEncoder().encode(text), trust));
  const nodes = value.nodes.map((text) => bytes(text, 32));
  const text = `The log, run by ${terms.log.operator}, signed two histories: heads of size ${one.size} and ${two.size}.`;
  if (one.size === two.size) return nodes.length === 0 && !equalBytes(one.root, two.root) ? { text, breach: true } : null;
  if (one.size > two.size || nodes.length > 64) return null;
  const roots = rootsOfPrefix(nodes, one.size, two.size);
  return roots && equalBytes(roots[1], two.root) && !equalBytes(roots[0], one.root) ? { text, breach: true } : null;
}
