/** Merkle trees of the proof. zk/PROTOCOL.md section 7. */
import { concat, sha256, uint, words } from "./bytes.js";

export const TREE_MAIN = 1;
export const TREE_AUX = 2;
export const TREE_QUOTIENT = 3;
export const treeOfLayer = (layer) => 16 + layer;

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** Hash of a leaf; `row` is its elements. */
export const leafHash = (tree, salt, row) => sha256(concat([LEAF, uint(tree, 1), uint(row.length, 2), salt, words(row)]));

/**
 * Walks an opening of distinct ascending leaves up to the root.
 *
 * take: called without arguments when a sibling is needed; returns the next hash of the stream.
 * hash: combines (level, left, right).
 */
function walk(numbers, values, depth, take, hash) {
  let known = numbers;
  let nodes = values;
  for (let level = 1; level <= depth; level++) {
    const parents = [];
    const above = [];
    for (let i = 0; i < known.length; i++) {
      const number = known[i];
      let left = nodes[i];
      let right;
      if (number % 2 === 1) {
        right = left;
        left = take();
      } else if (i + 1 < known.length && known[i + 1] === number + 1) {
        right = nodes[++i];
      } else {
        right = take();
      }
      parents.push((number - (number % 2)) / 2);
      above.push(hash(level, left, right));
    }
    known = parents;
    nodes = above;
  }
  return nodes[0];
}

/** How many sibling hashes an opening of these leaves has, in a tree of 2^depth leaves. */
export function siblingCount(numbers, depth) {
  let count = 0;
  walk(numbers, numbers, depth, () => { count++; return null; }, () => null);
  return count;
}

/** Root from leaf hashes and exactly `siblingCount` siblings. */
export function openingRoot(tree, numbers, hashes, depth, siblings) {
  let at = 0;
  const combine = (level, left, right) => sha256(concat([NODE, uint(tree, 1), uint(level, 2), left, right]));
  return walk(numbers, hashes, depth, () => siblings[at++], combine);
}
