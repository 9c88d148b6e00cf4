/** What a claim is checked against: the agreement, its signatures and the log, as this page's host publishes them. */

import { sha256 } from "./vendor/noble-hashes/sha2.js";

const AGREEMENT_LIMIT = 8 * 2 ** 20;
const LOG_LIMIT = 64 * 2 ** 20 + 4096;

export const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
export const digestOf = (bytes) => hex(sha256(bytes));

/**
 * Fetch it all. `site`: the parsed site.json; `fetchBytes`: (path, limit) -> bytes.
 *
 * An agreement is taken under the digest of its own bytes, computed here, not under the one that the page states.
 */
export async function describe(site, fetchBytes) {
  const agreements = new Map();
  let current = "";
  for (const item of site.agreements) {
    const agreement = await fetchBytes(item.binary, AGREEMENT_LIMIT);
    const signatures = item.signatures ? await fetchBytes(item.signatures, AGREEMENT_LIMIT) : null;
    const digest = digestOf(agreement);
    current = current || digest;
    agreements.set(digest, { agreement, signatures, stated: item.digest });
  }
  if (current !== site.agreement.digest) throw new Error("the agreement published here does not have the digest that this page states");
  const log = site.log && site.log.bundle ? await fetchBytes(site.log.bundle, LOG_LIMIT) : null;
  const terms = (row) => agreements.get(row ? row.agreement : current) || agreements.get(current);
  return {
    digest: current,
    forRow: (row) => ({ agreement: terms(row).agreement, signatures: terms(row).signatures, log, roots: null }),
    forPrevious: (before, row) => (before.agreement === row.agreement ? null : terms(before).agreement),
  };
}
