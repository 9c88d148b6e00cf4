/** What makes an agreement valid: claims/FORMATS.md section 1. */
import { toHex } from "./bytes.js";
import { isPublicKey } from "./ed25519.js";
import { Rejected } from "./errors.js";
import { SIGNATURES, halves, isHybrid } from "./hybrid.js";
import { MAX_EPOCHS, MAX_FLEET, MAX_LISTED, MAX_PARTIES, MAX_TIME, allKeys, firstPeriod, unitsOf } from "./terms.js";
import { byBytes, isKeyName, isProse } from "./text.js";

const MAX_COVERAGE = 2 ** 48 - 1;
/** Work of one reading. */
const MAX_READING = 2n ** 48n - 1n;
const MAX_COSIGNATURES = 98;
const MAX_HYBRID_COSIGNERS = 16;
const MAX_ROOTS = 2 ** 21;
const MAX_SITES = 256;
/** Bytes of all meters of a lab in its claim. */
const MAX_HEADS = 63 * 2 ** 20;
const MAX_LAB_FEEDS = 256;
const MAX_OPENED = 54613;

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
export function validate(agreement) {
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
