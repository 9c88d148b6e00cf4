// Drives a page in headless Chromium: node browser.mjs SCENARIO URL [JSON options]; prints what it saw as JSON.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const [, , scenario, url, given] = process.argv;
const options = given ? JSON.parse(given) : {};
const require = createRequire(join(process.env.STANDSTILL_NODE_MODULES, "/"));
const { chromium } = require("playwright-core");

const seen = { errors: [], requests: [], outside: [], dialogs: 0 };

async function open(browser, context = {}) {
  const made = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...context });
  const page = await made.newPage();
  const origin = new URL(url).origin;
  await made.route("**/*", (route) => {
    const target = route.request().url();
    seen.requests.push(target);
    if (new URL(target).origin !== origin) {
      seen.outside.push(target);
      return route.abort();
    }
    return route.continue();
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) seen.errors.push(message.text()); });
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("dialog", (dialog) => { seen.dialogs += 1; dialog.dismiss(); });
  if (options.clock) await page.clock.setFixedTime(options.clock);
  await page.goto(url + (options.fragment || ""));
  await page.waitForFunction(() => document.getElementById("panel").dataset.verdict, null, { timeout: 500000 });
  return page;
}

const text = (page, selector) => page.locator(selector).allInnerTexts();
const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
const shot = async (page, name) => { if (options.shots) await page.screenshot({ path: join(options.shots, `${name}.png`), fullPage: true }); };

async function verifyAll(page) {
  await page.click("#verify-all");
  await page.waitForFunction(() => /^(Done|Checked|Stopped)/.test(document.getElementById("live").textContent), null, { timeout: options.timeout || 500000 });
}

async function axe(page) {
  const source = readFileSync(join(process.env.STANDSTILL_NODE_MODULES, "axe-core", "axe.min.js"), "utf8");
  await page.evaluate(source);
  const found = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  return found.violations.map((item) => `${item.id}: ${item.help}: ${item.nodes.slice(0, 3).map((node) => node.html.slice(0, 120)).join(" | ")}`);
}

const summary = async (page) => ({
  headline: await page.innerText("#headline"),
  provenance: await page.innerText("#provenance"),
  live: await page.innerText("#live"),
  alarm: await page.innerText("#alarm"),
  panel: await page.getAttribute("#panel", "class"),
  hedge: await page.locator("#hedge").isVisible(),
  cells: await text(page, ".cell .here"),
});

const scenarios = {
  async load(browser) {
    const page = await open(browser);
    await shot(page, "load");
    return { ...(await summary(page)), title: await page.title(), scripts: await page.locator("script").count() };
  },

  async verify(browser) {
    const page = await open(browser);
    if (!(await page.locator("#verify-all").isVisible())) return summary(page);
    const before = await summary(page);
    await verifyAll(page);
    await shot(page, "verified");
    return { before, ...(await summary(page)) };
  },

  async one(browser) {
    const page = await open(browser);
    await page.click(`[data-cell="${options.name}"] a.state`);
    const button = page.locator(`[data-verify="${options.name}"]`);
    await button.click();
    await page.locator(`[data-result="${options.name}"] .finding`).waitFor({ timeout: options.timeout || 500000 });
    await shot(page, "one");
    return { result: await page.innerText(`[data-result="${options.name}"]`), ...(await summary(page)) };
  },

  async drop(browser) {
    const page = await open(browser);
    const out = [];
    for (const file of options.files) {
      if (options.byDrag) {
        const bytes = [...readFileSync(file)];
        await page.evaluate(([list, name]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(list)], name));
          document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }, [bytes, file.split("/").pop()]);
      } else {
        await page.setInputFiles("#file", file);
      }
      await page.locator("#dropped .finding").waitFor({ timeout: options.timeout || 500000 });
      out.push({ text: await page.innerText("#dropped"), style: await page.getAttribute("#dropped .finding", "class") });
      await shot(page, `drop-${out.length}`);
      await page.evaluate(() => document.getElementById("dropped").replaceChildren());
    }
    return { findings: out };
  },

  async keyboard(browser) {
    const page = await open(browser);
    const path = [];
    for (let step = 0; step < 120; step += 1) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const node = document.activeElement;
        if (!node || node === document.body) return "";
        const box = node.getBoundingClientRect();
        const style = getComputedStyle(node);
        return { name: node.id || node.textContent.trim().slice(0, 40), tag: node.tagName, outline: style.outlineStyle !== "none", visible: box.width > 0 && box.height > 0 };
      });
      if (!at) break;
      path.push(at);
      if (at.name === options.until) break;
    }
    await page.focus("#verify-all");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /^(Done|Checked)/.test(document.getElementById("live").textContent));
    return { path, live: await page.innerText("#live") };
  },

  async digest(browser) {
    const page = await open(browser);
    const out = [];
    for (const value of options.values) {
      await page.fill("#digest", value);
      await page.waitForFunction(() => document.getElementById("digest-result").textContent !== "");
      out.push(await page.innerText("#digest-result"));
      await page.fill("#digest", "");
      await page.waitForFunction(() => document.getElementById("digest-result").textContent === "");
    }
    return { out };
  },

  async stop(browser) {
    const page = await open(browser);
    await page.click("#verify-all");
    await page.click("#stop");
    await page.waitForFunction(() => /^Stopped/.test(document.getElementById("live").textContent));
    const stopped = await summary(page);
    await verifyAll(page);
    return { stopped, ...(await summary(page)) };
  },

  async looks(browser) {
    const out = {};
    for (const [name, width, colorScheme] of [["desktop-light", 1280, "light"], ["desktop-dark", 1280, "dark"], ["phone-light", 360, "light"], ["phone-dark", 360, "dark"], ["tablet-light", 800, "light"]]) {
      const page = await open(browser, { viewport: { width, height: 900 }, colorScheme, reducedMotion: "reduce" });
      for (const node of await page.locator("details").all()) await node.evaluate((item) => { item.open = true; });
      await verifyAll(page);
      await shot(page, `${name}-open`);
      out[name] = { overflow: await overflow(page), axe: await axe(page), ground: await page.evaluate(() => getComputedStyle(document.body).backgroundColor) };
      for (const node of await page.locator("details").all()) await node.evaluate((item) => { item.open = false; });
      await page.evaluate(() => scrollTo(0, 0));
      await shot(page, name);
      await page.context().close();
    }
    return out;
  },

  async plain(browser) {
    const made = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 1280, height: 900 } });
    const page = await made.newPage();
    await page.goto(url);
    await page.locator("#no-script").waitFor({ state: "visible", timeout: 500000 });
    await page.waitForTimeout(1000);
    return { headline: await page.innerText("#headline"), body: await page.innerText("body"), buttons: await page.locator("button:visible").count() };
  },
};

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
try {
  const result = await scenarios[scenario](browser);
  console.log(JSON.stringify({ ...seen, ...result }));
} finally {
  await browser.close();
}
