// Opens every report page below a folder in Chromium and checks what a reader meets.
// Usage: node check.mjs FOLDER [SHOTS]     (see README.md)

import { readFileSync, mkdirSync, readdirSync, existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const folder = resolve(process.argv[2] ?? "reports");
// Made-up reports say of themselves that there are no recordings behind them.
const fixtures = existsSync(join(folder, "FIXTURES"));
const shots = process.argv[3] ? resolve(process.argv[3]) : null;
if (shots) mkdirSync(shots, { recursive: true });

const pages = [];
if (existsSync(join(folder, "index.html"))) pages.push({ name: "index", path: join(folder, "index.html") });
for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
  if (!entry.isDirectory()) continue;
  const clean = (name) => name.replace(/[^\w.-]/g, "_");
  for (const file of readdirSync(join(folder, entry.name)).sort()) {
    if (!file.endsWith(".html")) continue;
    const name = file === "index.html" ? clean(entry.name) : `${clean(entry.name)}-${clean(file.slice(0, -5))}`;
    pages.push({ name, path: join(folder, entry.name, file), pipeline: entry.name });
  }
}
if (pages.length === 0) {
  console.error(`no page below ${folder}: run a pipeline first`);
  process.exit(2);
}

let failures = 0;
let played = 0;
let checks = 0;
const check = (page, what, good, detail = "") => {
  checks += 1;
  if (good) return;
  failures += 1;
  console.log(`FAIL ${page}: ${what}${detail ? `\n     ${detail}` : ""}`);
};

const WIDTHS = [
  { name: "wide", width: 1440, height: 1000 },
  { name: "tablet", width: 820, height: 1100 },
  { name: "phone", width: 375, height: 800 },
];

/** A page that records its own console errors, exceptions and requests. */
const open = async (browser, entry, options = {}) => {
  const context = await browser.newContext({ viewport: WIDTHS[0], ...options });
  const page = await context.newPage();
  const seen = { errors: [], requests: [] };
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && seen.errors.push(message.text()));
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("request", (request) => !/^(file|data):/.test(request.url()) && seen.requests.push(request.url()));
  page.on("dialog", (dialog) => {
    seen.errors.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.goto(pathToFileURL(entry.path).href);
  return { context, page, seen };
};

const axe = async (page) => {
  await page.evaluate(axeSource);
  const result = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  return result.violations.map((v) => `${v.id} (${v.nodes.length}): ${v.nodes[0].target} ${v.nodes[0].failureSummary}`.replace(/\s+/g, " "));
};

const unfold = (page) => page.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = true)));

/** The rows of a table, by the text of one column. */
const column = (table, index) =>
  table.evaluate((t, i) => [...t.tBodies[0].rows].filter((r) => r.cells[i] && r.cells[i].colSpan === 1).map((r) => r.cells[i].dataset.v ?? r.cells[i].textContent.trim()), index);

const sorting = async (page, name) => {
  const tables = await page.locator('table[data-sortable="yes"]').all();
  for (const table of tables) {
    const id = await table.getAttribute("id");
    const numeric = await table.evaluate((t) => [...t.tHead.rows[0].cells].findLastIndex((th) => th.classList.contains("n")));
    const header = table.locator("thead th").nth(numeric);
    const numbers = async () => (await column(table, numeric)).map(Number).filter(Number.isFinite);
    const isSorted = (values, sign) => values.every((v, i) => i === 0 || sign * (v - values[i - 1]) >= 0);
    const before = await column(table, 0);
    await header.locator("button").click();
    check(name, `${id}: a click sorts up`, isSorted(await numbers(), 1) && (await header.getAttribute("aria-sort")) === "ascending");
    await header.locator("button").focus();
    await page.keyboard.press("Enter");
    check(name, `${id}: Enter sorts down`, isSorted(await numbers(), -1) && (await header.getAttribute("aria-sort")) === "descending");
    const words = table.locator("thead th").first();
    await words.locator("button").focus();
    await page.keyboard.press("Space");
    check(name, `${id}: Space sorts another column`, (await words.getAttribute("aria-sort")) === "ascending" && (await header.getAttribute("aria-sort")) === null);
    const after = await column(table, 0);
    check(name, `${id}: sorting keeps every row`, JSON.stringify([...before].sort()) === JSON.stringify([...after].sort()));
  }
  return tables.length;
};

const heatMaps = async (page, name) => {
  for (const box of await page.locator(".heat-box").all()) {
    const table = box.locator("table.heat");
    const counts = box.getByRole("button", { name: "Counts" });
    const share = box.getByRole("button", { name: "Row %" });
    const shown = (selector) => table.locator(`tbody td ${selector}`).first().isVisible();
    await counts.click();
    check(name, "heat map: counts by mouse", (await shown(".c")) && !(await shown(".p")) && (await counts.getAttribute("aria-pressed")) === "true");
    await counts.press("Tab");
    await page.keyboard.press("Enter");
    check(name, "heat map: row per cent by keyboard", !(await shown(".c")) && (await shown(".p")) && (await share.getAttribute("aria-pressed")) === "true");
    check(name, "heat map: one button is pressed", (await box.locator('button[aria-pressed="true"]').count()) === 1);
    await box.getByRole("button", { name: "Both" }).click();
  }
};

/** The legend of a scatter plot shows one class, then all again. */
const marks = async (page, name) => {
  for (const legend of (await page.locator("ul.marks").all()).slice(0, 2)) {
    const button = legend.locator("button").first();
    const entry = legend.locator("[data-only]").first();
    const plot = page.locator(`[id="${await entry.getAttribute("data-only")}"]`);
    await button.click();
    const shown = await plot.locator(".dots.shown").count();
    check(name, "legend: a click shows one class", shown === 1 && (await plot.getAttribute("data-shown")) !== null, `${shown} shown`);
    await button.focus();
    await page.keyboard.press("Enter");
    check(name, "legend: Enter shows all again", (await plot.getAttribute("data-shown")) === null && (await button.getAttribute("aria-pressed")) === "false");
  }
};

const filtering = async (page, name) => {
  const form = page.locator("form[data-filter]");
  if ((await form.count()) === 0) return;
  const rows = page.locator(`#${await form.getAttribute("data-filter")} tbody tr`);
  const visible = () => rows.evaluateAll((all) => all.filter((row) => !row.hidden && row.getBoundingClientRect().height > 0).length);
  const all = await visible();
  check(name, "filter: all rows at first", all === (await rows.count()));
  await form.getByLabel("Search").fill("no such words");
  check(name, "filter: words that are nowhere leave nothing", (await visible()) === 0 && (await form.locator("output").textContent()).startsWith("0 of"));
  await form.getByLabel("Search").fill("");
  await form.getByLabel("Test speakers").selectOption("unseen");
  const kinds = await rows.evaluateAll((rows) => rows.filter((row) => !row.hidden).map((row) => row.dataset.kind));
  check(name, "filter: unseen speakers alone", kinds.length > 0 && kinds.every((kind) => kind === "unseen"));
  await form.getByLabel("Test speakers").selectOption("");
  await form.getByLabel("published figures").focus();
  await page.keyboard.press("Space");
  check(name, "filter: published figures go by keyboard", (await rows.evaluateAll((rows) => rows.filter((row) => !row.hidden && row.classList.contains("theirs")).length)) === 0);
  await page.keyboard.press("Space");
  check(name, "filter: and come back", (await visible()) === all);
};

/** Every recording that a page links to is there, and the first one plays. */
const sounds = async (page, name) => {
  const links = page.locator("a[data-sound]");
  const hrefs = await links.evaluateAll((all) => all.map((link) => link.href));
  if (fixtures || hrefs.length === 0) return;
  const dead = hrefs.filter((href) => !existsSync(fileURLToPath(href)));
  check(name, "every recording is where its link leads", dead.length === 0, `${dead.length} of ${hrefs.length}, such as ${dead[0]}`);
  if (dead.includes(hrefs[0])) return;
  await page.locator('button[aria-label^="Play "]').first().press("Enter");
  const state = await page.locator("audio").first().evaluate(
    (audio) => new Promise((done) => {
      const end = () => done(audio.error ? `error ${audio.error.code}: ${audio.error.message}` : audio.duration > 0 ? "plays" : "no duration");
      if (audio.readyState > 0 || audio.error) return end();
      audio.addEventListener("loadedmetadata", end);
      audio.addEventListener("error", end);
      setTimeout(() => done("nothing within 10 s"), 10000);
    }),
  );
  check(name, "a misclassified recording can be heard", state === "plays", state);
  if (state === "plays") played += 1;
};

const keyboard = async (page, name) => {
  await page.keyboard.press("Tab");
  const first = await page.evaluate(() => ({ text: document.activeElement.className, left: document.activeElement.getBoundingClientRect().left }));
  check(name, "the first Tab shows the skip link", first.text === "skip" && first.left >= 0, JSON.stringify(first));
  await page.keyboard.press("Enter");
  check(name, "the skip link moves the focus", (await page.evaluate(() => document.activeElement.id)) === "main");
  const outline = await page.evaluate(async () => {
    const target = document.querySelector("#theme");
    target.focus({ focusVisible: true });
    const style = getComputedStyle(target);
    return `${style.outlineStyle} ${style.outlineWidth}`;
  });
  check(name, "focus is visible", outline === "solid 3px", outline);
};

const theme = async (page, name) => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.locator("#theme").click();
  const dark = await ground();
  check(name, "the toggle turns dark", light !== dark && (await page.locator("#theme").textContent()) === "Light mode");
  // What a page remembers reaches the browser's store a moment later, on a busy machine not at once.
  await page.waitForTimeout(500);
  await page.reload();
  check(name, "the choice survives a reload", (await ground()) === dark);
  await page.locator("#theme").focus();
  await page.keyboard.press("Space");
  check(name, "Space on the toggle turns light", (await ground()) === light);
};

const semantics = async (page, name) => {
  const lacking = await page.evaluate(() => {
    const problems = [];
    for (const table of document.querySelectorAll("table")) {
      if (!table.caption?.textContent.trim()) problems.push(`table ${table.id} has no caption`);
      for (const th of table.querySelectorAll("th")) if (!th.scope) problems.push(`th without scope in ${table.id}`);
    }
    for (const svg of document.querySelectorAll("svg:not([aria-hidden])")) {
      if (svg.getAttribute("role") !== "img" || !svg.querySelector(":scope > title") || !svg.querySelector(":scope > desc")) problems.push("svg without role, title or desc");
    }
    const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
    for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) problems.push(`id ${id} twice`);
    for (const image of document.images) if (!image.complete) problems.push("an image that is not embedded");
    for (const a of document.querySelectorAll('a[href^="#"]')) if (!document.getElementById(a.getAttribute("href").slice(1))) problems.push(`dead link ${a.getAttribute("href")}`);
    return problems;
  });
  const links = await page.evaluate(() => [...document.querySelectorAll("a[href]")].map((a) => a.href).filter((href) => href.startsWith("file:")));
  for (const href of new Set(links.map((href) => href.split("#")[0]))) {
    if (!(fixtures && /\/data\/corpora\//.test(href)) && !existsSync(fileURLToPath(href))) lacking.push(`a link leads nowhere: ${href}`);
  }
  check(name, "semantics", lacking.length === 0, lacking.join("; "));
};

/** On a narrow page the figures stand beside the names, drawings are whole, and what scrolls says so. */
const narrow = async (browser, entry, width) => {
  const view = await open(browser, entry, { viewport: { width, height: 800 } });
  await unfold(view.page);
  const cut = await view.page.evaluate(() => {
    const out = [];
    const tables = [...document.querySelectorAll("table#results, table#pipelines, table.folds")];
    for (const table of tables) {
      for (const head of table.tHead.rows[0].cells) {
        if (!/^(WA|UAR)/.test(head.textContent) || head.getBoundingClientRect().right <= innerWidth) continue;
        out.push(`${table.id}: ${head.textContent} ends at ${Math.round(head.getBoundingClientRect().right)}`);
      }
    }
    for (const plot of document.querySelectorAll("svg.plot:not(#steps-plot), .bar-cell svg")) {
      const frame = plot.closest("table") ? plot.closest("td") : plot;
      if (plot.getBoundingClientRect().right > innerWidth) out.push(`drawing ${plot.id} is cut off`);
      if (plot.getBoundingClientRect().right > frame.getBoundingClientRect().right + 1) out.push("a bar leaves its cell");
    }
    for (const frame of document.querySelectorAll(".scroll")) {
      const scrolls = frame.scrollWidth > frame.clientWidth;
      if (scrolls && (frame.tabIndex !== 0 || !getComputedStyle(frame).backgroundImage.includes("gradient"))) out.push(`${frame.firstElementChild.id} scrolls without a sign`);
    }
    return [...new Set(out)];
  });
  check(entry.name, `${width} px: figures and drawings can be seen`, cut.length === 0, cut.join("; "));
  await view.context.close();
};

/** Where there is some room, the tables of results need no scrolling. */
const middling = async (browser, entry) => {
  const view = await open(browser, entry, { viewport: { width: 1100, height: 900 } });
  await unfold(view.page);
  const wide = await view.page.evaluate(() =>
    [...document.querySelectorAll("table#results, table.folds")].map((t) => [t.id, t.parentElement.scrollWidth - t.parentElement.clientWidth]).filter(([, over]) => over > 0),
  );
  check(entry.name, "1100 px: results and folds are whole", wide.length === 0, JSON.stringify(wide));
  await view.context.close();
};

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

for (const entry of pages) {
  const before = failures;
  const { context, page, seen } = await open(browser, entry, { colorScheme: "light" });
  await semantics(page, entry.name);
  await keyboard(page, entry.name);
  await theme(page, entry.name);
  await unfold(page);
  await heatMaps(page, entry.name);
  await marks(page, entry.name);
  await filtering(page, entry.name);
  const tables = await sorting(page, entry.name);
  await sounds(page, entry.name);
  check(entry.name, "no console error", seen.errors.length === 0, seen.errors.join("; "));
  check(entry.name, "no request leaves the page", seen.requests.length === 0, seen.requests.join("; "));
  await context.close();

  check(entry.name, "less than a megabyte", readFileSync(entry.path).length < 1e6);
  for (const scheme of ["light", "dark"]) {
    for (const width of WIDTHS) {
      const view = await open(browser, entry, { colorScheme: scheme, viewport: width });
      const wide = await view.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      check(entry.name, `${scheme} ${width.name}: the page itself does not scroll sideways`, wide <= 0, `${wide} px`);
      if (shots) await view.page.screenshot({ path: join(shots, `${entry.name}-${scheme}-${width.name}.png`), fullPage: true });
      if (width.name !== "tablet") {
        await unfold(view.page);
        const violations = await axe(view.page);
        check(entry.name, `${scheme} ${width.name}: axe`, violations.length === 0, violations.join("\n     "));
      }
      await view.context.close();
    }
  }

  await narrow(browser, entry, 400);
  await middling(browser, entry);

  const paper = await open(browser, entry, { colorScheme: "dark", viewport: { width: 718, height: 1000 } });
  await paper.page.emulateMedia({ media: "print" });
  await unfold(paper.page);
  const cut = await paper.page.evaluate(() =>
    [...document.querySelectorAll("table, svg.plot")].filter((e) => e.getBoundingClientRect().right > innerWidth).map((e) => e.id || e.querySelector("title")?.textContent),
  );
  check(entry.name, "on paper (A4) nothing is cut off", cut.length === 0, cut.join(", "));
  await paper.context.close();

  const plain = await open(browser, entry, { javaScriptEnabled: false });
  check(entry.name, "without script no dead button", (await plain.page.locator("button:visible").count()) === 0);
  check(entry.name, "without script the title is there", (await plain.page.locator("h1").count()) === 1);
  await plain.context.close();
  console.log(`${failures === before ? "ok  " : "FAIL"} ${entry.name} (${tables} sortable tables)`);
}

await browser.close();
if (!fixtures && pages.some((entry) => entry.pipeline === "demo")) check("demo", "a recording of the demo was heard", played > 0);
console.log(`${pages.length} pages, ${checks} checks, ${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
