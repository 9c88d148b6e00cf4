/**
 * Soundness in bits, round by round: zk/PROTOCOL.md section 10 and the table of zk/security.py's docstring.
 *
 * Unique decoding is the regime that the verifier's floor is held to; Johnson's is reported beside it. The total is the least
 * over the rounds, grinding included, and at most 128 (collisions of SHA-256).
 */
import { DEGREE, P } from "./field.js";
import { constraintDegree } from "./program.js";
import { Rejected } from "./errors.js";

const LOG_FIELD = DEGREE * Math.log2(P);
const HASH_BITS = 128;

function rounds(sizes, theta, list, logAgreement) {
  const { options, shape } = sizes;
  const logList = Math.log2(list);
  const ground = options.round_grinding;
  const lookup = Math.log2(2 * sizes.fractions * sizes.width + sizes.numerators);
  const zetaSpace = Math.log2(P ** DEGREE - shape.rows - shape.points);
  const terms = [
    ["lookup", LOG_FIELD - logList - lookup, ground],
    ["constraint", LOG_FIELD - logList, ground],
    ["zeta", zetaSpace - logList - Math.log2(sizes.zetaDegree), ground],
    ["deep", LOG_FIELD - logAgreement(shape.points), ground],
  ];
  for (let r = 0; r < shape.folds; r++) {
    terms.push([`fold ${r}`, LOG_FIELD - Math.log2(7) - logAgreement(shape.points / 8 ** (r + 1)), ground]);
  }
  terms.push(["query", -options.queries * Math.log2(1 - theta), options.query_grinding]);
  return terms.map(([name, algebraic, grinding]) => ({ name, algebraic, grinding, bits: algebraic + grinding }));
}

function regime(name, theta, list, terms) {
  const weakest = terms.reduce((least, term) => (term.bits < least.bits ? term : least));
  return { name, radius: theta, list, terms, weakest: weakest.name, least: weakest.bits, bits: Math.min(HASH_BITS, weakest.bits) };
}

function johnson(sizes, m) {
  const { rate } = sizes;
  const root = Math.sqrt(rate);
  const theta = 1 - root * (1 + 1 / m);
  if (theta <= 0) return null;
  const h = m + 0.5;
  const slope = (2 * h ** 5 + 3 * h * theta * rate) / (3 * rate ** 1.5);
  const logAgreement = (n) => Math.log2(slope * n + h / root);
  return regime("Johnson", theta, h / root, rounds(sizes, theta, h / root, logAgreement));
}

/** Soundness of a statement's proofs: {unique, johnson, rate}. Rejected("options") where multiplicities could wrap. */
export function securityReport(program, shape, options, publicInteractions) {
  const { rows, points, bounds, folds } = shape;
  const bound = bounds[folds] * 8 ** folds; // what FRI shows
  const fractions = program.interactions.length * rows + publicInteractions.length;
  if (fractions >= P) throw new Rejected("options", "so many fractions that multiplicities could wrap modulo p");
  const lengths = [...program.interactions.map((i) => i.messages), ...publicInteractions.map(([, m]) => m.length)];
  const sizes = {
    options,
    shape,
    fractions,
    rate: (bound + 1) / points,
    width: Math.max(1, lengths.reduce((a, b) => Math.max(a, b), 0) - 1),
    numerators: program.interactions.reduce((a, i) => Math.max(a, i.numerators), 1),
    zetaDegree: Math.max(constraintDegree(program, rows, bound), rows + shape.chunk + bound),
  };
  const theta = (1 - sizes.rate) / 2;
  const unique = regime("unique decoding", theta, 1, rounds(sizes, theta, 1, Math.log2));
  let best = null;
  for (let m = 3; m < 200; m++) {
    const found = johnson(sizes, m);
    if (found && (best === null || found.least > best.least)) best = found;
  }
  return { unique, johnson: best, rate: sizes.rate };
}
