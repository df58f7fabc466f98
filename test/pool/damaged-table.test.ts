/**
 * Garbage in the pin table. With nobody there nothing in it is of value, so the pool opens, at once. With somebody there, who
 * meets it gets an error, at once: no hang, no crash, no loop over counts that are none.
 */
import assert from 'node:assert/strict'
import { closeSync, openSync, renameSync, symlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Slot, Table } from '../../src/layout/format.ts'
import { createPool, openPool } from '../../src/index.ts'
import { startProcess } from '../support/participant.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'
import type { useEverything } from '../support/use-everything.ts'

const DAMAGES: readonly [file: string, word: number][] = [
  ['table', Table.magic],
  ['table', Table.version],
  ['table', Table.slotCount],
  ['slot-0', Slot.state],
  ['slot-0', Slot.recordCount],
  ['slot-0', Slot.breakCount],
]

const VALUES = [0x7fff_ffff, 0xffff_ffff, 70_000]

function damage(path: string, file: string, word: number, value: number): void {
  const fd = openSync(join(path, 'pins', file), 'r+')
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  writeSync(fd, bytes, 0, 4, word * 4)
  closeSync(fd)
}

for (const [file, word] of DAMAGES) {
  for (const value of VALUES) {
    test(`${value} in word ${word} of ${file} is put right by the next to open`, { timeout: 10_000 }, async (t) => {
      const path = join(temporaryDirectory(t), 'pool')
      {
        await using pool = await createPool(path, { sizeBytes: 1 << 20 })
        await pool.writeFile('/file', 'content')
      }
      damage(path, file, word, value)
      await using pool = await openPool(path)
      await using file_ = await pool.open('/file', 'r+')
      using _ = await file_.pin({ offset: 0, length: 7, mode: 'read' })
      await file_.truncate(0)
      assert.equal((await pool.pins()).length, 1)
    })
  }
}

test('what is no table any more says nothing about slots', async (t) => {
  const path = join(temporaryDirectory(t), 'pool')
  await (await createPool(path, { sizeBytes: 1 << 20 })).close()
  const fd = openSync(join(path, 'pins', 'table'), 'r+')
  for (const word of [Table.magic, Table.slotCount]) writeSync(fd, Buffer.from([7, 0, 0, 0]), 0, 4, word * 4)
  closeSync(fd)
  await using pool = await openPool(path)
  await pool.writeFile('/file', 'content')
})

test('garbage in the table of a pool in use is correct service or an error, at once, for everybody', async (t) => {
  const MODULE = new URL('../support/use-everything.ts', import.meta.url).href
  const codes = new Set<string>()
  for (const [file, word] of DAMAGES) {
    for (const value of VALUES.slice(1)) {
      const path = join(temporaryDirectory(t), 'pool')
      await (await createPool(path, { sizeBytes: 1 << 20 })).close()
      const [holder, other] = [await startProcess(t), await startProcess(t)]
      await holder.run(async (here, at) => {
        await here.attach(at)
        await here.pool.writeFile('/file', 'content')
      }, path)
      damage(path, file, word, value)
      const startedMs = performance.now()
      const use = async (user: typeof holder): Promise<void> => {
        const { wrong, codes: found } = await user.run(
          async (here, url, at) => {
            const module = await here.load<{ useEverything: typeof useEverything }>(url)
            return module.useEverything(at)
          },
          MODULE,
          path,
        )
        assert.deepEqual(wrong, [], `${value} in word ${word} of ${file}`)
        for (const code of found) codes.add(code)
      }
      await use(other)
      await use(holder)
      assert.ok(performance.now() - startedMs < 10_000, `${value} in word ${word} of ${file} takes long`)
      await Promise.all([holder.kill(), other.kill()])
      await using pool = await openPool(path)
      assert.deepEqual(await pool.check(), [])
    }
  }
  assert.ok(codes.has('EUCLEAN') && codes.has('EPROTONOSUPPORT'), [...codes].join())
})

test('a count of slots that no table can have is told as that, to who opens the pool to write and to who only reads', async (t) => {
  const path = join(temporaryDirectory(t), 'pool')
  await using pool = await createPool(path, { sizeBytes: 1 << 20 })
  await pool.writeFile('/file', 'content')
  for (const value of [65_537, 0xffff_ffff]) {
    damage(path, 'table', Table.slotCount, value)
    const error = { code: 'EUCLEAN', message: new RegExp(`it says that it has ${value} slots`) }
    await assert.rejects(openPool(path), error)
    await assert.rejects(openPool(path, { readOnly: true }), error)
  }
  damage(path, 'table', Table.slotCount, 1)
})

test('a pool whose parts are links is refused', async (t) => {
  for (const part of ['meta.db', 'device', 'pins', 'pins/table', 'pins/slot-0']) {
    const path = join(temporaryDirectory(t), 'pool')
    await (await createPool(path, { sizeBytes: 1 << 20 })).close()
    renameSync(join(path, part), `${path}-elsewhere`)
    symlinkSync(`${path}-elsewhere`, join(path, part))
    await assert.rejects(openPool(path), { code: part === 'device' ? 'EINVAL' : 'EUCLEAN' }, part)
  }
})
