/** The promises through the mount's operations: what a Node process has pinned, and what truncate, rm, mv, cp and fallocate do then. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { systemError } from '../../src/errors.ts'
import type { Pin, Pool } from '../../src/index.ts'
import type { InodeNumber } from '../../src/units.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'
import type { Caller } from './requests.ts'
import { name, pattern, Requests, struct, u32, u64, Valid } from './requests.ts'

const SIZE = 2 * BLOCK
const O_TRUNC = 0o1000

interface Scene {
  readonly pool: Pool
  readonly requests: Requests
  readonly pin: Pin
  readonly node: number
  /** `fallocate -p` needs a file that is open. */
  readonly handle: number
}

/** What takes blocks out of a file that somebody has pinned. */
const CHANGES: Readonly<Record<string, (scene: Scene, signal?: AbortSignal) => Promise<unknown>>> = {
  'truncate -s 0': ({ requests, node }, signal) =>
    requests.setattr(node, { valid: Valid.size, size: 0 }, signal === undefined ? {} : { signal }),
  'fallocate -p': ({ requests, node, handle }, signal) =>
    requests.ask('fallocate', node, struct(u64(handle), u64(0), u64(BLOCK), u32(3), u32(0)), signal && { signal }),
  rm: ({ requests }, signal) => requests.ask('unlink', 1, struct(name('pinned')), signal && { signal }),
  'mv over': ({ requests }, signal) =>
    requests.ask('rename', 1, struct(u64(1), name('other'), name('pinned')), signal && { signal }),
  'cp over': ({ requests, node }, signal) =>
    requests.ask('open', node, struct(u32(1 | O_TRUNC), u32(0)), signal && { signal }),
}

for (const [what, change] of Object.entries(CHANGES)) {
  const make = async (
    t: Parameters<typeof temporaryPool>[0],
    options: ConstructorParameters<typeof Requests>[2],
  ): Promise<Scene> => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/pinned', pattern(SIZE))
    await pool.writeFile('/other', 'other')
    const holder = await openedAgain(t, pool)
    const file = await holder.open('/pinned', 'r+')
    const pin = await file.pin({ offset: 0, length: BLOCK, mode: 'write' })
    await file.close()
    const requests = new Requests(t, pool, options)
    const { nodeId: node } = await requests.lookup(1, 'pinned')
    return { pool, requests, pin, node, handle: what === 'fallocate -p' ? await requests.open(node) : 0 }
  }
  const isUnchanged = async ({ pool }: Scene): Promise<void> => {
    assert.deepEqual(await pool.readFile('/pinned'), pattern(SIZE))
    assert.deepEqual([await pool.readFile('/other', 'utf8'), await pool.lostAndFound.list()], ['other', []])
  }

  describe(`${what} of a pinned file`, () => {
    test("under 'fail' is EBUSY and changes nothing (promise 5)", async (t) => {
      const scene = await make(t, { busy: 'fail' })
      await assert.rejects(change(scene), { code: 'EBUSY', errno: -16 })
      await isUnchanged(scene)
      scene.pin.release()
      await change(scene)
    })

    test("under 'wait' waits for the release, and other requests go on meanwhile (promise 4)", async (t) => {
      const scene = await make(t, { busy: 'wait' })
      let isDone = false
      const done = change(scene).then(() => {
        isDone = true
      })
      await new Promise((resolve) => setTimeout(resolve, 20))
      assert.equal((await scene.requests.lookup(1, 'other')).size, 5)
      assert.ok(!isDone)
      scene.pin.release()
      await done
      assert.deepEqual(await scene.pool.lostAndFound.list(), [])
    })

    test("under 'wait' is interrupted by a signal, and ends after the mount's timeout (promise 4)", async (t) => {
      const scene = await make(t, { busy: 'wait', timeoutMs: 30 })
      const interrupt = new AbortController()
      const waiting = change(scene, interrupt.signal)
      interrupt.abort(Object.assign(new Error('interrupted'), { code: 'EINTR', errno: -4, syscall: 'wait' }))
      await assert.rejects(waiting, { code: 'EINTR' })
      await isUnchanged(scene)
      await assert.rejects(change(scene), { code: 'ETIMEDOUT', errno: -110 })
      await isUnchanged(scene)
      scene.pin.release()
    })

    test("under 'sequester' is done at once, and late data is read in lost+found (promises 1 and 11)", async (t) => {
      const scene = await make(t, {})
      const { pool, requests, pin, node } = scene
      await change(scene)
      assert.notDeepEqual(await pool.readFile('/pinned').catch(() => null), pattern(SIZE))
      pin.buffer.set(Buffer.from('late data'), 100)
      const lost = await requests.at('lost+found')
      const [, , entry, ...others] = await Array.fromAsync(requests.entries(lost))
      assert.deepEqual([others, entry.name], [[], `${node}-0-${BLOCK}`])
      const { nodeId, size } = await requests.lookup(lost, entry.name)
      assert.equal(size, BLOCK)
      const handle = await requests.open(nodeId, 0)
      const content = await requests.read(nodeId, handle, 0, 1 << 20)
      assert.equal(content.toString('utf8', 100, 109), 'late data')

      const attribute = async (attribute_: string): Promise<unknown> =>
        JSON.parse((await requests.ask('getxattr', nodeId, struct(u32(9999), u32(0), name(attribute_)))).toString())
      assert.deepEqual(await attribute('user.holdfast.range'), { offset: 0, length: BLOCK })
      assert.deepEqual(await attribute('user.holdfast.origin'), { inode: node, name: 'pinned' })
      const holders = (await attribute('user.holdfast.holders')) as { pid: number; kind: string; mode: string }[]
      assert.deepEqual(
        holders.map(({ pid, kind, mode }) => [pid, kind, mode]),
        [[process.pid, 'pin', 'write']],
      )
      const listed = await requests.ask('listxattr', nodeId, struct(u32(9999), u32(0)))
      assert.equal(listed.toString(), 'user.holdfast.holders\0user.holdfast.origin\0user.holdfast.range\0')
      await requests.refuses('EPERM', 'removexattr', nodeId, struct(name('user.holdfast.range')))
      await requests.refuses('EPERM', 'open', nodeId, struct(u32(1), u32(0)))
      await requests.lookup(lost, entry.name)
      await requests.ask('forget', nodeId, struct(u64(1)))
      await requests.refuses('EPERM', 'open', nodeId, struct(u32(1), u32(0)))
      await requests.refuses('EBUSY', 'unlink', lost, struct(name(entry.name)))
      pin.release()
      assert.deepEqual(await attribute('user.holdfast.holders'), [])
      await requests.release(nodeId, handle)
      await requests.ask('unlink', lost, struct(name(entry.name)))
      await requests.refuses('ENOENT', 'lookup', lost, struct(name(entry.name)))
    })
  })
}

test('of more holders than an attribute has room for the first are shown, and how many there are more (promise 11)', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/pinned', pattern(BLOCK))
  const holder = await openedAgain(t, pool)
  const file = await holder.open('/pinned', 'r+')
  const range = { offset: 0, length: BLOCK, mode: 'read', revocable: false } as const
  const pins = await Promise.all(Array.from({ length: 1000 }, () => file.pin(range)))
  const requests = new Requests(t, pool)
  await requests.ask('unlink', 1, struct(name('pinned')))
  await file.close()
  const lost = await requests.at('lost+found')
  const [, , entry] = await Array.fromAsync(requests.entries(lost))
  const { nodeId } = await requests.lookup(lost, entry.name)
  const value = await requests.ask('getxattr', nodeId, struct(u32(65_536), u32(0), name('user.holdfast.holders')))
  const holders = JSON.parse(value.toString()) as { pid?: number; more?: number }[]
  const [last] = holders.splice(-1)
  assert.ok(holders.length > 100 && holders.every(({ pid }) => pid === process.pid))
  assert.equal(holders.length + (last.more ?? 0), pins.length)
  for (const pin of pins) pin.release()
})

describe('while the metadata are locked by somebody who does not go on', () => {
  const O_RDWR = 2
  /** Each with a write in place before it, whose times are to be stored. */
  const WAITING: Readonly<
    Record<string, (requests: Requests, node: number, handle: number, by: Caller) => Promise<unknown>>
  > = {
    setfattr: (requests, node, _, by) => requests.ask('setxattr', node, setxattr('user.a', 'b'), by),
    'setfattr -x': (requests, node, _, by) => requests.ask('removexattr', node, struct(name('user.there')), by),
    stat: (requests, node, _, by) => requests.ask('getattr', node, struct(u32(0), u32(0), u64(0)), by),
    'a walk along its path': (requests, _, __, by) => requests.ask('lookup', 1, struct(name('f')), by),
    touch: (requests, node, _, by) => requests.setattr(node, { valid: Valid.mtime, mtime: [1, 0] }, by),
    close: (requests, node, handle, by) => requests.ask('flush', node, struct(u64(handle), u64(0), u64(0)), by),
    fsync: (requests, node, handle, by) => requests.ask('fsync', node, struct(u64(handle), u32(0), u32(0)), by),
    mkdir: (requests, _, __, by) => requests.mkdir(1, 'd', 0o755, by),
  }
  const setxattr = (attribute: string, value: string): Buffer =>
    struct(u32(value.length), u32(0), u32(0), u32(0), name(attribute), ['raw', Buffer.from(value)])

  for (const [what, ask] of Object.entries(WAITING)) {
    test(`${what} ends when its caller is interrupted, and is done afterwards (promise 4)`, async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/f', 'before')
      await pool.setXattr('/f', 'user.there', 'yes')
      const requests = new Requests(t, pool)
      const { nodeId } = await requests.lookup(1, 'f')
      const handle = await requests.open(nodeId, O_RDWR)
      await requests.write(nodeId, handle, 0, 'after ')
      const { changeCount } = requests.mounted.fs.openInodes.get(nodeId as InodeNumber)!.inode
      const other = new DatabaseSync(join(pool.path, 'meta.db'))
      other.exec('BEGIN IMMEDIATE')
      const interruption = new AbortController()
      const asked = ask(requests, nodeId, handle, { signal: interruption.signal })
      setTimeout(() => interruption.abort(systemError('EINTR', 'interrupted', { syscall: what })), 20)
      await assert.rejects(asked, { code: 'EINTR' })
      other.close()
      await ask(requests, nodeId, handle, {})
      await requests.release(nodeId, handle)
      assert.ok((await pool.stat('/f')).changeCount > changeCount, 'the time of the write is not lost')
    })
  }
})
