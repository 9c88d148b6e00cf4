/** The claim file, format 2. claims/FORMATS.md section 5. */
import { ascii, equalBytes } from "./bytes.js";
import { Reader } from "./reader.js";
import { Rejected } from "./errors.js";

const MAGIC = ascii("standstill-claim");
const VERSION = 2;
const MAX_BYTES = 18 * 2 ** 20;
const MAX_PROOF = 16 * 2 ** 20;
const MAX_EPOCH = 2 ** 24 - 1;

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
  const count = read.uint(2, "the number of meters", 4096);
  if (count === 0) throw read.fail("the claim has no meters");
  for (let i = 0; i < count; i++) {
    const meter = {
      name: read.name("a meter's name"),
      head: read.head("a meter's head"),
      rootsDigest: read.raw(32, "a meter's roots digest"),
      signature: read.raw(64, "a meter's signature"),
    };
    if (i > 0 && !(claim.meters[i - 1].name < meter.name)) throw read.fail(`meter ${meter.name} is not in ascending order of names`);
    claim.meters.push(meter);
  }
  claim.registrySignature = read.raw(64, "the registry head's signature");
  claim.proof = read.blob("the proof", MAX_PROOF);
  claim.signature = read.raw(64, "the claim's signature");
  read.end();
  claim.body = data.subarray(0, data.length - 64);
  claim.bytes = data;
  return claim;
}
