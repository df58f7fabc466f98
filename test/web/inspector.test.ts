/** The inspector in a browser: what it shows against the API, and what it does. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import type { BlockMap } from '../../src/http/api/block-map.ts'
import {
  chromiumPath,
  cutOff,
  heldPool,
  inspected,
  NO_CHROMIUM,
  oneBrowser,
  opened,
  TOKEN,
} from '../support/inspected-pool.ts'
import { startProcess } from '../support/participant.ts'
import { BLOCK, temporaryPool } from '../support/temporary-pool.ts'

const skip = chromiumPath() === undefined ? NO_CHROMIUM : false

const textOf = async (page: Page, selector: string): Promise<string> =>
  ((await page.locator(selector).first().textContent()) ?? '').replaceAll(/\s+/g, ' ').trim()

describe('the inspector', { skip, timeout: 110_000 }, () => {
  const at = oneBrowser()

  test('promise 11: shows what the API says, and the map adds up', async (t) => {
    const pool = await heldPool(t)
    const address = await inspected(t, pool, at.page)
    const { page, complaints } = await opened(t, at.browser, address)
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
    const { page } = await opened(t, at.browser, await inspected(t, pool, at.page))
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
    const { page } = await opened(t, at.browser, await inspected(t, pool, at.page))
    const ages = page.locator(
      'table[aria-labelledby="holders-pins"] td:nth-child(4), section[aria-labelledby="lost-title"] td:nth-child(4)',
    )
    const earlier = await ages.allTextContents()
    assert.equal(earlier.length, 3)
    await page.waitForTimeout(2500)
    const later = await ages.allTextContents()
    for (const [row, age] of later.entries()) assert.notEqual(age, earlier[row])
  })

  test('a policy is changed in place, and what is held cannot be reclaimed, by who has the token', async (t) => {
    const pool = await heldPool(t)
    const { page, complaints } = await opened(t, at.browser, `${await inspected(t, pool, at.page)}#token=${TOKEN}`)
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
    assert.ok(await page.getByRole('button', { name: 'Reclaim all idle' }).isDisabled())
    await page.getByRole('button', { name: 'frames/' }).click()
    await page.getByRole('button', { name: '0001.raw' }).waitFor()
    assert.deepEqual(complaints, [])
  })

  for (const name of [/^Reclaim \d/, 'Reclaim all idle']) {
    test(`what nobody holds any more is reclaimed from lost+found: ${name}`, async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/a', Buffer.alloc(8 * BLOCK))
      await using file = await pool.open('/a', 'r+')
      const pin = await file.pin({ offset: 0, length: 8 * BLOCK, mode: 'read' })
      await file.truncate(0)
      const { page, complaints } = await opened(t, at.browser, `${await inspected(t, pool, at.page)}#token=${TOKEN}`)
      const button = page.getByRole('button', { name })
      await button.waitFor()
      assert.ok(await button.isDisabled())
      pin.release()
      await page.getByText('nobody: idle').waitFor({ timeout: 5000 })
      await button.click()
      await page.getByText('Empty. Blocks come here').waitFor({ timeout: 5000 })
      assert.deepEqual(await pool.lostAndFound.list(), [])
      assert.deepEqual(complaints, [])
    })
  }

  test('a chosen file is shown as it is, can be opened, and is gone when it is removed', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/a b', 'content of it')
    await pool.writeFile('/.hidden', 'x')
    const { page, complaints } = await opened(t, at.browser, await inspected(t, pool, at.page))
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

  test('a server that is gone is said to be, and one that comes back is asked what may be changed', async (t) => {
    const pool = await temporaryPool(t)
    const address = await inspected(t, pool, at.page)
    const { page } = await opened(t, at.browser, `${address}#token=${TOKEN}`)
    await page.getByText('changes allowed').waitFor()
    // The next server has another token.
    await page.route('**/api/pool', (route) => route.continue({ headers: { authorization: 'Bearer of-before' } }))
    await page.route('**/api/events', (route) => route.abort())
    cutOff(address)
    await page.getByText('not connected').waitFor()
    await page.unroute('**/api/events')
    await page.getByText('live', { exact: true }).waitFor()
    await page.getByText('read only').waitFor()
  })

  test('space over time begins before the page was opened, and extents come in portions', async (t) => {
    const pool = await temporaryPool(t, { sizeBytes: 16 << 20 })
    await pool.writeFile('/whole', Buffer.alloc(BLOCK))
    await using file = await pool.open('/many', 'w')
    for (let nth = 0; nth < 300; nth++) await file.write(Buffer.alloc(BLOCK, nth), { position: 2 * nth * BLOCK })
    const address = await inspected(t, pool, at.page)
    const { page, complaints } = await opened(t, at.browser, address)
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
})
