/** Canonical JSON: keys sorted, two spaces, ASCII, one newline at the end. */
export function canonical(value) {
  const sorted = (item) => {
    if (Array.isArray(item)) return item.map(sorted);
    if (item === null || typeof item !== "object") return item;
    return Object.fromEntries(Object.keys(item).sort().map((key) => [key, sorted(item[key])]));
  };
  const escape = (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return `${JSON.stringify(sorted(value), null, 2).replace(/[\u007f-\uffff]/g, escape)}\n`;
}
