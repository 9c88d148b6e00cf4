/** The proof's bytes: exactly one parse, fixed by options, program, height and query indices. zk/PROTOCOL.md section 8. */
import { P } from "./field.js";
import { ascii, equalBytes } from "./bytes.js";
import { siblingCount } from "./merkle.js";
import { Rejected } from "./errors.js";

const MAGIC = ascii("SSPF");
const VERSION = 1;
const LEAF_OF_LAYER = 40;
export const QUOTIENT_COLUMNS = 15;

const bad = (what) => new Rejected("format", what);

class Bytes {
  constructor(data) {
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.length);
    this.at = 0;
  }

  take(length) {
    if (length > this.data.length - this.at) throw bad(`the proof ends early, after ${this.data.length} bytes`);
    this.at += length;
    return this.data.subarray(this.at - length, this.at);
  }

  element() {
    this.take(4);
    const value = this.view.getUint32(this.at - 4);
    if (value >= P) throw bad(`a word before byte ${this.at} is not a canonical element`);
    return value;
  }

  elements(n) {
    const out = new Array(n);
    for (let i = 0; i < n; i++) out[i] = this.element();
    return out;
  }

  extensions(n) {
    const out = new Array(n);
    for (let i = 0; i < n; i++) out[i] = this.elements(5);
    return out;
  }
}

/** Reads up to the query nonce; `openings` is to be called once the indices are known. */
export function parseProof(data, program, options, shape) {
  const bytes = new Bytes(data);
  if (data.length < 6 || !equalBytes(bytes.take(4), MAGIC)) throw bad("it does not begin with SSPF");
  bytes.take(2);
  if (bytes.view.getUint16(4) !== VERSION) throw bad("the version is not supported");
  const groups = program.groups.length;
  const values = program.columns + 5 * groups + 10 + program.nextColumns.length + 5;
  const committed = () => ({ root: bytes.take(32), nonce: bytes.take(8) });
  const head = { main: committed(), aux: committed(), quotient: committed() };
  const outAt = bytes.at;
  head.values = bytes.extensions(values);
  head.valueBytes = data.subarray(outAt, bytes.at);
  head.deepNonce = bytes.take(8);
  head.layers = Array.from({ length: shape.folds }, committed);
  const finalAt = bytes.at;
  head.final = bytes.extensions(shape.bounds[shape.folds]);
  head.finalBytes = data.subarray(finalAt, bytes.at);
  head.queryNonce = bytes.take(8);
  head.openings = (indices, leaves) => openings(bytes, program, options, shape, indices, leaves);
  return head;
}

/**
 * Reads what follows, to the last byte.
 *
 * indices: distinct, ascending. leaves: for each FRI layer its distinct leaf numbers, ascending.
 * Returns {trees: [main, aux, quotient], layers}: each {leaves: bytes as hashed, rows: elements, siblings}.
 */
function openings(bytes, program, options, shape, indices, leaves) {
  const depth = Math.log2(shape.points);
  const total = (widths, salt, numbers, d) => numbers.length * (salt + 4 * widths) + 32 * siblingCount(numbers, d);
  const widths = [program.columns, 5 * program.groups.length, QUOTIENT_COLUMNS];
  let expected = bytes.at;
  for (const width of widths) expected += total(width, options.salt_bytes, indices, depth);
  leaves.forEach((numbers, r) => { expected += total(LEAF_OF_LAYER, 0, numbers, depth - 3 * (r + 1)); });
  if (bytes.data.length !== expected) throw bad(`${bytes.data.length} bytes where ${expected} are expected`);
  const read = (width, salt, numbers, d) => {
    const out = { width, leaves: [], rows: [], siblings: [] };
    for (let i = 0; i < numbers.length; i++) {
      const at = bytes.at;
      bytes.take(salt);
      out.rows.push(bytes.elements(width));
      out.leaves.push(bytes.data.subarray(at, bytes.at));
    }
    for (let left = siblingCount(numbers, d); left > 0; left--) out.siblings.push(bytes.take(32));
    return out;
  };
  return {
    trees: widths.map((width) => read(width, options.salt_bytes, indices, depth)),
    layers: leaves.map((numbers, r) => read(LEAF_OF_LAYER, 0, numbers, depth - 3 * (r + 1))),
  };
}
