/**
 * Keys of two halves: Ed25519 and ML-DSA-44 (FIPS 204), both demanded. claims/FORMATS.md section 3; as claims/base/hybrid.py.
 *
 * A key has 32 bytes or 1,344, a signature 64 or 2,484. Which follows from the key, and the key stands in the agreement.
 */
import { ml_dsa44 } from "../vendor/noble-post-quantum/ml-dsa.js";
import { ascii, concat, equalBytes, sha256, toHex, uint } from "./bytes.js";

const DOMAIN = ascii("standstill/sign/hybrid/v1");
export const CURVE_KEY = 32;
export const LATTICE_KEY = 1312;
const CURVE_SIGNATURE = 64;
const KEPT = 8192;
const verified = new Map();
/** Bytes of a key, and of a signature, of Ed25519 alone and of both. */
export const KEYS = [CURVE_KEY, CURVE_KEY + LATTICE_KEY];
export const SIGNATURES = [CURVE_SIGNATURE, CURVE_SIGNATURE + 2420];

export const isHybrid = (key) => key.length === CURVE_KEY + LATTICE_KEY;

/** The Ed25519 half of a key, and the ML-DSA-44 half where it has one. */
export const halves = (key) => (isHybrid(key) ? [key.subarray(0, CURVE_KEY), key.subarray(CURVE_KEY)] : [key]);
export const splitSignature = (signature) => [signature.subarray(0, CURVE_SIGNATURE), signature.subarray(CURVE_SIGNATURE)];

/** Whether a key is an older one, or that one with an ML-DSA-44 half added: what it signs, the older one signed too. */
export const goesOn = (old, key) => equalBytes(old, key) || (!isHybrid(old) && equalBytes(old, halves(key)[0]));

/** What both halves of a key sign. */
export const hybridMessage = (key, message) => concat([uint(DOMAIN.length, 2), DOMAIN, sha256(key), message]);

/** Whether ML-DSA-44 signed a message, under no context or, as half of a hybrid key, under its own. Never throws. */
export function latticeVerifies(half, signature, message, asHybrid = false) {
  if (half.length !== LATTICE_KEY || signature.length !== 2420) return false;
  const name = toHex(sha256(concat([uint(asHybrid ? 1 : 0, 1), half, signature, message])));
  if (!verified.has(name)) {
    if (verified.size >= KEPT) verified.clear();
    verified.set(name, latticeHolds(half, signature, message, asHybrid));
  }
  return verified.get(name);
}

function latticeHolds(half, signature, message, asHybrid) {
  try {
    return ml_dsa44.verify(signature, message, half, asHybrid ? { context: DOMAIN } : {});
  } catch {
    return false; // an encoding that the library refuses
  }
}
