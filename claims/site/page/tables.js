/** A claim with several tables, checked table by table, each in a worker of its own. */

/** How many tables of one claim are checked before the visitor asks for the rest. */
export const MOST_TABLES = 16;

/** Places of the tables to check, in order: all, or the first sites and the registry, which is last. */
export function placesOf(count, all) {
  const places = Array.from({ length: count }, (_, i) => i);
  return all || count <= MOST_TABLES ? places : [...places.slice(0, MOST_TABLES - 1), count - 1];
}

/**
 * A finding of the worker's about a claim whose tables are still to be checked, and what was found of them, in order: {bits}, {check, reason} of one that fails, {absent: true} where its file is not
 * here, {unread: reason} where the verifier did not run, or nothing where it was not looked at. The first that fails is named.
 */
export function withTables(finding, found) {
  const failed = found.find((table) => table && table.check);
  if (failed) return { verdict: "REJECTED", check: failed.check, reason: failed.reason };
  const unread = found.find((table) => table && table.unread);
  if (unread) return { verdict: "INCOMPLETE", unread: true, reason: unread.unread };
  const { then, tables, ...rest } = finding;
  const missing = finding.missing.filter((_, i) => finding.kinds[i] !== "tables");
  const kinds = finding.kinds.filter((kind) => kind !== "tables");
  const add = (kind, what) => { kinds.push(kind); missing.push(what); };
  tables.forEach(({ name, sha256 }, i) => {
    if (found[i] && found[i].absent) add("proof", `Missing: the proof of ${name}, a file with the SHA-256 ${sha256}.`);
  });
  const left = tables.length - found.filter(Boolean).length;
  if (left) add("tables", `Not checked here: ${left} of ${tables.length} tables.`);
  const whole = found.filter((table) => table && table.bits).map((table) => table.bits);
  const bits = whole.length === tables.length ? { ...whole.reduce((least, item) => (item.unique < least.unique ? item : least)), link: finding.link } : null;
  if (missing.length) return { ...rest, verdict: "INCOMPLETE", missing, kinds, reason: missing.join(" "), shows: [], bits, left, count: tables.length };
  return { ...rest, ...then, missing, kinds, reason: "", bits, left, count: tables.length };
}
