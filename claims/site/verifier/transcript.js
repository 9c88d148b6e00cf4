/** Fiat-Shamir with SHA-256. zk/PROTOCOL.md section 2. */
import { P } from "./field.js";
import { ascii, concat, sha256, uint } from "./bytes.js";
import { Rejected } from "./errors.js";

const tag = (letter) => ascii(letter);
const labelled = (label) => concat([uint(label.length, 1), ascii(label)]);

/** Successive u32 words of SHA-256("S" || seed || counter). */
function* stream(seed) {
  for (let block = 0; ; block++) {
    const data = sha256(tag("S"), seed, uint(block, 4));
    const view = new DataView(data.buffer, data.byteOffset, 32);
    for (let i = 0; i < 32; i += 4) yield view.getUint32(i);
  }
}

export class Transcript {
  constructor() {
    this.state = sha256(ascii("standstill/stark/v1"));
  }

  absorb(label, data) {
    this.state = sha256(tag("A"), this.state, labelled(label), uint(data.length, 8), data);
  }

  _seed(letter, label, n) {
    const seed = sha256(tag(letter), this.state, labelled(label), uint(n, 8));
    this.state = sha256(tag("R"), seed);
    return seed;
  }

  /** n base elements. */
  elements(label, n) {
    const out = [];
    if (n === 0) {
      this._seed("C", label, n);
      return out;
    }
    for (const word of stream(this._seed("C", label, n))) {
      const value = word & 0x7fffffff;
      if (value < P) out.push(value);
      if (out.length === n) break;
    }
    return out;
  }

  /** n extension elements. */
  extensions(label, n) {
    const flat = this.elements(label, 5 * n);
    return Array.from({ length: n }, (_, i) => flat.slice(5 * i, 5 * i + 5));
  }

  /** n indices of `bits` bits, with repetitions. */
  indices(label, n, bits) {
    const out = [];
    const mask = 2 ** bits - 1;
    for (const word of stream(this._seed("I", label, n))) {
      out.push((word & mask) >>> 0);
      if (out.length === n) break;
    }
    return out;
  }

  /** Proof of work: `nonce` is the 8 bytes of the proof. Rejected under the name of the label. */
  grind(label, bits, nonce) {
    if (bits === 0) {
      if (nonce.some((byte) => byte !== 0)) throw new Rejected(label, "no work is asked, the nonce must be 0");
    } else {
      const digest = sha256(tag("G"), this.state, uint(bits, 1), nonce);
      const head = new DataView(digest.buffer, digest.byteOffset, 4).getUint32(0);
      if (head >= 2 ** (32 - bits)) throw new Rejected(label, `the hash does not begin with ${bits} zero bits`);
    }
    this.absorb(label, nonce);
  }
}
