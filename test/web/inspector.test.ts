/** The inspector in a browser: what it shows against the API, what it does, and how it is used without a mouse. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import axe from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import type { BlockMap } from '../../src/http/api/block-map.ts'
import type { Pool } from '../../src/index.ts'
import { builtPage, chromiumPath, inspected, launched, NO_CHROMIUM, opened, TOKEN } from '../support/inspected-pool.ts'
import type { BuiltPage } from '../support/inspected-pool.ts'
import { startProcess } from '../support/participant.ts'
import { until } from '../support/pinned-content.ts'
import { atEnd, BLOCK, temporaryPool } from '../support/temporary-pool.ts'

const skip = chromiumPath() === undefined ? NO_CHROMIUM : false

async function heldPool(t: TestContext): Promise<Pool> {
  const pool = await temporaryPool(t, { sizeBytes: 16 << 20 })
  await pool.mkdir('/frames')
  for (const [name, blocks] of [
    ['/video.bin', 900],
    ['/frames/0001.raw', 200],
    ['/log', 40],
  ] as const)
    await pool.writeFile(name, Buffer.alloc(blocks * BLOCK, name))
  const video = await pool.open('/video.bin', 'r+')
  const pin = await video.pin({ offset: 100 * BLOCK, length: 200 * BLOCK, mode: 'read' })
  await video.punchHole(150 * BLOCK, 100 * BLOCK)
  const stable = await video.pin({ offset: 500 * BLOCK, length: 64 * BLOCK, mode: 'read', stable: true })
  atEnd(t, () => {
    pin.release()
    stable.release()
  })
  // What was given back becomes free by itself, some time: before anybody looks.
  await until('nothing is on its way to be free', async () => {
    await pool.reap()
    return (await pool.stats()).busyBytes === 0
  })
  return pool
}

const textOf = async (page: Page, selector: string): Promise<string> =>
  ((await page.locator(selector).first().textContent()) ?? '').replaceAll(/\s+/g, ' ').trim()

describe('the inspector', { skip, timeout: 110_000 }, () => {
  let browser: Browser
  let built: BuiltPage
  before(async () => {
    built = builtPage()
    browser = await launched()
  })
  after(async () => {
    await browser?.close()
    built?.[Symbol.dispose]()
  })

  test('promise 11: shows what the API says, and the map adds up', async (t) => {
    const pool = await heldPool(t)
    const address = await inspected(t, pool, built)
    const { page, complaints } = await opened(t, browser, address)
    const map = (await (await fetch(`${address}api/map?cells=1`)).json()) as BlockMap
    await page.getByText('As a table').click()
    const shown = (await page.locator('#map-sums td').allTextContents()).map((text) => Number(text.replaceAll(',', '')))
    const { free, file, sequestered, busy, pinned, stable } = map.counts
    assert.deepEqual(shown, [free[0], file[0], sequestered[0], busy[0], pinned[0], stable[0]])
    assert.equal(shown[0] + shown[1] + shown[2] + shown[3], 4096)
    assert.deepEqual([sequestered[0], pinned[0], stable[0]], [100, 264, 64])
    const pins = page.getByRole('table', { name: 'Pins' })
    assert.equal(await pins.locator('tbody tr').count(), 2)
    assert.match((await pins.textContent()) ?? '', new RegExp(`pid ${process.pid}`))
    assert.match(await textOf(page, 'section[aria-labelledby="lost-title"] tbody'), /video\.bin.*400 KiB/)
    assert.match(await textOf(page, '#lab-locked'), /--write/)
    assert.equal(await page.getByRole('button', { name: /^Reclaim/ }).count(), 0)
    assert.deepEqual(complaints, [])
  })

  test('what another process does is seen, and its death', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/a', Buffer.alloc(8 * BLOCK))
    const { page } = await opened(t, browser, await inspected(t, pool, built))
    await page.getByText('Nothing is pinned').waitFor()
    const other = await startProcess(t, pool)
    await other.run(async (here) => {
      here.kept.file = await here.pool.open('/a', 'r+')
      here.kept.pin = await here.kept.file.pin({ offset: 0, length: 4096, mode: 'write' })
    })
    const cell = page.getByRole('table', { name: 'Pins' }).getByText(`pid ${other.pid}`)
    await cell.waitFor({ timeout: 5000 })
    await other.kill()
    await page.getByText('Nothing is pinned').waitFor({ timeout: 5000 })
  })

  test('what is held gets older while nothing else happens', async (t) => {
    const pool = await heldPool(t)
    const { page } = await opened(t, browser, await inspected(t, pool, built))
    const ages = page.locator(
      'table[aria-labelledby="holders-pins"] td:nth-child(4), section[aria-labelledby="lost-title"] td:nth-child(4)',
    )
    const earlier = await ages.allTextContents()
    assert.equal(earlier.length, 3)
    await page.waitForTimeout(2500)
    const later = await ages.allTextContents()
    for (const [row, age] of later.entries()) assert.notEqual(age, earlier[row])
  })

  test('the map is walked and zoomed by keys, down to a block, and says what it is', async (t) => {
    const pool = await heldPool(t)
    const { page } = await opened(t, browser, await inspected(t, pool, built))
    await page.keyboard.press('Tab')
    assert.equal(await textOf(page, ':focus'), 'Skip to the map')
    const canvas = page.getByRole('application')
    await canvas.focus()
    const ofOneBlock = page.getByText('1 (4.00 KiB) a cell').or(page.getByText('1 (4 KiB) a cell'))
    // A slow page has no map yet for the first ones.
    for (let zoom = 0; zoom < 100 && !(await ofOneBlock.isVisible()); zoom++) {
      await page.keyboard.press('+')
      await page.waitForTimeout(50)
    }
    await ofOneBlock.waitFor()
    await page.keyboard.press('ArrowRight')
    const words = page.locator('#map-words')
    await page.locator('#map-words', { hasText: /^Block [\d,]+: / }).waitFor()
    const first = await words.textContent()
    await page.keyboard.press('ArrowRight')
    await page.locator('#map-words', { hasNotText: first! }).waitFor()
    await page.keyboard.press('Home')
    await page.getByText('0–4,095,').waitFor()
  })

  test('zooming into a TiB finds the one block that is in a file', async (t) => {
    const pool = await temporaryPool(t, { sizeBytes: 2 ** 40 })
    await pool.writeFile('/one', 'x')
    const { page } = await opened(t, browser, await inspected(t, pool, built))
    const words = page.locator('#map-words')
    const canvas = page.getByRole('application')
    await page.locator('#map-words', { hasText: '1 in a file' }).waitFor()
    const ofOneBlock = page.getByText('1 (4 KiB) a cell')
    for (let zoom = 0; zoom < 40 && !(await ofOneBlock.isVisible()); zoom++) {
      const range = await page.locator('#map .quiet').first().textContent()
      await canvas.dblclick({ position: { x: 7, y: 7 } })
      await page.locator('#map .quiet', { hasNotText: range! }).first().waitFor()
    }
    await ofOneBlock.waitFor()
    assert.equal(await words.textContent(), 'Block 0: in a file · /one at 0 B')
  })

  test('a policy is changed in place, and lost+found reclaimed, by who has the token', async (t) => {
    const pool = await heldPool(t)
    const { page, complaints } = await opened(t, browser, `${await inspected(t, pool, built)}#token=${TOKEN}`)
    assert.ok(!page.url().includes(TOKEN), 'the token stays in the address')
    await page.getByRole('button', { name: 'video.bin', exact: true }).click()
    await page.getByLabel('busy policy').selectOption('fail')
    for (let look = 0; (await pool.stat('/video.bin')).busy !== 'fail'; look++) {
      assert.ok(look < 100, 'not changed')
      await page.waitForTimeout(20)
    }
    await page
      .getByRole('row', { name: /^video\.bin/ })
      .getByText('fail', { exact: true })
      .waitFor()
    const lost = (await pool.lostAndFound.list()).map(({ name }) => name)
    assert.ok(await page.getByRole('button', { name: `Reclaim ${lost[0]}` }).isDisabled())
    await page.getByRole('button', { name: 'frames/' }).click()
    await page.getByRole('button', { name: '0001.raw' }).waitFor()
    assert.deepEqual(complaints, [])
  })

  test('a chosen file is shown as it is, can be opened, and is gone when it is removed', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/a b', 'content of it')
    await pool.writeFile('/.hidden', 'x')
    const { page, complaints } = await opened(t, browser, await inspected(t, pool, built))
    await page.getByRole('button', { name: '.hidden', exact: true }).click()
    await page.getByText('1 B in 1 extent').waitFor()
    assert.equal(await page.getByRole('link', { name: 'Open' }).count(), 0)
    await page.getByRole('button', { name: 'a b', exact: true }).click()
    await page.getByText('13 B in 1 extent, 0 pins').waitFor()
    const address = await page.getByRole('link', { name: 'Open' }).getAttribute('href')
    assert.equal(await (await fetch(address!)).text(), 'content of it')
    await using file = await pool.open('/a b', 'r+')
    await file.truncate(3 * BLOCK)
    await file.write('x', { position: 2 * BLOCK })
    {
      using _ = await file.pin({ offset: 0, length: BLOCK, mode: 'read' })
      await page.getByText('12 KiB in 2 extents, 1 pin').waitFor({ timeout: 5000 })
    }
    await page.getByText('12 KiB in 2 extents, 0 pins').waitFor({ timeout: 5000 })
    await pool.unlink('/a b')
    await page.getByText('12 KiB in 2 extents').waitFor({ state: 'detached', timeout: 5000 })
    // The browser itself tells of the one answer that was 404.
    assert.deepEqual(
      complaints.filter((each) => !each.includes('404')),
      [],
    )
  })

  test('space over time begins before the page was opened, and extents come in portions', async (t) => {
    const pool = await temporaryPool(t, { sizeBytes: 16 << 20 })
    await pool.writeFile('/whole', Buffer.alloc(BLOCK))
    await using file = await pool.open('/many', 'w')
    for (let nth = 0; nth < 300; nth++) await file.write(Buffer.alloc(BLOCK, nth), { position: 2 * nth * BLOCK })
    const address = await inspected(t, pool, built)
    const { page, complaints } = await opened(t, browser, address)
    const { atMs } = (await (await fetch(`${address}api/history`)).json()) as { atMs: number[] }
    assert.ok(atMs.length > 0)
    await page.getByRole('button', { name: 'many', exact: true }).click()
    const extents = page.getByRole('list', { name: 'Extents' }).getByRole('listitem')
    await page.getByText('More extents: 200 of 300 are shown').click()
    await page.getByText('More extents').waitFor({ state: 'detached' })
    assert.equal(await extents.count(), 300)
    await page.getByLabel('How much of the past is shown').selectOption({ label: 'day' })
    assert.deepEqual(complaints, [])
  })

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`axe finds nothing that keeps anybody out, ${colorScheme}`, async (t) => {
      const pool = await heldPool(t)
      const address = `${await inspected(t, pool, built)}#token=${TOKEN}`
      // The tool is put into the page from outside of it, which its policy would refuse.
      const { page } = await opened(t, browser, address, { colorScheme, bypassCSP: true })
      await page.getByText('As a table').click()
      await page.getByRole('button', { name: 'video.bin', exact: true }).click()
      await page.getByLabel('busy policy').waitFor()
      await page.getByRole('button', { name: 'Start the race' }).click()
      await page.locator('.verdict').waitFor({ timeout: 20_000 })
      await page.addScriptTag({ content: axe.source })
      const found = await page.evaluate<{ id: string; impact: string; nodes: { html: string }[] }[]>(
        'axe.run().then(({ violations }) => violations)',
      )
      const grave = found.filter(({ impact }) => impact === 'serious' || impact === 'critical')
      assert.deepEqual(
        grave.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]),
        [],
      )
    })

    test(`a race is run by keys alone, ${colorScheme}`, async (t) => {
      const pool = await heldPool(t)
      const address = `${await inspected(t, pool, built)}#token=${TOKEN}`
      const { page } = await opened(t, browser, address, { colorScheme })
      const isFocused = (text: string): Promise<boolean> =>
        page.evaluate(`document.activeElement?.textContent === ${JSON.stringify(text)}`)
      for (let presses = 0; !(await isFocused('Start the race')); presses++) {
        assert.ok(presses < 60, 'the button is out of reach')
        await page.keyboard.press('Tab')
      }
      await page.keyboard.press('Enter')
      await page.locator('.verdict.right').waitFor({ timeout: 20_000 })
    })
  }

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`on a phone nothing is wider than the screen, ${colorScheme}`, async (t) => {
      const pool = await heldPool(t)
      const address = `${await inspected(t, pool, built)}#token=${TOKEN}`
      const { page, complaints } = await opened(t, browser, address, {
        viewport: { width: 360, height: 740 },
        colorScheme,
      })
      await page.getByText('As a table').click()
      await page.getByRole('button', { name: 'video.bin', exact: true }).click()
      await page.getByLabel('busy policy').waitFor()
      const width = await page.evaluate('document.documentElement.scrollWidth')
      const wider = await page.evaluate(
        '[...document.querySelectorAll(".columns .scroll")].filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.ariaLabel)',
      )
      assert.deepEqual(wider, [])
      assert.ok(await page.getByRole('button', { name: /^Reclaim \d/ }).isVisible())
      const ground = await page.evaluate('getComputedStyle(document.body).backgroundColor')
      assert.equal(width, 360)
      assert.equal(ground, colorScheme === 'dark' ? 'rgb(17, 22, 27)' : 'rgb(246, 247, 248)')
      assert.deepEqual(complaints, [])
    })
  }
})
