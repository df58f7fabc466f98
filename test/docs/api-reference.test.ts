/** docs/api.md has every name and signature of the sources. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { apiReference } from '../../scripts/api-reference.ts'
import { root } from './documents.ts'

/** Headings, and what stands in code at the beginning of a line. Words may be put better without making the document anew. */
const signaturesOf = (text: string): string[] =>
  [...text.matchAll(/^#+ .*$|^- `[^`]*`|^```\n[\s\S]*?^```$/gm)].map(([found]) => found)

test('the reference is that of the sources: else npm run docs', () => {
  const made = signaturesOf(apiReference())
  assert.ok(made.length > 300 && made.includes('### openPool'))
  assert.deepEqual(signaturesOf(readFileSync(join(root, 'docs', 'api.md'), 'utf8')), made)
})

test('what is public has a comment, what is not is left out', () => {
  const text = apiReference()
  for (const name of [
    '### File',
    '### Pool',
    '- `pinSync(options: PinOptions): Pin`',
    '## holdfast/metrics',
    '- `isOpen: boolean`',
  ])
    assert.ok(text.includes(`\n${name}\n`), name)
  for (const name of ['contentChanged', 'fileSystem', '#', 'threadBound', 'takenAt(record'])
    assert.ok(!text.includes(`- \`${name}`), name)
  const bare = [...text.matchAll(/^### (\w+)\n\n(?:- |```)/gm)].map(([, name]) => name)
  assert.deepEqual(
    bare.filter((name) => /^[a-z]/.test(name)),
    [],
    'a function without a comment',
  )
})
