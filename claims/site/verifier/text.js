/** Text for people, and names of note keys: fixed ranges of characters, whatever Unicode version the engine has. claims/FORMATS.md. */

const MAX_PROSE = 4000; // code points
const noncharacters = Array.from({ length: 15 }, (_, plane) => [plane * 0x10000 + 0xfffe, plane * 0x10000 + 0xffff]);
const HIDDEN = [
  [0x00, 0x1f], [0x7f, 0x9f], [0xad, 0xad], [0x34f, 0x34f], [0x61c, 0x61c], [0x115f, 0x1160], [0x17b4, 0x17b5],
  [0x180b, 0x180f], [0x200b, 0x200f], [0x2028, 0x202e], [0x2060, 0x206f], [0x3164, 0x3164], [0xd800, 0xf8ff],
  [0xfdd0, 0xfdef], [0xfe00, 0xfe0f], [0xfeff, 0xfeff], [0xffa0, 0xffa0], [0xfff0, 0xfffb], [0x1bca0, 0x1bca3],
  [0x1d173, 0x1d17a], [0xe0000, 0xe0fff], [0xf0000, 0x10ffff], ...noncharacters,
];
const SPACES = [[0x20, 0x20], [0xa0, 0xa0], [0x1680, 0x1680], [0x2000, 0x200a], [0x202f, 0x202f], [0x205f, 0x205f], [0x3000, 0x3000]];
const PLUS = [0x2b, 0x2b];

const within = (ranges) => (char) => {
  const code = char.codePointAt(0);
  return ranges.some(([first, last]) => code >= first && code <= last);
};
/** Whether nobody sees a character, or it changes how others are seen. */
export const isHidden = within(HIDDEN);
const isNoName = within([...HIDDEN, ...SPACES, PLUS]);

/** Whether text may stand in an agreement: at most 4000 characters, none hidden but newlines. */
export function isProse(text) {
  const chars = [...text];
  return chars.length <= MAX_PROSE && !chars.some((char) => char !== "\n" && isHidden(char));
}

/** Order of texts as UTF-8 bytes, which is that of their code points. */
export function byBytes(one, two) {
  const [a, b] = [one, two].map((text) => [...text].map((c) => c.codePointAt(0)));
  const at = a.findIndex((code, i) => code !== b[i]);
  return at < 0 ? a.length - b.length : at >= b.length ? 1 : a[at] - b[at];
}

/** Whether a signature line of a note may carry this key name. */
export function isKeyName(text) {
  const length = new TextEncoder().encode(text).length;
  return length >= 1 && length <= 255 && ![...text].some(isNoName);
}
