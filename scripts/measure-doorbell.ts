/**
 * Measures doorbells: from a ring in one process to the callback in another, event loop included, half of the way there
 * and back. Run by hand; docs/decisions/0003-doorbells-are-named-pipes.md has the figures.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { Bell, Doorbell } from '../src/platform/doorbell.ts'
import { makeFifo } from '../src/platform/fifo.ts'

const ROUNDS = 5000
const given = process.argv[2]

async function measure(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-measure-'))
  makeFifo(join(directory, 'here'), 0o600)
  makeFifo(join(directory, 'there'), 0o600)
  const doorbell = new Doorbell(join(directory, 'here'))
  doorbell.ref()
  const bell = new Bell(join(directory, 'there'))
  const child = fork(import.meta.filename, [directory])
  await once(child, 'message')
  const microseconds: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const { promise, resolve } = Promise.withResolvers<bigint>()
    doorbell.onRing(() => resolve(process.hrtime.bigint()))
    const rungAt = process.hrtime.bigint()
    bell.ring()
    microseconds.push(Number((await promise) - rungAt) / 2000)
    // let both sides go to sleep
    await sleep(1)
  }
  microseconds.sort((a, b) => a - b)
  const at = (share: number): string => (microseconds[Math.floor(ROUNDS * share)] ?? NaN).toFixed(1)
  console.log(`one way, microseconds: median ${at(0.5)}, p99 ${at(0.99)}, ${ROUNDS} rounds`)
  child.kill()
  bell.close()
  doorbell.close()
  rmSync(directory, { recursive: true })
}

if (given === undefined) {
  await measure()
} else {
  const back = new Bell(join(given, 'here'))
  const doorbell = new Doorbell(join(given, 'there'))
  doorbell.onRing(() => back.ring())
  doorbell.ref()
  process.send?.('ready')
}
