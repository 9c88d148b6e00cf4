/** How far power was recorded in a claim's period. As claims/claim/power.py; claims/FORMATS-inspection.md section I10. */
import { JOULES, decodeEntry, kindOf, lacking } from "./entries.js";
import { equalBytes } from "./bytes.js";
import { keysOf } from "./keys.js";
import { lostMeters } from "./losses.js";

/** `9 of 12 meters, 3 of 720 hours absent`, or null where the lab has no feed. `entries`: of the log; `epochs`: each epoch of the period to the lab's entry of it and its place, {absent, at}. */
export function powerWords(agreement, lab, claim, entries, epochs) {
  const feeds = agreement.feeds.filter((feed) => feed.lab === lab.name);
  if (feeds.length === 0) return null;
  const lost = lostMeters(agreement, lab, claim);
  const shown = joulesShown(agreement, feeds, entries, epochs);
  let absent = 0;
  feeds.forEach((feed, place) => {
    const gone = Math.min(...feed.meters.map((meter) => lost.get(meter) ?? Infinity));
    for (const [epoch, own] of epochs) if (epoch >= gone || lacking(own).includes(place) || !shown(feed.name, epoch, own.at)) absent += 1;
  });
  const unit = agreement.epochSeconds === 3600 ? "hours" : "epochs";
  const fed = feeds.reduce((sum, feed) => sum + feed.meters.length, 0);
  return `${fed} of ${lab.meters.length} meters, ${absent} of ${feeds.length * epochs.size} ${unit} absent`;
}

/** (feed, epoch, place of the lab's entry) to whether the log has the feed's joules before it, and but once. */
function joulesShown(agreement, feeds, entries, epochs) {
  const [said, keys] = [new Map(), keysOf(entries, agreement)]; // feed and epoch to all entries of it
  for (const [at, data] of entries.entries()) {
    const entry = kindOf(data) === JOULES ? decodeEntry(data) : null;
    if (!entry || !epochs.has(entry.number) || at > epochs.get(entry.number).at || !feeds.some(({ name }) => name === entry.feed)) continue;
    said.set(entry.identity, [...(said.get(entry.identity) ?? []), { ...entry, at }]);
  }
  return (feed, epoch) => {
    const good = (said.get(`${JOULES} feed ${feed} ${epoch}`) ?? []).filter((entry) => keys.counts(entry, entry.at));
    return good.length > 0 && good.every((entry) => equalBytes(entry.word, good[0].word));
  };
}
