// Runs the page's own modules without a browser: node page.mjs SITE-FOLDER. Each line of standard input is a JSON list of cases, each line of output
// the list of their verdicts.
//
// A case: {site: text of site.json, changed: {path: the file that is served for it, or null where none is}, now, shown, checked}; with bring: a file's path,
// the answer is what is found of that file instead; with assume, that is the verdict on every claim file
// that is asked about: PROVEN, or a list of what is missing; with place, the files are those of another page, made by the same program; with rest, the tables of that claim that were left are checked too. The worker's answers are remembered,
// so that a proof is verified once however many cases there are.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const load = (name) => import(pathToFileURL(join(folder, name)).href);
const { readAccount } = await load("account.js");
const { Checker } = await load("checker.js");
const { verdict } = await load("verdict.js");
const { answer } = await load("worker.js");
const { decodeClaim, headsDigest } = await load("verifier/claim.js");

const files = new Map(); // path to bytes: one object for each, so that its digest is computed once
const digests = new WeakMap();
const sha = (data) => createHash("sha256").update(data).digest("hex");
function digestOf(bytes) {
  if (!digests.has(bytes)) digests.set(bytes, sha(bytes));
  return digests.get(bytes);
}
function read(path) {
  if (!files.has(path)) files.set(path, existsSync(path) ? new Uint8Array(readFileSync(path)) : null);
  return files.get(path);
}

const remembered = new Map();
function ask(request) {
  const key = sha(JSON.stringify(request, (_, item) => (item instanceof Uint8Array ? digestOf(item) : item)));
  if (!remembered.has(key)) remembered.set(key, JSON.stringify(answer(request)));
  return Promise.resolve(JSON.parse(remembered.get(key)));
}

async function judge({ site, changed = {}, now, shown, checked = true, bring = null, assume = null, place = folder, rest = null }) {
  const fetchBytes = async (path, limit) => {
    const file = Object.hasOwn(changed, path) ? changed[path] : join(place, path);
    const data = file && read(file);
    if (!data) throw new Error(`${path}: the server answers 404`);
    if (data.length > limit) throw new Error(`${path}: larger than ${limit} bytes`);
    return data;
  };
  let [account, checker, survey, problem] = [null, null, null, ""];
  try {
    account = readAccount(JSON.parse(site));
    const heads = (data) => { try { return Buffer.from(headsDigest(decodeClaim(data))).toString("hex"); } catch { return ""; } };
    const stand = (request) => (request.claim && assume ? Promise.resolve({ finding: { verdict: assume, reason: "", missing: [], shows: [], lost: [], losses: [], transfers: [], power: null, heads: heads(request.claim), ...lacking } }) : ask(request));
    const lacking = !Array.isArray(assume) ? {} : { verdict: "INCOMPLETE", kinds: assume, missing: assume.map((kind) => `Missing: ${kind}.`) };
    checker = new Checker(account, { fetchBytes, ask: stand, now: () => now });
    if (bring) return await checker.bring(read(bring));
    survey = (await checker.material()).survey;
    if (checked) await checker.verifyAll();
    if (rest) await checker.verifyRest(rest, account.rows.get(rest));
  } catch (error) {
    problem = error.message;
    survey = null;
  }
  const findings = checker ? checker.findings : new Map();
  const found = verdict({ account, survey, problem, findings, checked, now, shown: shown ?? (account ? account.answer : "") });
  return { ...found, own: Object.fromEntries(found.own), findings: Object.fromEntries(findings) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const out = [];
  for (const item of JSON.parse(line)) out.push(await judge(item));
  process.stdout.write(`${JSON.stringify(out)}\n`);
}
