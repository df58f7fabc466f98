/** The door for layout changes over the real store, with others doing things at the worst moment. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import type { Door } from '../../src/layout/breaking.ts'
import { breakLayout } from '../../src/layout/break-layout.ts'
import { copyOnWrite } from '../../src/layout/copy-on-write.ts'
import { flushDma } from '../../src/layout/flush-dma.ts'
import { releaseClaim } from '../../src/layout/claims.ts'
import { BreakState, bucketOf, RecordFlag } from '../../src/layout/format.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { ROOT_INODE } from '../../src/metadata/metadata.ts'
import { createSqliteMetadata, openSqliteMetadata } from '../../src/metadata/sqlite-metadata.ts'
import { edgesOf } from '../../src/layout/own-slot.ts'
import { Waiting } from '../../src/layout/waiting.ts'
import type { BlockCount, DeviceBlock, FileBlock, InodeNumber } from '../../src/units.ts'
import { MAX_FILE_SIZE } from '../../src/units.ts'
import { properties } from '../metadata/subject.ts'
import { claimOf, run, World } from './world.ts'

const BLOCKS = 64
const FAR = { deadlineMs: Infinity }
const witness = { commandLine: () => '', takenAt: () => undefined }

/** Two participants and a file of two blocks of 0xaa. */
async function pool(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'meta.db')
  await createSqliteMetadata(path, properties(BLOCKS))
  const metadata = await openSqliteMetadata(path)
  t.after(() => metadata.close())
  const device = MemoryDevice.create(BLOCKS as BlockCount)
  t.after(() => device.close())
  const world = new World()
  const door = (with_: Metadata = metadata): Door => {
    const { table } = world.join()
    return { table, waiting: new Waiting(table), metadata: with_, device, witness }
  }
  const { ino } = await metadata.create({
    parent: ROOT_INODE,
    name: 'file',
    kind: 'file',
    mode: 0o600,
    uid: 0,
    gid: 0,
    nowNs: 0n,
  })
  await metadata.allocate({ ino, range: { start: 0 as FileBlock, end: 2 as FileBlock } }, (runs) =>
    runs.forEach((one) => device.allocate(one)),
  )
  const { extents } = await metadata.extend(ino, 0n, () => 8192)
  const block = extents[0].deviceBlock
  const bytes = (at: number): Uint8Array =>
    new Uint8Array(device.map({ start: at as DeviceBlock, count: 1 as BlockCount }))
  bytes(block).fill(0xaa)
  return { world, metadata, device, door, ino, block, bytes }
}

const truncation = (ino: InodeNumber, busy: 'fail' | 'wait' | 'sequester') =>
  ({ ino, start: 0, end: MAX_FILE_SIZE, size: 0, busy, limits: FAR, syscall: 'ftruncate' }) as const

/** The store, but something happens right before a change is committed. */
function interrupted(metadata: Metadata, before: () => Promise<unknown>, after = (): void => {}): Metadata {
  let isFirst = true
  return new Proxy(metadata, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target)
      if (name !== 'changeLayout') return typeof value === 'function' ? (value.bind(target) as unknown) : value
      return async (...args: Parameters<Metadata['changeLayout']>) => {
        if (isFirst) {
          isFirst = false
          await before()
        }
        const result = await target.changeLayout(...args)
        after()
        return result
      }
    },
  })
}

test('a change that waits for a pin looks again when another change has sequestered the pinned block', async (t) => {
  const { door, ino, block } = await pool(t)
  const pinner = door()
  pinner.table.own.grant(pinner.table.own.publishRun(claimOf({ ino }), block, 1))
  const waiting = breakLayout(door(), truncation(ino, 'wait'))
  await new Promise((resolve) => void setImmediate(resolve))
  assert.equal((await breakLayout(door(), truncation(ino, 'sequester')))?.lostAndFound.length, 1)
  assert.equal((await waiting)?.committed, true)
})

test('promise 2: an error of the store advances the generation, since it may have committed', async (t) => {
  const { door, ino, metadata } = await pool(t)
  const failing = interrupted(
    metadata,
    async () => {},
    () => {
      throw new Error('after the commit')
    },
  )
  const { table, ...rest } = door(failing)
  const before = table.generation(bucketOf(ino))
  await assert.rejects(breakLayout({ table, ...rest }, truncation(ino, 'sequester')), /after the commit/)
  assert.equal(table.generation(bucketOf(ino)), before + 1)
  assert.equal(table.breakCount(bucketOf(ino)), 0)
})

test('promise 1: bytes of an edge are not zeroed in a block that another change took meanwhile', async (t) => {
  const { door, ino, block, bytes, metadata } = await pool(t)
  const other = door()
  // Somebody holds the live part of the edge: its cut bytes would be zeroed in place.
  const live = { offset: 2048, length: 2048 }
  other.table.own.grant(
    other.table.own.publish(claimOf({ ino, ...live, edges: edgesOf(live.offset, live.length) }), [run(block)]),
  )
  const punch = { ino, busy: 'sequester', limits: FAR, syscall: 'fallocate' } as const
  const whole = (): Promise<unknown> => breakLayout(other, { ...punch, start: 0, end: 4096 })
  await breakLayout(door(interrupted(metadata, whole)), { ...punch, start: 0, end: 100 })
  assert.deepEqual(new Set(bytes(block)), new Set([0xaa]))
  assert.deepEqual(await metadata.check(), [])
})

test('the zeroing of an edge whose live part is held happens in place when nobody comes between', async (t) => {
  const { door, ino, block, bytes } = await pool(t)
  const other = door()
  other.table.own.publish(claimOf({ ino, offset: 2048, length: 2048, edges: edgesOf(2048, 2048) }), [run(block)])
  await breakLayout(door(), { ino, start: 0, end: 100, busy: 'sequester', limits: FAR, syscall: 'fallocate' })
  assert.deepEqual([bytes(block)[99], bytes(block)[100]], [0, 0xaa])
})

test('a copy for a stable pin does not bring back what a punch zeroed in the block meanwhile', async (t) => {
  const { door, ino, block, bytes, metadata } = await pool(t)
  const other = door()
  const live = { offset: 2048, length: 2048, edges: edgesOf(2048, 2048), flags: RecordFlag.stable }
  other.table.own.grant(other.table.own.publish(claimOf({ ino, ...live }), [run(block)]))
  const punch = { ino, start: 0, end: 100, busy: 'sequester', limits: FAR, syscall: 'fallocate' } as const
  const copying = door(interrupted(metadata, () => breakLayout(other, punch)))
  await copyOnWrite(copying, { ino, start: 0, end: 4096, limits: { deadlineMs: Infinity }, syscall: 'write' })
  const now = (await metadata.layout(ino))!.extents[0].deviceBlock
  assert.notEqual(now, block, 'the file has a block of its own')
  assert.deepEqual([bytes(now)[99], bytes(now)[100]], [0, 0xaa])
  assert.deepEqual(await metadata.check(), [])
})

test('the break of a flush of DMA lets new pins in from its first instant', async (t) => {
  const { door, ino, block } = await pool(t)
  const pinner = door()
  const record = pinner.table.own.publishRun(claimOf({ ino }), block, 1)
  const flusher = door()
  const states: number[] = []
  const { publishBreak } = flusher.table
  flusher.table.publishBreak = (...args) => {
    states.push(args[3])
    return publishBreak.apply(flusher.table, args)
  }
  const flush = flushDma(flusher, { ino, start: 0, end: 4096, limits: FAR, syscall: 'flushDma' })
  await new Promise((resolve) => void setImmediate(resolve))
  releaseClaim(pinner.table, record, ino)
  await flush
  assert.deepEqual(states, [BreakState.watching])
})
