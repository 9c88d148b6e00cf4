/** Words and numbers as a reader expects them; no elements, so that modules without a page can use it. */

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const LONG = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/** The date of Unix seconds, or null of what has no four-digit year, 1 to 9999; as claims/site/words.py. */
function calendar(seconds) {
  const date = new Date(seconds * 1000);
  return date.getUTCFullYear() >= 1 && date.getUTCFullYear() <= 9999 ? date : null;
}

/** `24 Nov 2026, 04:20 UTC`, of Unix seconds; seconds where there are any. */
export function moment(seconds) {
  const date = calendar(seconds);
  if (date === null) return `second ${seconds}`;
  const two = (value) => String(value).padStart(2, "0");
  const second = date.getUTCSeconds() ? `:${two(date.getUTCSeconds())}` : "";
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}, ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}${second} UTC`;
}

/** The moment that an RFC 3339 text says, in those words; the text itself where no calendar has that day or hour. */
export function dated(text) {
  const at = Date.parse(text) / 1000;
  const date = calendar(at);
  return date !== null && date.toISOString() === text.replace("Z", ".000Z") ? moment(at) : text;
}

/** `24 November 2026`, of Unix seconds. */
export function day(seconds) {
  const date = calendar(seconds);
  return date === null ? `second ${seconds}` : `${date.getUTCDate()} ${LONG[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}

export const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
