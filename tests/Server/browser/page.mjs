// Uses the page of a server as a person does, and prints what it shows as JSON:
//   node page.mjs http://127.0.0.1:8080 FOLDER_FOR_PICTURES [KEY]
import { chromium } from 'playwright-core';

const [address, pictures, key] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const seen = { requests: [] };
const errors = [];
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 1400 } });
  page.on('pageerror', error => errors.push(String(error)));
  page.on('console', message => message.type() === 'error' && errors.push(message.text()));
  page.on('request', request => seen.requests.push(request.url()));
  await page.goto(address);
  if (key) {
    await page.locator('#key').waitFor();
    await page.fill('#key', key);
    errors.length = 0;
  }

  // A name that would be a tag, were it read as one.
  await page.fill('#fasta', '>a<b>bold</b>\nACGTTGCATTGACC\nATGCAAGG\n>b\nACGTTGCATTGACCATGCAAGC\n\n>c\nggggcccnggg\n');
  await page.click('#run');
  await page.locator('#attribution-section').waitFor();
  seen.tokens = await page.locator('#tokens .record h3').allTextContents();
  seen.similarity = await page.locator('#similarity td').allTextContents();
  seen.classes = await page.locator('#classes td').allTextContents();
  await page.selectOption('#record', { label: 'b' });
  if (await page.locator('#class').isVisible()) await page.selectOption('#class', { index: 1 });
  await page.click('#attribute');
  await page.locator('#attribution td').first().waitFor();
  seen.note = await page.locator('#attribution-note').textContent();
  seen.bases = (await page.locator('#attribution tr').first().locator('th').allTextContents()).join('');
  seen.coloured = await page.locator('#attribution td').evaluateAll(cells => cells.filter(cell => cell.style.backgroundColor).length);
  seen.bold = await page.locator('main b').count();
  await page.screenshot({ path: `${pictures}/page.png`, fullPage: true });

  // What is refused from here on is to be.
  seen.errors = [...errors];
  await page.fill('#fasta', 'ACGTE');
  await page.click('#run');
  await page.locator('#status.error').waitFor();
  seen.status = await page.locator('#status').textContent();
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.setViewportSize({ width: 420, height: 800 });
  await page.screenshot({ path: `${pictures}/narrow.png`, fullPage: true });
} finally {
  await browser.close();
}

console.log(JSON.stringify(seen));
