/** Every TypeScript snippet of README and guide, and every block of commands that says so, runs and prints what the document says. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { whyNoMount } from '../support/mounted-pool.ts'
import { documents, entries, readersDirectory, root, run, snippetsOf } from './documents.ts'

test('README and guide have snippets', () => {
  for (const document of ['README.md', 'docs/guide/getting-started.md'])
    assert.ok(snippetsOf(document).length > 0, document)
})

for (const document of documents()) {
  const snippets = snippetsOf(document)
  if (snippets.length === 0) continue
  // In order and in one directory: a later snippet may use the pool that an earlier one made.
  describe(document, { concurrency: 1 }, () => {
    const directory = readersDirectory({ after: (action) => after(action as () => void) })
    for (const { line, language, code, prints } of snippets) {
      const skip = code.includes("'holdfast/fuse'") && whyNoMount()
      test(`the snippet in line ${line} runs`, { skip }, async () => {
        const file = join(directory, `line-${line}.${language}`)
        writeFileSync(file, code)
        const printed = await run(file, directory)
        if (prints !== undefined) assert.equal(printed, prints)
      })
    }
  })
}

test('the snippets have the right types', (t) => {
  const directory = readersDirectory(t)
  for (const document of documents()) {
    for (const { line, language, code } of snippetsOf(document)) {
      if (language === 'ts') writeFileSync(join(directory, `${document.replaceAll(/[/.]/g, '-')}-${line}.ts`), code)
    }
  }
  const compilerOptions = {
    paths: Object.fromEntries(
      Object.entries(entries()).map(([name, source]) => [name.replace('.', 'holdfast'), [join(root, source)]]),
    ),
    typeRoots: [join(root, 'node_modules', '@types')],
  }
  const config = { extends: join(root, 'tsconfig.json'), compilerOptions, include: [directory], exclude: [] }
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config))
  const compiler = join(root, 'node_modules', '.bin', 'tsc')
  const { stdout, status } = spawnSync(compiler, ['--project', directory], { encoding: 'utf8' })
  assert.equal(status, 0, stdout)
})
