/** Poseidon2 over KoalaBear, width 16, S-box x^3, 8 full and 36 partial rounds, and the sponge of ledgers and summaries. As zk/poseidon2.py; circuits/README.md section 2. */
import { P, add, mul, pow, sub } from "./field.js";
import { contextElements } from "./statement.js";

const WIDTH = 16;
const RATE = 8;
const [FULL, PARTIAL] = [8, 36];

const half = (k) => pow(pow(2, k), P - 2);
const DIAGONAL = [sub(0, 2), 1, 2, half(1), 3, 4, sub(0, half(1)), sub(0, 3), sub(0, 4), half(8), half(3), half(24), sub(0, half(8)), sub(0, half(3)), sub(0, half(4)), sub(0, half(24))];

/** Round constants: the self-shrinking Grain register of the Poseidon reference. */
function makeConstants() {
  const state = [];
  for (const [value, bits] of [[1, 2], [0, 4], [31, 12], [WIDTH, 12], [FULL, 10], [PARTIAL, 10], [2 ** 30 - 1, 30]]) {
    for (let k = bits - 1; k >= 0; k--) state.push((value >> k) & 1);
  }
  const step = () => {
    const bit = state[62] ^ state[51] ^ state[38] ^ state[23] ^ state[13] ^ state[0];
    state.shift();
    state.push(bit);
    return bit;
  };
  for (let i = 0; i < 160; i++) step();
  const bit = () => {
    for (;;) {
      const [keep, value] = [step(), step()];
      if (keep) return value;
    }
  };
  const element = () => {
    for (;;) {
      let value = 0;
      for (let i = 0; i < 31; i++) value = value * 2 + bit();
      if (value < P) return value;
    }
  };
  const list = (count) => Array.from({ length: count }, element);
  const full = () => Array.from({ length: FULL / 2 }, () => list(WIDTH));
  const first = full();
  const partial = list(PARTIAL);
  return { first, partial, last: full() };
}

let made = null;
const constants = () => (made ??= makeConstants());
const cube = (x) => mul(mul(x, x), x);

/** circ(2 M4, M4, M4, M4) times the state, in place. */
function external(x) {
  for (let k = 0; k < WIDTH; k += 4) {
    const [a, b, c, d] = [x[k], x[k + 1], x[k + 2], x[k + 3]];
    const total = add(add(a, b), add(c, d));
    x[k] = add(add(total, a), add(b, b));
    x[k + 1] = add(add(total, b), add(c, c));
    x[k + 2] = add(add(total, c), add(d, d));
    x[k + 3] = add(add(total, d), add(a, a));
  }
  for (let i = 0; i < 4; i++) {
    const sum = add(add(x[i], x[i + 4]), add(x[i + 8], x[i + 12]));
    for (let k = i; k < WIDTH; k += 4) x[k] = add(x[k], sum);
  }
}

function internal(x) {
  let total = 0;
  for (const lane of x) total = add(total, lane);
  for (let i = 0; i < WIDTH; i++) x[i] = add(total, mul(DIAGONAL[i], x[i]));
}

/** The permutation of 16 elements, in place. */
export function permute(x) {
  const { first, partial, last } = constants();
  const rounds = (list) => {
    for (const row of list) {
      for (let i = 0; i < WIDTH; i++) x[i] = cube(add(x[i], row[i]));
      external(x);
    }
  };
  external(x);
  rounds(first);
  for (const constant of partial) {
    x[0] = cube(add(x[0], constant));
    internal(x);
  }
  rounds(last);
}

/** The head of a chain: eight elements of the sponge over these blocks of eight. */
export function headOf(blocks) {
  const state = [...new Array(RATE).fill(0), ...contextElements("standstill/sponge/v1")];
  for (const block of blocks) {
    for (let i = 0; i < RATE; i++) state[i] = block[i];
    permute(state);
  }
  return state.slice(0, RATE);
}
