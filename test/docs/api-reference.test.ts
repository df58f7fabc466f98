/** The reference has everything that can be imported, and nothing that is not for users. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { apiReference } from '../../scripts/api-reference.ts'
import { entries, root } from './documents.ts'

const reference = apiReference()

test('each module has a chapter, with what it exports', async () => {
  const chapters = new Map(
    reference.split(/^## /m).map((chapter) => [chapter.slice(0, chapter.indexOf('\n')), chapter]),
  )
  for (const [name, source] of Object.entries(entries())) {
    const chapter = chapters.get(name.replace('.', 'holdfast'))
    assert.ok(chapter !== undefined, name)
    const exported = (await import(pathToFileURL(join(root, source)).href)) as object
    for (const each of Object.keys(exported)) assert.match(chapter, new RegExp(`^### ${each}$`, 'm'), name)
  }
})

test('types, members and inherited members are there, what is not public is not', () => {
  const signatures = [
    '### PinOptions',
    '- `pinSync(options: PinOptions): Pin`',
    '- `isOpen: boolean`',
    '- `chmod(mode: number): Promise<void>`',
  ]
  for (const each of signatures) assert.ok(reference.includes(`\n${each}\n`), each)
  for (const name of ['contentChanged', 'fileSystem', '#', 'threadBound', 'takenAt(record'])
    assert.ok(!reference.includes(`- \`${name}`), name)
})

test('every function has a comment', () => {
  const bare = [...reference.matchAll(/^### ([a-z]\w*)\n\n(?:- |```)/gm)].map(([, name]) => name)
  assert.deepEqual(bare, [])
})
