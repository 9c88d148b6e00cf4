/**
 * Keys that change: which ones are in force where in a log's order, under one agreement. As claims/claim/keys.py; claims/FORMATS-log.md section 10. Only the order counts, never a date.
 */
import { allKeys } from "./terms.js";
import { equalBytes, sha256, toHex } from "./bytes.js";
import { isPublicKey, verifySignature } from "./ed25519.js";
import { KEY, countsUnder, decodeEntry, kindOf } from "./entries.js";
import { halves, isHybrid } from "./hybrid.js";
import { logEntryMessage } from "./signatures.js";

const [BY_OLD, BY_NEW, BY_PARTY] = [1, 2, 3];
export const [PARTY, METER, FEED] = [1, 2, 3];
const [ROTATE, SPARE, REVOKE] = [1, 2, 3];
const NONE = new Uint8Array(0);

const known = new WeakMap(); // a log's entries to Map of an agreement's digest to its keys there

/** The keys of an agreement by a log's entries, [bytes]; by the agreement alone where these are null. */
export function keysOf(entries, agreement) {
  if (!agreement.keys || !entries) return new Keys(agreement);
  if (!known.has(entries)) known.set(entries, new Map());
  const here = known.get(entries);
  if (!here.has(agreement.digestHex)) {
    const keys = new Keys(agreement);
    entries.forEach((data, at) => {
      const entry = kindOf(data) === KEY ? decodeEntry(data) : null;
      if (entry && equalBytes(entry.agreement, agreement.digest)) keys.take(entry, at);
    });
    here.set(agreement.digestHex, keys);
  }
  return here.get(agreement.digestHex);
}

const roleOf = ({ role, owner, holder }) => ({ role, owner, holder });
const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const short = (digest) => toHex(digest).slice(0, 16);
const whose = ({ role, owner, holder }) => (role === METER ? `meter ${owner}/${holder}` : `${role === PARTY ? "party" : "feed"} ${holder}`);

/** What a word would do. */
export function changeText({ change, old, fresh, ...role }) {
  const words = `the key ${short(old)} of ${whose(role)}`;
  if (change === REVOKE) return `${words} is revoked`;
  return `${words} is replaced by ${short(sha256(fresh))}${change === SPARE ? " once it is revoked" : ""}`;
}

const nameOf = ({ role, owner, holder }) => `${role} ${owner} ${holder}`;

/** Parties that have no say about a role's key: its owner and, of a feed, the lab that it feeds. */
const concerned = ({ feeds }, { role, owner, holder }) => [owner, ...feeds.filter(({ name }) => role === FEED && name === holder).map(({ lab }) => lab)];

/** The key of a role in an agreement, or in a set of keys; null: there is no such role. */
function keyIn(terms, { role, owner, holder }) {
  const lab = role === METER && terms.labs.find(({ name }) => name === owner);
  const found = role === PARTY ? owner === holder && terms.parties.find(({ name }) => name === holder)
    : role === METER ? lab && lab.meters.find(({ name }) => name === holder)
      : terms.feeds.find((feed) => feed.name === holder && feed.holder === owner);
  return found ? found.wholeKey ?? found.key : null;
}

/** The agreement with another key in a role. */
function withKey(terms, { role, owner, holder }, key) {
  const put = (items, isIt) => items.map((item) => (isIt(item) ? { ...item, key: role === PARTY ? key : halves(key)[0], wholeKey: key } : item));
  if (role === PARTY) return { ...terms, parties: put(terms.parties, ({ name }) => name === holder) };
  if (role === FEED) return { ...terms, feeds: put(terms.feeds, ({ name }) => name === holder) };
  return { ...terms, labs: terms.labs.map((lab) => (lab.name === owner ? { ...lab, meters: put(lab.meters, ({ name }) => name === holder) } : lab)) };
}

class Keys {
  constructor(agreement) {
    this.agreement = agreement;
    this.now = agreement;
    this.lives = new Map(); // a role's name to {role, keys: [{key, since, revoked (indices or null)}]}: every key that was in force, in order
    this.spares = new Map();
    this.said = new Map();
    this.views = [];
    this.used = null;
  }

  /** The agreement with the keys that are in force where an entry stands. */
  at(index) {
    const last = this.views.findLast((item) => item.at < index);
    return last ? last.view : this.agreement;
  }

  /** Each set of keys that was in force, the newest first, revoked or not. */
  get every() {
    return [...this.views.map(({ view }) => view).reverse(), this.agreement];
  }

  /** The same without those that are revoked: for what no entry fixes. */
  get undated() {
    const gone = [...this.lives.values()].flatMap(({ role, keys }) => keys.filter(({ revoked }) => revoked !== null).map(({ key }) => [role, key]));
    return this.every.map((view) => gone.reduce((terms, [role, key]) => (equalBytes(keyIn(terms, role), key) ? withKey(terms, role, NONE) : terms), view));
  }

  /** Whether an entry that stands at `index` counts; of a receipt's, which stands nowhere, `index` is Infinity. */
  counts(entry, index) {
    return (index === Infinity ? this.undated : [this.at(index)]).some((terms) => countsUnder(entry, terms));
  }

  /** Every key that was in force in a role: [{key, revoked}]. */
  livesOf(role) {
    const found = this.lives.get(nameOf(role));
    return found ? found.keys : [{ key: keyIn(this.agreement, role), since: null, revoked: null }];
  }

  /** Index of the entry since when a party has no key in force, or null: it has one. */
  silencedAt(party) {
    const role = { role: PARTY, owner: party, holder: party };
    return keyIn(this.now, role).length > 0 ? null : this.livesOf(role).at(-1).revoked;
  }

  /** Roles without a key in force: [{role, index of the entry that revoked the last one}]. */
  silent() {
    const found = [...this.lives.values()].map(({ role, keys }) => ({ role, index: keys.at(-1).revoked }));
    return found.filter(({ role, index }) => index !== null && keyIn(this.now, role).length === 0);
  }

  /** Takes a word where it stands, and lets the change happen that it completes; what does not count there changes nothing. */
  take(entry, at) {
    const key = this.signerOf(entry);
    if (!key || !verifySignature(key, entry.signature, logEntryMessage(entry.unsigned))) return;
    const what = [nameOf(entry), entry.change, toHex(entry.old), toHex(entry.fresh)].join(" ");
    const said = this.said.get(what) ?? { entry, by: new Set() };
    said.by.add(`${entry.signer} ${entry.author}`);
    this.said.set(what, said);
    if (this.lacking(said)) return;
    this.said.delete(what);
    this.happen(entry, at);
  }

  /** What a change still needs, in words; "" where it has all. */
  lacking({ entry, by }) {
    const signers = [...by].map((item) => Number(item[0]));
    const quorum = this.agreement.keys.quorum - signers.filter((signer) => signer === BY_PARTY).length;
    const keys = entry.change === REVOKE ? [] : [[BY_OLD, "the old key"], [BY_NEW, "the new key"]].filter(([signer]) => !signers.includes(signer)).map(([, words]) => words);
    return [...keys, ...(quorum > 0 ? [`${quorum} of those whom [keys] names`] : [])].join(", ");
  }

  /** What changed, and what would with more words: sentences without a full stop, as claims/claim/keys.py has them. */
  texts() {
    const named = new Map([...this.lives.values()].map(({ role }) => [nameOf(role), role]));
    for (const [name, { role }] of this.spares) named.set(name, role);
    const roles = [...named.values()].sort((a, b) => a.role - b.role || compare(a.owner, b.owner) || compare(a.holder, b.holder));
    return [...roles.map((role) => this.textOf(role)), ...[...this.said.values()].map((item) => `not yet: ${changeText(item.entry)}; lacks ${this.lacking(item)}`)];
  }

  textOf(role) {
    const parts = this.livesOf(role).map(({ key, since, revoked }) => `${short(sha256(key))} ${since === null ? "of the agreement" : `since log entry ${since}`}${revoked === null ? "" : `, revoked by entry ${revoked}`}`);
    const spare = this.spares.get(nameOf(role));
    const state = keyIn(this.now, role).length > 0 ? "" : "; none in force: only an amendment gives one";
    return `${whose(role)}: ${parts.join("; ")}${spare ? `; spare ${short(sha256(spare.key))}` : ""}${state}`;
  }

  /** The key that has to have signed a word that stands here; null where none of the kind counts. */
  signerOf(entry) {
    const { keys: terms } = this.agreement;
    const current = keyIn(this.now, entry);
    if (!terms || current === null) return null;
    const name = nameOf(entry);
    const usable = [...this.livesOf(entry).filter(({ revoked }) => revoked === null).map(({ key }) => key), ...(this.spares.has(name) ? [this.spares.get(name).key] : [])];
    const old = usable.find((key) => equalBytes(sha256(key), entry.old));
    if (!old || (entry.change !== REVOKE && !equalBytes(old, current))) return null;
    if (entry.change === REVOKE ? entry.fresh.length > 0 || entry.signer !== BY_PARTY : !this.isUsable(entry, old)) return null;
    if (entry.signer !== BY_PARTY) return entry.author !== entry.owner ? null : entry.signer === BY_OLD ? old : entry.fresh;
    if (!terms.revoke.includes(entry.author) || concerned(this.agreement, entry).includes(entry.author)) return null;
    return this.now.parties.find((party) => party.name === entry.author).key;
  }

  isUsable({ fresh }, old) {
    if (!isPublicKey(fresh) || (isHybrid(old) && !isHybrid(fresh))) return false;
    this.used = this.used ?? new Set(allKeys(this.agreement).flatMap((key) => halves(key).map(toHex)));
    return !halves(fresh).some((half) => this.used.has(toHex(half)));
  }

  happen(entry, at) {
    const name = nameOf(entry);
    if (entry.change !== REVOKE) for (const half of halves(entry.fresh)) this.used.add(toHex(half));
    if (entry.change === SPARE) {
      this.spares.set(name, { role: roleOf(entry), key: entry.fresh });
      return;
    }
    if (!this.lives.has(name)) this.lives.set(name, { role: roleOf(entry), keys: this.livesOf(entry) });
    const { keys } = this.lives.get(name);
    if (entry.change === REVOKE) {
      const life = keys.find(({ key }) => equalBytes(sha256(key), entry.old));
      if (!life) {
        this.spares.delete(name);
        return;
      }
      life.revoked = at;
      if (!equalBytes(life.key, keyIn(this.now, entry))) return;
    }
    const next = entry.change === ROTATE ? entry.fresh : this.spares.get(name)?.key ?? NONE;
    if (entry.change === REVOKE) this.spares.delete(name);
    if (next.length > 0) keys.push({ key: next, since: at, revoked: null });
    this.now = withKey(this.now, entry, next);
    this.views.push({ at, view: this.now });
  }
}
