/** Merkle trees of RFC 6962: the public log, epoch roots. */
import { concat, sha256 } from "./bytes.js";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** Hash of an inner node. */
export const nodeHash = (left, right) => sha256(concat([NODE, left, right]));

/** Roots of the trees of the first `size` leaves, for every size asked: Map of size to root. leaves: data, not hashes. */
export function prefixRoots(leaves, sizes) {
  const wanted = new Set(sizes);
  const roots = new Map();
  const full = []; // roots of full subtrees, left to right, sizes falling
  const note = (size) => {
    if (!wanted.has(size)) return;
    let root = full.length === 0 ? sha256(new Uint8Array(0)) : full[full.length - 1];
    for (let i = full.length - 2; i >= 0; i--) root = nodeHash(full[i], root);
    roots.set(size, root);
  };
  note(0);
  for (let i = 0; i < leaves.length; i++) {
    full.push(sha256(concat([LEAF, leaves[i]])));
    for (let carry = i; carry % 2 === 1; carry = (carry - 1) / 2) {
      const right = full.pop();
      full.push(nodeHash(full.pop(), right));
    }
    note(i + 1);
  }
  return roots;
}

/** MTH of the leaves' data. */
export const merkleRoot = (leaves) => prefixRoots(leaves, [leaves.length]).get(leaves.length);

/**
 * The roots [of the first `old` leaves, of all `size`] to which a prefix proof leads (claims/FORMATS-log.md section 6), or null: it has another length than it
 * needs. Sizes are whole numbers below 2^53, 0 <= old <= size, size > 0; nodes: hashes.
 */
export function rootsOfPrefix(nodes, old, size) {
  const spine = []; // true: the cut lies in the right half
  let [part, cut] = [size, old];
  while (cut !== 0 && cut !== part) {
    let middle = 1;
    while (middle * 2 < part) middle *= 2;
    spine.push(cut > middle);
    [part, cut] = cut > middle ? [part - middle, cut - middle] : [middle, cut];
  }
  if (nodes.length !== spine.length + 1 || nodes.some((node) => node.length !== 32)) return null;
  const lefts = spine.filter(Boolean).length;
  const before = nodes.slice(0, lefts);
  const after = nodes.slice(lefts + 1);
  let whole = nodes[lefts];
  let prefix = cut === 0 ? sha256(new Uint8Array(0)) : whole;
  for (const right of spine.reverse()) {
    if (right) {
      const sibling = before.pop();
      [whole, prefix] = [nodeHash(sibling, whole), nodeHash(sibling, prefix)];
    } else {
      whole = nodeHash(whole, after.shift());
    }
  }
  return [prefix, whole];
}
