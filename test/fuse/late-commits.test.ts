/**
 * A mount that is the only participant commits names late: whoever comes sees all of them, a death takes the last millisecond
 * back and nothing that was synced, and with others there it commits at once.
 */
import assert from 'node:assert/strict'
import { closeSync, openSync, readSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Mount } from '../../src/fuse/index.ts'
import type { Pool } from '../../src/index.ts'
import { openPool } from '../../src/index.ts'
import { Table } from '../../src/layout/format.ts'
import { inMount, mountTemporarily, whyNoMount } from '../support/mounted-pool.ts'
import { NameMaker } from '../support/name-maker.ts'
import { temporaryPool } from '../support/temporary-pool.ts'

const skip = whyNoMount()

interface Lone {
  readonly path: string
  readonly dir: string
  readonly mount: Mount
  /** How often a batch has begun or ended. */
  batches(): number
}

/** A mounted pool that nobody else has open. */
async function loneMount(t: TestContext): Promise<Lone> {
  const pool = await temporaryPool(t, { sizeBytes: 64 << 20 })
  await pool.close()
  const { dir, mount } = await mountTemporarily(t, pool, { cache: 'auto' })
  await mkdir(join(dir, 'd'))
  const word = Buffer.alloc(4)
  const batches = (): number => {
    const fd = openSync(join(pool.path, 'pins', 'table'), 'r')
    readSync(fd, word, 0, 4, Table.batch * 4)
    closeSync(fd)
    return word.readInt32LE()
  }
  return { path: pool.path, dir, mount, batches }
}

/** Gets on until so many more are made. */
async function untilMade(maker: NameMaker, more: number): Promise<void> {
  const goal = maker.made + more
  while (maker.made < goal) await delay(1)
}

/** Those of 0 to count - 1 that a pool does not show. */
async function missing(pool: Pool, count: number): Promise<number[]> {
  const names = new Set((await pool.readdir('/d')).map(String))
  return Array.from({ length: count }, (_, i) => i).filter((i) => !names.has(String(i)))
}

test('who opens the pool while names are being made sees each whose call had returned', { skip }, async (t) => {
  const { path, dir, batches } = await loneMount(t)
  const maker = new NameMaker(join(dir, 'd'))
  for (let round = 0; round < 12; round++) {
    await untilMade(maker, 100)
    const before = batches()
    await untilMade(maker, 50)
    assert.ok(batches() > before, 'it was committing late')
    const readOnly = round % 3 === 2
    const pool = await openPool(path, { readOnly })
    for (let look = 0; look < 5; look++) {
      const { made } = maker
      assert.deepEqual(await missing(pool, made), [], `round ${round}`)
      // What is kept of a name is so, too: asked for before it is there, and after.
      const next = `/d/${made + 20}`
      await pool.exists(next)
      while (maker.made < made + 22) await delay(0)
      assert.ok(await pool.exists(next), `round ${round}: ${next}`)
    }
    await pool.close()
  }
  await maker.stop()
})

test('with others there each change is committed at once, and late again when they have left', { skip }, async (t) => {
  const { path, dir, batches } = await loneMount(t)
  const maker = new NameMaker(join(dir, 'd'))
  await untilMade(maker, 50)
  const pool = await openPool(path)
  const before = batches()
  await untilMade(maker, 100)
  // It looks again each 10 ms, by saying that it has a batch.
  assert.ok(before % 2 === 0 && batches() === before)
  await pool.close()
  await untilMade(maker, 200)
  assert.ok(batches() > before + 2)
  await maker.stop()
})

test(
  'promise 5: kill -9 of the mount takes back the last names at most, and none that was synced',
  { skip },
  async (t) => {
    for (let round = 0; round < 6; round++) {
      const { path, dir, mount, batches } = await loneMount(t)
      const ended = mount.ended.catch(() => undefined)
      const maker = new NameMaker(join(dir, 'd'))
      await untilMade(maker, 120 + round * 37)
      assert.ok(batches() > 0)
      process.kill(mount.pid, 'SIGKILL')
      await ended
      await maker.stop()
      const pool = await openPool(path)
      const { made, synced } = maker
      const lost = await missing(pool, made)
      assert.ok(synced > 0 && (lost[0] ?? made) >= synced, `${lost[0]} of ${made} is missing, ${synced} were synced`)
      // Those that are there were made before those that are not.
      assert.deepEqual(
        lost,
        Array.from({ length: lost.length }, (_, i) => made - lost.length + i),
      )
      assert.ok(lost.length <= 64, `${lost.length} are missing`)
      assert.deepEqual(await pool.check(), [])
      assert.equal((await pool.stats()).files, made - lost.length + Number(await pool.exists(`/d/${made}`)))
      await pool.close()
    }
  },
)

test('names are committed when nothing more comes', { skip }, async (t) => {
  const { path, dir, mount } = await loneMount(t)
  await inMount(
    dir,
    'for i in 1 2 3 4 5; do : > d/file-$i; done; mkdir d/e; mv d/file-1 d/e/moved; ln d/file-2 d/again; rm d/file-3',
  )
  await delay(50)
  process.kill(mount.pid, 'SIGKILL')
  await mount.ended.catch(() => undefined)
  const pool = await openPool(path)
  assert.deepEqual((await pool.readdir('/d')).map(String).sort(), ['again', 'e', 'file-2', 'file-4', 'file-5'])
  assert.deepEqual((await pool.readdir('/d/e')).map(String), ['moved'])
  assert.deepEqual(await pool.check(), [])
  await pool.close()
})

test('the last close, and unmounting, leave everything there', { skip }, async (t) => {
  const { path, dir, mount } = await loneMount(t)
  await inMount(dir, 'for i in 1 2 3; do echo $i > d/$i; done; chmod 600 d/1; rm d/2')
  await mount.unmount()
  const pool = await openPool(path)
  assert.deepEqual((await pool.readdir('/d')).map(String), ['1', '3'])
  assert.equal((await pool.stat('/d/1')).mode & 0o777, 0o600)
  await pool.close()
})
