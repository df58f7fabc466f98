/** What a pool costs before anything is in it, and what a pin costs: shared state is O(pins), never O(blocks). */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { openPool } from '../src/index.ts'
import { median, showTime } from './measure.ts'
import type { Row } from './report.ts'
import { makeFile, makeSubject, MIB } from './subject.ts'

const OPENS = 11
const PINS = 10_000

/** Bytes of space that the pin table takes on the host. */
const tableBytes = (path: string): number =>
  readdirSync(join(path, 'pins')).reduce((sum, name) => sum + statSync(join(path, 'pins', name)).blocks * 512, 0)

export async function benchMemory(): Promise<Row[]> {
  await using large = await makeSubject(2 ** 40)
  await large.pool.close()
  const times: number[] = []
  for (let i = 0; i < OPENS; i++) {
    const start = process.hrtime.bigint()
    const pool = await openPool(large.path)
    times.push(Number(process.hrtime.bigint() - start))
    await pool.close()
  }
  const empty = tableBytes(large.path)
  await using small = await makeSubject(128 * MIB)
  await using file = await makeFile(small.pool, '/pinned', PINS * 4096)
  const before = tableBytes(small.path)
  const pins = Array.from({ length: PINS }, (_, i) => file.pinSync({ offset: i * 4096, length: 4096, mode: 'read' }))
  const perPin = (tableBytes(small.path) - before) / PINS
  for (const pin of pins) pin.release()
  const ns = median(times)
  return [
    {
      measure: 'open a sparse pool of 1 TiB',
      result: showTime(ns),
      against: '100 ms',
      ratio: ns / 1e8,
      mustBe: '<= 1',
      isMet: ns <= 1e8,
    },
    {
      measure: 'shared state of a pool of 1 TiB, nothing pinned',
      result: `${(empty / 1024).toFixed(0)} KiB`,
      against: `of 128 MiB ${(before / 1024).toFixed(0)} KiB`,
      ratio: empty / before,
      mustBe: '<= 1.1',
      isMet: empty <= before * 1.1,
    },
    {
      measure: `shared state a pin, ${PINS.toLocaleString('en')} pins`,
      result: `${perPin.toFixed(0)} bytes`,
      against: '',
      ratio: undefined,
      mustBe: '',
      isMet: undefined,
    },
  ]
}
