/** Receipts: other parties' signed word that they were given a log entry, for when the log's operator leaves it out. As claims/claim/receipts.py; FORMATS-log.md section 8. */

import { canonical } from "./canonical.js";
import { ascii, concat, equalBytes, fromHex, sha256, toHex, uint } from "./verifier/bytes.js";
import { verifySignature } from "./verifier/ed25519.js";
import { countsUnder, decodeEntry } from "./verifier/entries.js";
import { SIGNATURES } from "./verifier/hybrid.js";

const DOMAIN = ascii("standstill/sign/receipt/v1");
const LIMIT = 2 ** 20;
const MOST_SIGNATURES = 4096;
const MOST_CHECKED = 20000;
const MAX_TIME = 253402300799;
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** {entry, signatures: [{party, signature, time}]} of a receipt's bytes, or null where they are none. */
export function decodeReceipt(data) {
  if (data.length > LIMIT) return null;
  try {
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data));
    if (value.format !== "standstill-receipt/1" || !equalBytes(ascii(canonical(value)), data)) return null;
    if (Object.keys(value).length !== 3 || value.signatures.length > MOST_SIGNATURES) return null;
    const entry = fromHex(value.entry);
    const decoded = entry && decodeEntry(entry);
    const signatures = value.signatures.map((row) => ({ ...row, signature: fromHex(row.signature) }));
    const isGood = ({ party, signature, time }, i) => NAME.test(party) && signature !== null && SIGNATURES.includes(signature.length) && Number.isInteger(time) && time >= 0 && time <= MAX_TIME
      && (i === 0 || signatures[i - 1].party < party);
    if (!decoded || !signatures.every(isGood) || value.signatures.some((row) => Object.keys(row).length !== 3)) return null;
    return { entry: decoded, bytes: entry, signatures };
  } catch {
    return null; // not JSON, or not the fields that belong there
  }
}

/** {entry, times: Map of a party whose receipt counts to its time} under an agreement, with each set of keys that counts, or null where a signature does not verify or the entry does not fit. */
export function checkReceipt(receipt, views) {
  const [terms] = views;
  const { entry, bytes, signatures } = receipt;
  if (!views.some((view) => countsUnder(entry, view))) return null;
  const times = new Map();
  const digest = sha256(bytes);
  for (const { party, signature, time } of signatures) {
    const witness = terms.parties.find((item) => item.name === party && item.cosignKey);
    if (!witness || party === entry.author || (terms.log && party === terms.log.operator)) continue;
    const message = concat([uint(DOMAIN.length, 2), DOMAIN, uint(time, 8), digest]);
    if (!views.some(({ parties }) => verifySignature(parties.find(({ name }) => name === party).key, signature, message))) return null;
    times.set(party, time);
  }
  return { entry, times };
}

/** What was delivered by the receipts that check, [{entry, times}]: those of one entry are put together. `files`: lists of bytes; only so many signatures are checked; `views`: the agreement with each set of keys that counts. */
export function readReceipts(files, views) {
  const found = new Map();
  let left = MOST_CHECKED;
  for (const data of files) {
    const receipt = decodeReceipt(data);
    if (!receipt) continue;
    left -= 1 + receipt.signatures.length;
    if (left < 0) break;
    const checked = checkReceipt(receipt, views);
    if (!checked) continue;
    const name = toHex(checked.entry.unsigned);
    const known = found.get(name) ?? { entry: checked.entry, times: new Map() };
    for (const [party, time] of checked.times) known.times.set(party, Math.min(time, known.times.get(party) ?? time));
    found.set(name, known);
  }
  return [...found.values()];
}
