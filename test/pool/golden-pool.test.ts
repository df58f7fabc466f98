/** Pools of test/data, made by this version of the format and never made again: what was stored can be read. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openPool } from '../../src/index.ts'
import { FORMAT_VERSION } from '../../src/metadata/schema.ts'
import { checkGolden } from '../fuzz/golden.ts'
import { readSpecimens, writeSpecimen } from '../fuzz/specimens.ts'
import type { Specimen } from '../fuzz/specimens.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'

const specimens = await readSpecimens()

function written(t: TestContext, files: Specimen): string {
  const path = join(temporaryDirectory(t), 'pool')
  mkdirSync(path, { mode: 0o700 })
  writeSpecimen(path, files)
  return path
}

/** Where the header of SQLite's file has `user_version`, big endian. */
const VERSION_AT = 60

test('a pool of this format opens, and each file, link, attribute and policy is what it was', async (t) => {
  const path = written(t, specimens.get('closed')!)
  for (const readOnly of [true, false]) {
    await using pool = await openPool(path, { readOnly })
    await checkGolden(pool)
  }
})

test('so does one whose process was killed: what was synced is there, what was held is not', async (t) => {
  await using pool = await openPool(written(t, specimens.get('killed')!))
  assert.deepEqual(await pool.check(), [])
  assert.equal(await pool.readFile('/d/small', 'utf8'), 'small')
  assert.equal((await pool.stat('/a')).size, 5000)
  await pool.reap()
  const { pins, sequesteredBytes, busyBytes } = await pool.stats()
  assert.deepEqual([pins, sequesteredBytes, busyBytes], [0, 0, 0])
})

for (const [what, version] of [
  ['a newer', FORMAT_VERSION + 1],
  ['an older', FORMAT_VERSION - 1],
  ['an unknown', 0x7fff_ffff],
] as const) {
  test(`${what} format is refused, both ways to open it, and nothing is changed`, async (t) => {
    const sound = specimens.get('closed')!
    const metadata = Buffer.from(sound.get('meta.db')!)
    assert.equal(metadata.readUInt32BE(VERSION_AT), FORMAT_VERSION)
    metadata.writeUInt32BE(version, VERSION_AT)
    const path = written(t, new Map([...sound, ['meta.db', metadata]]))
    for (const readOnly of [true, false]) {
      await assert.rejects(openPool(path, { readOnly }), {
        code: 'EPROTONOSUPPORT',
        message: new RegExp(`version ${version}, this Holdfast knows version ${FORMAT_VERSION}`),
      })
    }
  })
}
