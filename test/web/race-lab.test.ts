/** The race lab in a browser: each policy with both kinds of I/O, watched to the verdict (promises 1 and 4). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtPage, chromiumPath, inspected, launched, NO_CHROMIUM, opened, TOKEN } from '../support/inspected-pool.ts'
import { temporaryPool } from '../support/temporary-pool.ts'

const skip = chromiumPath() === undefined ? NO_CHROMIUM : false

test('the lab runs under each policy with both kinds of I/O, and finds all right', { skip }, async (t) => {
  using built = builtPage()
  await using browser = await launched()
  const pool = await temporaryPool(t, { sizeBytes: 16 << 20 })
  const { page, complaints } = await opened(t, browser, `${await inspected(t, pool, built)}#token=${TOKEN}`)
  for (const io of ['slow-client', 'direct-read']) {
    for (const busy of ['fail', 'wait', 'sequester', 'bounce']) {
      await page.getByLabel('I/O').selectOption(io)
      await page.getByLabel('Policy').selectOption(busy)
      await page.getByLabel('Change').selectOption(busy === 'fail' ? 'punch' : 'truncate')
      await page.getByRole('button', { name: 'Start the race' }).click()
      await page.getByText('Running…').waitFor()
      await page.getByText('Start the race').waitFor({ timeout: 15_000 })
      const verdict = (await page.locator('.verdict').textContent()) ?? ''
      assert.match(verdict, /all right/, `${io} ${busy}: ${verdict}`)
      const expected = {
        fail: /got EBUSY/,
        wait: /until the last pin/,
        sequester: /at once.*beside \d+ pins/,
        bounce: /at once.*copies hold no blocks/,
      }[busy]!
      assert.match(verdict, expected)
      assert.match(verdict, /new file is untouched/)
    }
  }
  assert.deepEqual(await pool.readdir('/'), ['lost+found'])
  assert.deepEqual(complaints, [])
})
