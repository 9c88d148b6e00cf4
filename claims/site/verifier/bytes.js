/** Bytes, hex and SHA-256. Integers are big-endian. */
import { sha256 as nobleSha256 } from "../vendor/noble-hashes/sha2.js";

/** SHA-256 of the concatenation of the parts. */
export const sha256 = (...parts) => nobleSha256(parts.length === 1 ? parts[0] : concat(parts));

export function concat(parts) {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Bytes of an ASCII text. */
export const ascii = (text) => Uint8Array.from(text, (c) => c.charCodeAt(0));

/** Unsigned integer in `size` bytes, size <= 6 or value < 2^53. */
export function uint(value, size) {
  const out = new Uint8Array(size);
  for (let i = size - 1, left = value; i >= 0; i--) {
    out[i] = left % 256;
    left = Math.floor(left / 256);
  }
  return out;
}

/** Each value as a u32. */
export function words(values) {
  const out = new Uint8Array(4 * values.length);
  const view = new DataView(out.buffer);
  for (let i = 0; i < values.length; i++) view.setUint32(4 * i, values[i]);
  return out;
}

export function equalBytes(a, b) {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export const toHex = (data) => Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Inverse of toHex, or null for anything that it would not write. */
export function fromHex(text) {
  if (typeof text !== "string" || text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return null;
  const out = new Uint8Array(text.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
}

/** Negative, zero or positive, as the first bytes come before, are, or come after the second. */
export function compareBytes(a, b) {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}
