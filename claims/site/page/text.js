/** Words and numbers as a reader expects them; no elements, so that modules without a page can use it. */

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const LONG = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/** `24 Nov 2026, 04:20 UTC`, of Unix seconds; seconds where there are any. */
export function moment(seconds) {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return `second ${seconds}`;
  const two = (value) => String(value).padStart(2, "0");
  const second = date.getUTCSeconds() ? `:${two(date.getUTCSeconds())}` : "";
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}, ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}${second} UTC`;
}

/** `24 November 2026`, of Unix seconds. */
export function day(seconds) {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `second ${seconds}` : `${date.getUTCDate()} ${LONG[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}

export const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
