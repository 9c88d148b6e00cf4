/** The proof's bytes: exactly one parse, fixed by options, program, height and query indices. zk/PROTOCOL.md section 8. */
import { P } from "./field.js";
import { ascii, equalBytes } from "./bytes.js";
import { siblingCount } from "./merkle.js";
import { Rejected } from "./errors.js";

const MAGIC = ascii("SSPF");
const VERSION = 2;
const VALUES_OF_LEAF = 8;
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

  /** A run of n elements: 31 bits each, the highest first, then zeros up to the last byte's end. */
  run(n) {
    const at = this.at;
    const bytes = this.take(Math.ceil((31 * n) / 8));
    const fill = 8 * bytes.length - 31 * n;
    if (fill > 0 && bytes[bytes.length - 1] % 2 ** fill !== 0) throw bad(`a bit that fills up before byte ${this.at} is set`);
    const out = new Array(n);
    for (let i = 0; i < n; i++) {
      const first = Math.floor((31 * i) / 8);
      let five = 0; // an element lies within five bytes, of which the last may be beyond the run
      for (let k = 0; k < 5; k++) five = 256 * five + (bytes[first + k] ?? 0);
      const value = Math.floor(five / 2 ** (9 - ((31 * i) % 8))) % 2 ** 31;
      if (value >= P) throw bad(`an element from byte ${at + first} on is not below p`);
      out[i] = value;
    }
    return out;
  }

  extensions(n) {
    const flat = this.run(5 * n);
    return Array.from({ length: n }, (_, i) => flat.slice(5 * i, 5 * i + 5));
  }
}

/** Reads up to the query nonce; `openings` is to be called once the indices are known. */
export function parseProof(data, program, options, shape) {
  const bytes = new Bytes(data);
  if (data.length < 6 || !equalBytes(bytes.take(4), MAGIC)) throw bad("it does not begin with SSPF");
  bytes.take(2);
  if (bytes.view.getUint16(4) !== VERSION) throw bad(`proof version ${bytes.view.getUint16(4)} is not ${VERSION}`);
  const groups = program.groups.length;
  const values = program.columns + 5 * groups + 10 + program.nextColumns.length + 5;
  const committed = () => ({ root: bytes.take(32), nonce: bytes.take(8) });
  const head = { main: committed(), aux: committed(), quotient: committed() };
  head.values = bytes.extensions(values);
  head.deepNonce = bytes.take(8);
  head.layers = Array.from({ length: shape.folds }, committed);
  head.final = bytes.extensions(shape.bounds[shape.folds]);
  head.queryNonce = bytes.take(8);
  head.openings = (indices, layers) => openings(bytes, program, options, shape, indices, layers);
  return head;
}

/**
 * Reads what follows, to the last byte.
 *
 * indices: distinct, ascending. layers: for each FRI layer {numbers: its distinct leaf numbers, ascending; known: for each of them
 * the positions of values that the verifier computes itself}.
 * Returns {salts, trees: [main, aux, quotient], layers}: each of these {rows: elements as far as they are sent, siblings}.
 */
function openings(bytes, program, options, shape, indices, layers) {
  const depth = Math.log2(shape.points);
  const rowsOf = (width) => ({ numbers: indices, widths: indices.map(() => width), depth });
  const trees = [program.columns, 5 * program.groups.length, QUOTIENT_COLUMNS].map(rowsOf);
  const parts = layers.map(({ numbers, known }, r) => (
    { numbers, widths: known.map((positions) => 5 * (VALUES_OF_LEAF - positions.length)), depth: depth - 3 * (r + 1) }
  ));
  const sum = (widths) => widths.reduce((a, b) => a + b, 0);
  let expected = bytes.at + options.salt_bytes * indices.length;
  for (const { numbers, widths, depth: d } of [...trees, ...parts]) expected += Math.ceil((31 * sum(widths)) / 8) + 32 * siblingCount(numbers, d);
  if (bytes.data.length !== expected) throw bad(`${bytes.data.length} bytes where ${expected} are expected`);
  const salts = indices.map(() => bytes.take(options.salt_bytes));
  const read = ({ numbers, widths, depth: d }) => {
    const words = bytes.run(sum(widths));
    let at = 0;
    const rows = widths.map((width) => words.slice(at, (at += width)));
    return { rows, siblings: Array.from({ length: siblingCount(numbers, d) }, () => bytes.take(32)) };
  };
  return { salts, trees: trees.map(read), layers: parts.map(read) };
}
