import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ended, main, mustJson, mustRun, temporaryDirectory } from './run-holdfast.ts'

/** Runs it with one more argument, of bytes that Node.js cannot pass: those of the format of printf(1). */
const withBytes = (format: string, args: readonly string[]): ReturnType<typeof ended> => {
  const script = 'last=$(printf "$1"); shift; exec "$@" "$last"'
  return ended(spawn('sh', ['-c', script, 'sh', format, process.execPath, main, ...args]))
}

test('a name that is no UTF-8 is refused, and not taken for another one', async (t) => {
  const directory = temporaryDirectory(t)
  const pool = join(directory, 'pool')
  const file = join(directory, 'file')
  writeFileSync(file, 'abc')
  await mustRun(['mkfs', pool, '--size', '1M'])
  const refused = await withBytes(String.raw`/a\377`, ['put', pool, file])
  assert.equal(refused.code, 2)
  assert.match(refused.errors, /^holdfast: put: '\/a\uFFFD' is not UTF-8.*\nTry 'holdfast put -h'\.\n$/)
  assert.equal((await withBytes(String.raw`\377`, ['fsck', '-n'])).code, 16)
  // One that was really meant.
  assert.equal((await withBytes(String.raw`/a\357\277\275`, ['put', pool, file])).code, 0)
  const { entries } = await mustJson<{ entries: { name: string }[] }>(['ls', pool, '/'])
  assert.deepEqual(
    entries.map(({ name }) => name),
    ['a\uFFFD', 'lost+found'],
  )
})
