/**
 * Pools whose parts are something else than files of their own: pipes, directories, links to files outside. No hang, no mistake of
 * ours, and what is outside stays as it is.
 */
import assert from 'node:assert/strict'
import { linkSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createPool } from '../../src/index.ts'
import { makeFifo } from '../../src/platform/fifo.ts'
import { startProcess } from '../support/participant.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'
import { usedBy } from '../support/use-everything.ts'

const PARTS = [
  'meta.db',
  'meta.db-wal',
  'meta.db-shm',
  'device',
  'reserve',
  'pins',
  'pins/table',
  'pins/slot-0',
  'pins/bell-0',
  'pins/boot',
]
const PRECIOUS = 'precious'.repeat(1000)
const TIMEOUT_MS = 20_000

const THINGS: Readonly<Record<string, (path: string, outside: string) => void>> = {
  'a pipe': (path) => makeFifo(path, 0o600),
  'a directory': (path) => mkdirSync(path),
  'a link to a file outside': (path, outside) => symlinkSync(outside, path),
  'a link to nothing': (path, outside) => symlinkSync(`${outside}-none`, path),
  'another name of a file outside': (path, outside) => linkSync(outside, path),
}

for (const [thing, make] of Object.entries(THINGS)) {
  test(`a part of a pool that is ${thing} is an error of the system, at once, or does no harm`, async (t) => {
    const user = await startProcess(t)
    const codes = new Set<string>()
    for (const part of PARTS) {
      const directory = temporaryDirectory(t)
      const [path, outside] = [join(directory, 'pool'), join(directory, 'outside')]
      {
        await using pool = await createPool(path, { sizeBytes: 1 << 20 })
        await pool.writeFile('/file', 'content')
      }
      writeFileSync(outside, PRECIOUS)
      if (!part.startsWith('meta.db-')) renameSync(join(path, part), join(directory, 'replaced'))
      make(join(path, part), outside)
      for (const readOnly of [true, false]) {
        const used = await usedBy(user, path, { readOnly, timeoutMs: TIMEOUT_MS, what: part })
        assert.deepEqual(used.wrong, [], part)
        for (const code of used.codes) codes.add(code)
        t.diagnostic(`${part}, ${readOnly ? 'read' : 'write'}: ${used.done} calls, ${used.codes.join()}`)
      }
      assert.ok(readFileSync(outside, 'utf8') === PRECIOUS, part)
    }
  })
}
