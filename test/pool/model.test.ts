/**
 * Random commands by two participants of one pool against a model in plain memory: the contents are equal, pinned bytes
 * unchanged until release, the counts add up, the check finds nothing. HOLDFAST_RUNS=1000 for a long run,
 * HOLDFAST_SEED=… to repeat one.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { File, Pin, Pool } from '../../src/index.ts'
import { createPool, openPool } from '../../src/index.ts'
import { SEED } from '../support/seed.ts'
import { checkSound } from '../support/stamps.ts'
import { BLOCK, temporaryDirectory } from '../support/temporary-pool.ts'

const RUNS = Number(process.env['HOLDFAST_RUNS'] ?? 80)
const NAMES = ['/a', '/b', '/c']
const MOST_BYTES = 12 * BLOCK

/** A file as it should be. Its content outlives its name while somebody has it open. */
interface ModelFile {
  content: Buffer
}

interface ModelPin {
  readonly pin: Pin
  readonly bytes: Buffer
  /** The pinned bytes are still the file's while this is the file's content there. */
  readonly file: ModelFile
}

interface Handle {
  readonly file: File
  readonly model: ModelFile
}

interface Model {
  readonly names: Map<string, ModelFile>
  readonly pins: ModelPin[]
  readonly handles: Handle[]
}

interface Real {
  readonly directory: string
  /** Two participants. */
  readonly pools: Pool[]
}

type Command = fc.AsyncCommand<Model, Real>

let nextFill = 1
const filled = (length: number): Buffer => Buffer.alloc(length, (nextFill++ % 250) + 1)

function command(
  text: string,
  check: (model: Model) => boolean,
  run: (model: Model, real: Real) => Promise<void>,
): Command {
  return {
    check,
    run: async (model, real) => {
      await run(model, real)
      await compare(model, real)
    },
    toString: () => text,
  }
}

async function compare(model: Model, { pools }: Real): Promise<void> {
  for (const pool of pools) {
    for (const [name, { content }] of model.names) {
      const actual = await pool.readFile(name)
      assert.equal(actual.length, content.length, `size of ${name}`)
      const differs = actual.findIndex((byte, at) => byte !== content[at])
      assert.equal(differs, -1, `byte ${differs} of ${name} is ${actual[differs]}, not ${content[differs]}`)
    }
    const names = (await pool.readdir('/')).filter((name) => name !== 'lost+found').map((name) => `/${name}`)
    assert.deepEqual(names, [...model.names.keys()].toSorted())
  }
  for (const { file, model: wanted } of model.handles) {
    const actual = Buffer.alloc(wanted.content.length + 1)
    const { bytesRead } = await file.read(actual, { position: 0 })
    assert.ok(wanted.content.equals(actual.subarray(0, bytesRead)), 'an open file, maybe without a name, is as it was')
  }
  for (const { pin, bytes } of model.pins) assert.ok(bytes.equals(Buffer.concat(pin.buffers)), 'pinned bytes changed')
  const [pool] = pools as [Pool]
  await checkSound(pool)
  const stats = await pool.stats()
  assert.equal(stats.pins, model.pins.length)
  assert.equal(
    stats.pinnedBytes,
    model.pins.reduce((sum, { bytes }) => sum + bytes.length, 0),
  )
  assert.equal(
    stats.files - (await pool.lostAndFound.list()).length,
    new Set([...model.names.values(), ...model.handles.map((h) => h.model)]).size,
  )
}

/** Writes into the model, and into what pins of the same file show as long as they share the blocks. */
function put(model: Model, file: ModelFile, offset: number, data: Buffer, isShared: (pin: ModelPin) => boolean): void {
  const size = Math.max(file.content.length, offset + data.length)
  const content = Buffer.alloc(size)
  file.content.copy(content)
  data.copy(content, offset)
  file.content = content
  for (const held of model.pins) {
    if (held.file !== file || !isShared(held)) continue
    const { offset: start, length } = held.pin
    for (let at = Math.max(start, offset); at < Math.min(start + length, offset + data.length); at++) {
      held.bytes[at - start] = data[at - offset] ?? 0
    }
  }
}

/** Bytes [start, end) of a file leave it. The model lets no pin overlap a cut it then writes to again: see `mayWrite`. */
function cut(model: Model, file: ModelFile, start: number, end: number, isTruncate: boolean): void {
  if (isTruncate) file.content = Buffer.from(file.content.subarray(0, start))
  else file.content.fill(0, start, Math.min(end, file.content.length))
  for (const held of model.pins) {
    if (held.file !== file) continue
    const { offset, length } = held.pin
    // Which of its blocks it still shares with the file is for the edge tests to say; here it is cut off.
    if (offset < Math.ceil(end / BLOCK) * BLOCK && Math.floor(start / BLOCK) * BLOCK < offset + length) cutOff.add(held)
  }
}
const cutOff = new WeakSet<ModelPin>()
/** A file some pin of which may share only a part of its blocks: what a write there shows is not modelled. */
const mayWrite = (model: Model, file: ModelFile | undefined): file is ModelFile =>
  file !== undefined && !model.pins.some((held) => held.file === file && cutOff.has(held))

const who = fc.nat(1)
const name = fc.constantFrom(...NAMES)
const offset = fc.nat(MOST_BYTES)
const length = fc.integer({ min: 1, max: 3 * BLOCK })

const commands: fc.Arbitrary<Command>[] = [
  fc.tuple(who, name, offset, length).map(([by, path, at, size]) =>
    command(
      `${by} writes ${size} bytes at ${at} of ${path}`,
      (model) => !model.names.has(path) || mayWrite(model, model.names.get(path)),
      async (model, { pools }) => {
        const data = filled(size)
        await using file = await pools[by].open(path, 'a+').then(async (made) => {
          await made.close()
          return pools[by].open(path, 'r+')
        })
        assert.equal((await file.write(data, { position: at })).bytesWritten, size)
        const known = model.names.get(path) ?? { content: Buffer.alloc(0) }
        model.names.set(path, known)
        put(model, known, at, data, () => true)
      },
    ),
  ),
  fc.tuple(who, name, length).map(([by, path, size]) =>
    command(
      `${by} appends ${size} bytes to ${path}`,
      (model) => mayWrite(model, model.names.get(path)) && model.names.get(path)!.content.length < MOST_BYTES,
      async (model, { pools }) => {
        const data = filled(size)
        await pools[by].writeFile(path, data, { flags: 'a' })
        const known = model.names.get(path)!
        put(model, known, known.content.length, data, () => true)
      },
    ),
  ),
  fc.tuple(who, name, offset).map(([by, path, size]) =>
    command(
      `${by} truncates ${path} to ${size}`,
      (model) => model.names.has(path),
      async (model, { pools }) => {
        await pools[by].truncate(path, size)
        const known = model.names.get(path)!
        if (size < known.content.length) cut(model, known, size, Infinity, true)
        else known.content = Buffer.concat([known.content, Buffer.alloc(size - known.content.length)])
      },
    ),
  ),
  fc.tuple(who, name, offset, length).map(([by, path, at, size]) =>
    command(
      `${by} punches ${size} bytes at ${at} of ${path}`,
      (model) => model.names.has(path),
      async (model, { pools }) => {
        await pools[by].punchHole(path, at, size)
        const known = model.names.get(path)!
        const end = Math.min(at + size, known.content.length)
        if (at < end) cut(model, known, at, end === known.content.length ? Infinity : end, false)
      },
    ),
  ),
  fc.tuple(who, name, offset, length).map(([by, path, at, size]) =>
    command(
      `${by} allocates ${size} bytes at ${at} of ${path}`,
      (model) => model.names.has(path),
      async (model, { pools }) => {
        await using file = await pools[by].open(path, 'r+')
        await file.allocate(at, size)
        const known = model.names.get(path)!
        const more = Math.max(0, at + size - known.content.length)
        known.content = Buffer.concat([known.content, Buffer.alloc(more)])
      },
    ),
  ),
  fc.tuple(who, name, offset, length, fc.boolean()).map(([by, path, at, size, isWrite]) =>
    command(
      `${by} pins ${size} bytes at ${at} of ${path} to ${isWrite ? 'write' : 'read'}`,
      (model) => mayWrite(model, model.names.get(path)) && model.pins.length < 6,
      async (model, { pools }) => {
        const known = model.names.get(path)!
        await using file = await pools[by].open(path, 'r+')
        const pinning = file.pin({ offset: at, length: size, mode: isWrite ? 'write' : 'read' })
        if (at + size > known.content.length) return await assert.rejects(pinning, { code: 'ERANGE' })
        const pin = await pinning
        const held: ModelPin = { pin, bytes: Buffer.from(known.content.subarray(at, at + size)), file: known }
        // A read pin of a hole is a view of zeros that nobody writes to afterwards.
        if (!isWrite && (await pools[by].stat(path)).blocks * 512 < Math.ceil(known.content.length / BLOCK) * BLOCK)
          cutOff.add(held)
        model.pins.push(held)
      },
    ),
  ),
  fc.tuple(fc.nat(5)).map(([which]) =>
    command(
      `pin ${which} is written to`,
      (model) => model.pins[which]?.pin.mode === 'write',
      async (model) => {
        const held = model.pins[which]
        if (cutOff.has(held)) {
          // Whole or in parts, it may be in lost+found: only that nobody else's bytes change is known.
          return
        }
        const data = filled(held.bytes.length)
        let at = 0
        for (const view of held.pin.buffers) at += data.copy(view, 0, at, at + view.length)
        put(model, held.file, held.pin.offset, data, () => true)
      },
    ),
  ),
  fc.tuple(fc.nat(5)).map(([which]) =>
    command(
      `pin ${which} is released`,
      (model) => model.pins[which] !== undefined,
      async (model) => model.pins.splice(which, 1)[0].pin.release(),
    ),
  ),
  fc.tuple(who, name).map(([by, path]) =>
    command(
      `${by} unlinks ${path}`,
      (model) => model.names.has(path),
      async (model, { pools }) => {
        await pools[by].unlink(path)
        goes(model, model.names.get(path)!)
        model.names.delete(path)
      },
    ),
  ),
  fc.tuple(who, name, name).map(([by, from, to]) =>
    command(
      `${by} renames ${from} to ${to}`,
      (model) => model.names.has(from),
      async (model, { pools }) => {
        await pools[by].rename(from, to)
        if (from === to) return
        const replaced = model.names.get(to)
        if (replaced !== undefined) goes(model, replaced)
        model.names.set(to, model.names.get(from)!)
        model.names.delete(from)
      },
    ),
  ),
  fc.tuple(who, name).map(([by, path]) =>
    command(
      `${by} opens ${path} and keeps it open`,
      (model) => model.names.has(path) && model.handles.length < 4,
      async (model, { pools }) => {
        model.handles.push({ file: await pools[by].open(path, 'r'), model: model.names.get(path)! })
      },
    ),
  ),
  fc.tuple(fc.nat(3)).map(([which]) =>
    command(
      `handle ${which} is closed`,
      (model) => model.handles[which] !== undefined,
      async (model) => {
        await model.handles.splice(which, 1)[0].file.close()
      },
    ),
  ),
  fc.tuple(who).map(([by]) =>
    command(
      `${by} reclaims`,
      () => true,
      async (_, { pools }) => {
        await pools[by].lostAndFound.reclaim()
        await pools[by].reap()
      },
    ),
  ),
  fc.tuple(who).map(([by]) =>
    command(
      `${by} leaves and comes back`,
      (model) => model.pins.length === 0 && model.handles.length === 0,
      async (_, real) => {
        await real.pools[by].close()
        real.pools[by] = await openPool(real.directory)
      },
    ),
  ),
]

/** A file loses its name: its pins may lose it as well. */
function goes(model: Model, file: ModelFile): void {
  for (const held of model.pins) if (held.file === file) cutOff.add(held)
}

test(`random commands by two participants do what a model in memory does (seed ${SEED})`, async (t) => {
  const parent = temporaryDirectory(t)
  let nth = 0
  const property = fc.asyncProperty(fc.commands(commands, { maxCommands: 40 }), async (chosen) => {
    const directory = `${parent}/${nth++}`
    const real: Real = {
      directory,
      pools: [await createPool(directory, { sizeBytes: 4 << 20 }), await openPool(directory)],
    }
    const model: Model = { names: new Map(), pins: [], handles: [] }
    try {
      await fc.asyncModelRun(() => ({ model, real }), chosen)
      for (const { pin } of model.pins) pin.release()
      for (const { file } of model.handles) await file.close()
      await real.pools[0].lostAndFound.reclaim()
      const stats = await real.pools[0].stats()
      assert.deepEqual([stats.sequesteredBytes, stats.busyBytes, stats.pins], [0, 0, 0], 'nothing leaks')
      await checkSound(real.pools[0])
    } finally {
      for (const pool of real.pools) await pool.close({ force: true })
    }
  })
  await fc.assert(property, { numRuns: RUNS, seed: SEED, endOnFailure: false })
})
