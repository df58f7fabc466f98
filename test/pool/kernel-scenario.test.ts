/**
 * The kernel's own scenario for DMA into DAX pages (two threads O_DIRECT-read into a mapped file of 4 pages while another
 * punches, zeroes, truncates and collapses it at random microsecond delays), with our API and with the data checked: what
 * was read into a pin is in it, and no block of another file ever shows it.
 *
 * HOLDFAST_RUNS=n: n times as long as a round; HOLDFAST_SEED=n: the same choices again. What can be lost where the device
 * is in large folios of the page cache is in large-folios.test.ts.
 */
import assert from 'node:assert/strict'
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { startProcess, startThread } from '../support/participant.ts'
import { SEED } from '../support/seed.ts'
import { BLOCK, temporaryDirectory, temporaryPool } from '../support/temporary-pool.ts'

const PAGES = 4
const RUNS = Number(process.env['HOLDFAST_RUNS'] ?? 1)
const READS = 40 * RUNS
/** Each block the reader's number and the block's, so that a stamp in a wrong place shows. */
const STAMPS = 64

/** A host file whose blocks are all of one reader. O_DIRECT where the host has it. */
async function stampedHostFile(path: string, reader: number): Promise<boolean> {
  const words = new Uint32Array((STAMPS * BLOCK) / 4)
  for (let block = 0; block < STAMPS; block++)
    words.fill((0xd0a0 << 16) | (reader << 8) | block, (block * BLOCK) / 4, ((block + 1) * BLOCK) / 4)
  const file: FileHandle = await open(path, 'w')
  await file.write(new Uint8Array(words.buffer))
  await file.close()
  try {
    await (await open(path, constants.O_RDONLY | constants.O_DIRECT)).close()
    return true
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'EINVAL')
    return false
  }
}

async function scenario(t: TestContext, start: typeof startProcess | typeof startThread): Promise<void> {
  t.diagnostic(`HOLDFAST_SEED=${SEED}`)
  // So small that what is freed is wanted again at once.
  const pool = await temporaryPool(t, { sizeBytes: 1 << 20, on: 'disk' })
  const directory = temporaryDirectory(t, 'disk')
  const hosts = [join(directory, 'host-0'), join(directory, 'host-1')]
  let isDirect = true
  for (const [reader, host] of hosts.entries()) isDirect = (await stampedHostFile(host, reader)) && isDirect
  if (!isDirect) t.diagnostic('without O_DIRECT: the host’s file system has none')
  const flags = constants.O_RDONLY | (isDirect ? constants.O_DIRECT : 0)
  await pool.writeFile('/file', Buffer.alloc(PAGES * BLOCK))

  const readers = [await start(t, pool), await start(t, pool)]
  const breaker = await start(t, pool)
  const filler = await start(t, pool)

  const breaking = breaker.run(
    async (here, first, pages) => {
      let state = first
      const below = (end: number): number => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
        return (state >>> 8) % end
      }
      const policies = ['sequester', 'wait', 'fail'] as const
      const counts: Record<string, number> = {}
      here.kept['isOver'] = false
      while (here.kept['isOver'] !== true) {
        const busy = { busy: policies[below(3)], timeoutMs: 50 }
        const offset = below(pages) * 4096
        const length = (1 + below(pages - offset / 4096)) * 4096
        const operation = (['punch', 'zero', 'truncate', 'collapse'] as const)[below(4)]
        for (const end = process.hrtime.bigint() + BigInt(below(400) * 1000); process.hrtime.bigint() < end;);
        try {
          await using file = await here.pool.open('/file', 'r+')
          if (operation === 'punch') await file.punchHole(offset, length, busy)
          if (operation === 'zero') await file.zeroRange(offset, length, busy)
          if (operation === 'truncate') await file.truncate(offset, busy)
          if (operation === 'collapse' && offset + 4096 < pages * 4096) await file.collapseRange(offset, 4096, busy)
          counts[operation] = (counts[operation] ?? 0) + 1
        } catch (error) {
          const { code } = error as { code?: string }
          if (!['EBUSY', 'ETIMEDOUT', 'EINVAL', 'ENOSPC'].includes(code ?? '')) throw error
          counts[`${operation} ${code}`] = (counts[`${operation} ${code}`] ?? 0) + 1
        }
        // What was cut off comes back, as in the kernel's test.
        await here.pool.truncate('/file', pages * 4096).catch((error: { code: string }) => {
          if (error.code !== 'EBUSY' && error.code !== 'ETIMEDOUT') throw error
        })
        await new Promise((resolve) => void setImmediate(resolve))
      }
      return counts
    },
    SEED,
    PAGES,
  )

  // Another file, over and over: it would get the blocks.
  const filling = filler.run(async (here) => {
    let looks = 0
    here.kept['isOver'] = false
    while (here.kept['isOver'] !== true) {
      const content = new Uint32Array((240 * 4096) / 4).fill(0x0f11e500 | (looks & 0xff))
      const bytes = Buffer.from(content.buffer)
      await here.pool.writeFile('/other', bytes).catch((error: { code: string }) => {
        if (error.code !== 'ENOSPC') throw error
      })
      await new Promise((resolve) => void setImmediate(resolve))
      const found = await here.pool.readFile('/other')
      const words = new Uint32Array(found.buffer.slice(found.byteOffset, found.byteOffset + found.length))
      for (const word of words) {
        if (word >>> 8 !== 0x0f11e5) throw new Error(`promise 1: another file has the word ${word.toString(16)}`)
      }
      await here.pool.unlink('/other')
      looks++
    }
    return looks
  })

  const reading = readers.map((participant, reader) =>
    participant.run(
      async (here, { host, which, reads, first, hostFlags, pages, stamps }) => {
        const { open: openHost } = await here.load<typeof import('node:fs/promises')>('node:fs/promises')
        let state = first + which * 7919
        const below = (end: number): number => {
          state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
          return (state >>> 8) % end
        }
        let done = 0
        const source = await openHost(host, hostFlags)
        await using file = await here.pool.open('/file', 'r+')
        while (done < reads) {
          const page = below(pages)
          const count = 1 + below(pages - page)
          try {
            using pin = await file.pin({ offset: page * 4096, length: count * 4096, mode: 'write', timeoutMs: 5000 })
            const from = below(stamps - count)
            // Long enough for a block that was let go to be another file's.
            await new Promise((resolve) => void setTimeout(resolve, below(20)))
            const bytes = await pin.readFrom(source, { position: from * 4096 })
            if (bytes !== pin.length) throw new Error(`read ${bytes} of ${pin.length} bytes`)
            // And long enough for the other file to be written over what was read, and looked at.
            await new Promise((resolve) => void setTimeout(resolve, below(20)))
            // What was read, unless the other reader has the same block pinned and has read into it since.
            let at = 0
            for (const buffer of pin.buffers) {
              const words = new Uint32Array(buffer.buffer, buffer.byteOffset, buffer.length / 4)
              for (let i = 0; i < words.length; i++, at++) {
                const own = ((0xd0a0 << 16) | (which << 8) | (from + (at >>> 10))) >>> 0
                // Looked at once: the other reader may read into it between two looks.
                const word = words[i]
                if (word === own || word >>> 8 === ((0xd0a0 << 8) | (1 - which))) continue
                const where = `word ${at} of the pin of blocks ${page} to ${page + count - 1} of the file`
                throw new Error(`promise 1: ${where} is ${word.toString(16)}, not ${own.toString(16)}`)
              }
            }
            done++
          } catch (error) {
            if (!['ERANGE', 'ENOSPC', 'ETIMEDOUT'].includes((error as { code?: string }).code ?? '')) throw error
            await new Promise((resolve) => void setImmediate(resolve))
          }
        }
        await source.close()
        return done
      },
      { host: hosts[reader], which: reader, reads: READS, first: SEED, hostFlags: flags, pages: PAGES, stamps: STAMPS },
    ),
  )
  try {
    assert.deepEqual(await Promise.all(reading), [READS, READS])
  } finally {
    for (const participant of [breaker, filler]) {
      await participant.run((here) => {
        here.kept['isOver'] = true
      })
    }
    const changes = await breaking
    const looks = await filling
    t.diagnostic(`${JSON.stringify(changes)}, another file looked at ${looks} times`)
  }
  for (const participant of [...readers, breaker, filler]) await participant.kill()
  await pool.unlink('/file')
  await pool.reap()
  assert.deepEqual(await pool.check(), [])
}

test('promise 1: two processes read with O_DIRECT into pins of a file that another takes apart', (t) =>
  scenario(t, startProcess))

test('promise 1: two threads read with O_DIRECT into pins of a file that another takes apart', (t) =>
  scenario(t, startThread))
