/**
 * Empty files made and removed by one process. Each side makes all its files before any is removed: ext4 takes long to
 * make a file in a directory from which many were just removed.
 */
import { closeSync, mkdirSync, openSync, unlinkSync } from 'node:fs'
import { open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { median, showTime } from './measure.ts'
import type { Row } from './report.ts'
import { makeSubject, MIB } from './subject.ts'

const FILES = 10_000
const ROUNDS = 50
const WARM_UP = 500

interface Maker {
  make(name: string): Promise<unknown> | void
  remove(name: string): Promise<unknown> | void
}

export async function benchMakeAndRemove(): Promise<Row[]> {
  await using subject = await makeSubject(64 * MIB)
  const { pool, directory } = subject
  await pool.mkdir('/files')
  for (const side of ['promises', 'sync']) mkdirSync(join(directory, side))
  const inPromises = (name: string): string => join(directory, 'promises', name)
  const inSync = (name: string): string => join(directory, 'sync', name)
  const makers: Record<string, Maker> = {
    pool: {
      make: async (name) => (await pool.open(`/files/${name}`, 'w')).close(),
      remove: (name) => pool.unlink(`/files/${name}`),
    },
    promises: {
      make: async (name) => (await open(inPromises(name), 'w')).close(),
      remove: (name) => unlink(inPromises(name)),
    },
    sync: {
      make: (name) => closeSync(openSync(inSync(name), 'w')),
      remove: (name) => unlinkSync(inSync(name)),
    },
  }
  for (const step of ['make', 'remove'] as const) {
    for (const maker of Object.values(makers)) await time(maker[step], 'warm-up', WARM_UP)
  }
  const made = await turns(makers, 'make')
  const removed = await turns(makers, 'remove')
  const both = Object.fromEntries(
    Object.entries(made).map(([name, times]) => [name, times.map((ns, round) => ns + removed[name][round])]),
  )
  return [...rowsOf('create + close', made), ...rowsOf('unlink', removed), ...rowsOf('create + close, unlink', both)]
}

/** Nanoseconds a file of each side in each round; the sides take turns. */
async function turns(makers: Record<string, Maker>, step: keyof Maker): Promise<Record<string, number[]>> {
  const times: Record<string, number[]> = {}
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, maker] of Object.entries(makers)) {
      ;(times[name] ??= []).push(await time(maker[step], `round-${round}`, FILES / ROUNDS))
    }
  }
  return times
}

async function time(step: (name: string) => Promise<unknown> | void, prefix: string, files: number): Promise<number> {
  const start = process.hrtime.bigint()
  for (let i = 0; i < files; i++) {
    const done = step(`${prefix}-${i}`)
    if (done !== undefined) await done
  }
  return Number(process.hrtime.bigint() - start) / files
}

function rowsOf(measure: string, { pool, promises, sync }: Record<string, number[]>): Row[] {
  const row = (what: string, call: string, baseline: readonly number[], most?: number): Row => {
    const ratio = median(pool.map((ns, round) => ns / baseline[round]))
    return {
      measure: what,
      result: showTime(median(pool)),
      against: `${call} ${showTime(median(baseline))}`,
      ratio,
      mustBe: most === undefined ? '' : `<= ${most}`,
      isMet: most === undefined ? undefined : ratio <= most,
    }
  }
  return [
    row(`${measure}, ${FILES.toLocaleString('en')} empty files`, 'node:fs/promises', promises, 1.5),
    row('the same', 'the synchronous calls', sync),
  ]
}
