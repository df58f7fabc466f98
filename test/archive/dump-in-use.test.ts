/**
 * Dumps of a pool that a process changes all the while: each file is whole as at one instant, each name that was there all the
 * time is there, once.
 *
 * HOLDFAST_RUNS: dumps (default 3).
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { test } from 'node:test'
import { dumpPool, loadPool } from '../../src/archive/index.ts'
import { openPool } from '../../src/index.ts'
import { startProcess } from '../support/participant.ts'
import { temporaryDirectory, temporaryPool } from '../support/temporary-pool.ts'

const DUMPS = Number(process.env['HOLDFAST_RUNS'] ?? 3)
const PIECE = 65_536
const PIECES = 64
const MOVED = 100

test('each file of a dump is whole as at one instant, and no name is missing, while a process changes them', async (t) => {
  const pool = await temporaryPool(t, { sizeBytes: 32 << 20 })
  for (const directory of ['/0', '/1', '/2']) await pool.mkdir(directory)
  await pool.writeFile('/rounds', Buffer.alloc(PIECE * PIECES))
  await pool.writeFile('/log', '')
  await pool.writeFile('/replaced', '0'.repeat(10_000))
  await pool.writeFile('/both-ends', Buffer.alloc(PIECE * PIECES))
  for (let i = 0; i < MOVED; i++) await pool.writeFile(`/0/${i}`, `${i}`.repeat(5000))
  const writer = await startProcess(t, pool)
  const working = writer.run(
    async (here, piece, pieces, moved) => {
      const { pool: own } = here
      const rounds = await own.open('/rounds', 'r+')
      const ends = await own.open('/both-ends', 'r+')
      const log = await own.open('/log', 'a')
      const word = (round: number, bytes: number): Buffer => {
        const filled = new Uint32Array(bytes / 4).fill(round)
        return Buffer.from(filled.buffer)
      }
      here.kept.rounds = 0
      const work = async (): Promise<void> => {
        for (let round = 1; here.kept.isOver !== true; round++) {
          // In place, from one end to the other.
          for (let i = 0; i < pieces; i++) await rounds.write(word(round, piece), { position: i * piece })
          // Always the last one first, so that it is never behind.
          await ends.write(word(round, 4096), { position: (pieces - 1) * piece })
          await ends.write(word(round, 4096), { position: 0 })
          await log.write(word(round, 2048))
          await own.writeFile('/new', String(round % 10).repeat(10_000))
          await own.rename('/new', '/replaced')
          const i = round % moved
          for (let from = 0; from < 3; from++) {
            const to = `/${(from + 1) % 3}/${i}`
            if (await own.exists(`/${from}/${i}`)) {
              await own.rename(`/${from}/${i}`, to)
              break
            }
          }
          here.kept.rounds = round
          await new Promise((resolve) => setImmediate(resolve))
        }
      }
      here.kept.work = work()
    },
    PIECE,
    PIECES,
    MOVED,
  )
  await working
  let tornBefore = 0
  for (let dump = 0; dump < DUMPS; dump++) {
    const path = join(temporaryDirectory(t), 'copy')
    // Slow enough for the writer to change what is on its way.
    const stream = new Transform({
      transform: (piece: Buffer, _encoding, done) => void setTimeout(() => done(undefined, piece), piece.length >> 18),
    })
    await Promise.all([dumpPool(pool, stream), loadPool(stream, path)])
    await using copy = await openPool(path)
    assert.deepEqual(await copy.check(), [])

    const rounds = words(await copy.readFile('/rounds'), PIECE / 4)
    const steps = rounds.filter((round, i) => i > 0 && round !== rounds[i - 1])
    if (steps.length > 0) tornBefore++
    assert.ok(steps.length <= 1 && rounds[0] - rounds.at(-1)! <= 1 && rounds[0] >= rounds.at(-1)!, rounds.join())
    const [first, last] = [
      words(await copy.readFile('/both-ends'), 1)[0],
      words((await copy.readFile('/both-ends')).subarray((PIECES - 1) * PIECE), 1)[0],
    ]
    assert.ok(last - first === 0 || last - first === 1, `${first} ${last}`)
    const log = words(await copy.readFile('/log'), 512)
    assert.deepEqual(
      log,
      log.map((_, i) => i + 1),
    )
    const replaced = await copy.readFile('/replaced', 'utf8')
    assert.equal(replaced, replaced[0].repeat(10_000))
    const moved = (await Promise.all(['/0', '/1', '/2'].map((directory) => copy.readdir(directory)))).flat()
    assert.deepEqual(
      moved.map(Number).toSorted((a, b) => a - b),
      Array.from({ length: MOVED }, (_, i) => i),
    )
  }
  const done = await writer.run(async (here) => {
    here.kept.isOver = true
    await here.kept.work
    return here.kept.rounds as number
  })
  assert.ok(done > DUMPS, `${done} rounds were written meanwhile`)
  assert.deepEqual(await pool.check(), [])
  t.diagnostic(`${done} rounds during ${DUMPS} dumps; ${tornBefore} caught the writer in the middle`)
})

/** Each so many-th word. */
function words(bytes: Buffer, step: number): number[] {
  const all: number[] = []
  for (let at = 0; at < bytes.length; at += step * 4) all.push(bytes.readUInt32LE(at))
  return all
}
