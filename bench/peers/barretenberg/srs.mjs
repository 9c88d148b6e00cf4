// A reference string of BN254 made here, by one party, in seconds: INSECURE, for measurements only. The ceremony's string, which bb
// would download, has the same shape and takes the same time to use. Affine points, batched inversions, a table for the generator.
import { randomBytes } from "node:crypto";

const Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583n;
const R = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
const WINDOW = 12, WINDOWS = 22, CHUNK = 1 << 13;
const G2 = [
  [10857046999023057135944570762232829481370756359578518086990519993285655852781n,
    11559732032986387107991004021392285783925812861821192530917403151452391805634n],
  [8495653923123431417604973247489272438418190587263600148770280649306958101930n,
    4082367875863433681332203403145435568316851327593401208105741076214120093531n],
];

const mod = (x) => ((x % Q) + Q) % Q;

function inverse(x) {
  let [a, b, u, v] = [mod(x), Q, 1n, 0n];
  while (a > 1n) {
    const t = b / a;
    [a, b, u, v] = [b - t * a, a, v - t * u, u];
    if (a === 0n) throw new Error("no inverse");
  }
  return mod(u);
}

function inverses(values) {
  const before = [];
  let product = 1n;
  for (const value of values) {
    before.push(product);
    product = (product * value) % Q;
  }
  let rest = inverse(product);
  for (let i = values.length - 1; i >= 0; i--) {
    [before[i], rest] = [(before[i] * rest) % Q, (rest * values[i]) % Q];
  }
  return before;
}

/** Adds points[i] to sums[i] in place; null is the neutral element, equal points are doubled, opposite ones do not occur. */
function addAll(sums, points) {
  const at = [], below = [];
  for (let i = 0; i < sums.length; i++) {
    if (!points[i]) continue;
    if (!sums[i]) {
      sums[i] = points[i];
      continue;
    }
    const same = sums[i][0] === points[i][0];
    at.push(i);
    below.push(same ? 2n * sums[i][1] : mod(points[i][0] - sums[i][0]));
  }
  const inverted = inverses(below);
  at.forEach((i, k) => {
    const [x, y] = sums[i], [u, v] = points[i];
    const slope = ((x === u ? 3n * x * x : v - y + Q) * inverted[k]) % Q;
    const third = mod(slope * slope - x - u);
    sums[i] = [third, mod(slope * (x - third) - y)];
  });
}

function table() {
  const rows = [];
  let base = [1n, 2n];
  for (let w = 0; w < WINDOWS; w++) {
    const row = [null, base];
    while (row.length < 1 << WINDOW) {
      const next = row.slice();
      addAll(next, next.map(() => row[row.length - 1]));
      addAll(next, next.map(() => base));
      row.push(...next);
    }
    rows.push(row);
    const top = [row[row.length - 1]];
    addAll(top, [base]);
    base = top[0];
  }
  return rows;
}

const bytes = (x) => Buffer.from(x.toString(16).padStart(64, "0"), "hex");

const times = ([a, b], [c, d]) => [mod(a * c - b * d), mod(a * d + b * c)];
const minus = ([a, b], [c, d]) => [mod(a - c), mod(b - d)];

function divide(x, [c, d]) {
  const norm = inverse(c * c + d * d);
  return times(x, [mod(c * norm), mod(-d * norm)]);
}

function onTwist(p, q) {
  const square = times(p[0], p[0]);
  const slope = p === q ? divide(square.map((c) => 3n * c), p[1].map((c) => 2n * c)) : divide(minus(q[1], p[1]), minus(q[0], p[0]));
  const x = minus(minus(times(slope, slope), p[0]), q[0]);
  return [x, minus(times(slope, minus(p[0], x)), p[1])];
}

/** {g1, g2}: tau^0 G1 to tau^(count - 1) G1, 64 bytes each, and tau G2, 128 bytes, as bb reads them; tau is random and forgotten. */
export function makeReferenceString(count) {
  const tau = (BigInt("0x" + randomBytes(40).toString("hex")) % (R - 2n)) + 2n;
  const rows = table(), g1 = Buffer.alloc(count * 64), mask = (1n << BigInt(WINDOW)) - 1n;
  let power = 1n;
  for (let first = 0; first < count; first += CHUNK) {
    const powers = [];
    for (let i = first; i < Math.min(count, first + CHUNK); i++) {
      powers.push(power);
      power = (power * tau) % R;
    }
    const sums = powers.map(() => null);
    for (let w = 0; w < WINDOWS; w++) {
      addAll(sums, powers.map((p) => rows[w][Number((p >> BigInt(WINDOW * w)) & mask)]));
    }
    sums.forEach(([x, y], i) => {
      bytes(x).copy(g1, (first + i) * 64);
      bytes(y).copy(g1, (first + i) * 64 + 32);
    });
  }
  let point = G2;
  for (const bit of tau.toString(2).slice(1)) {
    point = onTwist(point, point);
    if (bit === "1") point = onTwist(point, G2);
  }
  return { g1, g2: Buffer.concat(point.flat().map(bytes)) };
}
