/**
 * Checking claims in this browser: fetches the files of the page, and hands them to workers that run the verifier.
 *
 * Of the publisher's computation only the names of files are used: which agreement a claim falls under, and which lab and period it
 * is about, is read from the files themselves. A lab's claims are checked in order, so that each rests
 * on the one before, which this browser has just checked itself.
 */

import { describe, digestOf } from "./material.js";

const CLAIM_LIMIT = 18 * 2 ** 20;
const ROOTS_LIMIT = 65 * 2 ** 20;
const DECISION_LIMIT = 2 ** 20;
const DECISIONS = 64;

/** Fetch a file of this page, of at most `limit` bytes. Throws an Error with a readable message. */
export async function fetchBytes(path, limit) {
  const response = await fetch(path, { credentials: "omit", redirect: "error", cache: "no-cache" });
  if (!response.ok) throw new Error(`${path}: the server answers ${response.status}`);
  const reader = response.body.getReader();
  const parts = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > limit) {
      await reader.cancel();
      throw new Error(`${path}: larger than ${limit} bytes`);
    }
    parts.push(value);
  }
  const out = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Lab and period that a claim file says it is about, or null: only to find the files that belong to it. */
export function peek(bytes) {
  const magic = "standstill-claim";
  if (bytes.length < 60 || [...magic].some((c, i) => bytes[i] !== c.charCodeAt(0))) return null;
  const length = bytes[50];
  if (bytes.length < 55 + length) return null;
  const lab = String.fromCharCode(...bytes.subarray(51, 51 + length));
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(lab)) return null;
  return { lab, period: new DataView(bytes.buffer, bytes.byteOffset).getUint32(51 + length) };
}

const sameBytes = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);

/** Runs requests on a few workers, each worker one at a time. */
class Pool {
  constructor(size) {
    this.idle = [];
    this.waiting = [];
    this.workers = new Set();
    this.size = size;
  }

  run(request) {
    return new Promise((resolve) => {
      this.waiting.push({ request, resolve });
      this.next();
    });
  }

  next() {
    if (!this.waiting.length) return;
    if (!this.idle.length && this.workers.size < this.size) this.start();
    if (!this.idle.length) return;
    const worker = this.idle.pop();
    worker.job = this.waiting.shift();
    worker.port.postMessage({ id: 1, request: worker.job.request });
  }

  start() {
    const worker = { port: new Worker("worker.js", { type: "module" }), job: null };
    const finish = (result, broken) => {
      const job = worker.job;
      worker.job = null;
      if (broken) {
        worker.port.terminate();
        this.workers.delete(worker);
        this.idle = this.idle.filter((other) => other !== worker);
      } else {
        this.idle.push(worker);
      }
      if (job) job.resolve(result);
      this.next();
    };
    worker.port.onmessage = (event) => finish(event.data.result, false);
    worker.port.onerror = (event) => finish({ unread: `the verifier did not run: ${event.message || "its script could not be loaded"}` }, true);
    this.workers.add(worker);
    this.idle.push(worker);
  }

  stop() {
    for (const worker of this.workers) {
      worker.port.terminate();
      if (worker.job) worker.job.resolve({ unread: "stopped" });
    }
    for (const job of this.waiting) job.resolve({ unread: "stopped" });
    this.workers.clear();
    this.idle = [];
    this.waiting = [];
  }
}

export class Checker {
  /** `site`: the parsed site.json. */
  constructor(site) {
    this.site = site;
    this.rows = new Map(site.claims.map((row) => [`${row.lab}-${row.period}`, row]));
    this.results = new Map();
    this.running = new Map();
    this.shared = null;
    this.pool = new Pool(Math.max(1, Math.min(4, navigator.hardwareConcurrency || 1)));
  }

  stop() {
    this.pool.stop();
    this.running.clear();
  }

  /** What was found so far counts no more: everything is fetched and checked anew. */
  forget() {
    this.results.clear();
    this.shared = null;
  }

  /** Agreement, signatures and log, fetched once; a failure is kept for the rest of a run only. */
  material() {
    if (!this.shared) {
      const amendsOf = async (agreement) => {
        const answer = await this.pool.run({ amendsOf: agreement });
        if (answer.unread) throw new Error(answer.unread);
        return answer.amends;
      };
      this.shared = describe(this.site, fetchBytes, amendsOf);
      this.shared.catch(() => { this.shared = null; });
    }
    return this.shared;
  }

  /**
   * {wanted, absent}: the claims that the agreement and those that it amends want by a time (schedule.js), and the digest of an
   * amended agreement that is not here, or ""; null when that cannot be told. Never throws.
   */
  async calendar(until) {
    try {
      const { chain, absent, log } = await this.material();
      const paths = this.site.decisions.slice(0, DECISIONS).map((item) => fetchBytes(item.path, DECISION_LIMIT).catch(() => null));
      const decisions = (await Promise.all(paths)).filter(Boolean);
      const answer = await this.pool.run({ calendar: { chain, decisions, log, until } });
      return Array.isArray(answer.schedule) ? { wanted: answer.schedule, absent } : null;
    } catch {
      return null;
    }
  }

  /** Check a published claim, and before it those that it continues from. Never throws. */
  verify(name) {
    if (this.results.has(name)) return Promise.resolve(this.results.get(name));
    if (!this.running.has(name)) {
      const job = this.publishedClaim(name).catch((error) => ({ unread: error.message }));
      this.running.set(name, job.then((result) => {
        this.running.delete(name);
        if (!result.unread) this.results.set(name, result);
        return result;
      }));
    }
    return this.running.get(name);
  }

  async publishedClaim(name) {
    const row = this.rows.get(name);
    if (!row || !row.claim) return { unread: "no claim is published here" };
    const claim = await fetchBytes(row.claim, CLAIM_LIMIT);
    return this.judge(claim, row);
  }

  /** Check bytes that the visitor brought. Never throws. */
  async verifyBytes(bytes) {
    try {
      const about = peek(bytes);
      const row = about ? this.rows.get(`${about.lab}-${about.period}`) : undefined;
      const result = await this.judge(bytes, row || null);
      const notes = [];
      if (row && row.claim && !result.unread) {
        const published = await fetchBytes(row.claim, CLAIM_LIMIT).catch(() => null);
        if (published) {
          notes.push(sameBytes(published, bytes) ? "The same file, byte for byte, as the one published here." : "Not the file that is published here for this lab and period.");
        }
      }
      return { ...result, notes, about };
    } catch (error) {
      return { unread: error.message };
    }
  }

  async judge(claim, row) {
    const began = performance.now();
    const material = await this.material();
    const about = peek(claim);
    if (row && about && (about.lab !== row.lab || about.period !== row.period)) {
      const reason = `the file published here is lab ${about.lab}'s for period ${about.period}`;
      return { accepted: false, proven: false, check: "period", reason };
    }
    const request = { claim, ...material.forPeriod(about && about.period), previous: [], previousAccepted: false };
    if (row) {
      if (row.roots) request.roots = await fetchBytes(row.roots, ROOTS_LIMIT).catch(() => null);
      const before = row.continues ? this.rows.get(`${row.lab}-${row.period - 1}`) : undefined;
      if (before && before.claim) {
        const earlier = await this.verify(`${before.lab}-${before.period}`);
        if (earlier.unread) return { unread: `the claim before it: ${earlier.unread}` };
        const link = await fetchBytes(before.claim, CLAIM_LIMIT);
        if (digestOf(link) !== earlier.sha256) return { unread: "the claim before it is another file now than the one checked here" };
        request.previous = [link];
        request.previousAccepted = earlier.accepted && earlier.unbroken;
        request.previousAgreement = material.forPrevious(row.period);
      }
    }
    const result = await this.pool.run(request);
    if (result.unread) return result;
    return { ...result, bytes: claim.length, sha256: digestOf(claim), seconds: (performance.now() - began) / 1000 };
  }
}
