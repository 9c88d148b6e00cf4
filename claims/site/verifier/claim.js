/** The claim file, format 3. claims/FORMATS.md section 5. */
import { ascii, compareBytes, concat, equalBytes, sha256, uint, words } from "./bytes.js";
import { Reader } from "./reader.js";
import { Rejected } from "./errors.js";

const MAGIC = ascii("standstill-claim");
const HEADS_DOMAIN = ascii("standstill/claim-heads/v2");
const VERSION = 3;
const MAX_BYTES = 64 * 2 ** 20;
const MAX_PROOF = 16 * 2 ** 20;
const MAX_METERS = 2 ** 18;
const MAX_EPOCH = 2 ** 24 - 1;
const MOST = 2n ** 64n - 1n;
/** The number of the share of lost chip-seconds among limits, and all of them, in parts per million. */
const LOST = 5;
const MILLION = 1000000n;

/** `count` of `size` bytes, then items that `one` reads; their `key`s, strings or numbers, ascend. */
function ascending(read, what, size, maximum, one, key) {
  const out = [];
  for (let left = read.uint(size, `the number of ${what}`, maximum); left > 0; left--) {
    const item = one();
    if (out.length > 0 && !(key(out[out.length - 1]) < key(item))) throw read.fail(`the ${what} do not ascend`);
    out.push(item);
  }
  return out;
}

function readLoss(read) {
  const loss = {
    kind: read.uint(1, "a loss's kind", 2),
    name: read.name("a lost meter's or site's name"),
    firstEpoch: read.uint(4, "a first lost epoch", MAX_EPOCH),
    signed: read.uint(1, "whether a lost meter signed", 1),
  };
  if (loss.kind === 0 || (loss.kind === 2 && loss.signed)) throw read.fail(`the loss of ${loss.name} is of no kind, or a lost site signed`);
  return loss;
}

function readLimit(read) {
  const limit = { which: read.uint(1, "which limit", 5), agreed: read.u64("an agreed limit"), stated: read.u64("a stated limit") };
  const { which, agreed, stated } = limit;
  if (which === LOST && !(agreed < stated && stated <= MILLION)) throw read.fail("a share that is lost is not above the agreed one, or above all");
  if (which === 0 || stated <= agreed || !(which === LOST || stated === MOST || (stated & (stated - 1n)) === 0n)) {
    throw read.fail("a stated limit is not a power of two above the agreed one, nor 2^64 - 1");
  }
  return limit;
}

function readOver(read, claim) {
  const period = read.uint(4, "an earlier period", MAX_EPOCH);
  if (period >= claim.period) throw read.fail(`period ${period} is not earlier than the claim's`);
  return { period, ...readLimit(read) };
}

/** What the lab signs with its registry's head besides that head; `listsDigest` is SHA-256 of all of it. */
function readLists(read, claim) {
  const start = read.at;
  claim.losses = ascending(read, "lost meters and sites", 2, 512, () => readLoss(read), (loss) => `${loss.kind} ${loss.name}`);
  claim.limits = ascending(read, "stated limits", 1, LOST, () => readLimit(read), (limit) => limit.which);
  claim.overs = ascending(read, "earlier claims over a limit", 2, 4096, () => readOver(read, claim), (over) => over.period * 8 + over.which);
  const transfers = read.list("the number of transfers", 4096, () => read.raw(32, "a transfer"));
  if (transfers.some((item, i) => i > 0 && compareBytes(transfers[i - 1], item) >= 0)) throw read.fail("the transfers do not ascend");
  claim.transfers = transfers;
  claim.listsDigest = sha256(read.data.subarray(start, read.at));
}

/** Losses of the lists' part of a claim file for that period, and its SHA-256: {losses, listsDigest}, or Rejected("format"). */
export function decodeLists(data, period) {
  const [read, lists] = [new Reader(data, "format"), { period }];
  readLists(read, lists);
  read.end();
  return lists;
}

/** Exactly one canonical claim, or Rejected("format"). */
export function decodeClaim(data) {
  if (data.length > MAX_BYTES) throw new Rejected("format", `larger than ${MAX_BYTES} bytes`);
  if (data.length < MAGIC.length || !equalBytes(data.subarray(0, MAGIC.length), MAGIC)) {
    throw new Rejected("format", "not a claim file: it does not start with 'standstill-claim'");
  }
  const read = new Reader(data, "format");
  read.raw(MAGIC.length, "the magic");
  const version = read.uint(2, "the version");
  if (version !== VERSION) throw read.fail(`claim format ${version} is not supported, only ${VERSION}`);
  const claim = {
    agreementDigest: read.raw(32, "the agreement digest"),
    lab: read.name("the lab's name"),
    period: read.uint(4, "the period", MAX_EPOCH),
    firstEpoch: read.uint(4, "the first epoch", MAX_EPOCH),
    lastEpoch: read.uint(4, "the last epoch", MAX_EPOCH),
    headBefore: read.head("the head before"),
    headAfter: read.head("the head after"),
    meters: [],
  };
  const count = read.uint(4, "the number of meters", MAX_METERS);
  if (count === 0) throw read.fail("the claim has no meters");
  for (let i = 0; i < count; i++) {
    const meter = {
      name: read.name("a meter's name"),
      head: read.head("a meter's head"),
      rootsDigest: read.raw(32, "a meter's roots digest"),
      signature: read.signature("a meter's signature"),
    };
    if (i > 0 && !(claim.meters[i - 1].name < meter.name)) throw read.fail(`meter ${meter.name} is not in ascending order of names`);
    claim.meters.push(meter);
  }
  claim.sites = ascending(read, "sites", 2, 256, () => ({
    name: read.name("a site's name"), head: read.head("a site's head"), proof: read.raw(32, "the SHA-256 of a site's proof"),
    roots: read.raw(32, "the SHA-256 of a site's roots file"),
  }), (site) => site.name);
  claim.registryProof = claim.sites.length > 0 ? read.raw(32, "the SHA-256 of the registry's proof") : new Uint8Array(0);
  readLists(read, claim);
  claim.registrySignature = read.signature("the registry head's signature");
  claim.proof = read.blob("the proof", claim.sites.length > 0 ? 0 : MAX_PROOF);
  claim.body = data.subarray(0, read.at);
  claim.signature = read.signature("the claim's signature");
  read.end();
  claim.bytes = data;
  return claim;
}

/** SHA-256 over all heads of a claim: what an inspection is about. As claims/inspection/binding.py. */
export function headsDigest(claim) {
  const meters = claim.meters.flatMap(({ name, head, rootsDigest }) => [uint(name.length, 1), ascii(name), words(head), rootsDigest]);
  return sha256(uint(HEADS_DOMAIN.length, 2), HEADS_DOMAIN, concat(meters), words(claim.headAfter), claim.listsDigest);
}
