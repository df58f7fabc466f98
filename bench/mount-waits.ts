/** What others notice of a mount while a truncate waits for a pin: nothing, it must be. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openPool } from '../src/index.ts'
import { median, showTime } from './measure.ts'
import type { Sides } from './mount-sides.ts'
import type { Row } from './report.ts'

const ROUNDS = 15
const CALLS = 2000
/** Time enough for the truncate to begin its wait. */
const BEGIN_MS = 150

export async function mountWaits(sides: Sides): Promise<Row[]> {
  const directory = sides.directories.get('holdfast')!
  const [pinned, other] = [join(directory, 'pinned'), join(directory, 'other')]
  writeFileSync(pinned, Buffer.alloc(4096, 1))
  writeFileSync(other, Buffer.alloc(4096, 2))
  await using pool = await openPool(sides.pool)
  const idle: Record<string, number[]> = {}
  const waiting: Record<string, number[]> = {}
  for (let round = 0; round < ROUNDS; round++) {
    await using file = await pool.open('/pinned', 'r+')
    await file.configure({ busy: 'wait' })
    await file.write(Buffer.alloc(4096, 1), { position: 0 })
    const pin = await file.pin({ offset: 0, length: 4096, mode: 'read' })
    spend(idle, other)
    const truncate = spawn('truncate', ['--size=0', pinned], { stdio: ['ignore', 'inherit', 'inherit'] })
    const exit = once(truncate, 'exit')
    await sleep(BEGIN_MS)
    if (truncate.exitCode !== null) throw new Error('the truncate did not wait')
    spend(waiting, other)
    pin.release()
    await exit
  }
  return Object.keys(idle).map((what) => {
    const ratio = median(waiting[what].map((ns, round) => ns / idle[what][round]))
    return {
      measure: `mount: ${what} while a truncate waits`,
      result: showTime(median(waiting[what])),
      against: `while none does ${showTime(median(idle[what]))}`,
      ratio,
      mustBe: '<= 1.1',
      isMet: ratio <= 1.1,
    }
  })
}

/** Adds the median times of a stat and of a read of 4 KiB. */
function spend(into: Record<string, number[]>, path: string): void {
  const fd = openSync(path, 'r')
  const buffer = Buffer.alloc(4096)
  const measures: Record<string, () => void> = {
    stat: () => void statSync(path),
    'read 4 KiB': () => void readSync(fd, buffer, 0, 4096, 0),
  }
  for (const [what, run] of Object.entries(measures)) {
    const times: number[] = []
    for (let i = 0; i < CALLS; i++) {
      const start = process.hrtime.bigint()
      run()
      times.push(Number(process.hrtime.bigint() - start))
    }
    ;(into[what] ??= []).push(median(times))
  }
  closeSync(fd)
}
