/** Roots files against what the meters signed and the log holds: one file, which the log's entry names, or one for each site, which the claim names. claims/FORMATS.md section 5. */
import { sitesOf } from "./agreement.js";
import { ascii, concat, equalBytes, sha256, toHex, uint } from "./bytes.js";
import { Rejected } from "./errors.js";
import { lostMeters } from "./losses.js";
import { Reader } from "./reader.js";
import { merkleRoot } from "./rfc6962.js";

const MAGIC = ascii("standstill-roots");
const METER_DOMAIN = ascii("standstill/epoch-meter/v1");
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
  const parts = claim.sites.length > 0 ? sitesOf(lab).map((site) => site.meters) : [lab.meters];
  const byMeter = new Map(wanted.flatMap(([, digest], i) => [...decodeRoots(files.get(toHex(digest)), claim, parts[i])]));
  const lost = lostMeters(agreement, lab, claim);
  for (const { name, rootsDigest } of claim.meters) {
    const first = lost.get(name) ?? Infinity;
    if (byMeter.get(name).some((root, i) => root.every((byte) => byte === 0) !== claim.firstEpoch + i >= first)) {
      throw bad(`meter ${name}: its roots are not zero exactly in the epochs in which it is listed as lost`);
    }
    if (!equalBytes(merkleRoot(byMeter.get(name)), rootsDigest)) throw bad(`meter ${name} signed other epoch roots`);
  }
  for (let epoch = claim.firstEpoch; epoch <= claim.lastEpoch; epoch++) {
    const leaves = claim.meters.map(({ name }) => concat([uint(METER_DOMAIN.length, 2), METER_DOMAIN, uint(name.length, 1), ascii(name), byMeter.get(name)[epoch - claim.firstEpoch]]));
    if (!equalBytes(merkleRoot(leaves), epochs.get(epoch).first)) throw bad(`the roots of epoch ${epoch} are not those in the log`);
  }
  return [];
}

/** Name of each of these meters to its epoch roots. */
function decodeRoots(data, claim, meters) {
  if (data.length > MAX_BYTES) throw bad("the roots file is too long");
  const read = new Reader(data, "log");
  if (!equalBytes(read.raw(MAGIC.length, "the magic"), MAGIC)) throw bad("this is not a roots file");
  if (read.uint(2, "the version") !== 1) throw bad("this version of a roots file is not supported");
  const same = equalBytes(read.raw(32, "the agreement digest"), claim.agreementDigest) && read.name("the lab") === claim.lab
    && read.uint(4, "the period") === claim.period && read.uint(4, "the first epoch") === claim.firstEpoch
    && read.uint(4, "the last epoch") === claim.lastEpoch;
  if (!same) throw bad("the roots file is about another claim");
  if (read.uint(2, "the number of meters") !== meters.length) throw bad("the roots file has other meters");
  const epochs = claim.lastEpoch - claim.firstEpoch + 1;
  const out = meters.map((meter) => {
    if (read.name("a meter") !== meter.name) throw bad("the roots file has other meters");
    return [meter.name, Array.from({ length: epochs }, () => read.raw(32, "a root"))];
  });
  read.end();
  return new Map(out);
}
