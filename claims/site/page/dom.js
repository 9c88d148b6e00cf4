/** Building elements. Text only ever becomes a text node: no string of a file is parsed as markup. */

import { dated } from "./text.js";
import { isHidden } from "./verifier/text.js";

const SVG = "http://www.w3.org/2000/svg";

/** Replace hidden characters by U+FFFD, newlines and tabs by spaces, as the rest of the page does. */
export function clean(text) {
  return Array.from(String(text).replace(/[\n\t]/g, " "), (char) => (isHidden(char) ? "\ufffd" : char)).join("");
}

/** An element with a class and children; children are nodes, text, or null. */
export function el(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const child of children.flat()) {
    if (child === null || child === undefined) continue;
    node.append(child instanceof Node ? child : document.createTextNode(clean(child)));
  }
  return node;
}

/** The icon of a state, from the page's sprite. */
export function icon(state) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${state}`);
  svg.append(use);
  return svg;
}

/** Text as nodes, amounts and times as people write them: `4.5e23 FLOP` as 4.5 x 10 to the 23 (a screen reader hears `4.5e23`), and RFC 3339. */
export function readable(text) {
  return text.split(/\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)/).flatMap((part, i) => (i % 2 ? [dated(part)] : amounts(part)));
}

function amounts(text) {
  return text.split(/(\d+(?:\.\d+)?e\d{1,2})(?= FLOP)/).map((part, i) => {
    if (i % 2 === 0) return part;
    const [digits, power] = part.split("e");
    const shown = el("span", "amount", digits === "1" ? "10" : `${digits}\u202f\u00d7\u202f10`, el("sup", "", power));
    shown.setAttribute("aria-hidden", "true");
    return [shown, el("span", "unseen", part)];
  }).flat();
}

export const byId = (id) => document.getElementById(id);
