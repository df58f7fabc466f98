/**
 * The store against a plain model: what is where, as a Map from blocks of files to blocks of the device and a Set of
 * busy blocks. Any sequence of changes; after each, the store says what the model says, the counts add up and the
 * check finds nothing. A failure prints its seed and path; HOLDFAST_SEED repeats it, HOLDFAST_RUNS=1000
 * runs longer.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'

import { LOST_AND_FOUND_INODE, ROOT_INODE } from '../../src/metadata/metadata.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import type { Extent, InodeNumber } from '../../src/units.ts'
import { codeOf } from '../../src/errors.ts'
import { create, LATER, nothing, properties, range, unexpected } from './subject.ts'
import type { MakeMetadata } from './subject.ts'
import { SEED } from '../support/seed.ts'

const BLOCKS = 48
const RESERVE = 3
const FILES = 3
const FILE_BLOCKS = 20

const file = fc.nat(FILES - 1)
const place = fc.nat(FILE_BLOCKS)
const change = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('allocate' as const),
      file,
      start: place,
      count: fc.nat(9),
      ahead: fc.nat(6),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('remove' as const),
      file,
      start: place,
      count: fc.nat(9),
      start2: place,
      /** Which of the blocks that leave are sequestered, by bit. */
      pinned: fc.nat(0xffff),
      isEdgeCopied: fc.boolean(),
      isFilled: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('shift' as const),
      file,
      start: place,
      by: fc.integer({ min: -5, max: 5 }),
      pinned: fc.nat(0xffff),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('delete' as const),
      file,
      pinned: fc.nat(0xffff),
      isOpen: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reclaim' as const), nth: fc.nat(7), pinned: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reserve' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('release' as const), which: fc.nat(0xffff) }) },
)
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never

type Content = Map<number, number>

class Model {
  readonly files = new Map<InodeNumber, Content>()
  readonly lost = new Map<InodeNumber, Content>()
  readonly busy = new Set<number>()
  readonly slots: InodeNumber[] = []

  get mapped(): number[] {
    return [...this.files.values(), ...this.lost.values()].flatMap((content) => Array.from(content.values()))
  }
  isFree(block: number): boolean {
    return block < BLOCKS && !this.busy.has(block) && !this.mapped.includes(block)
  }
  get free(): number {
    return BLOCKS - this.busy.size - this.mapped.length
  }
}

const contentOf = (extents: readonly Extent[]): Content =>
  new Map(
    extents.flatMap(({ fileBlock, deviceBlock, count }) =>
      Array.from({ length: count }, (_, index): [number, number] => [fileBlock + index, deviceBlock + index]),
    ),
  )
const sorted = (content: Content) => [...content].toSorted((a, b) => a[0] - b[0])
const single = (fileBlock: number, deviceBlock: number): Extent => ({ fileBlock, deviceBlock, count: 1 }) as Extent

/** Does one change to both; compares what the store answers. */
class Run {
  readonly store: Metadata
  readonly model = new Model()
  #made = 0

  constructor(store: Metadata) {
    this.store = store
  }

  async makeFile(slot: number): Promise<void> {
    const { ino } = await create(this.store, `f${this.#made++}`)
    this.model.slots[slot] = ino
    this.model.files.set(ino, new Map())
  }

  async apply(one: Change): Promise<void> {
    switch (one.kind) {
      case 'allocate':
        return this.#allocate(one)
      case 'remove':
        return this.#remove(one)
      case 'shift':
        return this.#shift(one)
      case 'delete':
        return this.#delete(one)
      case 'reclaim':
        return this.#reclaim(one)
      case 'reserve':
        return this.#reserve(one)
      case 'release':
        return this.#release(one)
    }
  }

  async #allocate({ file: slot, start, count, ahead }: Change & { kind: 'allocate' }): Promise<void> {
    const { model } = this
    const ino = model.slots[slot]
    const before = model.files.get(ino)!
    const wanted = Array.from({ length: count }, (_, index) => start + index).filter((block) => !before.has(block))
    const request = { ino, range: range(start, start + count), preallocate: ahead }
    if (wanted.length > 0 && wanted.length > model.free - RESERVE) {
      await assert.rejects(this.store.allocate(request, unexpected), { code: 'ENOSPC' })
      return
    }
    const prepared: number[] = []
    const { extents } = await this.store.allocate(request, (runs) => {
      for (const run of runs) for (let index = 0; index < run.count; index++) prepared.push(run.start + index)
    })
    const after = contentOf(extents)
    const added = [...after].filter(([block]) => !before.has(block))
    for (const [block, device] of before) assert.equal(after.get(block), device)
    for (const block of wanted) assert.ok(after.has(block))
    const extra = added.filter(([block]) => !wanted.includes(block))
    assert.ok(extra.length <= ahead)
    for (const [block] of extra) assert.ok(block >= start + count || wanted.length === 0)
    for (const [, device] of added) assert.ok(model.isFree(device), `block ${device} was not free`)
    const devices = added.map(([, device]) => device)
    assert.equal(prepared.length, devices.length)
    assert.deepEqual(new Set(prepared), new Set(devices))
    if (extra.length > 0) assert.ok(model.free - added.length >= RESERVE)
    model.files.set(ino, after)
  }

  async #remove({
    file: slot,
    start,
    count,
    start2,
    pinned,
    isEdgeCopied,
    isFilled,
  }: Change & { kind: 'remove' }): Promise<void> {
    const { model, store } = this
    const ino = model.slots[slot]
    const content = model.files.get(ino)!
    const remove = [range(start, start + count), range(start2, start2 + 2)]
    const leaving = sorted(content).filter(([block]) => remove.some((one) => block >= one.start && block < one.end))
    const insert: { fileBlock: number; deviceBlock: number }[] = []
    if (isEdgeCopied && leaving.length > 0 && model.free > 0) {
      const [copy] = await store.reserve(1, nothing)
      assert.ok(model.isFree(copy.start))
      insert.push({ fileBlock: leaving[0][0], deviceBlock: copy.start })
      model.busy.add(copy.start)
    }
    const after = new Map(content)
    for (const [block] of leaving) after.delete(block)
    for (const { fileBlock, deviceBlock } of insert) after.set(fileBlock, deviceBlock)
    const wanted = Array.from({ length: isFilled ? count : 0 }, (_, index) => start + index).filter(
      (n) => !after.has(n),
    )
    const prepared: number[] = []
    const fill = {
      range: range(start, start + count),
      prepare: (runs: readonly { start: number; count: number }[]) => {
        for (const run of runs) for (let index = 0; index < run.count; index++) prepared.push(run.start + index)
      },
    }
    const request = { ino, remove, insert: insert as never, ...(isFilled ? { fill } : {}), nowNs: LATER }
    if (wanted.length > 0 && wanted.length > model.free - RESERVE) {
      await assert.rejects(store.changeLayout(request, unexpected), { code: 'ENOSPC' })
      return
    }
    const pinnedOnes = leaving.filter((_, index) => (pinned >> (index % 16)) & 1)
    const result = await store.changeLayout(request, (removed) => {
      assert.deepEqual([sorted(contentOf(removed)), prepared], [leaving, []])
      return { commit: true, sequester: pinnedOnes.map(([block, device]) => single(block, device)) }
    })
    const now = contentOf(result.layout!.extents)
    for (const block of wanted) {
      assert.ok(model.isFree(now.get(block)!))
      after.set(block, now.get(block)!)
    }
    assert.deepEqual(new Set(prepared), new Set(wanted.map((block) => now.get(block))))
    for (const { deviceBlock } of insert) model.busy.delete(deviceBlock)
    model.files.set(ino, after)
    for (const [, device] of leaving) {
      if (!pinnedOnes.some(([, other]) => other === device)) model.busy.add(device)
    }
    await this.#noteLost(result.lostAndFound, pinnedOnes)
  }

  /** Below 0: collapse, the blocks before `start` leave. Above: insert. */
  async #shift({ file: slot, start, by, pinned }: Change & { kind: 'shift' }): Promise<void> {
    const { model, store } = this
    if (start + by < 0) return
    const ino = model.slots[slot]
    const content = sorted(model.files.get(ino)!)
    const remove = by < 0 ? [range(start + by, start)] : []
    const leaving = content.filter(([block]) => block >= start + by && block < start)
    const moving = content.filter(([block]) => block >= start)
    const pinnedOnes = leaving.filter((_, index) => (pinned >> (index % 16)) & 1)
    const request = { ino, remove, shift: { from: start, by } as never, nowNs: LATER }
    const result = await store.changeLayout(request, (removed, _, moved) => {
      assert.deepEqual([sorted(contentOf(removed)), sorted(contentOf(moved))], [leaving, moving])
      return { commit: true, sequester: pinnedOnes.map(([block, device]) => single(block, device)) }
    })
    const staying = content.filter(([block]) => block < start + Math.min(by, 0))
    model.files.set(
      ino,
      new Map([...staying, ...moving.map(([block, device]): [number, number] => [block + by, device])]),
    )
    for (const [, device] of leaving) {
      if (!pinnedOnes.some(([, other]) => other === device)) model.busy.add(device)
    }
    await this.#noteLost(result.lostAndFound, pinnedOnes)
  }

  async #delete({ file: slot, pinned, isOpen }: Change & { kind: 'delete' }): Promise<void> {
    const { model, store } = this
    const ino = model.slots[slot]
    const leaving = sorted(model.files.get(ino)!)
    const path = (await store.pathOf(ino))!
    const pinnedOnes = leaving.filter((_, index) => (pinned >> (index % 16)) & 1)
    const sequester = pinnedOnes.map(([block, device]) => single(block, device))
    const unlinking = { parent: ROOT_INODE, name: path.slice(1), nowNs: LATER }
    const loss = await store.unlink(unlinking, (extents) => {
      assert.deepEqual(sorted(contentOf(extents)), leaving)
      return isOpen ? 'orphan' : { commit: true, sequester }
    })
    const deletion = { ino, remove: [], deleteInode: true, onlyIfOrphan: true, nowNs: LATER }
    const result = isOpen ? await store.changeLayout(deletion, () => ({ commit: true, sequester })) : loss
    model.files.delete(ino)
    for (const [, device] of leaving) {
      if (!pinnedOnes.some(([, other]) => other === device)) model.busy.add(device)
    }
    await this.#noteLost(result.lostAndFound, pinnedOnes)
    await this.makeFile(slot)
  }

  async #reclaim({ nth, pinned }: Change & { kind: 'reclaim' }): Promise<void> {
    const { model, store } = this
    const ino = [...model.lost.keys()][nth]
    if (ino === undefined) return
    const content = sorted(model.lost.get(ino)!)
    const kept = content.filter((_, index) => (pinned >> (index % 16)) & 1)
    const sequester = kept.map(([block, device]) => single(block, device))
    const deletion = { ino, remove: [], deleteInode: true, nowNs: LATER }
    const result = await store.changeLayout(deletion, () => ({ commit: true, sequester }))
    model.lost.delete(ino)
    for (const [, device] of content) if (!kept.some(([, other]) => other === device)) model.busy.add(device)
    await this.#noteLost(result.lostAndFound, kept)
  }

  async #reserve({ count }: Change & { kind: 'reserve' }): Promise<void> {
    const { model, store } = this
    if (count > model.free) {
      await assert.rejects(store.reserve(count, nothing), (error) => codeOf(error) === 'ENOSPC')
      return
    }
    for (const { start } of await store.reserve(count, nothing)) {
      assert.ok(model.isFree(start))
      model.busy.add(start)
    }
  }

  async #release({ which }: Change & { kind: 'release' }): Promise<void> {
    const chosen = (await this.store.busyExtents()).filter((_, index) => (which >> (index % 16)) & 1)
    await this.store.release(chosen.map(({ id }) => id))
    for (const { start, count } of chosen) {
      for (let index = 0; index < count; index++) assert.ok(this.model.busy.delete(start + index))
    }
  }

  async #noteLost(made: readonly { ino: InodeNumber }[], blocks: readonly [number, number][]): Promise<void> {
    for (const { ino } of made) {
      this.model.lost.set(ino, contentOf((await this.store.layout(ino))!.extents))
    }
    const devices = made.flatMap(({ ino }) => [...this.model.lost.get(ino)!.values()])
    assert.deepEqual(
      devices,
      blocks.map(([, device]) => device),
    )
  }

  async compare(): Promise<void> {
    const { model, store } = this
    for (const [ino, content] of [...model.files, ...model.lost]) {
      const layout = (await store.layout(ino))!
      assert.deepEqual(sorted(contentOf(layout.extents)), sorted(content))
      assert.equal(layout.inode.blocks, content.size)
    }
    const busy = (await store.busyExtents()).flatMap(({ start, count }) =>
      [...Array(count).keys()].map((n) => start + n),
    )
    assert.deepEqual(new Set(busy), model.busy)
    const sequestered = [...model.lost.values()].reduce((sum, content) => sum + content.size, 0)
    const mapped = model.mapped.length
    const files = FILES + model.lost.size
    const counts = {
      blockCount: BLOCKS,
      free: model.free,
      mapped,
      busy: model.busy.size,
      sequestered,
      files,
      reserve: RESERVE,
    }
    assert.deepEqual(await store.space(), counts)
    assert.equal((await store.entries(LOST_AND_FOUND_INODE)).length, model.lost.size)
    assert.deepEqual(await store.check(), [])
  }
}

const RUNS = Number(process.env['HOLDFAST_RUNS'] ?? 60)

export function modelConformance(name: string, make: MakeMetadata): void {
  describe(`${name}: model`, () => {
    test('whatever is done, every block is in one place, and the store says what a plain model says', async (t) => {
      t.diagnostic(`HOLDFAST_SEED=${SEED}`)
      const property = fc.asyncProperty(fc.array(change, { maxLength: 40 }), async (changes) => {
        const subject = await make(properties(BLOCKS, RESERVE))
        try {
          const run = new Run(subject.metadata)
          for (let slot = 0; slot < FILES; slot++) await run.makeFile(slot)
          for (const one of changes) {
            await run.apply(one)
            await run.compare()
          }
        } finally {
          await subject.dispose()
        }
      })
      await fc.assert(property, { seed: SEED, numRuns: RUNS })
    })
  })
}
