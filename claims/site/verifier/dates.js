/** What a log's heads say about when an entry was in it: by a quorum's word, by any one signer's, by the log's own. As claims/tlog/dates.py; FORMATS-log.md section 7. */
import { earlier } from "./note.js";

/** Heads by ascending size; what several copies of one say is put together. */
export function mergeHeads(opened) {
  const bySize = new Map();
  for (const head of opened) {
    const known = bySize.get(head.size);
    bySize.set(head.size, known ? { ...known, times: merged(known.times, head.times, Math.min), stamps: merged(known.stamps, head.stamps, (a, b) => [...new Set([...a, ...b])]), dated: earlier(known.dated, head.dated) } : head);
  }
  return [...bySize.values()].sort((a, b) => a.size - b.size);
}

function merged(one, other, choose) {
  const out = new Map(one);
  for (const [name, time] of other) out.set(name, choose(time, out.get(name) ?? time));
  return out;
}

/** The `quorum`-th of the times that these names have, in an order; null where there are fewer. */
function nth(times, names, quorum, order) {
  const found = names.filter((name) => times.has(name)).map((name) => times.get(name)).sort(order);
  return quorum > 0 && found.length >= quorum ? found[quorum - 1] : null;
}

/** Name of a cosigner to the greatest of its times that is not after `until`. */
function latestOf(stamps, until) {
  const found = [...stamps].map(([name, times]) => [name, Math.max(...times.filter((time) => time <= until))]);
  return new Map(found.filter(([, time]) => Number.isFinite(time)));
}

const least = (...times) => times.filter((time) => time !== null).reduce((a, b) => (a === null || b < a ? b : a), null);
const greatest = (...times) => times.filter((time) => time !== null).reduce((a, b) => (a === null || b > a ? b : a), null);

/**
 * `heads`: of mergeHeads; the first `usable` of them may be the head in use. `names`: whose cosignatures count; `witnesses`: whose count for heads alone; `quorum`: how many it takes; `own`: whether the log's own dates count; `until`: later dates do not tell how far the log goes, or when the log itself published. Times are
 * Unix seconds; null: nobody says so.
 */
export class HeadDates {
  constructor(heads, usable, { names, witnesses = [], quorum, own, until = Infinity }) {
    Object.assign(this, { heads, names, own, until });
    const byQuorum = heads.map(({ times }) => nth(times, names, quorum, (a, b) => a - b));
    const asOf = ({ stamps }, who) => nth(latestOf(stamps, until), who, quorum, (a, b) => b - a);
    const all = [...names, ...witnesses];
    const at = heads.slice(0, usable).findLastIndex(({ times }) => all.filter((name) => times.has(name)).length >= quorum);
    this.usable = at >= 0;
    this.inUse = at < 0 ? { size: 0, date: null } : { size: heads[at].size, date: asOf(heads[at], all) };
    this._quorum = new Array(heads.length).fill(null);
    this._seen = new Array(heads.length).fill(null);
    for (let i = heads.length - 1; i >= 0; i--) {
      const { times, dated } = heads[i];
      this._quorum[i] = i < usable && i <= at ? least(byQuorum[i], this._quorum[i + 1] ?? null) : null;
      this._seen[i] = least(...names.filter((name) => times.has(name)).map((name) => times.get(name)), own && dated ? dated.time : null, this._seen[i + 1] ?? null);
    }
    this._whole = [];
    heads.forEach((head, i) => this._whole.push(greatest(asOf(head, names), this._whole[i - 1] ?? null)));
  }

  /** How many of the heads are no larger than `index`: the next one is the first with the entry. */
  _below(index) {
    let [low, high] = [0, this.heads.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.heads[middle].size > index) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The least time by which a quorum had cosigned a head with the entry. */
  quorum(index) { return this._quorum[this._below(index)] ?? null; }

  /** The least time at which anyone who counts signed a head with the entry. */
  seen(index) { return this._seen[this._below(index)] ?? null; }

  /** The greatest time at or after which a quorum signed a head without the entry. */
  absent(index) { return this._whole[this._below(index) - 1] ?? null; }

  /** When, by the log's own word, the head that first had the entry was published. */
  published(index) {
    const head = this.heads[this._below(index)];
    return head && this.own && head.dated && head.dated.previous <= index && head.dated.time <= this.until ? head.dated.time : null;
  }

  /** Cosigners that count and had signed no head with the entry by a moment. */
  behind(index, moment) {
    const early = new Set();
    for (let i = this._below(index); i < this.heads.length; i++) for (const [name, time] of this.heads[i].times) if (time <= moment) early.add(name);
    return this.names.filter((name) => !early.has(name));
  }
}
