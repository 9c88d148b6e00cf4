/** The publisher's account: site.json, as far as this page uses it. It is hostile JSON until every value has the type that it should have. */

export const ANSWERS = ["yes", "no", "undecided"];
export const STATES = ["proven", "over", "under inspection", "pending", "late", "missing", "rejected", "lifted"];

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const PATH = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;
const DIGEST = /^[0-9a-f]{64}$/;
const MAX_TIME = 253402300799;
const MAX_PERIOD = 2 ** 24;
const MAX_ROWS = 100000;
const MAX_FILES = 500000;
const MAX_RECEIPTS = 20000;
const MAX_AGREEMENTS = 64;
const MAX_TRANSFERS = 4097;

/** What this page does not understand; the message names the field. */
export class Malformed extends Error {}

const fail = (where, what) => { throw new Malformed(`site.json: ${where} ${what}`); };
const is = (test, what) => (value, where) => (test(value) ? value : fail(where, `is not ${what}`));
const text = is((value) => typeof value === "string", "a text");
const flag = is((value) => typeof value === "boolean", "true or false");
const path = is((value) => typeof value === "string" && value.length < 512 && PATH.test(value), "a path below this page");
const digest = is((value) => typeof value === "string" && DIGEST.test(value), "a SHA-256 in hexadecimal");
const number = (most) => is((value) => Number.isInteger(value) && value >= 0 && value <= most, `a whole number up to ${most}`);
const oneOf = (words) => is((value) => words.includes(value), `one of ${words.join(", ")}`);
const orNull = (read) => (value, where) => (value === null ? null : read(value, where));

/** An object with these fields, each read by its own reader; other fields are passed over. */
const fields = (readers) => (value, where) => {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return fail(where || "the file", "is not an object");
  const out = {};
  for (const [name, read] of Object.entries(readers)) {
    const inside = where ? `${where}.${name}` : name;
    out[name] = read(Object.hasOwn(value, name) ? value[name] : undefined, inside);
  }
  return out;
};

const list = (read, least, most) => (value, where) => {
  if (!Array.isArray(value)) return fail(where, "is not a list");
  if (value.length < least || value.length > most) return fail(where, `has ${value.length} items, not ${least} to ${most}`);
  return value.map((item, i) => read(item, `${where}[${i}]`));
};

const named = list(fields({ path }), 0, MAX_FILES);
const readSite = fields({
  format: oneOf(["standstill-site/1"]),
  computed_at: number(MAX_TIME),
  life: fields({ counts: flag, replaced: flag, expired: flag }),
  holds: fields({ answer: oneOf(ANSWERS), why: list(text, 0, MAX_ROWS) }),
  claims: list(fields({
    lab: is((value) => typeof value === "string" && NAME.test(value), "a name"),
    period: number(MAX_PERIOD),
    state: oneOf(STATES),
    check: orNull(text),
    reason: text,
    claim: orNull(path),
    roots: orNull(path),
    transfers: list(text, 0, MAX_TRANSFERS),
    power: orNull(text),
  }), 0, MAX_ROWS),
  allowances: list(fields({
    period: number(MAX_PERIOD),
    transfers: list(fields({ text, state: text }), 0, MAX_ROWS),
  }), 0, MAX_ROWS),
  keys: list(text, 0, MAX_ROWS),
  agreement: fields({ name: text, digest }),
  agreements: list(fields({ binary: path, signatures: orNull(path) }), 1, MAX_AGREEMENTS),
  log: orNull(fields({ bundle: orNull(path), problem: text })),
  decisions: named,
  evidence: named,
  files: list(fields({ path, kind: text, sha256: digest }), 0, MAX_FILES),
});

export const nameOf = ({ lab, period }) => `${lab}-${period}`;

/**
 * The account as plain values: {answer, allowances, keys, computedAt, replaced, digest, agreements, bundle, decisions, evidence, receipts, records, rows, files}, where
 * `rows` maps LAB-PERIOD to what the publisher says of it. Throws Malformed.
 */
export function readAccount(value) {
  const site = readSite(value, "");
  const rows = new Map();
  for (const row of site.claims) {
    if (rows.has(nameOf(row))) fail("claims", `lists ${row.lab}, period ${row.period} twice`);
    rows.set(nameOf(row), row);
  }
  return {
    answer: site.holds.answer,
    allowances: site.allowances,
    keys: site.keys,
    computedAt: site.computed_at,
    replaced: site.life.replaced,
    agreementName: site.agreement.name,
    digest: site.agreement.digest,
    agreements: site.agreements,
    bundle: site.log && site.log.bundle,
    decisions: site.decisions.map((item) => item.path),
    evidence: site.evidence.map((item) => item.path),
    receipts: site.files.filter((item) => item.kind === "receipt").slice(0, MAX_RECEIPTS).map((item) => item.path),
    records: site.files.filter((item) => item.kind === "inspection").slice(0, MAX_RECEIPTS).map((item) => item.path),
    rows,
    files: site.files,
  };
}
