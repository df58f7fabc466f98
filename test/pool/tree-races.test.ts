/**
 * Names that go while files are opened, by two processes: whoever opens gets the whole file until it closes it, or ENOENT;
 * nothing leaks. Many rounds at full speed, and each order of the two with the one stopped inside its transaction.
 * HOLDFAST_RUNS=100000 for a long run.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Pool } from '../../src/index.ts'
import { startProcess } from '../support/participant.ts'
import { untilStopped } from '../support/stopping.ts'
import type { Here } from '../support/participant-main.ts'
import { checkSound, stamped } from '../support/stamps.ts'
import { temporaryPool } from '../support/temporary-pool.ts'

const ROUNDS = Number(process.env['HOLDFAST_RUNS'] ?? 300)
const BLOCKS = 3

/** Makes a file whole under its name, and takes the name away, again and again. */
async function comeAndGo(here: Here, name: string, rounds: number, how: 'unlink' | 'rename over'): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    await here.pool.writeFile(`/${name}-new`, here.data.stamped(round % 60_000, 3))
    await here.pool.rename(`/${name}-new`, `/${name}`)
    if (how === 'rename over') continue
    if (round % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
    await here.pool.unlink(`/${name}`)
  }
}

/** Opens a file as often as it can while another makes and removes it; returns how often it was there. */
async function openAndClose(here: Pick<Here, 'pool'>, name: string, isOver: () => boolean): Promise<number> {
  let found = 0
  let missed = 0
  while (!isOver()) {
    let file
    try {
      file = await here.pool.open(`/${name}`, 'r')
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOENT') throw error
      // Let messages in, now and then.
      if (++missed % 64 === 0) await new Promise((resolve) => setImmediate(resolve))
      continue
    }
    found++
    const read = async (): Promise<Buffer> => {
      const bytes = Buffer.alloc(4 * 4096)
      const { bytesRead } = await file.read(bytes, { position: 0 })
      return bytes.subarray(0, bytesRead)
    }
    const first = await read()
    if (first.length !== 3 * 4096) throw new Error(`a file of ${first.length} bytes was opened`)
    const stamp = first.readUInt32LE(0) >>> 16
    for (let at = 0; at < first.length; at += 4) {
      const word = first.readUInt32LE(at)
      if (word >>> 16 !== stamp || (word & 0xffff) !== Math.floor(at / 4096) + 1)
        throw new Error(`byte ${at} is of another file: ${word.toString(16)}, not of ${stamp}`)
    }
    for (let turn = 0; turn < found % 3; turn++) await new Promise((resolve) => setImmediate(resolve))
    if (!first.equals(await read())) throw new Error('an open file has changed')
    const { nlink, size } = await file.stat()
    if (nlink > 1 || size !== first.length) throw new Error(`an open file has ${nlink} names and ${size} bytes`)
    await file.close()
  }
  return found
}

/** Nothing is left of files that have gone. */
async function nothingLeft(pool: Pool): Promise<void> {
  for (const name of await pool.readdir('/')) if (name !== 'lost+found') await pool.unlink(`/${name}`)
  const before = await pool.stats()
  assert.deepEqual([before.usedBytes, before.files], [0, 0], 'the last close took it away')
  await pool.reap()
  const { usedBytes, busyBytes, sequesteredBytes, files } = await pool.stats()
  assert.deepEqual([usedBytes, busyBytes, sequesteredBytes, files], [0, 0, 0, 0])
  await checkSound(pool)
}

describe('promise 5: who opens a file whose last name goes', () => {
  for (const how of ['unlink', 'rename over'] as const) {
    test(`has it whole until the close, or finds nothing: two processes, ${how}`, async (t) => {
      const pool = await temporaryPool(t)
      const other = await startProcess(t, pool)
      // Both at once: each process makes the files that the other one opens.
      let isOver = false
      t.after(() => {
        isOver = true
      })
      const opening = other.run(
        async (here, source, name) => {
          // oxlint-disable-next-line typescript/no-implied-eval -- the test's own function
          const open = new Function(`return (${source})`)() as typeof openAndClose
          here.kept['isOver'] = false
          const found = open(here, name, () => here.kept['isOver'] === true)
          found.catch(() => undefined)
          here.kept['found'] = found
        },
        openAndClose.toString(),
        'near',
      )
      await opening
      const going = other.run(comeAndGo, 'far', ROUNDS, how)
      const looking = openAndClose({ pool }, 'far', () => isOver)
      looking.catch(() => undefined)
      const here = { pool, data: { stamped } } as unknown as Here
      await Promise.all([going, comeAndGo(here, 'near', ROUNDS, how)])
      isOver = true
      const found = await looking
      const foundThere = await other.run((far) => {
        far.kept['isOver'] = true
        return far.kept['found'] as Promise<number>
      })
      t.diagnostic(`opened ${found} and ${foundThere} times in ${ROUNDS} rounds`)
      await nothingLeft(pool)
      await other.kill()
      await pool.reap()
      await nothingLeft(pool)
    })
  }
})

/** Stops the process, as SIGSTOP does, before or after it has looked at who has the file open. */
function stopInUnlink(here: Here, when: 'before' | 'after'): void {
  const { metadata } = here.pool.fileSystem
  const unlink = metadata.unlink.bind(metadata)
  metadata.unlink = (request, decide, patience) =>
    unlink(
      request,
      (extents, inode) => {
        if (when === 'before') process.kill(process.pid, 'SIGSTOP')
        const decision = decide(extents, inode)
        if (when === 'after') process.kill(process.pid, 'SIGSTOP')
        return decision
      },
      patience,
    )
}

describe('promise 5: an unlink that is stopped inside its transaction', () => {
  for (const when of ['before', 'after'] as const) {
    for (const isKnown of [true, false]) {
      const known = isKnown ? 'knew' : 'did not know'
      test(`${when} it looked for open files: who ${known} the file and opens it meanwhile finds it gone, and nothing leaks`, async (t) => {
        const pool = await temporaryPool(t)
        await pool.writeFile('/file', stamped(1, BLOCKS))
        if (isKnown) await (await pool.open('/file', 'r')).close()
        const other = await startProcess(t, pool)
        await other.run(stopInUnlink, when)
        const unlinking = other.run((here) => here.pool.unlink('/file'))
        await untilStopped(other)
        const opening = pool.open('/file', 'r')
        opening.catch(() => undefined)
        // The record of the open file is published by now, and the look at the file waits for the transaction.
        for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
        process.kill(other.pid, 'SIGCONT')
        await unlinking
        await assert.rejects(opening, { code: 'ENOENT' })
        await nothingLeft(pool)
      })

      test(`${when} it looked for open files, and killed there: who ${known} the file and opens it has it whole`, async (t) => {
        const pool = await temporaryPool(t)
        await pool.writeFile('/file', stamped(1, BLOCKS))
        if (isKnown) await (await pool.open('/file', 'r')).close()
        const other = await startProcess(t, pool)
        await other.run(stopInUnlink, when)
        other.run((here) => here.pool.unlink('/file')).catch(() => undefined)
        await untilStopped(other)
        const opening = pool.open('/file', 'r')
        for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
        await other.kill()
        await using file = await opening
        const bytes = Buffer.alloc(BLOCKS * 4096)
        await file.read(bytes, { position: 0 })
        assert.ok(stamped(1, BLOCKS).equals(bytes))
        assert.equal((await file.stat()).nlink, 1)
        await file.close()
        await nothingLeft(pool)
      })
    }
  }

  test('after it left an orphan: the last close of another process lets its content go', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', stamped(1, BLOCKS))
    const file = await pool.open('/file', 'r')
    const other = await startProcess(t, pool)
    await other.run(stopInUnlink, 'after')
    const unlinking = other.run((here) => here.pool.unlink('/file'))
    await untilStopped(other)
    // It has seen this handle, and is going to leave the content to its close.
    const closing = file.close()
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    process.kill(other.pid, 'SIGCONT')
    await Promise.all([unlinking, closing])
    assert.equal(await pool.exists('/file'), false)
    await nothingLeft(pool)
  })
})
