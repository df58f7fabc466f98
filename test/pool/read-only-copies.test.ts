/**
 * Copies that claim nothing: whatever others do with the blocks while they are read, what comes out is what the file had.
 * Each test makes the change happen between the first look and the copy, by hand or by a slow copy.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Pool } from '../../src/index.ts'
import { openPool } from '../../src/index.ts'
import { startProcess, startThread } from '../support/participant.ts'
import type { Here } from '../support/participant-main.ts'
import { until } from '../support/pinned-content.ts'
import { reading, startReader } from '../support/reader.ts'
import { checkFilled, checkSound, fillPool, stamped } from '../support/stamps.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'

const content = stamped(9, 12)

/** What others do to '/file' while it is read, and what it holds then; undefined: it is gone. */
const CHANGES: Record<string, { run(pool: Pool): Promise<unknown>; after: Buffer | undefined }> = {
  truncate: { run: (pool) => pool.truncate('/file', 3 * BLOCK + 100), after: content.subarray(0, 3 * BLOCK + 100) },
  'punch and write again': {
    run: async (pool) => {
      await pool.punchHole('/file', 2 * BLOCK, 5 * BLOCK)
      await pool.writeFile('/between', stamped(4, 5))
      await using file = await pool.open('/file', 'r+')
      await file.write(stamped(3, 5), { position: 2 * BLOCK })
    },
    after: Buffer.concat([content.subarray(0, 2 * BLOCK), stamped(3, 5), content.subarray(7 * BLOCK)]),
  },
  'punch within a block': {
    run: (pool) => pool.punchHole('/file', 100, 1000),
    after: Buffer.from(content).fill(0, 100, 1100),
  },
  'rename over': {
    run: async (pool) => {
      await pool.writeFile('/new', stamped(5, 7))
      await pool.rename('/new', '/file')
    },
    after: undefined,
  },
  unlink: { run: (pool) => pool.unlink('/file'), after: undefined },
  rewrite: {
    run: async (pool) => {
      await pool.truncate('/file', 0)
      await pool.writeFile('/between', stamped(4, 3))
      await pool.writeFile('/file', stamped(8, 12))
    },
    after: stamped(8, 12),
  },
  collapse: {
    run: async (pool) => {
      await using file = await pool.open('/file', 'r+')
      await file.collapseRange(0, 2 * BLOCK)
    },
    after: content.subarray(2 * BLOCK),
  },
}

describe('promise 6: blocks that get to others while who only reads copies them', () => {
  for (const [name, { run, after }] of Object.entries(CHANGES)) {
    test(`${name}: the copy is not theirs`, async (t) => {
      const pool = await temporaryPool(t)
      await pool.writeFile('/file', content)
      const reader = await startThread(t, pool)
      const flags = new SharedArrayBuffer(8)
      const words = new Int32Array(flags)
      const read = reader.run(
        async (here, path, shared) => {
          const observed = await here.openPool(path, { readOnly: true })
          try {
            await using file = await observed.open('/file')
            // The first copy begins when the test has changed the file.
            const memory = observed.fileSystem.copyMemory
            const { bytes } = memory
            memory.bytes = (start, length) => {
              memory.bytes = bytes
              const state = new Int32Array(shared)
              Atomics.store(state, 0, 1)
              Atomics.wait(state, 1, 0)
              return bytes(start, length)
            }
            const buffer = new Uint8Array(20 * 4096)
            const { bytesRead } = await file.read(buffer, { position: 0 })
            return buffer.slice(0, bytesRead)
          } catch (error) {
            return String((error as { code?: string }).code)
          } finally {
            await observed.close()
          }
        },
        pool.path,
        flags,
      )
      await until('it is about to copy', () => Atomics.load(words, 0) === 1)
      await run(pool)
      await pool.reap()
      await fillPool(pool)
      Atomics.store(words, 1, 1)
      Atomics.notify(words, 1)
      const result = await read
      const got = typeof result === 'string' ? result : `${result.length} bytes`
      if (after === undefined) assert.equal(got, 'ESTALE')
      else assert.ok(typeof result !== 'string' && after.equals(result), `not what the file had: ${got}`)
      await checkFilled(pool)
    })
  }
})

/** Runs in a process of its own until `here.kept.isDone`: files that keep changing, and others that take their blocks. */
async function churn(here: Here): Promise<number> {
  const { pool, data } = here
  let round = 0
  for (; here.kept['isDone'] !== true; round++) {
    await pool.truncate('/cut', 0)
    await pool.punchHole('/punched', 8 * 4096, 16 * 4096)
    await pool.writeFile('/new', data.stamped(1000 + (round % 1000), 32))
    await pool.rename('/new', '/replaced')
    await pool.reap()
    for (let other = 0; other < 4; other++) await pool.writeFile(`/other-${other}`, data.stamped(100 + other, 24))
    await pool.writeFile('/cut', data.stamped(1, 32))
    await using punched = await pool.open('/punched', 'r+')
    await punched.write(data.stamped(2, 32).subarray(8 * 4096, 24 * 4096), { position: 8 * 4096 })
    for (let other = 0; other < 4; other++) await pool.unlink(`/other-${other}`)
    // Readers whose copies are slow need a moment without a change.
    await new Promise((resolve) => setTimeout(resolve, round % 8))
  }
  return round
}

/** Reads the files of `churn` by slow copies; returns how often each was read, and what was wrong. */
async function look(pool: Pool, reads: number): Promise<{ counts: Record<string, number>; wrong: string[] }> {
  const memory = pool.fileSystem.copyMemory
  const { bytes } = memory
  const nap = new Int32Array(new SharedArrayBuffer(4))
  memory.bytes = (start, length) => {
    Atomics.wait(nap, 0, 0, 3)
    return bytes(start, length)
  }
  const counts: Record<string, number> = { cut: 0, punched: 0, replaced: 0 }
  const wrong: string[] = []
  const buffer = new Uint8Array(40 * 4096)
  for (let i = 0; i < reads; i++) {
    const name = ['cut', 'punched', 'replaced'][i % 3]
    try {
      await using file = await pool.open(`/${name}`)
      const { bytesRead } = await file.read(buffer, { position: 0 })
      const words = new Uint32Array(buffer.buffer, 0, bytesRead / 4)
      counts[name] += bytesRead > 0 ? 1 : 0
      const owner = name === 'cut' ? 1 : name === 'punched' ? 2 : words[0] >>> 16
      const wrongAt = words.findIndex((word, at) => {
        const block = Math.floor(at / 1024)
        const isHole = name === 'punched' && block >= 8 && block < 24 && word === 0
        return !isHole && word !== ((owner << 16) | (block + 1))
      })
      const isWhole = name === 'cut' || bytesRead === 32 * 4096
      const isOwn = name !== 'replaced' || owner >= 1000
      if (wrongAt >= 0 || !isWhole || !isOwn)
        wrong.push(`${name}: ${bytesRead} bytes, word ${wrongAt} is ${words[wrongAt]?.toString(16)}, owner ${owner}`)
    } catch (error) {
      if (!['ENOENT', 'ESTALE'].includes(String((error as { code?: string }).code))) throw error
    }
  }
  return { counts, wrong }
}

test('promise 6: of files that are cut, punched and replaced in a loop another user never reads what is others’', async (t) => {
  const pool = await temporaryPool(t, { sizeBytes: 1 << 20 })
  await pool.writeFile('/cut', stamped(1, 32))
  await pool.writeFile('/punched', stamped(2, 32))
  await pool.writeFile('/replaced', stamped(1000, 32))
  const reader = await startReader(t, pool.path)
  const writer = await startProcess(t, pool)
  const churning = writer.run(churn)
  const { counts, wrong } = await reading(reader, look, 200)
  await writer.run((here) => {
    here.kept['isDone'] = true
  })
  const rounds = await churning
  t.diagnostic(`${rounds} rounds of changes, ${JSON.stringify(counts)} reads`)
  assert.deepEqual(wrong, [])
  for (const [name, count] of Object.entries(counts)) assert.ok(count > 0, `${name} was read`)
  assert.ok(rounds > 1)
  await checkSound(pool)
})

test('promise 4: a read that changes keep from being right ends at its time, or when it is aborted', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', content)
  const reader = await openedAgain(t, pool, { readOnly: true })
  await using file = await reader.open('/file')
  const memory = reader.fileSystem.copyMemory
  const { bytes } = memory
  const { table } = pool.fileSystem
  memory.bytes = (start, length) => {
    // What a change of the file, or of one in its bucket, comes to.
    const index = table.publishBreak(file.ino as never, 0, BLOCK, 4)
    table.advanceGeneration(reader.fileSystem.openInodes.get(file.ino as never)?.bucket ?? 0)
    if (index !== undefined) table.takeBreakBack(index)
    return bytes(start, length)
  }
  const buffer = Buffer.alloc(BLOCK)
  const late = { code: 'ETIMEDOUT', path: '/file', message: /changed again and again/ }
  await assert.rejects(file.read(buffer, { position: 0, timeoutMs: 30 }), late)
  const reason = new Error('enough')
  const aborting = new AbortController()
  setTimeout(() => aborting.abort(reason), 20)
  await assert.rejects(file.read(buffer, { position: 0, signal: aborting.signal }), reason)
  memory.bytes = bytes
  await file.read(buffer, { position: 0, timeoutMs: 0 })
  assert.ok(content.subarray(0, BLOCK).equals(buffer))
})

/** Kills the process right after a step of its next layout change. */
function dieAfter(here: Here, part: 'table' | 'metadata', step: string): void {
  const owner = here.pool.fileSystem[part] as unknown as Record<string, (...all: unknown[]) => unknown>
  const original = owner[step].bind(owner)
  const die = (): void => void process.kill(process.pid, 'SIGKILL')
  owner[step] = (...all) => {
    const result = original(...all)
    if (result instanceof Promise) return result.finally(die)
    die()
    return result
  }
}

/** Truncates '/file' to three blocks, and dies with it; nobody who may write has the pool open then. */
async function killedIn(
  pool: Pool,
  breaker: Awaited<ReturnType<typeof startProcess>>,
  part: 'table' | 'metadata',
  step: string,
) {
  await pool.close()
  await breaker.run(dieAfter, part, step)
  await assert.rejects(
    breaker.run((here) => here.pool.truncate('/file', 3 * 4096)),
    /gone/,
  )
  await breaker.kill()
}

test('promise 4: a change whose process was killed keeps readers of that file waiting, up to their time, until somebody opens the pool', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', content)
  await pool.writeFile('/other', content)
  const reader = await startReader(t, pool.path)
  const breaker = await startProcess(t, pool)
  await killedIn(pool, breaker, 'table', 'publishBreak')
  const read = (here: Pool, path: string, timeoutMs: number): Promise<Uint8Array> =>
    here.open(path).then(async (file) => {
      const { buffer, bytesRead } = await file.read(new Uint8Array(20 * 4096), { position: 0, timeoutMs })
      return buffer.slice(0, bytesRead)
    })
  await assert.rejects(reading(reader, read, '/file', 100), {
    code: 'ETIMEDOUT',
    path: '/file',
    message: new RegExp(`process ${breaker.pid} died in a layout change.*may write open the pool`),
  })
  assert.ok(content.equals(await reading(reader, read, '/other', 100)))
  const later = await openPool(pool.path)
  t.after(() => later.close())
  assert.ok(content.equals(await reading(reader, read, '/file', 10_000)))
})

test('promise 6: what was read before a process died between commit and generation is not believed after the pool was opened afresh', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', content)
  const reader = await startReader(t, pool.path)
  // A file that stays open, and whose layout is known: only the generation tells that it is over.
  const read = (): Promise<Uint8Array> =>
    reader.run(async (here) => {
      const observed = here.kept['pool'] as Pool
      here.kept.file ??= await observed.open('/file')
      const { buffer, bytesRead } = await here.kept.file.read(new Uint8Array(12 * 4096), { position: 0 })
      return buffer.slice(0, bytesRead)
    })
  assert.ok(content.equals(await read()))
  const breaker = await startProcess(t, pool)
  await killedIn(pool, breaker, 'metadata', 'changeLayout')
  const later = await openPool(pool.path)
  t.after(() => later.close())
  await later.reap()
  await fillPool(later)
  assert.ok(content.subarray(0, 3 * BLOCK).equals(await read()))
  await checkFilled(later)
})
