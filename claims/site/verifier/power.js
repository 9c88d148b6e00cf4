/** How far power was recorded in a claim's period. As claims/claim/power.py; claims/FORMATS-inspection.md section I10. */
import { FEED_PERIOD, JOULES, decodeEntry, kindOf, lacking } from "./entries.js";
import { equalBytes } from "./bytes.js";
import { isHybrid } from "./hybrid.js";
import { keysOf } from "./keys.js";
import { lostMeters } from "./losses.js";
import { merkleRoot } from "./rfc6962.js";

/** `9 of 12 meters under a feed, 3 of 720 hours absent`, or null where the lab has no feed. `entries`: of the log; `epochs`: each epoch of the period to the lab's entry of it and its place, {absent, at}. */
export function powerWords(agreement, lab, claim, entries, epochs) {
  const feeds = agreement.feeds.filter((feed) => feed.lab === lab.name);
  if (feeds.length === 0) return null;
  const lost = lostMeters(agreement, lab, claim);
  const said = wordsOf(agreement, feeds, entries, epochs, claim.period);
  let absent = 0;
  feeds.forEach((feed, place) => {
    const gone = Math.min(...feed.meters.map((meter) => lost.get(meter) ?? Infinity));
    for (const [epoch, own] of epochs) if (epoch >= gone || lacking(own).includes(place) || !isShown(said(feed.name, JOULES, epoch), own.at)) absent += 1;
  });
  const unit = agreement.epochSeconds === 3600 ? "hours" : "epochs";
  const fed = feeds.reduce((sum, feed) => sum + feed.meters.length, 0);
  const open = feeds.filter((feed) => isHybrid(feed.wholeKey) && !isConfirmed(said, feed.name, claim.period, [...epochs.keys()]));
  const words = open.map(({ name }) => `; feed ${name} has not confirmed the period`).join("");
  return `${fed} of ${lab.meters.length} meters under a feed, ${absent} of ${feeds.length * epochs.size} ${unit} absent${words}`;
}

/** (feed, kind, epoch or period) to its entries that count, in the log's order: [{entry, at}]. Signatures are verified of those asked for. */
function wordsOf(agreement, feeds, entries, epochs, period) {
  const [said, keys] = [new Map(), keysOf(entries, agreement)]; // identity to all entries of it
  for (const [at, data] of entries.entries()) {
    const kind = kindOf(data);
    const entry = kind === JOULES || kind === FEED_PERIOD ? decodeEntry(data) : null;
    if (!entry || !(kind === JOULES ? epochs.has(entry.number) : entry.number === period) || !feeds.some(({ name }) => name === entry.feed)) continue;
    said.set(entry.identity, [...(said.get(entry.identity) ?? []), { entry, at }]);
  }
  const good = new Map();
  return (feed, kind, number) => {
    const identity = `${kind} feed ${feed} ${number}`;
    if (!good.has(identity)) good.set(identity, (said.get(identity) ?? []).filter(({ entry, at }) => keys.counts(entry, at)));
    return good.get(identity);
  };
}

const isOneWord = (words) => words.length > 0 && words.every(({ entry }) => equalBytes(entry.word, words[0].entry.word));

/** Whether the log has a feed's joules before the lab's own entry, and but once. */
const isShown = (words, end) => isOneWord(words.filter(({ at }) => at < end));

/** Whether a feed signed, with its period key, what the log has of it in a period before that word. As claims/claim/power.py. */
function isConfirmed(said, feed, period, epochs) {
  const words = said(feed, FEED_PERIOD, period);
  if (!isOneWord(words)) return false;
  const leaves = epochs.toSorted((a, b) => a - b).map((epoch) => {
    const [first] = said(feed, JOULES, epoch);
    return first && first.at < words[0].at ? first.entry.first : new Uint8Array(32);
  });
  return equalBytes(words[0].entry.first, merkleRoot(leaves));
}
