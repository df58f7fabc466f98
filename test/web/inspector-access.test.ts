/** The inspector without a mouse, for who does not see colours, and on a small screen. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import axe from 'axe-core'
import { chromiumPath, heldPool, inspected, NO_CHROMIUM, oneBrowser, opened, TOKEN } from '../support/inspected-pool.ts'
import { temporaryPool } from '../support/temporary-pool.ts'

const skip = chromiumPath() === undefined ? NO_CHROMIUM : false

describe('the inspector is for everybody', { skip, timeout: 110_000 }, () => {
  const at = oneBrowser()

  test('the map is walked and zoomed by keys, down to a block, and says what it is', async (t) => {
    const pool = await heldPool(t)
    const { page } = await opened(t, at.browser, await inspected(t, pool, at.page))
    await page.keyboard.press('Tab')
    assert.equal((await page.locator(':focus').textContent())?.trim(), 'Skip to the map')
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
    const { page } = await opened(t, at.browser, await inspected(t, pool, at.page))
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

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`axe finds nothing that keeps anybody out, ${colorScheme}`, async (t) => {
      const pool = await heldPool(t)
      const address = `${await inspected(t, pool, at.page)}#token=${TOKEN}`
      // The tool is put into the page from outside of it, which its policy would refuse.
      const { page } = await opened(t, at.browser, address, { colorScheme, bypassCSP: true })
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
      const address = `${await inspected(t, pool, at.page)}#token=${TOKEN}`
      const { page } = await opened(t, at.browser, address, { colorScheme })
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
      const address = `${await inspected(t, pool, at.page)}#token=${TOKEN}`
      const { page, complaints } = await opened(t, at.browser, address, {
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
