/** Roots files against what the meters signed and the log holds: one file, which the log's entry names, or one for each site, which the claim names. claims/FORMATS.md section 5. */
import { isGrouped, sitesOf, unitsOf } from "./terms.js";
import { ascii, concat, equalBytes, sha256, toHex, uint } from "./bytes.js";
import { Rejected } from "./errors.js";
import { lostMeters } from "./losses.js";
import { Reader } from "./reader.js";
import { merkleRoot } from "./rfc6962.js";

const MAGIC = ascii("standstill-roots");
const METER_DOMAIN = ascii("standstill/epoch-meter/v1");
const GROUP_DOMAIN = ascii("standstill/epoch-group/v1");
const MAX_BYTES = 65 * 2 ** 20;
const MAX_FILES = 65536;

const bad = (what) => new Rejected("log", what);

/** SHA-256 (hex) to bytes, of files given in any order: a list, one, or null. */
export function filesBySum(...given) {
  const files = given.flat().filter((item) => item instanceof Uint8Array).slice(0, MAX_FILES);
  return new Map(files.map((data) => [toHex(sha256(data)), data]));
}

/** What is missing of a claim's roots files; Rejected("log") where they are not what was signed and logged. `named`: what the log's entry says of them; `files`: of filesBySum; `epochs`: epoch to its entry. */
export function judgeRoots(claim, named, files, agreement, lab, epochs) {
  if (claim.sites.length > 0 && !equalBytes(named, sha256(concat(claim.sites.map((site) => site.roots))))) throw bad("the log's entry names other roots files than the claim");
  const wanted = claim.sites.length > 0 ? claim.sites.map(({ name, roots }) => [name, roots]) : [[null, named]];
  const missing = wanted.filter(([, digest]) => !files.has(toHex(digest)));
  if (missing.length > 0) return missing.map(([site]) => ({ kind: "roots", what: site === null ? "the roots file that the log names for the claim" : `the roots file of site ${site}, which the claim names` }));
  const units = unitsOf(lab);
  const parts = claim.sites.length > 0 ? sitesOf(lab).map(({ name }) => units.filter(({ meters }) => meters[0].site === name)) : [units];
  const byUnit = new Map(wanted.flatMap(([, digest], i) => [...decodeRoots(files.get(toHex(digest)), claim, parts[i])]));
  const lost = isGrouped(lab) ? new Map() : lostMeters(agreement, lab, claim);
  const signed = new Map(claim.meters.map(({ name, rootsDigest }) => [name, rootsDigest]));
  for (const { name, meters } of units) {
    const first = lost.get(name) ?? Infinity;
    if (byUnit.get(name).some((root, i) => root.every((byte) => byte === 0) !== claim.firstEpoch + i >= first)) {
      throw bad(`meter ${name}: its roots are not zero exactly in the epochs in which it is listed as lost`);
    }
    const digest = merkleRoot(byUnit.get(name));
    for (const meter of meters) if (!equalBytes(digest, signed.get(meter.name))) throw bad(`meter ${meter.name} signed other epoch roots`);
  }
  const domain = isGrouped(lab) ? GROUP_DOMAIN : METER_DOMAIN;
  for (let epoch = claim.firstEpoch; epoch <= claim.lastEpoch; epoch++) {
    const leaves = units.map(({ name }) => concat([uint(domain.length, 2), domain, uint(name.length, 1), ascii(name), byUnit.get(name)[epoch - claim.firstEpoch]]));
    if (!equalBytes(merkleRoot(leaves), epochs.get(epoch).first)) throw bad(`the roots of epoch ${epoch} are not those in the log`);
  }
  return [];
}

/** Name of each of these meters, or groups, to its epoch roots. */
function decodeRoots(data, claim, units) {
  if (data.length > MAX_BYTES) throw bad("the roots file is too long");
  const read = new Reader(data, "log");
  if (!equalBytes(read.raw(MAGIC.length, "the magic"), MAGIC)) throw bad("this is not a roots file");
  if (read.uint(2, "the version") !== 1) throw bad("this version of a roots file is not supported");
  const same = equalBytes(read.raw(32, "the agreement digest"), claim.agreementDigest) && read.name("the lab") === claim.lab
    && read.uint(4, "the period") === claim.period && read.uint(4, "the first epoch") === claim.firstEpoch
    && read.uint(4, "the last epoch") === claim.lastEpoch;
  if (!same) throw bad("the roots file is about another claim");
  if (read.uint(2, "the number of meters") !== units.length) throw bad("the roots file has other meters, or groups of them");
  const epochs = claim.lastEpoch - claim.firstEpoch + 1;
  const out = units.map(({ name }) => {
    if (read.name("a meter") !== name) throw bad("the roots file has other meters, or groups of them");
    return [name, Array.from({ length: epochs }, () => read.raw(32, "a root"))];
  });
  read.end();
  return new Map(out);
}
