/** Every example runs, checks itself and leaves nothing behind, and the guide lists it. */
import assert from 'node:assert/strict'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readersDirectory, root, run } from './documents.ts'

const examples = globSync('examples/*.ts', { cwd: root }).toSorted()

test('there are examples', () => {
  assert.ok(examples.length > 0)
})

for (const example of examples) {
  test(`${example} runs and leaves nothing behind`, async (t) => {
    const directory = readersDirectory(t)
    const before = readdirSync(directory)
    assert.notEqual(await run(join(root, example), directory), '', 'it says what it does')
    assert.deepEqual(readdirSync(directory), before)
  })

  test(`the guide lists ${example}`, () => {
    const guide = readFileSync(join(root, 'docs', 'guide', 'getting-started.md'), 'utf8')
    assert.ok(guide.includes(`](../../${example})`))
  })
}
