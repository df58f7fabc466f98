/**
 * A race: I/O on pinned blocks of a file against a change that takes these blocks out of it, made by another participant.
 *
 *   1 make the file, pin all of it in windows, begin the I/O; the first half ends, and its pins with it
 *   2 the other participant truncates, punches or unlinks; on when it has answered, or is seen waiting
 *   3 a new file takes what has become free: it would get the pinned blocks, had they been given up
 *   4 the rest of the I/O; under `wait` the change comes after it
 *   5 the verdict, by hash; then everything is removed
 *
 * The file is the run's own, by its name; nothing else of the pool is touched.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf } from '../../errors.ts'
import { changeHolders } from '../../layout/changes-under-way.ts'
import { claimsOf } from '../../layout/overlaps.ts'
import type { File } from '../../pool/file.ts'
import { openPool } from '../../pool/open-pool.ts'
import type { Pool } from '../../pool/pool.ts'
import type { Extent, InodeNumber } from '../../units.ts'
import { blockView } from './block-view.ts'
import { DirectRead } from './direct-read.ts'
import type { Check, LabView } from './lab-events.ts'
import type { LabRun } from './lab-run.ts'
import type { LabChange, LabOrder } from './order.ts'
import { SlowClient } from './slow-client.ts'
import type { Transfer } from './transfer.ts'
import { FILE_BYTES, hashOf } from './transfer.ts'

const TIMEOUT_MS = 20_000
const LOOK_MS = 5
const SAMPLE_MS = 100
/** What truncate and punch take out begins here; a punch ends at the other. */
const CUT_START = FILE_BYTES / 4
const PUNCH_END = (FILE_BYTES / 4) * 3

/** How the change ended. */
type Outcome =
  | {
      readonly isDone: true
      readonly tookMs: number
      /** Pins in its range that were held at that instant. */
      readonly pinsLeft: number
    }
  | { readonly isDone: false; readonly error: unknown }

/** A race under way. */
interface Track {
  readonly pool: Pool
  readonly order: LabOrder
  readonly run: LabRun
  readonly path: string
  readonly ino: InodeNumber
  /** Where the file's blocks are at first. */
  readonly extents: readonly Extent[]
  readonly content: Buffer
  readonly newPath: string
  readonly newContent: Buffer
  transfer: Transfer | undefined
  change: LabView['change']
}

/** Rejects when it could not be carried out. What it made is removed either way. */
export async function race(pool: Pool, order: LabOrder, run: LabRun): Promise<void> {
  const path = `/race-lab-${run.id}`
  const content = randomBytes(FILE_BYTES)
  const newPath = `${path}-new`
  let ino: InodeNumber | undefined
  try {
    await pool.writeFile(path, content, { flags: 'wx' })
    await pool.configure(path, { busy: order.busy, dax: order.dax })
    ino = (await pool.stat(path)).ino as InodeNumber
    const layout = await pool.fileSystem.metadata.layout(ino)
    const extents = layout?.extents ?? []
    const newContent = randomBytes(FILE_BYTES / 2)
    await raced({
      pool,
      order,
      run,
      path,
      ino,
      extents,
      content,
      newPath,
      newContent,
      transfer: undefined,
      change: 'to come',
    })
  } finally {
    await cleanUp(pool, [path, newPath], ino)
  }
}

async function raced(track: Track): Promise<void> {
  const { pool, order, path, content } = track
  await tell(track, `made ${path}: 1 MiB in ${track.extents.length} extent${track.extents.length === 1 ? '' : 's'}`)
  const file = await pool.open(path, 'r+')
  const incoming = randomBytes(FILE_BYTES)
  try {
    track.transfer = await (order.io === 'slow-client'
      ? SlowClient.prepare(file, content)
      : DirectRead.prepare(file, incoming))
  } finally {
    // Pins outlive the file: nothing but them keeps the blocks from going.
    await file.close()
  }
  await using transfer = track.transfer
  const pinned = order.dax === 'never' ? 'pinned all of it, as copies' : 'pinned all of it'
  await tell(track, `${pinned}; ${order.io === 'slow-client' ? 'a slow client connects' : 'a disk reads into it'}`)
  using sampling = samples(track)
  void sampling
  await transfer.begin()

  await using other = await openPool(pool.path)
  await tell(track, `half is done; another participant ${WORDS[order.change]}`)
  const changing = changed(other, track)
  await Promise.race([changing, untilWaiting(track)])
  await tell(track, CHANGE_WORDS[track.change])
  const taken = await newFile(track)
  await tell(track, `a new file of ${taken >> 10} KiB took free blocks`)

  await transfer.finish()
  const late = await lateChecks(track, incoming)
  transfer.release()
  await tell(track, 'the I/O is done; the last pins are released')
  const outcome = await changing
  await tell(track, CHANGE_WORDS[track.change])
  const checks = [
    ...transfer.checks(),
    ...late,
    ...outcomeChecks(order, outcome),
    ...(await contentChecks(track, outcome, incoming)),
    ...(await newFileChecks(track)),
  ]
  track.run.tell({ kind: 'verdict', isRight: checks.every(({ isRight }) => isRight), checks })
}

const WORDS: Readonly<Record<LabChange, string>> = {
  truncate: 'truncates it to a quarter',
  punch: 'punches a hole of half of it',
  unlink: 'unlinks it',
}

const CHANGE_WORDS: Readonly<Record<LabView['change'], string>> = {
  'to come': 'the change is on its way',
  waits: 'the change waits for the pins in its range',
  done: 'the change is done',
  refused: 'the change was refused: EBUSY',
}

/** Makes the change, on `other`. Never rejects. */
async function changed(other: Pool, track: Track): Promise<Outcome> {
  const { path, order } = track
  const startedAt = performance.now()
  const limits = { timeoutMs: TIMEOUT_MS }
  try {
    if (order.change === 'unlink') await other.unlink(path, limits)
    else {
      await using file = await other.open(path, 'r+')
      await (order.change === 'truncate' ? file.truncate(CUT_START, limits) : punched(file, limits))
    }
    track.change = 'done'
    return { isDone: true, tookMs: performance.now() - startedAt, pinsLeft: pinsInRange(track) }
  } catch (error) {
    track.change = 'refused'
    return { isDone: false, error }
  }
}

/** Pins of the file that overlap what the change takes out. */
const pinsInRange = ({ pool: { fileSystem }, ino, order }: Track): number =>
  claimsOf(fileSystem.table, fileSystem.table.own.index).filter(
    (pin) =>
      pin.ino === ino &&
      pin.kind === 'pin' &&
      (order.change === 'unlink' || pin.offset + pin.length > CUT_START) &&
      (order.change !== 'punch' || pin.offset < PUNCH_END),
  ).length

const punched = (file: File, limits: { timeoutMs: number }): Promise<void> =>
  file.punchHole(CUT_START, PUNCH_END - CUT_START, limits)

/** Resolves when the change is seen waiting for pins; or never, and then it has ended. For a moment every change waits. */
async function untilWaiting(track: Track): Promise<void> {
  while (track.change === 'to come') {
    await sleep(LOOK_MS)
    if (track.order.busy !== 'wait' || track.change !== 'to come' || pinsInRange(track) === 0) continue
    if (changeHolders(track.pool.fileSystem, track.ino).some(({ state }) => state === 'waiting')) track.change = 'waits'
  }
}

/** As large as space allows; returns its bytes. */
async function newFile({ pool, newPath, newContent }: Track): Promise<number> {
  const { availableBytes } = await pool.stats()
  const bytes = Math.min(newContent.length, Math.floor(availableBytes / 2))
  await pool.writeFile(newPath, newContent.subarray(0, bytes), { flags: 'wx' })
  return bytes
}

/** Under sequester, what came late is to be found in lost+found while the pins are held. */
async function lateChecks({ pool, ino, order, content }: Track, incoming: Buffer): Promise<Check[]> {
  if (order.busy !== 'sequester' || order.dax === 'never') return []
  const expected = order.io === 'slow-client' ? content : incoming
  const files = (await pool.lostAndFound.list()).filter(({ originInode }) => originInode === ino)
  // The slow client's pins end one by one, so that idle pieces may be gone.
  if (files.length === 0 && order.io === 'slow-client') return []
  let isRight = files.length > 0
  let bytes = 0
  for (const { name, offset, length } of files) {
    const data = await pool.lostAndFound.read(name).catch(() => undefined)
    if (data === undefined) continue
    bytes += length
    if (hashOf(data) !== hashOf(expected.subarray(offset, offset + length))) isRight = false
  }
  return [{ text: `lost+found has ${bytes} bytes of it, late ones included, all right by hash`, isRight }]
}

function outcomeChecks({ busy, dax }: LabOrder, outcome: Outcome): Check[] {
  if (dax === 'never' && outcome.isDone) {
    const text = `the change was done at once, in ${outcome.tookMs.toFixed(1)} ms: copies hold no blocks`
    return [{ text, isRight: outcome.pinsLeft === 0 }]
  }
  if (busy === 'fail') {
    const code = outcome.isDone ? 'no error' : codeOf(outcome.error)
    return [{ text: `under fail the change got ${code}`, isRight: code === 'EBUSY' }]
  }
  if (!outcome.isDone) return [{ text: `the change failed: ${String(outcome.error)}`, isRight: false }]
  const { pinsLeft } = outcome
  const took = `${outcome.tookMs.toFixed(1)} ms`
  return busy === 'sequester'
    ? [{ text: `the change was done at once, in ${took}, beside ${pinsLeft} pins in its range`, isRight: pinsLeft > 0 }]
    : [{ text: `the change took ${took}: until the last pin in its range was released`, isRight: pinsLeft === 0 }]
}

/** The file afterwards: as it was where it was refused, else without what the change took. */
async function contentChecks(
  { pool, path, order, content }: Track,
  outcome: Outcome,
  incoming: Buffer,
): Promise<Check[]> {
  const whole = order.io === 'slow-client' ? content : incoming
  // Copies go into the file when they are let go, as far as it still has the bytes.
  const isThere = await pool.exists(path)
  if (order.change === 'unlink' && outcome.isDone) return [{ text: 'the name is gone', isRight: !isThere }]
  const expected = Buffer.from(whole)
  if (outcome.isDone && order.change === 'punch') expected.fill(0, CUT_START, PUNCH_END)
  const size = outcome.isDone && order.change === 'truncate' ? CUT_START : FILE_BYTES
  const now = isThere ? await pool.readFile(path) : Buffer.alloc(0)
  const text = `the file is ${now.length} bytes and what it should be, by hash`
  return [{ text, isRight: hashOf(now) === hashOf(expected.subarray(0, size)) }]
}

async function newFileChecks({ pool, newPath, newContent }: Track): Promise<Check[]> {
  const now = await pool.readFile(newPath)
  return [
    { text: 'the new file is untouched, by hash', isRight: hashOf(now) === hashOf(newContent.subarray(0, now.length)) },
  ]
}

async function tell(track: Track, text: string): Promise<void> {
  track.run.tell({ kind: 'step', text, view: await viewOf(track) })
}

/** Tells of every tenth of a second, until it is disposed. */
function samples(track: Track): Disposable {
  let isLooking = false
  const timer = setInterval(() => {
    if (isLooking) return
    isLooking = true
    void viewOf(track)
      .then((view) => track.run.tell({ kind: 'sample', view }))
      .catch(() => undefined)
      .finally(() => (isLooking = false))
  }, SAMPLE_MS)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

async function viewOf({ pool, ino, extents, transfer, change }: Track): Promise<LabView> {
  const fs = pool.fileSystem
  const lost = (await fs.metadata.lostAndFound()).filter(({ originInode }) => originInode === ino)
  const own = claimsOf(fs.table, fs.table.own.index).filter((claim) => claim.ino === ino && claim.kind === 'pin')
  return {
    blocks: await blockView(fs, ino, extents),
    pins: own.length,
    movedBytes: transfer?.movedBytes ?? 0,
    totalBytes: FILE_BYTES,
    lostBytes: lost.reduce((sum, { length }) => sum + length, 0),
    change,
  }
}

async function cleanUp(pool: Pool, paths: readonly string[], ino: InodeNumber | undefined): Promise<void> {
  for (const path of paths) if (await pool.exists(path)) await pool.unlink(path, { busy: 'sequester' })
  for (const { name, originInode, holders } of await pool.lostAndFound.list())
    if (originInode === ino && holders.length === 0) await pool.lostAndFound.reclaim(name)
}
