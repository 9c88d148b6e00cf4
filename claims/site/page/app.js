/** The page's script: adds to what the publisher computed what this browser finds. Without it the page reads the same. */

import { Checker } from "./checker.js";
import { byId, clean, el, icon, moment, plural } from "./dom.js";
import { contradiction, finding, grade, inconsistencies, remark, short } from "./findings.js";
import { compareSchedule } from "./schedule.js";

const FILES_AT_ONCE = 8;
const MANY = 6;
const FILE_LIMIT = 18 * 2 ** 20;

async function boot() {
  const response = await fetch("site.json", { credentials: "omit", redirect: "error", cache: "no-cache" });
  if (!response.ok) throw new Error(`site.json: the server answers ${response.status}`);
  const site = await response.json();
  if (site.format !== "standstill-site/1") throw new Error("site.json is of another version than this page");
  const page = new Page(site, new Checker(site));
  page.start();
}

class Page {
  constructor(site, checker) {
    this.site = site;
    this.checker = checker;
    this.claims = site.claims.filter((row) => row.claim);
    this.stopped = false;
    this.contradictions = new Map();
    this.inconsistent = inconsistencies(site);
    this.unlisted = [];
    this.overdue = [];
  }

  start() {
    byId("no-script").hidden = true;
    for (const node of document.querySelectorAll(".needs-script")) node.hidden = false;
    for (const node of document.querySelectorAll(".without-script")) node.hidden = true;
    byId("actions").hidden = this.claims.length === 0;
    byId("verify-all").addEventListener("click", () => this.verifyAll());
    byId("stop").addEventListener("click", () => this.stop());
    for (const button of document.querySelectorAll("[data-verify]")) {
      button.addEventListener("click", () => this.verifyOne(button));
    }
    for (const node of document.querySelectorAll("[data-here]")) node.textContent = "not checked here yet";
    this.openTarget();
    addEventListener("hashchange", () => this.openTarget());
    this.listenForFiles();
    byId("digest").addEventListener("input", () => this.compareDigest());
    this.lookAtCalendar();
  }

  /** A link to a claim opens it. */
  openTarget() {
    const target = location.hash.startsWith("#claim-") ? byId(decodeURIComponent(location.hash.slice(1))) : null;
    const details = target && target.querySelector("details");
    if (details) {
      for (let node = target.parentElement; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
      details.open = true;
      details.querySelector("summary").focus();
    }
  }

  /** By the agreement and the visitor's clock: claims that are missing, whatever the publisher says. */
  async lookAtCalendar() {
    const now = Date.now() / 1000;
    const found = await this.checker.calendar(now);
    const wanted = found ? found.wanted : this.site.claims.filter((row) => row.missing_after !== null)
      .map((row) => ({ lab: row.lab, period: row.period, end: row.end, due: row.due, missingAfter: row.missing_after, lifted: row.state === "lifted" }));
    const { wrong, stale } = this.bound() ? compareSchedule(wanted, this.site, now) : { wrong: [], stale: [] };
    const say = ({ lab, period, since }) => `${lab}, period ${period}: since ${moment(since)}`;
    this.unlisted = wrong.map((item) => `${say(item)}: ${item.why}.`);
    if (found && found.absent && this.site.holds.answer === "yes") {
      this.unlisted.push(`The agreement amended by this one, ${found.absent}, is not published here: nobody can tell whether it was kept.`);
    }
    this.overdue = stale.map(say);
    this.alarms();
  }

  /** Whether claims can be missing: the agreement is in force, or the publisher says that it holds. */
  bound() {
    return this.site.life.counts || this.site.holds.answer === "yes";
  }

  /** What speaks against the publisher's account. */
  against() {
    return [...this.inconsistent, ...this.unlisted, ...this.contradictions.values()];
  }

  /** Everything that speaks against the page, loudest first. */
  alarms() {
    const lines = this.against();
    const doubted = lines.length > 0;
    byId("hedge").hidden = !doubted;
    byId("state").classList.toggle("doubted", doubted);
    byId("panel").classList.toggle("contradicted", doubted);
    if (doubted) byId("panel").classList.remove("confirmed");
    const place = byId("alarm");
    place.replaceChildren();
    if (doubted) place.append(alert("Your browser does not agree with the publisher.", "Do not rely on the state that this page shows.", lines, "bad"));
    if (this.overdue.length) {
      const text = `It was computed ${moment(this.site.computed_at)}, and knows nothing of these claims, which by your clock should be there now:`;
      place.append(alert("This page is out of date.", text, this.overdue, ""));
    }
  }

  show(name, result) {
    for (const node of document.querySelectorAll("[data-here]")) {
      if (node.dataset.here !== name) continue;
      node.className = `here ${grade(result)}`;
      node.textContent = short(result, this.checker.rows.get(name));
    }
    for (const node of document.querySelectorAll("[data-result]")) {
      if (node.dataset.result === name) node.replaceChildren(finding(result));
    }
    for (const node of document.querySelectorAll("[data-cell]")) {
      if (node.dataset.cell === name) node.classList.toggle("contradicted", contradiction(this.checker.rows.get(name), result) !== "");
    }
  }

  async verifyOne(button) {
    const name = button.dataset.verify;
    button.disabled = true;
    button.textContent = "Checking \u2026";
    const result = await this.checker.verify(name);
    this.show(name, result);
    button.disabled = false;
    button.textContent = "Verify in this browser";
    this.note(name, result);
    this.alarms();
  }

  async verifyAll() {
    const [button, stop, bar, count, live] = ["verify-all", "stop", "progress", "done", "live"].map(byId);
    this.stopped = false;
    this.checker.forget();
    button.disabled = true;
    stop.hidden = bar.hidden = count.hidden = false;
    bar.value = 0;
    count.textContent = `0 of ${this.claims.length}`;
    live.textContent = `Checking ${plural(this.claims.length, "claim")} \u2026`;
    let done = 0;
    const results = await Promise.all(this.claims.map(async (row) => {
      const name = `${row.lab}-${row.period}`;
      const result = await this.checker.verify(name);
      if (!this.stopped) this.show(name, result);
      done += 1;
      bar.value = done;
      count.textContent = `${done} of ${this.claims.length}`;
      return [row, result];
    }));
    const focused = document.activeElement === stop;
    button.disabled = false;
    stop.hidden = bar.hidden = count.hidden = true;
    if (focused) button.focus();
    if (this.stopped) {
      live.textContent = "Stopped. Nothing is confirmed.";
      return;
    }
    button.textContent = "Verify all again";
    this.conclude(results);
  }

  stop() {
    this.stopped = true;
    this.checker.stop();
  }

  /** Keep, or take back, what a result says against the publisher. */
  note(name, result) {
    const wrong = contradiction(this.checker.rows.get(name), result);
    if (wrong) this.contradictions.set(name, wrong);
    else this.contradictions.delete(name);
  }

  conclude(results) {
    for (const [row, result] of results) this.note(`${row.lab}-${row.period}`, result);
    this.alarms();
    const good = results.filter(([, result]) => grade(result) === "ok").length;
    const tally = `${good} of ${plural(results.length, "claim")} ${good === 1 ? "holds" : "hold"}`;
    const remarks = results.map(([row, result]) => remark(row, result)).filter(Boolean);
    if (this.against().length) {
      byId("live").textContent = `Checked in this browser: ${tally}. The publisher\u2019s account does not agree with what your browser found.`;
      return;
    }
    byId("panel").classList.add("confirmed");
    byId("provenance").replaceChildren(
      el("strong", "", "Checked in this browser"),
      `, ${moment(Math.floor(Date.now() / 1000))}: ${tally}${remarks.length ? " in themselves; why the publisher rejects some is said below" : ", as the publisher says"}. `,
      "The state was computed by the publisher ",
      moment(this.site.computed_at),
      "; inspections and evidence in it were not checked here.",
    );
    byId("live").replaceChildren(el("span", "", "Done. Nothing contradicts the publisher\u2019s account."), ...remarks.map((line) => el("p", "", line)));
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
      const result = file.size > FILE_LIMIT ? { unread: "larger than any claim" } : await this.bring(file);
      const about = result.about ? ` (lab ${result.about.lab}, period ${result.about.period})` : "";
      waiting.replaceWith(finding(result, `${file.name}${about}`));
    }
    if (files.length > FILES_AT_ONCE) place.append(el("p", "note", `Only the first ${FILES_AT_ONCE} files were checked.`));
  }

  async bring(file) {
    try {
      return await this.checker.verifyBytes(new Uint8Array(await file.arrayBuffer()));
    } catch {
      return { unread: "the file cannot be read" };
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
    const digest = await this.checker.material().then((material) => material.digest, () => null);
    if (digest === null) {
      place.textContent = "The agreement published here cannot be read, or does not have the digest that this page states.";
      return;
    }
    const same = given === digest;
    const words = same ? "The same agreement." : "Another agreement: this page is not about yours.";
    place.replaceChildren(el("span", `state state-${same ? "proven" : "rejected"}`, icon(same ? "proven" : "rejected"), words));
  }
}

function alert(title, text, items, kind) {
  const shown = items.slice(0, MANY);
  if (items.length > MANY) shown.push(`and ${items.length - MANY} more`);
  return el("div", `alert ${kind}`.trim(), el("h2", "", title), el("p", "", text), el("ul", "", shown.map((item) => el("li", "", item))));
}

boot().catch((error) => {
  const hint = byId("no-script");
  hint.hidden = false;
  hint.prepend(`${clean(error.message)}. `);
});
