/** agreement.bin: the canonical bytes that the digest hashes. claims/FORMATS.md section 2. */
import { validate } from "./agreement-check.js";
import { ascii, concat, equalBytes, sha256, toHex, uint } from "./bytes.js";
import { Rejected } from "./errors.js";
import { halves } from "./hybrid.js";
import { Reader } from "./reader.js";
import { MAX_EPOCHS, MAX_FLEET, MAX_LISTED, MAX_PARTIES, MAX_TIME } from "./terms.js";

const DOMAIN = ascii("standstill/agreement/v3");
const PREFIX = concat([uint(DOMAIN.length, 2), DOMAIN]);
const MAX_BYTES = 64 * 2 ** 20;
const MAX_PROSE = 4 * 4000; // bytes
const MAX_WITNESSES = 256;
const FEED_KINDS = ["utility", "building", "rack"];

/** The agreement of these bytes, validated like the text form; Rejected("agreement") for anything else. */
export function decodeAgreement(data) {
  if (data.length > MAX_BYTES) throw new Rejected("agreement", `larger than ${MAX_BYTES} bytes`);
  if (data.length < PREFIX.length || !equalBytes(data.subarray(0, PREFIX.length), PREFIX)) {
    const [, older] = /^standstill\/agreement\/v([0-9])$/.exec(String.fromCharCode(...data.subarray(2, PREFIX.length))) ?? [];
    throw new Rejected("agreement", older ? `an agreement of format ${older}; this page reads format 3` : "these are not the canonical bytes of an agreement");
  }
  const read = new Reader(data, "agreement");
  read.raw(PREFIX.length, "the domain");
  const agreement = readAgreement(read);
  read.end();
  validate(agreement);
  agreement.digest = sha256(data);
  agreement.digestHex = toHex(agreement.digest);
  return agreement;
}

function readRules(read) {
  const rules = { chargePeak: read.flag("charge"), chargeResidue: read.flag("residue"), listed: false, unlisted: null };
  const external = read.uint(1, "external", 2);
  rules.listed = external > 0;
  if (external === 2) rules.unlisted = read.u64("the amount of unlisted weights");
  return rules;
}

function readCaps(read) {
  const caps = { total: read.u64("a cap"), unattributed: read.u64("a cap"), lineage: read.u64("a cap"), freeze: null };
  if (read.flag("freeze")) caps.freeze = read.u64("the freeze level");
  return caps;
}

function readParty(read) {
  const party = { name: read.name("a party's name"), key: read.key("a party's key"), cosignKey: null };
  if (read.flag("cosigns")) party.cosignKey = read.key("a cosigning key");
  return party;
}

/** `key` signs epochs, `wholeKey` periods: the same, or with an ML-DSA-44 half. */
function readKeys(read, what) {
  const wholeKey = read.key(what);
  return { key: halves(wholeKey)[0], wholeKey };
}

function readLab(read) {
  const lab = {
    name: read.name("a lab's name"),
    logRows: read.uint(1, "the table height"),
    openingHead: read.head("the opening head"),
    sincePeriod: read.uint(4, "the first period"),
    caps: readCaps(read),
    capsFrom: read.list("later caps", MAX_LISTED, () => [read.uint(4, "a period"), readCaps(read)]),
    meters: read.list("the number of meters", MAX_FLEET, () => ({
      name: read.name("a meter's name"),
      chip: read.name("a meter's chip"),
      chips: read.uint(6, "chips"),
      ...readKeys(read, "a meter's key"),
      site: null,
      group: null,
    }), 4),
    registryRows: null, lost: 0, ceiling: null,
  };
  if (read.flag("sites")) {
    lab.registryRows = read.uint(1, "the registry's height");
    for (const meter of lab.meters) meter.site = read.name("a site's name");
  }
  if (read.flag("groups")) {
    for (const meter of lab.meters) meter.group = read.name("a group's name");
  }
  lab.lost = read.uint(4, "the lost share", 10 ** 6);
  if (read.flag("ceiling")) lab.ceiling = read.u64("the ceiling");
  return lab;
}

function readModel(read) {
  return {
    name: read.name("a model's name"),
    charge: read.u64("a charge"),
    source: read.text("a model's source", MAX_PROSE),
    weights: read.list("the number of digests", MAX_LISTED, () => toHex(read.raw(32, "a weights digest"))),
  };
}

function readFeed(read) {
  const feed = { name: read.name("a feed's name"), lab: read.name("a feed's lab"), holder: read.name("a feed's holder") };
  Object.assign(feed, readKeys(read, "a feed's key"));
  feed.kind = FEED_KINDS[read.uint(1, "a feed's kind", FEED_KINDS.length) - 1];
  if (!feed.kind) throw read.fail("a feed has no kind 0");
  feed.meters = read.list("a feed's meters", MAX_FLEET, () => read.name("a meter's name"), 4);
  for (const field of ["baseWatts", "idleWatts", "busyWatts"]) feed[field] = read.uint(4, "watts");
  return feed;
}

function readAgreement(read) {
  const out = {
    name: read.name("the name"),
    start: read.u64Number("the start", MAX_TIME),
    epochSeconds: read.uint(4, "the epoch"),
    epochsPerPeriod: read.uint(4, "the epochs per period", MAX_EPOCHS),
    periods: read.uint(4, "the periods", MAX_EPOCHS),
    rules: readRules(read),
    rulesFrom: read.list("later rules", MAX_LISTED, () => [read.uint(4, "a period"), readRules(read)]),
    parties: read.list("the number of parties", MAX_PARTIES, () => readParty(read)),
    chips: read.list("the number of chips", MAX_LISTED, () => ({
      name: read.name("a chip's name"),
      peak: read.uint(3, "a peak"),
      note: read.text("a chip's note", MAX_PROSE),
      readings: read.uint(4, "the leaves", 65536),
    })),
    labs: read.list("the number of labs", MAX_PARTIES, () => readLab(read)),
    amends: null, log: null, deadlines: null, inspection: null, pause: null,
  };
  if (read.flag("amends")) {
    out.amends = { digest: read.raw(32, "the amended digest"), fromPeriod: read.uint(4, "the amendment's period") };
  }
  if (read.flag("log")) {
    out.log = {
      origin: read.text("the log's origin", 4 * 128),
      operator: read.name("the log's operator"),
      key: read.key("the log's key"),
      cosignatures: read.uint(2, "the cosignatures"),
    };
  }
  out.checkpoints = read.uint(4, "the slots", 65536);
  if (read.flag("deadlines")) {
    const [epoch, claim, grace, opening] = [0, 1, 2, 3].map(() => read.uint(4, "a deadline"));
    const signBy = read.flag("sign_by") ? read.u64Number("sign_by", MAX_TIME) : null;
    const lateEpochs = read.flag("late_epochs") ? read.uint(4, "late_epochs") : null;
    const cosign = read.flag("cosign") ? read.uint(4, "cosign") : null;
    out.deadlines = { epoch, claim, grace, opening, signBy, lateEpochs, cosign };
  }
  if (read.flag("inspection")) {
    out.inspection = { draws: read.uint(2, "the draws"), slots: read.uint(2, "the slots"), margin: read.uint(4, "the margin") };
  }
  if (read.flag("pause")) {
    out.pause = {
      trigger: read.text("the trigger", MAX_PROSE),
      lifts: read.text("what lifts", MAX_PROSE),
      deciders: read.list("the deciders", MAX_PARTIES, () => read.name("a decider")),
      quorum: read.uint(2, "the quorum"),
    };
  }
  out.openModels = read.list("the number of open models", MAX_LISTED, () => readModel(read));
  out.feeds = read.list("the number of feeds", MAX_LISTED, () => readFeed(read));
  out.witnesses = read.list("the number of witnesses", MAX_WITNESSES, () => ({ name: read.text("a witness's name", 4 * 255), key: read.key("a witness's key") }));
  out.keys = null;
  if (read.flag("keys")) out.keys = { revoke: read.list("those who revoke", MAX_PARTIES, () => read.name("who revokes")), quorum: read.uint(2, "the quorum") };
  return out;
}
