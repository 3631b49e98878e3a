// The first screen of a report, light and dark, for the README: node picture.mjs PAGE FOLDER writes report-light.png and report-dark.png.

import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [page, folder] = process.argv.slice(2);
if (!folder) {
  console.error("usage: node picture.mjs PAGE FOLDER");
  process.exit(2);
}
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
try {
  for (const colorScheme of ["light", "dark"]) {
    const view = await browser.newPage({ colorScheme, viewport: { width: 1100, height: 760 }, deviceScaleFactor: 1 });
    await view.goto(pathToFileURL(resolve(page)).href);
    await view.screenshot({ path: join(folder, `report-${colorScheme}.png`) });
    await view.close();
  }
} finally {
  await browser.close();
}
