/** Canonical binary values of hostile files: claims/FORMATS.md, table of types. */
import { concat } from "./bytes.js";
import { P } from "./field.js";
import { Rejected } from "./errors.js";
import { CURVE_KEY, LATTICE_KEY, SIGNATURES } from "./hybrid.js";

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
export const isName = (text) => NAME.test(text) && !text.endsWith("\n");

export class Reader {
  /** check: the name of the check under which everything malformed is rejected. */
  constructor(data, check) {
    this.data = data;
    this.check = check;
    this.view = new DataView(data.buffer, data.byteOffset, data.length);
    this.at = 0;
  }

  fail(what) {
    return new Rejected(this.check, `${what} (at byte ${this.at})`);
  }

  raw(length, what) {
    if (length > this.data.length - this.at) throw this.fail(`the file ends inside ${what}`);
    this.at += length;
    return this.data.subarray(this.at - length, this.at);
  }

  /** Unsigned integer of 1 to 6 bytes. */
  uint(size, what, maximum = Infinity) {
    let value = 0;
    for (const byte of this.raw(size, what)) value = value * 256 + byte;
    if (value > maximum) throw this.fail(`${what} is ${value}, more than ${maximum}`);
    return value;
  }

  /** u64 as a BigInt. */
  u64(what) {
    this.raw(8, what);
    return this.view.getBigUint64(this.at - 8);
  }

  /** u64 that must be at most `maximum` < 2^53, as a number. */
  u64Number(what, maximum) {
    const value = this.u64(what);
    if (value > BigInt(maximum)) throw this.fail(`${what} is ${value}, more than ${maximum}`);
    return Number(value);
  }

  flag(what) {
    return this.uint(1, what, 1) === 1;
  }

  name(what) {
    const text = String.fromCharCode(...this.raw(this.uint(1, what), what));
    if (!isName(text)) throw this.fail(`${what} is not a name`);
    return text;
  }

  blob(what, maximum) {
    return this.raw(this.uint(4, `the length of ${what}`, maximum), what);
  }

  /** A signature of either kind behind its u16 length; which kind it has to be is for the signer's key to say. */
  signature(what) {
    const size = this.uint(2, `the length of ${what}`);
    if (!SIGNATURES.includes(size)) throw this.fail(`${what} has ${size} bytes`);
    return this.raw(size, what);
  }

  /** A key of either kind. */
  key(what) {
    const curve = this.raw(CURVE_KEY, what);
    return this.flag(what) ? concat([curve, this.raw(LATTICE_KEY, what)]) : curve;
  }

  text(what, maximum) {
    const data = this.blob(what, maximum);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
    } catch {
      throw this.fail(`${what} is not UTF-8`);
    }
  }

  /** Eight elements. */
  head(what) {
    const start = this.at;
    this.raw(32, what);
    const out = [];
    for (let at = start; at < this.at; at += 4) out.push(this.view.getUint32(at));
    if (out.some((word) => word >= P)) throw this.fail(`${what} is not eight canonical field elements`);
    return out;
  }

  /** Count of `size` bytes, at most `maximum`, then that many values. */
  list(what, maximum, read, size = 2) {
    const out = [];
    for (let left = this.uint(size, what, maximum); left > 0; left--) out.push(read());
    return out;
  }

  end() {
    if (this.at !== this.data.length) throw this.fail(`${this.data.length - this.at} bytes follow the end`);
  }
}
