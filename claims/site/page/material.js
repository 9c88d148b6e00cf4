/** What a claim is checked against: the agreement, its signatures and the log, as this page's host publishes them. */

import { sha256 } from "./vendor/noble-hashes/sha2.js";

const AGREEMENT_LIMIT = 8 * 2 ** 20;
const AMENDED = 64;
const LOG_LIMIT = 64 * 2 ** 20 + 4096;

export const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
export const digestOf = (bytes) => hex(sha256(bytes));

/**
 * Fetch it all. `site`: the parsed site.json; `fetchBytes`: (path, limit) -> bytes; `amendsOf`: bytes of an agreement ->
 * {digest, fromPeriod} of what it amends, or null.
 *
 * An agreement is taken under the digest of its own bytes, computed here, not under the one that the page states. Which one is
 * in force in a period follows from the present one and those that it says it amends, not from what the page says of a claim.
 */
export async function describe(site, fetchBytes, amendsOf) {
  const agreements = new Map();
  let current = "";
  for (const item of site.agreements) {
    const agreement = await fetchBytes(item.binary, AGREEMENT_LIMIT);
    const signatures = item.signatures ? await fetchBytes(item.signatures, AGREEMENT_LIMIT) : null;
    const digest = digestOf(agreement);
    current = current || digest;
    agreements.set(digest, { agreement, signatures });
  }
  if (current !== site.agreement.digest) throw new Error("the agreement published here does not have the digest that this page states");
  const log = site.log && site.log.bundle ? await fetchBytes(site.log.bundle, LOG_LIMIT) : null;
  const chain = [];
  let amended = "";
  for (let digest = current; agreements.has(digest) && chain.length < agreements.size;) {
    const amends = await amendsOf(agreements.get(digest).agreement);
    chain.push({ ...agreements.get(digest), from: amends ? amends.fromPeriod : 0 });
    digest = amends ? amends.digest : "";
    amended = digest;
  }
  const terms = (period) => {
    const found = chain.find((item) => item.from <= period);
    if (!found) throw new Error(`the agreement that was in force in period ${period} is not published here`);
    return found;
  };
  return {
    digest: current,
    /** Canonical bytes of the present agreement and of those that it amends, newest first. */
    chain: chain.map((item) => item.agreement),
    /** The log's bundle, or null. */
    log,
    /** Digest of the agreement that the oldest of them amends, which is not published here, or "". */
    absent: amended,
    /** What a claim for a period is checked against; of no known period: the present agreement. */
    forPeriod: (period) => {
      const { agreement, signatures } = period === null ? chain[0] : terms(period);
      return { agreement, signatures, log, roots: null };
    },
    /** The agreements that the one of this period amends, where the period before is another's, else null. */
    forPrevious: (period) => (terms(period - 1) === terms(period) ? null : chain.slice(chain.indexOf(terms(period)) + 1).slice(0, AMENDED).map((item) => item.agreement)),
  };
}
