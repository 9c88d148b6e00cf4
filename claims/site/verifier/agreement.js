/** agreement.bin: the canonical bytes that the digest hashes. claims/FORMATS.md sections 1 (rules) and 2 (bytes). */
import { ascii, concat, equalBytes, sha256, toHex, uint } from "./bytes.js";
import { isPublicKey } from "./ed25519.js";
import { SIGNATURES, halves, isHybrid } from "./hybrid.js";
import { Reader } from "./reader.js";
import { byBytes, isKeyName, isProse } from "./text.js";
import { Rejected } from "./errors.js";

const DOMAIN = ascii("standstill/agreement/v3");
const PREFIX = concat([uint(DOMAIN.length, 2), DOMAIN]);
const MAX_BYTES = 64 * 2 ** 20;
const MAX_TIME = 253402300799; // 9999-12-31T23:59:59Z
const MAX_EPOCHS = 2 ** 24 - 1;
const MAX_COVERAGE = 2 ** 48 - 1;
/** Work of one reading. */
const MAX_READING = 2n ** 48n - 1n;
const MAX_PROSE = 4 * 4000; // bytes
const MAX_LISTED = 4096;
const MAX_PARTIES = 256;
const MAX_COSIGNATURES = 98;
const MAX_HYBRID_COSIGNERS = 16;
const MAX_WITNESSES = 256;
const MAX_ROOTS = 2 ** 21;
const MAX_SITES = 256;
const MAX_FLEET = 2 ** 18;
/** Bytes of all meters of a lab in its claim. */
const MAX_HEADS = 63 * 2 ** 20;
const MAX_LAB_FEEDS = 256;
const MAX_OPENED = 54613;
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

const bad = (what) => new Rejected("agreement", `the agreement is not valid: ${what}`);
const within = (what, value, low, high) => {
  if (!(value >= low && value <= high)) throw bad(`${what} ${value} is not between ${low} and ${high}`);
};

function ascending(what, names, most) {
  within(`the number of ${what}`, names.length, 1, most);
  for (let i = 1; i < names.length; i++) {
    if (!(names[i - 1] < names[i])) throw bad(`${what} are not in ascending order, each once`);
  }
}

/** Every rule of FORMATS.md section 1. */
function validate(agreement) {
  within("epoch seconds", agreement.epochSeconds, 1, 2 ** 32 - 1);
  within("epochs per period", agreement.epochsPerPeriod, 1, MAX_EPOCHS);
  within("periods", agreement.periods, 1, Math.floor(MAX_EPOCHS / agreement.epochsPerPeriod));
  const seconds = BigInt(agreement.epochSeconds) * BigInt(agreement.epochsPerPeriod * agreement.periods);
  if (BigInt(agreement.start) + seconds > BigInt(MAX_TIME)) throw bad("its periods end after the year 9999");
  ascending("parties", agreement.parties.map((x) => x.name), MAX_PARTIES);
  ascending("chips", agreement.chips.map((x) => x.name), MAX_LISTED);
  ascending("labs", agreement.labs.map((x) => x.name), MAX_PARTIES);
  const parties = new Set(agreement.parties.map((x) => x.name));
  for (const lab of agreement.labs) {
    ascending(`meters of ${lab.name}`, lab.meters.map((x) => x.name), MAX_FLEET);
    if (!parties.has(lab.name)) throw bad(`lab ${lab.name} is no party`);
  }
  within("the number of meters of all labs", agreement.labs.reduce((sum, lab) => sum + lab.meters.length, 0), 1, MAX_FLEET);
  keys(agreement);
  const chips = new Map();
  for (const chip of agreement.chips) {
    within(`${chip.name}: peak`, chip.peak, 1, 2 ** 24 - 1);
    prose(`${chip.name}: note`, chip.note);
    chips.set(chip.name, chip.peak);
  }
  for (const lab of agreement.labs) checkLab(agreement, lab, chips);
  changes("later rules", agreement.rulesFrom, agreement);
  if (agreement.amends) within("from_period", agreement.amends.fromPeriod, 1, agreement.periods - 1);
  checkLog(agreement, parties);
  checkRegime(agreement, parties);
  checkKeyTerms(agreement, parties);
  checkTransfers(agreement);
  checkModels(agreement);
  checkFeeds(agreement, parties);
}

/** The key of every role. */
export function allKeys(agreement) {
  const all = agreement.parties.map((x) => x.key);
  for (const lab of agreement.labs) for (const meter of lab.meters) all.push(meter.wholeKey);
  for (const party of agreement.parties) if (party.cosignKey) all.push(party.cosignKey);
  if (agreement.log) all.push(agreement.log.key);
  for (const { wholeKey } of agreement.feeds) all.push(wholeKey);
  for (const { key } of agreement.witnesses) all.push(key);
  return all;
}

function keys(agreement) {
  const seen = new Set();
  for (const key of allKeys(agreement)) {
    if (!isPublicKey(key)) throw bad(`${toHex(key)} is no usable public key`);
    for (const hex of halves(key).map(toHex)) {
      if (seen.has(hex)) throw bad("one key serves two roles");
      seen.add(hex);
    }
  }
}

function checkLab(agreement, lab, chips) {
  const heads = lab.meters.reduce((sum, meter) => sum + 67 + meter.name.length + SIGNATURES[Number(isHybrid(meter.wholeKey))], 0);
  if (heads > MAX_HEADS) throw bad(`lab ${lab.name}: a claim has no room for the signatures of its meters`);
  within(`lab ${lab.name}: log_rows`, lab.logRows, 16, 22);
  within(`lab ${lab.name}: since_period`, lab.sincePeriod, 0, agreement.periods - 1);
  changes(`lab ${lab.name}: later caps`, lab.capsFrom, agreement);
  for (const caps of [lab.caps, ...lab.capsFrom.map(([, later]) => later)]) {
    if (caps.freeze !== null && caps.freeze > caps.lineage) throw bad(`lab ${lab.name}: the freeze level is above the lineage cap`);
    if (lab.ceiling !== null && lab.ceiling < caps.total) throw bad(`lab ${lab.name}: the ceiling is below a total cap`);
  }
  for (const meter of lab.meters) {
    const where = `${lab.name}/${meter.name}`;
    if (!chips.has(meter.chip)) throw bad(`${where}: there is no chip class ${meter.chip}`);
    if (meter.chips < 1 || BigInt(meter.chips) * BigInt(agreement.epochSeconds) > BigInt(MAX_COVERAGE)) {
      throw bad(`${where}: chips x epoch seconds is not within 1 and 2^48 - 1`);
    }
  }
  const siteOfGroup = new Map();
  for (const { group, site } of lab.meters.filter((meter) => meter.group !== null)) {
    if (siteOfGroup.has(group) && siteOfGroup.get(group) !== site) throw bad(`lab ${lab.name}: the group ${group} has meters of several sites`);
    siteOfGroup.set(group, site);
  }
  if (lab.registryRows === null) {
    checkTable(agreement, `lab ${lab.name}`, lab.meters, { logRows: lab.logRows, more: 9, most: 2n ** 64n - 1n, chips });
    return;
  }
  within(`lab ${lab.name}: registry_rows`, lab.registryRows, 16, 22);
  const sites = new Map(lab.meters.map((meter) => [meter.site, []]));
  for (const meter of lab.meters) sites.get(meter.site).push(meter);
  within(`lab ${lab.name}: the number of sites`, sites.size, 1, MAX_SITES);
  if (sites.has("registry")) throw bad(`lab ${lab.name}: no site is called registry`);
  for (const [site, meters] of sites) {
    checkTable(agreement, `lab ${lab.name}, site ${site}`, meters, { logRows: lab.logRows, more: 5, most: 2n ** 56n - 1n, chips });
  }
}

/** Meters that are proven in one table: `more` rows for a registry, or for a summary with one record; `most` work in a period. */
function checkTable(agreement, where, meters, { logRows, more, most, chips }) {
  within(`${where}: the number of meters`, meters.length, 1, MAX_LISTED);
  const holds = (meter) => MAX_READING / BigInt(chips.get(meter.chip));
  const readings = meters.reduce((sum, meter) => sum + (BigInt(meter.chips) * BigInt(agreement.epochSeconds) + holds(meter) - 1n) / holds(meter), 0n);
  const rows = BigInt(3 * meters.length + more) + BigInt(agreement.epochsPerPeriod) * readings;
  if (rows > 2n ** BigInt(logRows)) throw bad(`${where}: the fewest readings that hold every meter\u2019s epochs at peak need ${rows} rows`);
  if (unitsOf({ meters }).length * agreement.epochsPerPeriod > MAX_ROOTS) throw bad(`${where}: a period has too many epoch roots`);
  const seconds = BigInt(agreement.epochSeconds) * BigInt(agreement.epochsPerPeriod);
  const work = meters.reduce((sum, meter) => sum + BigInt(meter.chips) * BigInt(chips.get(meter.chip)), 0n) * seconds;
  if (work > most) throw bad(`${where}: its chips can do more in a period than is counted`);
}

function changes(what, list, agreement) {
  list.forEach(([period], i) => {
    within(`${what}: from_period`, period, 1, agreement.periods - 1);
    if (i > 0 && list[i - 1][0] >= period) throw bad(`${what} do not ascend`);
  });
}

function checkLog(agreement, parties) {
  const { log, witnesses } = agreement;
  if (witnesses.length && !log) throw bad("witnesses need a log");
  witnesses.forEach(({ name }, i) => {
    if (!isKeyName(name) || parties.has(name)) throw bad("a witness has a name that no signed note has, or a party's");
    if (i > 0 && byBytes(witnesses[i - 1].name, name) >= 0) throw bad("witnesses are not in ascending order, each once");
  });
  if (!log) return;
  if (!/^[!-*,-~]{1,128}$/.test(log.origin) || log.origin.endsWith("\n")) throw bad("the log's origin is not printable ASCII without spaces and +");
  if (!parties.has(log.operator)) throw bad("the log's operator is no party");
  within("cosignatures", log.cosignatures, 1, MAX_COSIGNATURES);
  const keys = [...agreement.parties.map((p) => p.cosignKey).filter(Boolean), ...witnesses.map((x) => x.key)];
  if (keys.filter(isHybrid).length > MAX_HYBRID_COSIGNERS) throw bad("a head has no room for so many hybrid cosigners");
  const { labs, deadlines, pause } = agreement;
  const dated = [...labs, ...(deadlines && deadlines.signBy !== null ? agreement.parties : [])].map((item) => item.name);
  for (const name of [...dated, ...(pause ? pause.deciders : [])]) {
    const others = agreement.parties.filter((p) => p.cosignKey && p.name !== name && p.name !== log.operator);
    if (others.length < log.cosignatures) throw bad(`too few parties other than the operator and ${name} cosign`);
  }
}

/** Where a lab may receive a part of another's cap, others than these two and the operator can date it. */
function checkTransfers({ labs, log, parties }) {
  const receivers = labs.filter((lab) => lab.ceiling !== null);
  if (receivers.length && !log) throw bad("a lab has a ceiling, and no log dates transfers");
  for (const { name } of receivers) {
    for (const giver of labs.filter((lab) => lab.name !== name)) {
      const others = parties.filter((p) => p.cosignKey && ![name, giver.name, log.operator].includes(p.name));
      if (others.length < log.cosignatures) throw bad(`too few parties other than the operator, ${giver.name} and ${name} cosign`);
    }
  }
}

function checkRegime(agreement, parties) {
  const { chips, checkpoints, deadlines, inspection, pause } = agreement;
  for (const size of [checkpoints, ...chips.map((chip) => chip.readings)]) {
    within("padded size", size, 2, 65536);
    if (!Number.isInteger(Math.log2(size))) throw bad(`${size} is not a power of two`);
  }
  if (deadlines) {
    for (const field of ["epoch", "claim", "opening"]) within(`deadline ${field}`, deadlines[field], 1, 2 ** 32 - 1);
    const begin = agreement.start + agreement.epochSeconds * firstPeriod(agreement) * agreement.epochsPerPeriod;
    if (deadlines.signBy !== null && deadlines.signBy > begin) throw bad("sign_by is later than the agreement's first moment");
    for (const [field, low, most] of [["lateEpochs", 0, agreement.epochsPerPeriod - 1], ["cosign", 1, 2 ** 32 - 1]]) {
      if (deadlines[field] === null) continue;
      if (!agreement.log) throw bad(`${field} needs a log`);
      within(field, deadlines[field], low, most);
    }
  }
  if (inspection) {
    if (!agreement.log) throw bad("an inspection needs a log");
    within("draws", inspection.draws, 1, 4096);
    within("slots", inspection.slots, 0, 4096);
  }
  if (pause) {
    prose("trigger", pause.trigger);
    prose("what lifts", pause.lifts);
    ascending("deciders", pause.deciders, MAX_PARTIES);
    if (pause.deciders.some((name) => !parties.has(name))) throw bad("a decider is no party");
    within("quorum", pause.quorum, 1, pause.deciders.length);
  }
}

/** Who countersigns and revokes keys: for each party and feed enough others than those whom its key concerns. */
function checkKeyTerms({ keys: terms, parties: all, feeds, log }, parties) {
  if (!terms) return;
  if (!log) throw bad("keys that change need a log");
  ascending("those who revoke", terms.revoke, MAX_PARTIES);
  if (terms.revoke.some((name) => !parties.has(name))) throw bad("one who revokes is no party");
  within("quorum", terms.quorum, 1, terms.revoke.length);
  for (const names of [...all.map(({ name }) => [name]), ...feeds.map(({ holder, lab }) => [holder, lab])]) {
    if (terms.revoke.filter((name) => !names.includes(name)).length < terms.quorum) throw bad(`too few others have a say about a key of ${names.join(" and ")}`);
  }
}

/** Models whose weights anyone can have, and the rules that name them. */
function checkModels({ openModels, rules, rulesFrom }) {
  const every = [rules, ...rulesFrom.map(([, later]) => later)];
  if (openModels.length) ascending("open models", openModels.map((x) => x.name), MAX_LISTED);
  const digests = new Set();
  for (const model of openModels) {
    if (model.charge < 1n) throw bad(`${model.name}: the charge is 0`);
    prose(`${model.name}: source`, model.source);
    ascending(`digests of ${model.name}`, model.weights, MAX_LISTED);
    for (const digest of model.weights) {
      if (/^0*$/.test(digest) || digests.has(digest)) throw bad(`${model.name}: a digest of zeros, or that another model has`);
      digests.add(digest);
    }
    if (every.some((item) => item.unlisted !== null && item.unlisted < model.charge)) throw bad("unlisted weights would declare less than the list");
  }
  if (openModels.length && !every.some((item) => item.listed)) throw bad("no rule names the list of open models");
}

function checkFeeds(agreement, parties) {
  const { feeds, labs, log, deadlines, inspection, chips } = agreement;
  if (!feeds.length) return;
  ascending("feeds", feeds.map((x) => x.name), MAX_LISTED);
  if (!log || !deadlines || !inspection) throw bad("feeds need a log, deadlines and inspections");
  const fed = new Set();
  const sizes = new Map(chips.map((chip) => [chip.name, chip.readings]));
  const metersOf = new Map(labs.map((lab) => [lab.name, new Map(lab.meters.map((x) => [x.name, sizes.get(x.chip)]))]));
  for (const feed of feeds) {
    const meters = metersOf.get(feed.lab);
    if (!meters) throw bad(`feed ${feed.name}: there is no lab ${feed.lab}`);
    if (!parties.has(feed.holder) || feed.holder === feed.lab || feed.holder === log.operator) throw bad(`feed ${feed.name}: its holder`);
    ascending(`meters of feed ${feed.name}`, feed.meters, MAX_FLEET);
    for (const meter of feed.meters) {
      const where = `${feed.lab}/${meter}`;
      if (!meters.has(meter) || fed.has(where)) throw bad(`feed ${feed.name}: there is no meter ${where}, or it is under another feed`);
      fed.add(where);
    }
    if (feed.idleWatts >= feed.busyWatts) throw bad(`feed ${feed.name}: idle_watts is not below busy_watts`);
    if (inspection.draws * feed.meters.reduce((sum, meter) => sum + meters.get(meter), 0) > MAX_OPENED) throw bad(`feed ${feed.name}: an inspection would open too much`);
  }
  for (const lab of labs) {
    if (feeds.filter((x) => x.lab === lab.name).length > MAX_LAB_FEEDS) throw bad(`lab ${lab.name} has too many feeds`);
  }
}

function prose(what, text) {
  if (!isProse(text)) throw bad(`${what} is not plain text`);
}

/** First period under the agreement: 0, or where the amendment takes effect. */
export const firstPeriod = (agreement) => (agreement.amends ? agreement.amends.fromPeriod : 0);

const latest = (first, later, period) => later.reduce((now, [from, then]) => (from <= period ? then : now), first);
export const capsAt = (lab, period) => latest(lab.caps, lab.capsFrom, period);
export const rulesAt = (agreement, period) => latest(agreement.rules, agreement.rulesFrom, period);

/** [{name, meters}] of what a lab's meters have in one field, in order. */
function by(lab, field) {
  const found = new Map();
  for (const meter of lab.meters.filter((item) => item[field] !== null)) {
    if (!found.has(meter[field])) found.set(meter[field], []);
    found.get(meter[field]).push(meter);
  }
  return [...found.keys()].sort().map((name) => ({ name, meters: found.get(name) }));
}

/** The sites of a lab; none where it has no sites. */
export const sitesOf = (lab) => by(lab, "site");

/** Whether meters of a lab publish their roots in groups. */
export const isGrouped = (lab) => lab.meters[0].group !== null;

/** What publishes a root of its own for each epoch: the lab's groups, or each meter alone. */
export const unitsOf = (lab) => (isGrouped(lab) ? by(lab, "group") : lab.meters.map((meter) => ({ name: meter.name, meters: [meter] })));

export function labOf(agreement, name) {
  const lab = agreement.labs.find((x) => x.name === name);
  if (!lab) throw new Rejected("lab", `"${name}" is not a lab of the agreement`);
  return lab;
}

/** First and last epoch of a period. */
export function periodEpochs(agreement, period) {
  const first = firstPeriod(agreement);
  if (period < first || period >= agreement.periods) {
    throw new Rejected("period", `${period} is not one of the agreement's periods ${first} to ${agreement.periods - 1}`);
  }
  return [period * agreement.epochsPerPeriod, (period + 1) * agreement.epochsPerPeriod - 1];
}
