/** The verifier of zk/PROTOCOL.md: steps are those of its section 6, checks and their order those of section 11. */
import {
  GENERATOR, ONE, P, ZERO, embed, extAdd, extBatchInverse, extEqual, extInverse, extIsZero, extMul, extPow, extScale,
  extSub, fromCoordinates, inverse, isElement, mul, pow, rootOfUnity,
} from "./field.js";
import { concat, equalBytes, words } from "./bytes.js";
import { Transcript } from "./transcript.js";
import { STD, derive, encodeOptions } from "./options.js";
import { evaluate, selectorsAt } from "./program.js";
import { securityReport } from "./security.js";
import { parseProof } from "./proof.js";
import { TREE_AUX, TREE_MAIN, TREE_QUOTIENT, leafHash, openingRoot, treeOfLayer } from "./merkle.js";
import { Rejected } from "./errors.js";

export const FLOOR_BITS = 100;
const MAX_WORDS = 2 ** 22;
const NO_SALT = new Uint8Array(0);

/**
 * Verifies a proof; returns {security}, or throws Rejected.
 *
 * program: from decodeProgram. publics: base elements. publicInteractions: [multiplicity, message] each.
 * options and `insecure` are for the toy proofs of tests: without them only `std` is accepted.
 */
export function verifyProof(program, publics, publicInteractions, logRows, proof, insecure = null) {
  const options = insecure ? insecure.options : STD;
  const floor = insecure ? insecure.floor : FLOOR_BITS;
  checkStatement(program, publics, publicInteractions);
  const shape = derive(options, logRows);
  const security = securityReport(program, shape, options, publicInteractions);
  if (!(security.unique.bits >= floor)) {
    throw new Rejected("security", `${security.unique.bits.toFixed(1)} bits, ${floor} are required`);
  }
  const head = parseProof(proof, program, options, shape);
  const run = replay(program, publics, publicInteractions, options, shape, head);
  const sorted = [...new Set(run.indices)].sort((a, b) => a - b);
  const layers = queriedLeaves(sorted, shape);
  const opened = head.openings(sorted, layers);
  checkOutOfDomain(program, publics, publicInteractions, shape, head, run);
  checkTraces(head, opened, sorted, shape);
  checkLayers(program, shape, head, run, opened, sorted, layers);
  return { security };
}

function checkStatement(program, publics, interactions) {
  const bad = (what) => new Rejected("statement", what);
  if (!Array.isArray(publics) || publics.length !== program.publics || !publics.every(isElement)) {
    throw bad("publics are not canonical elements, as many as the program has");
  }
  let size = 0;
  for (const [multiplicity, message] of interactions) {
    if (!isElement(multiplicity) || message.length === 0 || !message.every(isElement)) {
      throw bad("a public interaction is not of canonical elements");
    }
    size += 2 + message.length;
  }
  if (size > MAX_WORDS) throw bad("too many public interactions");
}

/** Steps 0 to 7 of the transcript: every challenge, every proof of work. */
function replay(program, publics, interactions, options, shape, head) {
  const transcript = new Transcript();
  const ground = options.round_grinding;
  transcript.absorb("program", program.digest);
  transcript.absorb("options", encodeOptions(options));
  transcript.absorb("log_rows", words([shape.logRows]));
  transcript.absorb("publics", words(publics));
  transcript.absorb("public interactions", concat([words([interactions.length]), ...interactions.map(([m, message]) => words([m, message.length, ...message]))]));
  transcript.absorb("main root", head.main.root);
  transcript.grind("lookup grinding", ground, head.main.nonce);
  const [alpha, beta, gamma] = transcript.extensions("lookup", 3);
  transcript.absorb("aux root", head.aux.root);
  transcript.grind("constraint grinding", ground, head.aux.nonce);
  const constraint = transcript.extensions("constraint", program.constraints + program.groups.length);
  transcript.absorb("quotient root", head.quotient.root);
  transcript.grind("zeta grinding", ground, head.quotient.nonce);
  const [zeta] = transcript.extensions("zeta", 1);
  const zetaToN = extPow(zeta, shape.rows);
  const lde = extPow(extScale(zeta, inverse(GENERATOR)), shape.points);
  if (extEqual(zetaToN, ONE) || extEqual(lde, ONE)) throw new Rejected("zeta", "the point lies in a domain");
  transcript.absorb("out of domain", words(head.values.flat()));
  transcript.grind("deep grinding", ground, head.deepNonce);
  const deep = transcript.extensions("deep", head.values.length);
  const betas = head.layers.map((layer) => {
    transcript.absorb("fri root", layer.root);
    transcript.grind("fold grinding", ground, layer.nonce);
    return transcript.extensions("fold", 1)[0];
  });
  transcript.absorb("final", words(head.final.flat()));
  transcript.grind("query grinding", options.query_grinding, head.queryNonce);
  const indices = transcript.indices("query", options.queries, Math.log2(shape.points));
  return { alpha, beta, gamma, constraint, zeta, zetaToN, deep, betas, indices };
}

/** The out-of-domain values by name, in the order of step 4. */
function splitValues(program, values) {
  let at = 0;
  const take = (n) => values.slice(at, (at += n));
  return {
    main: take(program.columns),
    aux: take(5 * program.groups.length),
    quotient: take(10),
    next: take(program.nextColumns.length),
    accNext: take(5),
  };
}

/** alpha + sum beta^k m_k over extension values. */
function fingerprint(run, message) {
  let result = run.alpha;
  let power = ONE;
  for (const element of message) {
    result = extAdd(result, extMul(power, element));
    power = extMul(power, run.beta);
  }
  return result;
}

/** P: sum of the public fractions. */
function publicSum(run, interactions) {
  const denominators = interactions.map(([, message]) => fingerprint(run, message.map(embed)));
  if (denominators.some(extIsZero)) throw new Rejected("public interaction", "a denominator is 0");
  const inverses = extBatchInverse(denominators);
  return interactions.reduce((sum, [m], i) => extAdd(sum, extScale(inverses[i], m)), ZERO);
}

/** LogUp constraints of all groups at zeta, in order. */
function lookupConstraints(program, run, found, columns, accNext, share) {
  const fp = found.messages.map((message) => fingerprint(run, message));
  const num = found.numerators.map((list) => {
    let result = ZERO;
    for (let k = list.length - 1; k >= 0; k--) result = extAdd(extMul(result, run.gamma), list[k]);
    return result;
  });
  const last = program.groups.length - 1;
  return program.groups.map(([i, j], g) => {
    let h = columns[g];
    if (g === last) {
      h = extSub(extSub(accNext, columns[last]), share);
      for (let k = 0; k < last; k++) h = extSub(h, columns[k]);
    }
    if (j < 0) return extSub(extMul(h, fp[i]), num[i]);
    return extSub(extSub(extMul(h, extMul(fp[i], fp[j])), extMul(num[i], fp[j])), extMul(num[j], fp[i]));
  });
}

/** Step 4. */
function checkOutOfDomain(program, publics, interactions, shape, head, run) {
  const values = splitValues(program, head.values);
  const next = new Map(program.nextColumns.map((column, i) => [column, values.next[i]]));
  const selectors = selectorsAt(run.zeta, run.zetaToN, shape.logRows, extInverse);
  const found = evaluate(program, values.main, next, selectors, publics);
  const columns = program.groups.map((_, g) => fromCoordinates(values.aux.slice(5 * g, 5 * g + 5)));
  const share = extScale(publicSum(run, interactions), inverse(shape.rows));
  const lookups = lookupConstraints(program, run, found, columns, fromCoordinates(values.accNext), share);
  const left = [...found.constraints, ...lookups].reduce(
    (sum, value, i) => extAdd(sum, extMul(run.constraint[i], value)),
    ZERO,
  );
  const high = extMul(extPow(run.zeta, shape.chunk), fromCoordinates(values.quotient.slice(5)));
  const quotient = extAdd(fromCoordinates(values.quotient.slice(0, 5)), high);
  if (!extEqual(left, extMul(extSub(run.zetaToN, ONE), quotient))) {
    throw new Rejected("out of domain", "the constraints do not vanish on the trace");
  }
}

/**
 * For each FRI layer: its distinct leaf numbers, ascending; for each of them the known positions, ascending, at which the queries
 * arrive; and for each query index its place {leaf, slot, coset, row}.
 */
function queriedLeaves(indices, shape) {
  const layers = [];
  for (let r = 0; r < shape.folds; r++) {
    const n = shape.rows / 8 ** r;
    const places = indices.map((index) => {
      const coset = Math.floor(index / shape.rows);
      const i = (index % shape.rows) % n;
      const row = i % (n / 8);
      return { leaf: coset * (n / 8) + row, slot: Math.floor(i / (n / 8)), coset, row };
    });
    const slots = new Map();
    for (const { leaf, slot } of places) slots.set(leaf, (slots.get(leaf) ?? new Set()).add(slot));
    const numbers = [...slots.keys()].sort((a, b) => a - b);
    layers.push({ places, numbers, known: numbers.map((number) => [...slots.get(number)].sort((a, b) => a - b)) });
  }
  return layers;
}

/** Leaves and sibling hashes lead to the root of a tree of 2^depth leaves. */
function checkRoot(name, root, tree, depth, numbers, salts, rows, siblings) {
  const hashes = rows.map((row, i) => leafHash(tree, salts[i], row));
  if (!equalBytes(openingRoot(tree, numbers, hashes, depth, siblings), root)) {
    throw new Rejected(name, "an opening does not lead to the root");
  }
}

/** Merkle openings of the three trees. */
function checkTraces(head, opened, indices, shape) {
  const depth = Math.log2(shape.points);
  const trees = [["main root", TREE_MAIN, head.main], ["aux root", TREE_AUX, head.aux], ["quotient root", TREE_QUOTIENT, head.quotient]];
  trees.forEach(([name, tree, { root }], i) => {
    checkRoot(name, root, tree, depth, indices, opened.salts, opened.trees[i].rows, opened.trees[i].siblings);
  });
}

/** Points of the LDE domain by coset and row. */
function pointOf(shape) {
  const cosets = [];
  const big = rootOfUnity(shape.logRows + Math.log2(shape.blowup));
  for (let j = 0; j < shape.blowup; j++) cosets.push(mul(GENERATOR, pow(big, j)));
  const w = rootOfUnity(shape.logRows);
  return (coset, row) => mul(cosets[coset], pow(w, row));
}

/** Sum of coefficient x base value, from coefficient number `from` on. */
function combine(coefficients, from, values) {
  const sums = [0, 0, 0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const c = coefficients[from + i];
    const v = values[i];
    for (let k = 0; k < 5; k++) sums[k] += mul(c[k], v); // at most 2^16 terms below 2^31
  }
  return sums.map((s) => s % P);
}

/** F at the queried points, from the opened rows: step 5. */
function deepValues(program, shape, head, run, opened, indices, points) {
  const widths = [program.columns, 5 * program.groups.length, 10];
  const [c0, c1, c2] = [0, widths[0], widths[0] + widths[1]];
  const c3 = c2 + widths[2];
  const c4 = c3 + program.nextColumns.length;
  const atZeta = head.values.slice(0, c3);
  const sumOf = (from, values) => values.reduce((s, v, i) => extAdd(s, extMul(run.deep[from + i], v)), ZERO);
  const zetaSum = sumOf(0, atZeta);
  const nextSum = sumOf(c3, head.values.slice(c3));
  const after = extScale(run.zeta, rootOfUnity(shape.logRows));
  const differences = points.flatMap((x) => [extSub(embed(x), run.zeta), extSub(embed(x), after)]);
  const inverses = extBatchInverse(differences);
  return indices.map((_, q) => {
    const [main, aux, quotient] = opened.trees.map((tree) => tree.rows[q]);
    let here = combine(run.deep, c0, main);
    here = extAdd(here, combine(run.deep, c1, aux));
    here = extAdd(here, combine(run.deep, c2, quotient.slice(0, 10)));
    const acc = aux.slice(5 * (program.groups.length - 1));
    let then = combine(run.deep, c3, program.nextColumns.map((column) => main[column]));
    then = extAdd(then, combine(run.deep, c4, acc));
    const first = extMul(extSub(here, zetaSum), inverses[2 * q]);
    const second = extMul(extSub(then, nextSum), inverses[2 * q + 1]);
    return extAdd(quotient.slice(10), extAdd(first, second));
  });
}

const EIGHTH = rootOfUnity(3);
const OVER_8 = inverse(8);
/** FOLD[m][t] = z^(-m t) / 8. */
const FOLD = Array.from({ length: 8 }, (_, m) =>
  Array.from({ length: 8 }, (_, t) => mul(OVER_8, pow(EIGHTH, (64 - m * t) % 8))));

/** Fold of a leaf whose slot 0 is at point x. */
function fold(leaf, x, beta) {
  const ratio = extScale(beta, inverse(x));
  let result = ZERO;
  for (let m = 7; m >= 0; m--) {
    const c = [0, 0, 0, 0, 0];
    for (let t = 0; t < 8; t++) for (let k = 0; k < 5; k++) c[k] += mul(FOLD[m][t], leaf[5 * t + k]);
    result = extAdd(extMul(result, ratio), c.map((v) => v % P));
  }
  return result;
}

/** The leaves of a layer: what is sent, and the computed values, by query, in their places. */
function wholeLeaves(layer, sent, computed) {
  const values = new Map(layer.places.map((place, q) => [`${place.leaf} ${place.slot}`, computed[q]]));
  return layer.numbers.map((number, i) => {
    let at = 0;
    return Array.from({ length: 8 }, (_, t) => values.get(`${number} ${t}`) ?? sent[i].slice(at, (at += 5))).flat();
  });
}

/** Steps 6 and 7: F, then each fold, in the leaves of the layers; the last against the final polynomial. */
function checkLayers(program, shape, head, run, opened, indices, layers) {
  const pointAt = pointOf(shape);
  const split = (index) => [Math.floor(index / shape.rows), index % shape.rows];
  const points = indices.map((index) => pointAt(...split(index)));
  let computed = deepValues(program, shape, head, run, opened, indices, points);
  layers.forEach((layer, r) => {
    const { rows: sent, siblings } = opened.layers[r];
    const rows = wholeLeaves(layer, sent, computed);
    const depth = Math.log2(shape.points) - 3 * (r + 1);
    checkRoot("fri root", head.layers[r].root, treeOfLayer(r), depth, layer.numbers, rows.map(() => NO_SALT), rows, siblings);
    const rowOf = new Map(layer.numbers.map((number, i) => [number, rows[i]]));
    const folded = new Map();
    computed = layer.places.map(({ leaf, coset, row }) => {
      if (!folded.has(leaf)) folded.set(leaf, fold(rowOf.get(leaf), pow(pointAt(coset, row), 8 ** r), run.betas[r]));
      return folded.get(leaf);
    });
  });
  const power = 8 ** shape.folds;
  const known = new Map();
  indices.forEach((_, q) => {
    const x = pow(points[q], power);
    if (!known.has(x)) {
      let value = ZERO;
      for (let i = head.final.length - 1; i >= 0; i--) value = extAdd(extScale(value, x), head.final[i]);
      known.set(x, value);
    }
    if (!extEqual(known.get(x), computed[q])) throw new Rejected("final", "the final polynomial has another value");
  });
}
