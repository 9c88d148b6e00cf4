/** Signed heads of the public log: C2SP signed-note, tlog-checkpoint, tlog-cosignature. claims/FORMATS-log.md section 2. */
import { ascii, concat, equalBytes, sha256, toHex, uint } from "./bytes.js";
import { halfVerifies, verifySignature } from "./ed25519.js";
import { CURVE_KEY, halves } from "./hybrid.js";
import { isKeyName } from "./text.js";
import { Rejected } from "./errors.js";

export const NOTE_LIMIT = 128 * 1024;
const SIGNATURES_LIMIT = 100;
const TYPE_LOG = [1];
const TYPE_COSIGNATURE = [4];
const TYPE_LATTICE = [6];
const DATE_DOMAIN = ascii("standstill/head-date/v1");
const TYPE_DATE = [0xff, ...DATE_DOMAIN];

const bad = (what) => new Rejected("log", what);
const utf8 = (text) => new TextEncoder().encode(text);

/** Canonical standard base64, or Rejected. */
function base64(text, what) {
  let binary;
  try {
    binary = atob(text);
  } catch {
    throw bad(`${what} is not base64`);
  }
  if (btoa(binary) !== text) throw bad(`${what} is not canonical base64`);
  return Uint8Array.from(binary, (c) => c.charCodeAt(0));
}

function parseLine(line) {
  const at = line.indexOf(" ", 2);
  const name = line.slice(2, at);
  if (!line.startsWith("\u2014 ") || at < 0 || !isKeyName(name)) {
    throw bad("a signature line of a head is malformed");
  }
  const data = base64(line.slice(at + 1), "a signature of a head");
  if (data.length < 5) throw bad("a signature of a head is too short");
  return { name, id: data.subarray(0, 4), data: data.subarray(4) };
}

const keyId = (name, type, key) => sha256(concat([utf8(`${name}\n`), Uint8Array.from(type), key])).subarray(0, 4);
const linesOf = (lines, type, key) => lines.filter((line) => equalBytes(line.id, keyId(line.name, type, key)));

const KNOWN_LIMIT = 8192;
const known = new Map(); // a log's key and cosigners, and SHA-256 of a head, to what openHead gives: a head is verified once, however many claims rest on it

/**
 * A head that the log signed. trust: {origin, key, cosigners: [{name, key}]}.
 *
 * Returns {size, root, times, stamps: Maps of a cosigner's name to the least time at which it cosigned, and to all of them, dated: {time, previous} or null: the log's own date, and the size of the
 * head before}. Rejected("log") for anything malformed, of another log, or with a line of a known key that does not verify.
 */
export function openHead(data, trust) {
  if (data.length > NOTE_LIMIT) throw bad("a head of the log is too long");
  const name = JSON.stringify([trust.origin, toHex(trust.key), trust.cosigners.map(({ name, key }) => [name, toHex(key)]), toHex(sha256(data))]);
  if (!known.has(name)) {
    if (known.size >= KNOWN_LIMIT) known.clear();
    known.set(name, readHead(data, trust));
  }
  return known.get(name);
}

function readHead(data, trust) {
  let all;
  try {
    all = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw bad("a head of the log is not UTF-8");
  }
  if (/[\u0000-\u0009\u000b-\u001f]/.test(all)) throw bad("a head of the log holds control characters");
  const cut = all.lastIndexOf("\n\n");
  if (cut < 0 || !all.endsWith("\n") || cut + 2 >= all.length) throw bad("a head of the log has no signature lines");
  const text = all.slice(0, cut + 1);
  const tail = all.slice(cut + 2, -1).split("\n");
  if (tail.length > SIGNATURES_LIMIT) throw bad("a head of the log has too many signatures");
  const lines = tail.map(parseLine);
  const head = parseHead(text);
  if (head.origin !== trust.origin) throw bad("the head is of another log");
  const message = utf8(text);
  const isSigned = halves(trust.key).every((half) => {
    const isCurve = half.length === CURVE_KEY;
    const own = linesOf(lines, isCurve ? TYPE_LOG : TYPE_LATTICE, half).filter((line) => line.name === trust.origin);
    return own.length > 0 && own.every((line) => (isCurve ? verifySignature(half, line.data, message) : cosignatureTime(half, line, text, head) !== null));
  });
  if (!isSigned) throw bad(`the head of size ${head.size} is not signed by the log`);
  const [times, stamps] = [new Map(), new Map()];
  for (const { name, key } of trust.cosigners) {
    const found = halves(key).map((half) => {
      const signed = linesOf(lines, half.length === CURVE_KEY ? TYPE_COSIGNATURE : TYPE_LATTICE, half).map((line) => [line.name, cosignatureTime(half, line, text, head)]);
      if (signed.some(([as, time]) => time === null && as === name)) throw bad(`a cosignature of ${name} on the head of size ${head.size} does not verify`);
      return new Map(signed.filter(([, time]) => time !== null).map(([as, time]) => [`${time} ${as}`, time]));
    });
    const both = [...found[0]].filter(([at]) => found.every((of) => of.has(at))).map(([, time]) => Number(time)); // one half alone is no cosignature
    if (both.length === 0) continue;
    times.set(name, Math.min(...both));
    stamps.set(name, both);
  }
  let dated = null;
  for (const line of linesOf(lines, TYPE_DATE, trust.key).filter((item) => item.name === trust.origin)) {
    const found = headDate(trust.key, line.data, message);
    if (!found) throw bad("the log's own date on its head does not verify");
    dated = earlier(dated, found);
  }
  return { size: head.size, root: head.root, times, stamps, dated };
}

/** Of two dates of the log's own, the one that comes first; either may be null. */
export function earlier(one, other) {
  if (!one || !other) return one ?? other;
  return other.time < one.time || (other.time === one.time && other.previous < one.previous) ? other : one;
}

/** The log's own date of a head and the size of the one before it: {time, previous}, or null: it does not verify. */
function headDate(key, data, message) {
  if (data.length < 16) return null;
  const view = new DataView(data.buffer, data.byteOffset, 16);
  const time = view.getBigUint64(0);
  const signed = concat([uint(DATE_DOMAIN.length, 2), DATE_DOMAIN, data.subarray(0, 16), message]);
  if (time >= 2n ** 63n || !verifySignature(key, data.subarray(16), signed)) return null;
  return { time: Number(time), previous: Number(view.getBigUint64(8)) };
}

/** Unix seconds as a BigInt of a line by one half of a key, or null: it does not verify. Times beyond 2^53 are rounded later, and far beyond every agreement. */
function cosignatureTime(half, { name, data }, text, head) {
  if (data.length < 8) return null;
  const time = new DataView(data.buffer, data.byteOffset, 8).getBigUint64(0);
  const message = half.length === CURVE_KEY ? utf8(`cosignature/v1\ntime ${time}\n${text}`) : subtree(name, data.subarray(0, 8), head);
  return time < 2n ** 63n && halfVerifies(half, data.subarray(8), message) ? time : null;
}

/** What ML-DSA-44 signs of a head (C2SP tlog-cosignature): the name of the line, a time, the log's origin, and the tree. */
function subtree(name, time, { origin, exact, root }) {
  const size = new Uint8Array(16);
  new DataView(size.buffer).setBigUint64(8, exact);
  const sized = (text) => concat([uint(utf8(text).length, 1), utf8(text)]);
  return concat([ascii("subtree/v1\n\0"), sized(name), time, sized(origin), size, root]);
}

function parseHead(text) {
  const lines = text.slice(0, -1).split("\n");
  if (lines.length < 3 || lines.some((line) => line === "")) throw bad("a head of the log is not three or more lines");
  const [origin, size, encoded] = lines;
  if (!/^(0|[1-9][0-9]{0,18})$/.test(size) || BigInt(size) >= 2n ** 63n) throw bad("the size in a head of the log is not a number");
  const root = base64(encoded, "the root in a head of the log");
  if (root.length !== 32) throw bad("the root in a head of the log has not 32 bytes");
  return { origin, size: Number(size), exact: BigInt(size), root };
}
