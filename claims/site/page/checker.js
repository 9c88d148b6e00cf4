/**
 * What this browser finds: its own survey, and its own finding of every claim. No elements here, so that it runs without a page too.
 *
 * Of the publisher's account only the names of files are used. Which lab and period a claim is about is read from the claim; which claim counts is read
 * from the log; which agreement holds, and which claim comes before, follows from the agreements' bytes. A lab's claims are checked in
 * order, so that each rests on the one before, which this browser has just found to hold.
 */

import { nameOf } from "./account.js";
import { latenessNotes } from "./lateness.js";
import { evidenceAgainst, holds } from "./states.js";
import { placesOf, withTables } from "./tables.js";
import { equalBytes, fromHex, sha256, toHex } from "./verifier/bytes.js";
import { decodeClaim } from "./verifier/claim.js";

const CLAIM_LIMIT = 64 * 2 ** 20;
const ROOTS_LIMIT = 65 * 2 ** 20;
const PROOF_LIMIT = 16 * 2 ** 20;
const AGREEMENT_LIMIT = 64 * 2 ** 20;
const SMALL_LIMIT = 2 ** 21;
const RECEIPT_LIMIT = 2 ** 20;
const LOG_LIMIT = 256 * 2 ** 20 + 4096;
const MOST_FILES = 20000;
const CANDIDATES = 8;
const AT_ONCE = 6;

export const digestOf = (bytes) => toHex(sha256(bytes));

/** Agreement (digest, hex), lab and period that a claim file says it is about, or null: only to find what belongs to it. */
export function peek(bytes) {
  const magic = "standstill-claim";
  if (bytes.length < 60 || [...magic].some((c, i) => bytes[i] !== c.charCodeAt(0))) return null;
  const length = bytes[50];
  if (bytes.length < 55 + length) return null;
  const lab = String.fromCharCode(...bytes.subarray(51, 51 + length));
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(lab)) return null;
  return { agreement: toHex(bytes.subarray(18, 50)), lab, period: new DataView(bytes.buffer, bytes.byteOffset).getUint32(51 + length) };
}

/** Run `job` on every item, a few at once. */
async function each(items, job) {
  const queue = [...items];
  const runner = async () => { for (let item = queue.shift(); item !== undefined; item = queue.shift()) await job(item); };
  await Promise.all(Array.from({ length: AT_ONCE }, runner));
}

/** A finding where nothing could be verified: `absent`: there is no claim file that counts; `unread`: a file or the verifier could not be read. */
const nothing = (reason, more = {}) => ({ verdict: "INCOMPLETE", reason, ...more });

export class Checker {
  /**
   * account: of readAccount. fetchBytes: (path, limit) -> bytes. ask: request -> the worker's answer (worker.js), {unread: reason} where there is none.
   * now: () -> Unix seconds.
   */
  constructor(account, { fetchBytes, ask, now }) {
    Object.assign(this, { account, fetchBytes, ask, now });
    this.forget();
  }

  /** What was found so far counts no more: everything is fetched and checked anew. */
  forget() {
    this.findings = new Map();
    this.running = new Map();
    this.seen = new Map(); // path to {path, name, sha256, size} of a claim file, or {path, reason}
    this.byName = new Map(); // LAB-PERIOD to claim files that say they are about it
    this.shared = null;
    this.whole = new Set(); // LAB-PERIOD of claims of which the visitor wants every table checked
  }

  // ---- what all claims share ----

  /** {survey, items, agreements, log, until}: fetched and computed once; a failure is kept for the rest of a run only. Rejects with a readable reason. */
  material() {
    if (!this.shared) {
      this.shared = this.load();
      this.shared.catch(() => { this.shared = null; });
    }
    return this.shared;
  }

  async load() {
    const { account } = this;
    const fetchAll = (paths, limit) => Promise.all(paths.map((path) => (path === null ? null : this.fetchBytes(path, limit))));
    const binaries = await fetchAll(account.agreements.map((item) => item.binary), AGREEMENT_LIMIT);
    const signatures = await fetchAll(account.agreements.map((item) => item.signatures), AGREEMENT_LIMIT);
    if (digestOf(binaries[0]) !== account.digest) throw new Error("the agreement published here does not have the digest that this page states");
    const agreements = binaries.map((agreement, i) => ({ agreement, signatures: signatures[i] }));
    const [log] = await fetchAll([account.bundle], LOG_LIMIT);
    const decisions = await fetchAll(account.decisions, SMALL_LIMIT);
    const evidence = await fetchAll(account.evidence, SMALL_LIMIT);
    const receipts = await fetchAll(account.receipts, RECEIPT_LIMIT);
    const records = await fetchAll(account.records, SMALL_LIMIT);
    const until = Math.max(this.now(), account.computedAt);
    const answer = await this.ask({ survey: { agreements, decisions, evidence, receipts, records, log, until } });
    if (!answer.survey) throw new Error(answer.unread || "the verifier gave no answer");
    const items = new Map(answer.survey.items.map((item) => [nameOf(item), item]));
    return { survey: answer.survey, items, agreements, log, until };
  }

  // ---- which files are there ----

  /** Every path at which the account says, or the list of files shows, that a claim lies. */
  paths() {
    const { rows, files } = this.account;
    const all = new Set([...[...rows.values()].map((row) => row.claim), ...files.filter(({ path }) => path.endsWith(".claim")).map(({ path }) => path)]);
    all.delete(null);
    if (all.size > MOST_FILES) throw new Error(`more than ${MOST_FILES} claims are published here`);
    return [...all];
  }

  async look(path) {
    if (this.seen.has(path)) return;
    let found;
    try {
      const bytes = await this.fetchBytes(path, CLAIM_LIMIT);
      const about = peek(bytes);
      found = about ? { path, name: nameOf(about), about, sha256: digestOf(bytes), size: bytes.length } : { path, reason: `${path} is not a claim file` };
    } catch (error) {
      found = { path, reason: error.message };
    }
    if (this.seen.has(path)) return;
    this.seen.set(path, found);
    if (!found.name) return;
    const list = this.byName.get(found.name) ?? [];
    if (!list.some((other) => other.sha256 === found.sha256)) list.push(found);
    this.byName.set(found.name, list);
  }

  // ---- claims ----

  /** Look at every claim file, and find out about every claim that is due or here. `tell(done, total)`. Rejects where the survey fails. */
  async verifyAll(tell = () => {}) {
    const { items } = await this.material();
    await each(this.paths(), (path) => this.look(path));
    const names = new Set([...items.keys(), ...this.byName.keys(), ...this.account.rows.keys()]);
    const real = [...names].filter((name) => this.byName.has(name)).length;
    let done = 0;
    tell(0, real);
    await Promise.all([...names].map(async (name) => {
      await this.verify(name);
      if (this.byName.has(name)) tell(++done, real);
    }));
  }

  /** The finding of one lab and period. Never rejects. */
  verify(name) {
    const known = this.findings.get(name);
    if (known && !known.unread) return Promise.resolve(known);
    if (!this.running.has(name)) {
      const job = this.find(name).catch((error) => nothing(error.message, { unread: true }));
      this.running.set(name, job.then((finding) => {
        this.running.delete(name);
        this.findings.set(name, finding);
        return finding;
      }));
    }
    return this.running.get(name);
  }

  async find(name) {
    const { items, survey } = await this.material();
    const row = this.account.rows.get(name);
    if (row && row.claim) await this.look(row.claim);
    const named = row && row.claim ? this.seen.get(row.claim) : null;
    if (named && named.name && named.name !== name) {
      const misfiled = `the file published here is lab ${named.about.lab}\u2019s for period ${named.about.period}`;
      return nothing(misfiled, { absent: true, misfiled });
    }
    const item = items.get(name) ?? null;
    const all = this.byName.get(name) ?? [];
    if (!all.length) return nothing(named ? named.reason : "no claim is published here", { absent: true, unread: Boolean(named) });
    const terms = survey.chain.find(({ from }) => from <= all[0].about.period);
    if (!terms) return nothing(`the agreement that was in force in period ${all[0].about.period} is not published here`, { absent: true });
    const files = all.filter(({ about }) => about.agreement === terms.digest);
    if (!files.length) return nothing("the claim here is about another agreement than the one in force", { absent: true });
    if (terms.log && item) return this.logged(item, files, row);
    return this.signed(files, item, terms);
  }

  /** With a log, the claim is the file that the lab's entry names, and nothing else. */
  async logged(item, files, row) {
    if (item.logProblem || item.held) return nothing(item.logProblem || item.held, { absent: true });
    if (!item.logged) return nothing("a claim file is here, but not in the log", { absent: true });
    const file = files.find((other) => other.sha256 === item.logged.claim);
    if (!file) return nothing("the log has its entry, but the file is not here", { absent: true });
    const claim = await this.bytesOf(file, CLAIM_LIMIT);
    return this.judge(claim, file.about, item, await this.rootsOf(claim, item, [row && row.roots, file.path.replace(/\.claim$/, ".roots")]));
  }

  /** Without one it is a file that the lab signed, the first that holds; two of them with different heads speak against the lab. */
  async signed(files, item, terms) {
    const { agreements } = await this.material();
    const [heads, good] = [new Map(), []];
    let reason = "";
    for (const file of [...files].sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1))) {
      const answer = await this.ask({ signed: { claim: await this.bytesOf(file, CLAIM_LIMIT), agreement: agreements[terms.place].agreement } });
      if (!answer.heads) {
        reason = answer.unread || "the verifier gave no answer";
        continue;
      }
      for (const [who, head] of answer.heads) {
        if (heads.has(who) && heads.get(who) !== head) return { verdict: "REJECTED", check: "evidence", reason: `${who} signed two heads` };
        heads.set(who, head);
      }
      if (good.length < CANDIDATES) good.push(file);
    }
    if (!good.length) return nothing(reason, { absent: true });
    let found;
    for (const file of good) {
      found = await this.judge(await this.bytesOf(file, CLAIM_LIMIT), file.about, item, []);
      if (holds(found)) break;
    }
    return found;
  }

  /** The roots files of a claim that are here: the one that the log names, or those that the claim names for its sites. `paths`: where the first may lie. */
  async rootsOf(claim, item, paths) {
    let sites = [];
    try {
      sites = decodeClaim(claim).sites.map(({ roots }) => toHex(roots));
    } catch {
      return []; // the verifier says what is wrong with it
    }
    const found = [];
    for (const sum of sites.length ? sites : [item.logged.roots]) found.push(await this.bySum(sum, sites.length ? [] : paths, ROOTS_LIMIT));
    return found.filter(Boolean);
  }

  /** The published file of a SHA-256, or null. `paths`: where it may lie besides where the account says. */
  async bySum(sum, paths, limit) {
    const listed = this.account.files.filter((other) => other.sha256 === sum).slice(0, CANDIDATES).map((other) => other.path);
    for (const path of new Set([...paths.filter(Boolean), ...listed])) {
      const data = await this.fetchBytes(path, limit).catch(() => null);
      if (data && digestOf(data) === sum) return data;
    }
    return null;
  }

  /** The bytes of a file that was looked at; rejects where they are others now. */
  async bytesOf(file, limit) {
    const data = await this.fetchBytes(file.path, limit);
    if (digestOf(data) !== file.sha256) throw new Error(`${file.path} is another file now than a moment ago`);
    return data;
  }

  /** Verify a claim's bytes. `about`: lab and period that it says it is about, or null. */
  async judge(claim, about, item, roots) {
    const began = performance.now();
    const { survey, agreements, log, until } = await this.material();
    const period = about ? about.period : null;
    const at = survey.chain.findIndex(({ from }) => period === null || from <= period);
    const terms = agreements[survey.chain[Math.max(at, 0)].place];
    const request = { claim, agreement: terms.agreement, signatures: terms.signatures, log, delivered: item ? item.delivered.map(fromHex) : [], roots, previous: [], previousAccepted: false, now: until, later: true };
    if (item && !item.opening) {
      const before = nameOf({ lab: item.lab, period: item.period - 1 });
      const earlier = await this.verify(before);
      const link = holds(earlier) ? (this.byName.get(before) ?? []).find((file) => file.sha256 === earlier.sha256) : null;
      if (link) {
        Object.assign(request, { previous: [await this.bytesOf(link, CLAIM_LIMIT)], previousAccepted: true, previousAgreement: survey.chain.slice(at + 1).map(({ place }) => agreements[place].agreement) });
      }
    }
    const answer = await this.ask({ claim: request });
    if (!answer.finding) return nothing(answer.unread || "the verifier gave no answer", { unread: true });
    const tables = answer.finding.tables && answer.finding.tables.length;
    const finding = tables ? withTables(answer.finding, await this.tables(answer.finding.tables, { claim, agreement: terms.agreement, moved: answer.finding.moved }, about)) : answer.finding;
    return { ...finding, size: claim.length, sha256: digestOf(claim), seconds: (performance.now() - began) / 1000 };
  }

  /** What is found of a claim's tables, a list as withTables takes it. None is started after one before it has failed. */
  async tables(tables, request, about) {
    const found = new Array(tables.length).fill(null);
    let failed = tables.length;
    await each(placesOf(tables.length, about && this.whole.has(nameOf(about))), async (place) => {
      if (place > failed) return;
      const proof = await this.bySum(tables[place].sha256, [], PROOF_LIMIT);
      if (!proof) {
        found[place] = { absent: true };
        return;
      }
      const answer = await this.ask({ table: { ...request, place, proof } });
      found[place] = answer.table ?? { unread: answer.unread || "the verifier gave no answer" };
      if (found[place].check) failed = Math.min(failed, place);
    });
    return found;
  }

  /** Check every table of a claim of which some were left, and what goes on from it. */
  async verifyRest(name, { lab, period }) {
    this.whole.add(name);
    const { items } = await this.material();
    const names = [...items.values()].filter((item) => item.lab === lab && item.period >= period).map(nameOf);
    for (const other of [name, ...names]) this.findings.delete(other);
    await Promise.all([name, ...names].map((other) => this.verify(other)));
    return names;
  }

  // ---- files that the visitor brings ----

  /** Sentences: which published file has these very bytes. */
  async sameAs(bytes) {
    const digest = digestOf(bytes);
    const listed = this.account.files.find((file) => file.sha256 === digest);
    const published = listed ? await this.fetchBytes(listed.path, ROOTS_LIMIT).catch(() => null) : null;
    return published && equalBytes(published, bytes) ? [`The same file, byte for byte, as ${listed.path} on this page.`] : [];
  }

  /** A finding about bytes that the visitor brought, with `about` and `notes`; of a file that is no claim, what it is (kinds.js). Never rejects. */
  async bring(bytes) {
    try {
      const { items, survey, agreements } = await this.material();
      const about = peek(bytes);
      if (!about) {
        const chain = survey.chain.map(({ place }) => agreements[place].agreement);
        const { recognised } = await this.ask({ file: { data: bytes, chain } });
        if (recognised) return { ...recognised, lines: [...recognised.lines, ...(await this.sameAs(bytes))] };
      }
      const name = about && nameOf(about);
      const item = (name && items.get(name)) || null;
      const row = name ? this.account.rows.get(name) : undefined;
      const roots = item && item.logged ? await this.rootsOf(bytes, item, [row && row.roots]) : [];
      const finding = await this.judge(bytes, about, item, roots);
      const published = row && row.claim ? await this.fetchBytes(row.claim, CLAIM_LIMIT).catch(() => null) : null;
      const same = published && equalBytes(published, bytes);
      const notes = !published ? [] : [same ? "The same file, byte for byte, as the one published here." : "Not the file that is published here for this lab and period."];
      const against = item ? [...evidenceAgainst(item, finding), ...item.conflicts, ...(item.held ? [item.held] : []), ...latenessNotes(item.hours, this.account.computedAt).map((line) => `${line}.`)] : [];
      return { ...finding, about, notes: [...notes, ...against] };
    } catch (error) {
      return nothing(error.message, { unread: true, notes: [] });
    }
  }
}
