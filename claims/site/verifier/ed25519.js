/**
 * The one gate for keys and signatures. Ed25519 (RFC 8032, pure), without the cofactor: the encoding of [S]B - [h]A must be R, byte for byte, and S < L.
 *
 * That is what OpenSSL does, and so the Python verifier. The library's own `verify` multiplies by the cofactor; a signer
 * with a key of mixed order could make signatures on which the two disagree.
 */
import { Point } from "../vendor/noble-ed25519/index.js";
import { sha512 } from "../vendor/noble-hashes/sha2.js";
import { concat, equalBytes } from "./bytes.js";
import { CURVE_KEY, SIGNATURES, halves, hybridMessage, isHybrid, latticeVerifies, splitSignature } from "./hybrid.js";

const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const KEPT = 8192;
const decoded = new Map();
const verified = new Map();
const OFTEN = 3;
const TABLES = 64;
const seen = new Map();
const tables = new Map();

function littleEndian(bytes) {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = value * 256n + BigInt(bytes[i]);
  return value;
}

/** The point of a canonical encoding that is on the curve and not of small order, else null. */
function point(key) {
  const name = String.fromCharCode(...key);
  if (decoded.has(name)) return decoded.get(name);
  let found = null;
  try {
    found = Point.fromBytes(key);
    if (found.isSmallOrder()) found = null;
  } catch {
    found = null;
  }
  if (decoded.size >= KEPT) decoded.clear();
  decoded.set(name, found);
  return found;
}

/** -[h]A. Of a key that comes often a table is made, [d 16^i](-A) for all digits d and places i: then that takes a third of the time. */
function minusTimes(key, a, h) {
  const name = String.fromCharCode(...key);
  if (seen.size >= KEPT) seen.clear();
  seen.set(name, (seen.get(name) ?? 0) + 1);
  if (!tables.has(name)) {
    if (seen.get(name) < OFTEN) return a.negate().multiplyUnsafe(h);
    if (tables.size >= TABLES) tables.clear();
    tables.set(name, tableOf(a.negate()));
  }
  let sum = Point.ZERO;
  for (const row of tables.get(name)) {
    const digit = Number(h & 15n);
    if (digit) sum = sum.add(row[digit - 1]);
    h >>= 4n;
  }
  return sum;
}

function tableOf(base) {
  const rows = [];
  for (let place = 0; place < 64; place++) {
    const row = [base];
    while (row.length < 15) row.push(row.at(-1).add(base));
    rows.push(row);
    base = row.at(-1).add(base);
  }
  return rows;
}

/** Whether bytes are a usable public key, of Ed25519 alone or of both halves: any 1,312 bytes are an ML-DSA-44 half. */
export const isPublicKey = (key) => (key.length === CURVE_KEY || isHybrid(key)) && point(halves(key)[0]) !== null;

/** Whether a signature verifies by the kind of its key, both halves where the key has two. Never throws. */
export function verifySignature(key, signature, message) {
  if (!isHybrid(key)) return curveVerifies(key, signature, message);
  if (signature.length !== SIGNATURES[1]) return false;
  const [[curve, lattice], [one, two], bound] = [halves(key), splitSignature(signature), hybridMessage(key, message)];
  return curveVerifies(curve, one, bound) && latticeVerifies(lattice, two, bound, true);
}

/** Whether one half alone signed these bytes, as C2SP's formats have it. Never throws. */
export const halfVerifies = (half, signature, message) => (half.length === CURVE_KEY ? curveVerifies : latticeVerifies)(half, signature, message);

function curveVerifies(key, signature, message) {
  if (key.length !== 32 || signature.length !== 64) return false;
  const a = point(key);
  const s = littleEndian(signature.subarray(32));
  if (a === null || s >= L) return false;
  const r = signature.subarray(0, 32);
  const hash = sha512(concat([r, key, message]));
  const name = String.fromCharCode(...hash, ...signature.subarray(32)); // the hash binds the rest
  if (!verified.has(name)) {
    if (verified.size >= KEPT) verified.clear();
    const found = Point.BASE.multiplyUnsafe(s).add(minusTimes(key, a, littleEndian(hash) % L));
    verified.set(name, equalBytes(found.toBytes(), r));
  }
  return verified.get(name);
}
