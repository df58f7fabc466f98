/** Directories through the mount's operations: what one reading of a directory sees while it changes. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openedAgain, temporaryPool } from '../support/temporary-pool.ts'
import { entryOf, Requests, struct, u32, u64 } from './requests.ts'

const namesOf = async (listed: AsyncIterable<{ name: string }>): Promise<string[]> => {
  const names: string[] = []
  for await (const { name } of listed) names.push(name)
  return names
}

describe('a directory', () => {
  test('begins with itself and the one above, and gives each name its number and kind', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    await pool.mkdir('/d/e', { recursive: true })
    await pool.writeFile('/d/f', '')
    const { nodeId } = await requests.lookup(1, 'd')
    const seen = await Array.fromAsync(requests.entries(nodeId))
    assert.deepEqual(
      seen.map(({ name, ino }) => [name, ino]),
      [
        ['.', nodeId],
        ['..', 1],
        ['e', (await pool.stat('/d/e')).ino],
        ['f', (await pool.stat('/d/f')).ino],
      ],
    )
    const below = await Array.fromAsync(requests.entries(await requests.at('d', 'e')))
    assert.deepEqual(below.map(({ ino }) => ino)[1], nodeId, "'..' of a directory further down")
    const root = await Array.fromAsync(requests.entries(1))
    assert.deepEqual(
      root.slice(0, 2).map(({ ino }) => ino),
      [1, 1],
    )
  })

  test('shows each name that stays exactly once, whatever comes and goes meanwhile', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    const other = await openedAgain(t, pool)
    await pool.mkdir('/d')
    const stays = Array.from({ length: 1500 }, (_, n) => `stays-${String(n).padStart(5, '0')}`)
    for (const name of stays) await pool.writeFile(`/d/${name}`, '')
    const { nodeId } = await requests.lookup(1, 'd')
    const seen = new Map<string, number>()
    let turns = 0
    for await (const { name } of requests.entries(nodeId, 1024)) {
      seen.set(name, (seen.get(name) ?? 0) + 1)
      if (++turns % 50 !== 0) continue
      await other.writeFile(`/d/a-${turns}`, '')
      await other.writeFile(`/d/z-${turns}`, '')
      if (turns > 100) await other.unlink(`/d/a-${turns - 50}`)
    }
    assert.deepEqual(
      stays.filter((name) => seen.get(name) !== 1),
      [],
    )
    assert.ok([...seen.values()].every((times) => times === 1))
  })

  test('is read anew from its beginning, and goes on where somebody was', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    await pool.mkdir('/d')
    for (const name of 'acegi') await pool.writeFile(`/d/${name}`, '')
    const { nodeId } = await requests.lookup(1, 'd')
    const handle = Number((await requests.ask('opendir', nodeId, struct(u32(0), u32(0)))).readBigUInt64LE(0))
    const first = await requests.readdir(nodeId, handle, 0, 4 * 32)
    assert.deepEqual(
      first.map(({ name }) => name),
      ['.', '..', 'a', 'c'],
    )
    const { next } = first[2]
    await pool.writeFile('/d/b', '')
    await pool.unlink('/d/a')
    assert.deepEqual(
      (await requests.readdir(nodeId, handle, next)).map(({ name }) => name),
      ['c', 'e', 'g', 'i'],
    )
    assert.deepEqual(
      (await requests.readdir(nodeId, handle, 0)).map(({ name }) => name),
      ['.', '..', 'b', 'c', 'e', 'g', 'i'],
      'rewinddir sees what is there now',
    )
    await requests.ask('releasedir', nodeId, struct(u64(handle), u32(0), u32(0), u64(0)))
    await requests.refuses('EBADF', 'readdir', nodeId, struct(u64(handle), u64(0), u32(99), u32(0), u64(0), u64(0)))
  })

  test('with attributes: each entry is a lookup, but for the two dots', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    await pool.mkdir('/d')
    await pool.writeFile('/d/file', 'four')
    const { nodeId } = await requests.lookup(1, 'd')
    const handle = Number((await requests.ask('opendir', nodeId, struct(u32(0), u32(0)))).readBigUInt64LE(0))
    const body = struct(u64(handle), u64(0), u32(4096), u32(0), u64(0), u32(0), u32(0))
    const bytes = await requests.ask('readdirplus', nodeId, body)
    const [dot, dotDot, file] = [0, 160, 320].map((at) => entryOf(bytes.subarray(at, at + 128)))
    assert.deepEqual([dot.nodeId, dotDot.nodeId], [0, 0])
    assert.deepEqual([file.nodeId, file.size], [(await pool.stat('/d/file')).ino, 4])
    assert.equal(bytes.length, 480)
  })

  test('of lost+found is empty as long as nothing is held', async (t) => {
    const requests = new Requests(t, await temporaryPool(t))
    assert.deepEqual(await namesOf(requests.entries(await requests.at('lost+found'))), ['.', '..'])
  })
})

test('what the kernel may remember: nothing, or with cache=auto names, their absence and attributes for a second', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/f', '')
  const none = new Requests(t, pool)
  assert.equal((await none.lookup(1, 'f')).entryValidMs, 0)
  await none.refuses('ENOENT', 'lookup', 1, struct(['text', 'x']))
  const auto = new Requests(t, pool, { cache: 'auto' })
  assert.equal((await auto.lookup(1, 'f')).entryValidMs, 1000)
  const absent = await auto.lookup(1, 'x')
  assert.deepEqual([absent.nodeId, absent.entryValidMs], [0, 1000])
})

test('cached content is kept from open to open until somebody changes it, or could without a trace', async (t) => {
  const pool = await temporaryPool(t)
  const other = await openedAgain(t, pool)
  await pool.writeFile('/f', 'content')
  const requests = new Requests(t, pool, { cache: 'auto' })
  const { nodeId } = await requests.lookup(1, 'f')
  const NO_FLUSH = 32
  const flagsOfOpen = async (): Promise<number> => {
    const bytes = await requests.ask('open', nodeId, struct(u32(0), u32(0)))
    await requests.release(nodeId, Number(bytes.readBigUInt64LE(0)))
    return bytes.readUInt32LE(8) & ~NO_FLUSH
  }
  const KEEP = 2
  assert.deepEqual([await flagsOfOpen(), await flagsOfOpen()], [0, KEEP])
  await other.writeFile('/f', 'changed')
  assert.deepEqual([await flagsOfOpen(), await flagsOfOpen()], [0, KEEP])
  const file = await other.open('/f', 'r+')
  assert.equal(await flagsOfOpen(), 0, 'somebody has it open')
  const pin = await file.pin({ offset: 0, length: 7, mode: 'write' })
  await file.close()
  await flagsOfOpen()
  assert.equal(await flagsOfOpen(), 0, 'somebody has it pinned for writing')
  pin.release()
  assert.deepEqual([await flagsOfOpen(), await flagsOfOpen()], [0, KEEP], 'what was cached while it was pinned goes')
  const third = await openedAgain(t, pool)
  assert.deepEqual([await flagsOfOpen(), await flagsOfOpen()], [0, KEEP], 'somebody has come')
  await third.close()
  assert.deepEqual([await flagsOfOpen(), await flagsOfOpen()], [0, KEEP], 'somebody has left')
  const direct = new Requests(t, pool)
  const opened = await direct.ask('open', nodeId, struct(u32(0), u32(0)))
  assert.equal(opened.readUInt32LE(8), 1 | NO_FLUSH, 'cache=none goes past the page cache')
  const forWriting = await direct.ask('open', nodeId, struct(u32(2), u32(0)))
  assert.equal(forWriting.readUInt32LE(8), 1, 'what was written has times to be stored')
})
