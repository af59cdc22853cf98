// A person signs in, opens a video, steps through it, draws a box, and finds it again after a reload and a restart.
//
// Needs TRANSECT_BIN (the program), python3 and ffmpeg (for the clip), and Chromium: CHROMIUM or /usr/bin/chromium.
// Controls are found by role and name, as a screen reader would.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { readCanvas } from './barcode.mjs';
import { makeClip, PASSWORD, Station } from './station.mjs';

const BROWSER = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
};
const PROJECT = 'Dive 12';
const WAIT_MS = 30_000;
const PLAYERS = [
  { name: 'WebCodecs', query: '', source: 'WebCodecs' },
  { name: 'pictures of the server', query: '?player=pictures', source: 'pictures' },
];

let station, browser, clip, project, media, wide;

before(async () => {
  station = await Station.make();
  media = await imported('h264_vfr');
  wide = await imported('non_square');
  project = (await station.api('GET', `/rest/Media/${media}`)).project;
  const types = await station.api('GET', `/rest/MediaTypes/${project}`);
  await station.api('POST', `/rest/LocalizationTypes/${project}`, {
    name: 'Animal',
    dtype: 'box',
    media_types: types.filter(({ dtype }) => dtype === 'video').map(({ id }) => id),
    attribute_types: [
      { name: 'Species', dtype: 'string' },
      { name: 'Stage', dtype: 'enum', choices: ['egg', 'larva', 'adult'] },
    ],
  });
  browser = await chromium.launch(BROWSER);
});

after(async () => {
  await browser?.close();
  await station?.remove();
});

/** Makes a clip of the corpus and annotates it in place; returns the media. */
async function imported(name) {
  const made = await makeClip(join(station.folder, 'disk'), name);
  if (name === 'h264_vfr') clip = made;
  const lines = (await station.command(['import', made.path, '--project', PROJECT, '--json'])).trim().split('\n').map((line) => JSON.parse(line));
  return lines[0].media;
}

/** Opens a page of its own, signed in through the form. Every error of the page fails the test. */
async function signedIn(t) {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  const errors = [];
  page.on('pageerror', (error) => errors.push(error));
  t.after(async () => {
    await context.close();
    assert.deepEqual(errors, []);
  });
  await page.goto(station.url);
  await page.getByLabel('User name').fill('ada');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('list', { name: 'Projects' }).getByRole('link', { name: PROJECT }).waitFor();
  return page;
}

const canvasOf = (page) => page.getByLabel('Frame', { exact: true });

/** Waits until the picture of this frame is drawn, then reads its bar code off the canvas. */
async function expectFrame(page, frame) {
  await page.waitForFunction(
    ([element, wanted]) => element.dataset.frame === String(wanted),
    [await canvasOf(page).elementHandle(), frame],
  );
  const { shown, painted } = await readCanvas(canvasOf(page));
  assert.deepEqual({ shown, painted }, { shown: frame, painted: frame });
}

async function openMedia(page, query = '', id = media) {
  await page.goto(`${station.url}/project/${project}/media/${id}${query}`);
  await page.getByRole('toolbar', { name: 'Tools' }).waitFor();
}

/** Drags over the picture; corners as shares of its width and height. */
async function drag(page, from, to) {
  const { picture } = await readCanvas(canvasOf(page));
  const bounds = await canvasOf(page).boundingBox();
  const ratio = await page.evaluate(() => devicePixelRatio);
  const at = ([x, y]) => [bounds.x + (picture.left + x * picture.width) / ratio, bounds.y + (picture.top + y * picture.height) / ratio];
  await page.mouse.move(...at(from));
  await page.mouse.down();
  await page.mouse.move(...at([(from[0] + to[0]) / 2, (from[1] + to[1]) / 2]));
  await page.mouse.move(...at(to));
  await page.mouse.up();
}

/** Repeats an assertion until it holds. */
async function eventually(claim) {
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    try {
      return await claim();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

const saved = (page) => page.getByRole('status', { name: 'Save state' }).getByText('Saved', { exact: true }).waitFor();
const rows = (page) => page.getByRole('list', { name: 'Annotations' }).getByRole('button');

test('a wrong password says so and stays outside', async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(station.url);
  await page.getByLabel('User name').fill('ada');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  assert.equal(await page.getByLabel('User name').isVisible(), true);
});

test('from the list of projects to the picture by clicking', async (t) => {
  const page = await signedIn(t);
  await page.getByRole('link', { name: PROJECT }).click();
  await page.getByRole('list', { name: 'Media' }).getByRole('link', { name: 'h264_vfr.mp4' }).click();
  await expectFrame(page, 0);
});

for (const { name, query, source } of PLAYERS) {
  test(`keys step to exactly the frame they name: ${name}`, async (t) => {
    const page = await signedIn(t);
    await openMedia(page, query);
    await expectFrame(page, 0);
    await page.getByRole('group', { name: 'Playback' }).getByText(source).first().waitFor();
    let frame = 0;
    const keys = [
      ['ArrowRight', 1], ['ArrowRight', 1], ['ArrowRight', 1], ['ArrowLeft', -1], ['Shift+ArrowRight', 10], ['Shift+ArrowRight', 10],
      ['ArrowRight', 1], ['Shift+ArrowLeft', -10], ['ArrowLeft', -1], ['Shift+ArrowRight', 10], ['Shift+ArrowRight', 10], ['ArrowLeft', -1],
    ];
    for (const [key, step] of keys) {
      await page.keyboard.press(key);
      frame += step;
      await expectFrame(page, frame);
    }
    await page.keyboard.press('End');
    await expectFrame(page, clip.frames - 1);
    await page.keyboard.press('Home');
    await expectFrame(page, 0);
    for (const wanted of [77, 5, 118, 59]) {
      await page.keyboard.press('g');
      await page.getByLabel('Frame number').fill(String(wanted));
      await page.keyboard.press('Enter');
      await expectFrame(page, wanted);
    }
  });

  test(`many quick steps end on the right frame: ${name}`, async (t) => {
    const page = await signedIn(t);
    await openMedia(page, query);
    await expectFrame(page, 0);
    for (let n = 0; n < 40; n++) await page.keyboard.press('ArrowRight');
    await expectFrame(page, 40);
    for (let n = 0; n < 25; n++) await page.keyboard.press('ArrowLeft');
    await expectFrame(page, 15);
  });
}

for (const { name, query, source } of PLAYERS) {
  test(`pixels that are no squares are shown as wide as they are: ${name}`, async (t) => {
    const page = await signedIn(t);
    await openMedia(page, query, wide);
    await expectFrame(page, 0);
    await page.getByRole('group', { name: 'Playback' }).getByText(source).first().waitFor();
    await page.keyboard.press('Shift+ArrowRight');
    await expectFrame(page, 10);
    const { picture } = await readCanvas(canvasOf(page));
    const shape = picture.width / picture.height;
    assert.ok(Math.abs(shape - (320 / 240) * (4 / 3)) < 0.01, `${picture.width} by ${picture.height}`);
    if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `non_square_${source}.png`) });

    await page.keyboard.press('b');
    await drag(page, [0.25, 0.5], [0.5, 0.75]);
    await saved(page);
    const [row] = await station.api('GET', `/rest/Localizations/${project}?media_id=${wide}`);
    for (const [key, value] of Object.entries({ frame: 10, x: 0.25, y: 0.5, width: 0.25, height: 0.25 })) {
      assert.ok(Math.abs(row[key] - value) < 0.005, `${key}: ${row[key]} is not ${value}`);
    }
    await station.api('DELETE', `/rest/Localization/${row.id}`);
  });
}

test('a box outlives a reload and a restart', async (t) => {
  const page = await signedIn(t);
  await openMedia(page);
  await expectFrame(page, 0);
  for (let n = 0; n < 3; n++) await page.keyboard.press('Shift+ArrowRight');
  await expectFrame(page, 30);

  await page.keyboard.press('b');
  await drag(page, [0.25, 0.5], [0.5, 0.75]);
  await page.getByRole('region', { name: 'Attributes' }).getByLabel('Species').fill('Gadus morhua');
  await page.keyboard.press('Enter');
  await page.getByLabel('Stage', { exact: true }).selectOption('adult');
  const row = await eventually(async () => {
    const [first, ...others] = await station.api('GET', `/rest/Localizations/${project}?media_id=${media}`);
    assert.deepEqual(others, []);
    assert.deepEqual(first.attributes, { Species: 'Gadus morhua', Stage: 'adult' });
    return first;
  });
  await saved(page);
  assert.equal(row.frame, 30);
  for (const [key, value] of Object.entries({ x: 0.25, y: 0.5, width: 0.25, height: 0.25 })) {
    assert.ok(Math.abs(row[key] - value) < 0.005, `${key}: ${row[key]} is not ${value}`);
  }

  await page.waitForURL(/frame=30/); // the address says what is seen
  await page.reload();
  await expectFrame(page, 30);
  assert.equal(await rows(page).count(), 1);
  await page.keyboard.press('ArrowRight');
  await expectFrame(page, 31);
  assert.equal(await rows(page).count(), 0);

  assert.equal(await station.stop(), 0);
  await station.start();
  await openMedia(page, '?frame=30');
  await expectFrame(page, 30);
  await rows(page).first().click();
  assert.equal(await page.getByRole('region', { name: 'Attributes' }).getByLabel('Species').inputValue(), 'Gadus morhua');
  assert.equal(await page.getByLabel('Stage', { exact: true }).inputValue(), 'adult');
});

test('undo and redo reach the server', async (t) => {
  const before = (await station.api('GET', `/rest/Localizations/${project}?media_id=${media}`)).length;
  const expectCount = (wanted) =>
    eventually(async () => assert.equal(await station.api('GET', `/rest/LocalizationCount/${project}?media_id=${media}`), wanted));
  const page = await signedIn(t);
  await openMedia(page, '?frame=60');
  await expectFrame(page, 60);
  await page.keyboard.press('b');
  await drag(page, [0.1, 0.3], [0.3, 0.6]);
  await saved(page);
  await expectCount(before + 1);
  await page.keyboard.press('Control+z');
  await saved(page);
  assert.equal(await rows(page).count(), 0);
  await expectCount(before);
  await page.keyboard.press('Control+Shift+Z');
  await saved(page);
  assert.equal(await rows(page).count(), 1);
  await expectCount(before + 1);
});

test('an edit of what somebody else deleted is not called saved', async (t) => {
  const page = await signedIn(t);
  await openMedia(page, '?frame=90');
  await expectFrame(page, 90);
  await page.keyboard.press('b');
  await drag(page, [0.1, 0.3], [0.3, 0.6]);
  await saved(page);
  const [row] = await station.api('GET', `/rest/Localizations/${project}?media_id=${media}&frame=90`);
  await station.api('DELETE', `/rest/Localization/${row.id}`);
  await page.getByRole('region', { name: 'Attributes' }).getByLabel('Species').fill('Gadus morhua');
  await page.keyboard.press('Enter');
  await page.getByRole('status', { name: 'Save state' }).getByText(/somebody deleted it in the meantime/).waitFor();
});

test('what is drawn while the station is away is saved when it is back', async (t) => {
  const page = await signedIn(t);
  await openMedia(page, '?frame=90');
  await expectFrame(page, 90);
  assert.equal(await station.stop(), 0);
  await page.keyboard.press('b');
  await drag(page, [0.4, 0.4], [0.6, 0.6]);
  await page.getByRole('status', { name: 'Save state' }).getByText('Not saved').waitFor();
  await station.start();
  await saved(page);
  const rowsThere = await station.api('GET', `/rest/Localizations/${project}?media_id=${media}&frame=90`);
  assert.equal(rowsThere.length, 1);
});
