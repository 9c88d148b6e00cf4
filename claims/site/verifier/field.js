/**
 * KoalaBear, p = 2^31 - 2^24 + 1, and F = F_p[X]/(X^5 + X^2 - 1). zk/PROTOCOL.md section 1.
 *
 * A base element is a JavaScript number in [0, p); an extension element an array of five, lowest first.
 */
export const P = 2130706433;
export const GENERATOR = 3;
export const TWO_ADICITY = 24;
export const DEGREE = 5;

const INVERSE = 1 / P;

/**
 * Product mod p. The quotient estimate is wrong only within 2^-20 of an integer, so the remainder lies in
 * [-2^11, p + 2^11), which a signed 32-bit integer holds: the low words of a b and q p are enough.
 */
export function mul(a, b) {
  const q = (a * b * INVERSE) | 0;
  const r = (Math.imul(a, b) - Math.imul(q, P)) | 0;
  return r < 0 ? r + P : r >= P ? r - P : r;
}

export function add(a, b) {
  const s = a + b;
  return s >= P ? s - P : s;
}

export function sub(a, b) {
  const s = a - b;
  return s < 0 ? s + P : s;
}

/** x mod p for an integer x in [0, 2^53). */
function reduce(x) {
  const r = x - Math.floor(x * INVERSE) * P;
  return r < 0 ? r + P : r >= P ? r - P : r;
}

/** a^n, n an integer in [0, 2^53). */
export function pow(a, n) {
  let result = 1;
  for (let base = a, left = n; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = mul(result, base);
    base = mul(base, base);
  }
  return result;
}

/** Inverse of a nonzero element. */
export const inverse = (a) => pow(a, P - 2);

/** w_k, of order 2^k. */
export const rootOfUnity = (k) => pow(GENERATOR, (P - 1) / 2 ** k);

export const isElement = (a) => Number.isInteger(a) && a >= 0 && a < P;

export const ZERO = Object.freeze([0, 0, 0, 0, 0]);
export const ONE = Object.freeze([1, 0, 0, 0, 0]);
export const embed = (a) => [a, 0, 0, 0, 0];

export const extAdd = (a, b) => [
  add(a[0], b[0]), add(a[1], b[1]), add(a[2], b[2]), add(a[3], b[3]), add(a[4], b[4]),
];
export const extSub = (a, b) => [
  sub(a[0], b[0]), sub(a[1], b[1]), sub(a[2], b[2]), sub(a[3], b[3]), sub(a[4], b[4]),
];
export const extScale = (a, c) => [mul(a[0], c), mul(a[1], c), mul(a[2], c), mul(a[3], c), mul(a[4], c)];
export const extEqual = (a, b) =>
  a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3] && a[4] === b[4];
export const extIsZero = (a) => extEqual(a, ZERO);

/** Product: X^5 = 1 - X^2, X^6 = X - X^3, X^7 = X^2 - X^4, X^8 = X^3 + X^2 - 1. Sums of at most 8 terms stay exact. */
export function extMul(a, b) {
  const [a0, a1, a2, a3, a4] = a;
  const [b0, b1, b2, b3, b4] = b;
  const c0 = mul(a0, b0);
  const c1 = mul(a0, b1) + mul(a1, b0);
  const c2 = mul(a0, b2) + mul(a1, b1) + mul(a2, b0);
  const c3 = mul(a0, b3) + mul(a1, b2) + mul(a2, b1) + mul(a3, b0);
  const c4 = mul(a0, b4) + mul(a1, b3) + mul(a2, b2) + mul(a3, b1) + mul(a4, b0);
  const c5 = mul(a1, b4) + mul(a2, b3) + mul(a3, b2) + mul(a4, b1);
  const c6 = mul(a2, b4) + mul(a3, b3) + mul(a4, b2);
  const c7 = mul(a3, b4) + mul(a4, b3);
  const c8 = mul(a4, b4);
  return [
    reduce(c0 + c5 + (P - c8)),
    reduce(c1 + c6),
    reduce(c2 + (4 * P - c5) + c7 + c8),
    reduce(c3 + (3 * P - c6) + c8),
    reduce(c4 + (2 * P - c7)),
  ];
}

/** a^n, n an integer in [0, 2^53). */
export function extPow(a, n) {
  let result = ONE;
  for (let base = a, left = n; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = extMul(result, base);
    base = extMul(base, base);
  }
  return result;
}

const INVERSE_EXPONENT = (BigInt(P) ** 5n - 2n).toString(2);

/** Inverse of a nonzero element: a^(p^5 - 2). */
export function extInverse(a) {
  let result = ONE;
  for (const bit of INVERSE_EXPONENT) {
    result = extMul(result, result);
    if (bit === "1") result = extMul(result, a);
  }
  return result;
}

/** Inverses of nonzero extension elements with one inversion. */
export function extBatchInverse(values) {
  const prefix = [];
  let product = ONE;
  for (const value of values) {
    prefix.push(product);
    product = extMul(product, value);
  }
  let inverseOfProduct = extInverse(product);
  const out = new Array(values.length);
  for (let i = values.length - 1; i >= 0; i--) {
    out[i] = extMul(inverseOfProduct, prefix[i]);
    inverseOfProduct = extMul(inverseOfProduct, values[i]);
  }
  return out;
}

/** Value of an extension column from its five coordinate columns, themselves extension values: sum v_c X^c. */
export function fromCoordinates(values) {
  let result = ZERO;
  let power = ONE;
  const x = [0, 1, 0, 0, 0];
  for (const value of values) {
    result = extAdd(result, extMul(value, power));
    power = extMul(power, x);
  }
  return result;
}
