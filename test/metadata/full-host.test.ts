/** What happens to the metadata when its host is full (promise 7). */
import assert from 'node:assert/strict'
import { closeSync, fdatasyncSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { codeOf } from '../../src/errors.ts'
import { createSqliteMetadata, openSqliteMetadata } from '../../src/metadata/sqlite-metadata.ts'
import { mountTemporary } from '../device/mounted.ts'
import type { MountedType } from '../device/mounted.ts'
import { create, everythingBusy, fileOf, LATER, properties, range } from './subject.ts'

/** Writes until the host takes no more byte. */
function fill(directory: string): void {
  const fd = openSync(join(directory, 'filler'), 'a')
  for (let size = 2 ** 20; size >= 1;) {
    try {
      writeSync(fd, Buffer.alloc(size, 1))
    } catch {
      size = Math.floor(size / 2)
    }
  }
  try {
    fdatasyncSync(fd)
  } catch {}
  closeSync(fd)
}

for (const type of ['tmpfs', 'ext4'] satisfies MountedType[]) {
  test(`promise 7: on a full ${type} growing is ENOSPC, and what was given back lets files shrink`, async (t) => {
    const mounted = mountTemporary(type)
    if (typeof mounted === 'string') return t.skip(mounted)
    const ballast = join(mounted.directory, 'ballast')
    let given = 0
    let mayGive = false
    const path = join(mounted.directory, 'meta.db')
    try {
      await createSqliteMetadata(path, properties(1024))
      const metadata = await openSqliteMetadata(path, {
        onNoSpace: () => {
          if (!mayGive || given++ > 0) return false
          rmSync(ballast)
          return true
        },
      })
      try {
        const file = await fileOf(metadata, 'large', 100)
        writeFileSync(ballast, Buffer.alloc(2 ** 20, 1))
        fill(mounted.directory)
        let made = 0
        const failure: unknown = await (async () => {
          for (; made < 100_000; made++) await create(metadata, `file ${made}`)
        })().catch((error: unknown) => error)
        assert.equal(codeOf(failure), 'ENOSPC')
        assert.equal((await metadata.space()).files, made + 1)
        assert.deepEqual(await metadata.check(), [])

        const cut = { ino: file, remove: [range(0, 100)], size: 0, nowNs: LATER }
        await assert.rejects(metadata.changeLayout(cut, everythingBusy), { code: 'ENOSPC' })
        mayGive = true
        const { layout } = await metadata.changeLayout(cut, everythingBusy)
        assert.deepEqual([layout?.inode.size, given], [0, 1])
        assert.equal((await metadata.space()).busy, 100)
        assert.deepEqual(await metadata.check(), [])
      } finally {
        rmSync(join(mounted.directory, 'filler'))
        await metadata.close()
      }
    } finally {
      mounted.release()
    }
  })
}
