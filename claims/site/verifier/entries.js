/** Entries of the public log: what parties publish, signed. claims/FORMATS-log.md; the order of bytes is that of claims/claim/entry_kinds.py. */
import { ascii, equalBytes, toHex } from "./bytes.js";
import { firstPeriod } from "./terms.js";
import { verifySignature } from "./ed25519.js";
import { Rejected } from "./errors.js";
import { KEYS, SIGNATURES, isHybrid } from "./hybrid.js";
import { Reader } from "./reader.js";
import { allowanceMessage, logEntryMessage } from "./signatures.js";

export const EPOCH = 1;
export const CLAIM = 2;
export const ASSENT = 3;
export const INSPECTION = 4;
export const DECISION = 5;
export const LOSS = 6;
export const JOULES = 7;
export const TRANSFER = 8;
export const KEY = 9;
export const FEED_PERIOD = 10;
export const OUTCOMES = { 1: "passed", 2: "failed", 3: "refused" };
export const DECISIONS = { 1: "lift", 2: "trigger" };

const MAGIC = ascii("standstill-log");
const MAX_ENTRY = 6144;
const MAX_NUMBER = 2 ** 24 - 1;
const MAX_TIME = 253402300799;

const known = (table, value) => {
  if (!Object.hasOwn(table, value)) throw new Rejected("log", "an entry of no known content");
  return table[value];
};

function newKey(read) {
  const length = read.uint(2, "the new key");
  if (![0, ...KEYS].includes(length)) throw new Rejected("log", "an entry whose new key is neither a key nor nothing");
  return read.raw(length, "the new key");
}

const BODIES = {
  [EPOCH]: (read) => {
    const lab = read.name("the lab");
    const entry = { lab, author: lab, number: read.uint(4, "the epoch", MAX_NUMBER) };
    Object.assign(entry, { first: read.raw(32, "the root"), second: read.raw(32, "the registry head") });
    entry.absent = read.raw(read.uint(1, "the absent feeds", 32), "the absent feeds");
    if (entry.absent.at(-1) === 0) throw new Rejected("log", "an entry whose last byte of absent feeds is 0");
    return entry;
  },
  [CLAIM]: (read) => {
    const lab = read.name("the lab");
    return { lab, author: lab, number: read.uint(4, "the period", MAX_NUMBER), first: read.raw(32, "the claim"), second: read.raw(32, "the roots") };
  },
  [ASSENT]: (read) => ({ author: read.name("the party") }),
  [INSPECTION]: (read) => ({
    author: read.name("the author"),
    lab: read.name("the lab"),
    number: read.uint(4, "the period", MAX_NUMBER),
    round: read.u64("the round"),
    outcome: known(OUTCOMES, read.uint(1, "the outcome")),
    record: read.raw(32, "the record"),
  }),
  [DECISION]: (read) => ({
    author: read.name("the decider"),
    decision: known(DECISIONS, read.uint(1, "the decision")),
    effective: read.u64Number("the moment", MAX_TIME),
    reason: read.raw(32, "the reason"),
  }),
  [LOSS]: (read) => ({
    author: read.name("the author"),
    lab: read.name("the lab"),
    what: known({ 1: 1, 2: 2 }, read.uint(1, "what is lost")),
    target: read.name("the meter's or site's name"),
    said: known({ 1: 1, 2: 2 }, read.uint(1, "what is said of it")),
    number: read.uint(4, "the epoch", MAX_NUMBER),
  }),
  [JOULES]: (read) => {
    const feed = read.name("the feed");
    return { feed, author: `feed ${feed}`, number: read.uint(4, "the epoch", MAX_NUMBER), first: read.raw(32, "the joules' leaf") }; // no party has such a name
  },
  [FEED_PERIOD]: (read) => {
    const feed = read.name("the feed");
    return { feed, author: `feed ${feed}`, number: read.uint(4, "the period", MAX_NUMBER), first: read.raw(32, "the root") };
  },
  [TRANSFER]: (read) => ({
    author: read.name("the giver"),
    lab: read.name("the receiver"),
    number: read.uint(4, "the period", MAX_NUMBER),
    round: read.uint(4, "the serial number"),
    amount: read.u64("the amount"),
    accepted: read.signature("the receiver's signature"),
  }),
  [KEY]: (read) => ({
    author: read.name("the author"),
    signer: known({ 1: 1, 2: 2, 3: 3 }, read.uint(1, "who signs")),
    role: known({ 1: 1, 2: 2, 3: 3 }, read.uint(1, "the role of a key")),
    owner: read.name("the key's owner"),
    holder: read.name("the key's holder"),
    change: known({ 1: 1, 2: 2, 3: 3 }, read.uint(1, "what is said of a key")),
    old: read.raw(32, "the old key's digest"),
    fresh: newKey(read),
  }),
};

/** What an author may sign one of: kind, author, lab, epoch or period, and round or serial number, as far as the kind has them. */
export const identityOf = (...parts) => parts.filter((part) => part !== undefined).join(" ");

/** The kind that bytes of an entry say they are: the rest of them may be anything. */
export const kindOf = (data) => data[MAGIC.length + 2];

/** The entry of these bytes, its signature not yet verified: {kind, agreement, author, identity, unsigned, word (what it says, without any signature), signature, ...}; null for anything else. */
export function decodeEntry(data) {
  if (data.length > MAX_ENTRY) return null;
  const read = new Reader(data, "log");
  try {
    if (!equalBytes(read.raw(MAGIC.length, "the magic"), MAGIC) || read.uint(2, "the version") !== 1) return null;
    const kind = read.uint(1, "the kind");
    if (!Object.hasOwn(BODIES, kind)) return null;
    const entry = { kind, agreement: read.raw(32, "the digest"), ...BODIES[kind](read) };
    entry.unsigned = data.subarray(0, read.at);
    entry.word = kind === TRANSFER ? entry.unsigned.subarray(0, -2 - entry.accepted.length) : entry.unsigned;
    entry.signature = read.raw(data.length - read.at, "the signature");
    if (!SIGNATURES.includes(entry.signature.length)) return null;
    entry.identity = [DECISION, LOSS, KEY].includes(kind) ? toHex(entry.unsigned) : identityOf(kind, entry.author, entry.lab, entry.number, entry.round);
    return entry;
  } catch (error) {
    if (error instanceof Rejected) return null;
    throw error;
  }
}

/** Whether an entry counts under an agreement with the keys that are in force where it stands (keys.js, which judges words about keys): its terms fit, and its author signed it. */
export function countsUnder(entry, agreement) {
  const author = entry.feed ? feedOf(entry, agreement) : agreement.parties.find((party) => party.name === entry.author);
  if (!author || !equalBytes(entry.agreement, agreement.digest) || !fits(entry, agreement)) return false;
  return verifySignature(entry.kind === FEED_PERIOD ? author.wholeKey : author.key, entry.signature, logEntryMessage(entry.unsigned));
}

/** Positions, among the lab's power feeds, of those whose joules of the epoch it says did not come. */
export function lacking({ absent }) {
  return [...absent].flatMap((byte, at) => [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (byte >> bit) & 1).map((bit) => 8 * at + bit));
}

const feedOf = ({ feed }, { feeds }) => feeds.find(({ name }) => name === feed);

function fits(entry, agreement) {
  if (entry.kind === ASSENT) return true;
  if (entry.kind === KEY) return false;
  if (entry.kind === TRANSFER) return isAccepted(entry, agreement);
  if (entry.kind === DECISION) return agreement.pause !== null && agreement.pause.deciders.includes(entry.author);
  const name = entry.feed ? feedOf(entry, agreement).lab : entry.lab;
  const lab = agreement.labs.find((item) => item.name === name);
  const period = [EPOCH, LOSS, JOULES].includes(entry.kind) ? Math.floor(entry.number / agreement.epochsPerPeriod) : entry.number;
  if (!lab || period < firstPeriod(agreement) || period >= agreement.periods || period < lab.sincePeriod) return false;
  if (entry.kind === FEED_PERIOD && !isHybrid(feedOf(entry, agreement).wholeKey)) return false;
  if (entry.kind === EPOCH && lacking(entry).some((position) => position >= agreement.feeds.filter((x) => x.lab === lab.name).length)) return false;
  if (entry.kind === LOSS && !isLoss(entry, lab, agreement)) return false;
  return entry.kind !== INSPECTION || (agreement.inspection !== null && entry.author !== entry.lab);
}

/** Whether giver and receiver are two labs that claim for the period, and the receiver accepted. */
function isAccepted(entry, agreement) {
  const { author, lab, number, amount, accepted } = entry;
  const claims = (name) => agreement.labs.some((item) => item.name === name && number >= item.sincePeriod);
  if (author === lab || amount === 0n || number < firstPeriod(agreement) || number >= agreement.periods || !claims(author) || !claims(lab)) return false;
  const { key } = agreement.parties.find((party) => party.name === lab);
  return verifySignature(key, accepted, allowanceMessage(entry));
}

/** Whether a lab says what it lost, or somebody else, where inspections are agreed, that it is back from a period's first epoch on. */
function isLoss({ author, lab: name, what, target, said, number }, lab, agreement) {
  if (!lab.meters.some((meter) => (what === 1 ? meter.name : meter.site) === target)) return false;
  return author === name ? said === 1 : said === 2 && agreement.inspection !== null && number % agreement.epochsPerPeriod === 0;
}
