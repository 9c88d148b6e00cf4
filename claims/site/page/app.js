/** The page's script: adds to what the publisher computed what this browser finds. Without it the page reads the same. */

import { readAccount } from "./account.js";
import { Checker } from "./checker.js";
import { byId, clean, el, icon } from "./dom.js";
import { fetchBytes } from "./fetch.js";
import { finding, grade, recognised, short } from "./findings.js";
import { Pool } from "./pool.js";
import { day, moment, plural } from "./text.js";
import { verdict } from "./verdict.js";

const FILES_AT_ONCE = 8;
const MANY = 6;
const FILE_LIMIT = 66 * 2 ** 20;
const SITE_LIMIT = 64 * 2 ** 20;
const now = () => Math.floor(Date.now() / 1000);

class Page {
  constructor() {
    this.account = null;
    this.checker = null;
    this.survey = null;
    this.problem = "";
    this.checked = false;
    this.stopped = false;
    this.shown = ["yes", "no", "undecided"].find((answer) => byId("state").classList.contains(`holds-${answer}`));
  }

  /** Everything that decides comes first; what only opens or scrolls comes last. */
  async start() {
    try {
      const bytes = await fetchBytes("site.json", SITE_LIMIT);
      this.account = readAccount(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
      this.pool = new Pool(Math.max(1, Math.min(4, navigator.hardwareConcurrency || 1)));
      this.checker = new Checker(this.account, { fetchBytes, ask: (request) => this.pool.run(request), now });
      byId("no-script").hidden = true;
      this.listen();
      this.survey = (await this.checker.material()).survey;
    } catch (error) {
      this.problem = `Your browser could not work out which claims are due: ${error.message}.`;
      if (!this.account) this.explain(error.message);
    }
    this.paint();
    this.openTarget();
  }

  /** Why nothing can be checked here, where the account itself cannot be read. */
  explain(reason) {
    byId("no-script").hidden = false;
    byId("no-script").prepend(`${clean(reason)}. `);
  }

  listen() {
    for (const node of document.querySelectorAll(".needs-script")) node.hidden = false;
    for (const node of document.querySelectorAll(".without-script")) node.hidden = true;
    for (const node of document.querySelectorAll("[data-here]")) node.textContent = "not checked here yet";
    byId("actions").hidden = false;
    byId("verify-all").addEventListener("click", () => this.verifyAll());
    byId("stop").addEventListener("click", () => this.stop());
    for (const button of document.querySelectorAll("[data-verify]")) button.addEventListener("click", () => this.verifyOne(button));
    addEventListener("hashchange", () => this.openTarget());
    this.listenForFiles();
    byId("digest").addEventListener("input", () => this.compareDigest());
  }

  /** A link to a claim opens it. The address bar decides nothing else. */
  openTarget() {
    const target = [...document.querySelectorAll("article.claim")].find((node) => `#${node.id}` === location.hash);
    const details = target && target.querySelector("details");
    if (!details) return;
    for (let node = target.parentElement; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
    details.open = true;
    details.querySelector("summary").focus();
  }

  // ---- the verdict ----

  judge() {
    const { account, survey, problem, checked, shown } = this;
    const findings = this.checker ? this.checker.findings : new Map();
    try {
      return verdict({ account, survey, problem, findings, checked, now: now(), shown });
    } catch (error) {
      return verdict({ account: null, survey: null, problem: `Your browser could not judge this page: ${error.message}.` });
    }
  }

  /** Show what this browser makes of the page as a whole, loudest first. */
  paint() {
    const found = this.judge();
    const doubted = ["contradicted", "broken"].includes(found.kind);
    const panel = byId("panel");
    byId("hedge").hidden = !doubted;
    byId("state").classList.toggle("doubted", doubted);
    panel.dataset.verdict = found.kind;
    panel.classList.toggle("contradicted", doubted);
    panel.classList.toggle("confirmed", found.kind === "confirmed");
    this.date(found, doubted);
    const place = byId("alarm");
    place.replaceChildren();
    if (found.kind === "broken") place.append(alert("Your browser cannot check this page.", "Do not rely on the state that it shows.", found.open, "bad"));
    if (found.against.length) place.append(alert("Your browser does not agree with the publisher.", "Do not rely on the state that this page shows.", found.against, "bad"));
    if (found.stale.length) {
      const text = `It was computed ${moment(this.account.computedAt)}. By your clock this is due since then, and not here:`;
      place.append(alert("This page is out of date.", text, found.stale, ""));
    }
    if (found.kind !== "broken") this.cells(found.own, found.because);
    if (this.checked) this.conclude(found);
    return found;
  }

  /** What is out of date says so in its headline: it held then. */
  date(found, doubted) {
    const old = found.stale.length > 0 && this.account && !doubted;
    byId("state").classList.toggle("old", Boolean(old));
    if (!old) return;
    const on = day(this.account.computedAt);
    byId("headline").textContent = { yes: `The standstill held on ${on}.`, no: `The standstill did not hold on ${on}.`, undecided: `Not decided on ${on}.` }[this.account.answer];
  }

  /** What this browser found beside what the publisher says, for each lab and period. */
  cells(own, because) {
    for (const node of document.querySelectorAll("[data-here]")) {
      const name = node.dataset.here;
      const row = this.account.rows.get(name);
      const found = this.checker.findings.get(name);
      if (!row || (!found && !this.checked && row.claim)) continue;
      const reason = because.get(name);
      node.className = `here ${reason ? "part" : grade(found)}`;
      node.textContent = reason ? `your browser finds: ${own.get(name)}. ${reason}` : found && !found.absent ? short(found, row.state) : this.withoutFile(row.state, own.get(name), found);
    }
    for (const node of document.querySelectorAll("[data-cell]")) {
      const row = this.account.rows.get(node.dataset.cell);
      const state = own.get(node.dataset.cell);
      node.classList.toggle("contradicted", Boolean(row && state && state !== "unknown" && differs(row.state, state)));
    }
  }

  withoutFile(said, state, found) {
    if (found && found.absent && found.reason !== "no claim is published here") return short(found, said);
    if (!state) return "the publisher\u2019s word";
    return state === said ? "your browser agrees" : `your browser finds: ${state}`;
  }

  conclude(found) {
    const claims = [...this.checker.byName.keys()].map((name) => this.checker.findings.get(name));
    const good = claims.filter((item) => grade(item) === "ok").length;
    const tally = `${good} of ${plural(claims.length, "claim")} verified`;
    const live = byId("live");
    byId("provenance").replaceChildren(
      el("strong", "", "Checked in this browser"),
      `, ${moment(now())}: ${tally}. `,
      "The state is the publisher\u2019s, computed ", moment(this.account.computedAt), ".",
    );
    const words = {
      confirmed: "Done. Your browser agrees with the publisher.",
      old: `Done. Your browser agrees with what the publisher said on ${day(this.account.computedAt)}; the page is out of date.`,
      open: "Done. Nothing contradicts the publisher, but not everything can be decided here.",
    }[found.kind] ?? "Checked. The publisher\u2019s account does not agree with what your browser found.";
    live.replaceChildren(el("span", "", words), ...[...found.open, ...found.notes].map((line) => el("p", "", line)));
  }

  // ---- checking ----

  show(name) {
    for (const node of document.querySelectorAll("[data-result]")) {
      if (node.dataset.result === name) node.replaceChildren(finding(this.checker.findings.get(name), "", () => this.verifyRest(name)));
    }
  }

  async verifyOne(button) {
    const name = button.dataset.verify;
    button.disabled = true;
    button.textContent = "Checking \u2026";
    await this.checker.verify(name);
    this.show(name);
    button.disabled = false;
    button.textContent = "Verify in this browser";
    this.paint();
  }

  /** Every table of a claim of which some were left, and the lab's later claims, which go on from it. */
  async verifyRest(name) {
    for (const other of await this.checker.verifyRest(name, this.account.rows.get(name))) this.show(other);
    this.paint();
  }

  async verifyAll() {
    const [button, stop, bar, count, live] = ["verify-all", "stop", "progress", "done", "live"].map(byId);
    this.stopped = this.checked = false;
    this.checker.forget();
    button.disabled = true;
    stop.hidden = bar.hidden = count.hidden = false;
    live.textContent = "Looking at every claim that is here \u2026";
    const tell = (done, total) => {
      bar.max = Math.max(total, 1);
      bar.value = done;
      count.textContent = `${done} of ${total}`;
    };
    this.problem = "";
    try {
      this.survey = (await this.checker.material()).survey;
      await this.checker.verifyAll(tell);
      this.checked = !this.stopped;
    } catch (error) {
      this.survey = null;
      this.problem = `Your browser could not work out which claims are due: ${error.message}.`;
    }
    const focused = document.activeElement === stop;
    button.disabled = false;
    stop.hidden = bar.hidden = count.hidden = true;
    if (focused) button.focus();
    if (this.checked) button.textContent = "Verify all again";
    else live.textContent = this.stopped ? "Stopped. Nothing is confirmed." : "Checked. Your browser cannot check this page.";
    for (const name of this.account.rows.keys()) if (this.checker.findings.has(name) && this.checked) this.show(name);
    this.paint();
  }

  stop() {
    this.stopped = true;
    this.pool.stop();
  }

  // ---- files that the visitor brings ----

  listenForFiles() {
    const holdsFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
    byId("file").addEventListener("change", (event) => this.files([...event.target.files]));
    addEventListener("dragover", (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      document.body.classList.add("dragging");
    });
    addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) document.body.classList.remove("dragging");
    });
    addEventListener("drop", (event) => {
      document.body.classList.remove("dragging");
      if (!holdsFiles(event)) return;
      event.preventDefault();
      byId("check").scrollIntoView();
      this.files([...event.dataTransfer.files]);
    });
  }

  async files(files) {
    const place = byId("dropped");
    place.replaceChildren();
    for (const file of files.slice(0, FILES_AT_ONCE)) {
      const waiting = el("p", "note", `${file.name}: checking \u2026`);
      place.append(waiting);
      waiting.replaceWith(await this.bring(file));
    }
    if (files.length > FILES_AT_ONCE) place.append(el("p", "note", `Only the first ${FILES_AT_ONCE} files were checked.`));
  }

  async bring(file) {
    const unread = (reason) => finding({ verdict: "INCOMPLETE", unread: true, reason }, file.name);
    if (file.size > FILE_LIMIT) return unread("larger than any published file");
    try {
      const found = await this.checker.bring(new Uint8Array(await file.arrayBuffer()));
      if (found.title) return recognised(found, file.name);
      const about = found.about ? ` (lab ${found.about.lab}, period ${found.about.period})` : "";
      return finding(found, `${file.name}${about}`);
    } catch {
      return unread("the file cannot be read");
    }
  }

  async compareDigest() {
    const given = byId("digest").value.trim().toLowerCase().replace(/^sha-?256:/, "");
    const place = byId("digest-result");
    place.replaceChildren();
    if (!given) return;
    if (!/^[0-9a-f]{64}$/.test(given)) {
      place.textContent = `A digest has 64 hexadecimal digits; this has ${given.length} characters.`;
      return;
    }
    const digest = await this.checker.material().then(({ survey }) => survey.digest, () => null);
    if (digest === null) {
      place.textContent = "The agreement published here cannot be read, or does not have the digest that this page states.";
      return;
    }
    const same = given === digest;
    const words = same ? "The same agreement." : "Another agreement: this page is not about yours.";
    place.replaceChildren(el("span", `state state-${same ? "proven" : "rejected"}`, icon(same ? "proven" : "rejected"), words));
  }
}

const differs = (said, found) => said !== found && !(found === "proven" && ["under inspection", "rejected"].includes(said));

function alert(title, text, items, kind) {
  const shown = items.slice(0, MANY);
  if (items.length > MANY) shown.push(`and ${items.length - MANY} more`);
  return el("div", `alert ${kind}`.trim(), el("h2", "", title), el("p", "", text), el("ul", "", shown.map((item) => el("li", "", item))));
}

new Page().start();
