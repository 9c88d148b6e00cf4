/** Messages that keys sign, and agreement.sigs. claims/FORMATS.md sections 3 and 4. */
import { ascii, concat, equalBytes, fromHex, sha256, uint, words } from "./bytes.js";
import { isName } from "./reader.js";
import { verifySignature } from "./ed25519.js";
import { Rejected } from "./errors.js";
import { SIGNATURES } from "./hybrid.js";

const MAX_BYTES = 8 * 2 ** 20;
const FORMAT = "standstill-agreement-signatures/1";

const message = (domain, ...parts) => concat([uint(domain.length, 2), ascii(domain), ...parts]);
const name = (text) => concat([uint(text.length, 1), ascii(text)]);

export const agreementMessage = (digest) => message("standstill/sign/agreement/v1", digest);
export const claimMessage = (claim) => message("standstill/sign/claim/v1", sha256(claim.body));
export const registryHeadMessage = (digest, lab, period, head, lists) =>
  message("standstill/sign/registry-head/v1", digest, name(lab), uint(period, 4), words(head), lists);
export const ledgerHeadMessage = (digest, lab, meter, period, head, rootsDigest) =>
  message("standstill/sign/ledger-head/v2", digest, name(lab), name(meter), uint(period, 4), words(head), rootsDigest);
export const allowanceMessage = ({ agreement, author, lab, number, round, amount }) =>
  message("standstill/sign/allowance/v1", agreement, name(author), name(lab), uint(number, 4), uint(round, 4), uint(Number(amount >> 32n), 4), uint(Number(amount & 0xffffffffn), 4));
export const logEntryMessage = (unsigned) => message("standstill/sign/log-entry/v1", sha256(unsigned));

/** Canonical JSON of the signatures, as the format fixes it. */
function encode(agreement, rows) {
  const entry = ([party, signature]) =>
    `    {\n      "party": "${party}",\n      "signature": "${signature}"\n    }`;
  const list = rows.length === 0 ? "[]" : `[\n${rows.map(entry).join(",\n")}\n  ]`;
  return `{\n  "agreement": "${agreement}",\n  "format": "${FORMAT}",\n  "signatures": ${list}\n}\n`;
}

const bad = () => new Rejected("agreement", "the signatures file is not a canonical one");

/** {agreement: digest, signatures: Map of party to 64 or 2,484 bytes}, or Rejected("agreement"). */
export function decodeSignatures(data) {
  if (data.length > MAX_BYTES) throw bad();
  let value;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data));
  } catch {
    throw bad();
  }
  if (value === null || typeof value !== "object" || !Array.isArray(value.signatures)) throw bad();
  const rows = [];
  for (const row of value.signatures) {
    if (row === null || typeof row !== "object" || typeof row.party !== "string" || !isName(row.party)) throw bad();
    const signature = fromHex(row.signature);
    if (signature === null || !SIGNATURES.includes(signature.length)) throw bad();
    if (rows.length > 0 && !(rows[rows.length - 1][0] < row.party)) throw bad();
    rows.push([row.party, row.signature]);
  }
  const digest = fromHex(value.agreement);
  if (digest === null || digest.length !== 32) throw bad();
  if (!equalBytes(ascii(encode(value.agreement, rows)), data)) throw bad();
  return { agreement: digest, signatures: new Map(rows.map(([party, signature]) => [party, fromHex(signature)])) };
}

/** Parties that have not signed; Rejected("agreement") for a signature that is not right. */
export function missingSignatures(signed, agreement) {
  if (!equalBytes(signed.agreement, agreement.digest)) {
    throw new Rejected("agreement", "the signatures file is about another agreement");
  }
  const keys = new Map(agreement.parties.map((party) => [party.name, party.key]));
  for (const [party, signature] of signed.signatures) {
    if (!keys.has(party)) throw new Rejected("agreement", `the signatures file names "${party}", which is not a party`);
    if (!verifySignature(keys.get(party), signature, agreementMessage(agreement.digest))) {
      throw new Rejected("agreement", `the signature of party ${party} on the agreement does not verify`);
    }
  }
  return [...keys.keys()].filter((party) => !signed.signatures.has(party));
}

