/**
 * Images: the pools that a power cut, or the death of the process, at one step of a recording could leave.
 *
 * After a power cut each page that was not flushed is any of its versions, and the log ends anywhere behind its last sync.
 * The two are independent, as their files are. After a process's death everything written is there, less the commit that it
 * had not come to.
 */
import { closeSync, ftruncateSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { DATA_START } from '../../src/device/label.ts'
import { poolDirectory } from '../../src/pool/pool-directory.ts'
import type { Random } from '../stress/random.ts'
import type { LogState } from './log-versions.ts'
import type { Step } from './recorder.ts'
import { ZERO_PAGE } from './page-versions.ts'

const PAGE = 4096
const LOG_HEADER = 32

export type Cause = 'power cut' | 'kill' | 'kill before the commit'

export interface Image {
  readonly step: Step
  readonly cause: Cause
  /** What it is, in words. */
  readonly description: string
  /** How many transactions are in it. */
  readonly commit: number
  readonly pages: readonly Buffer[]
  /** Of the device: a growth that was not flushed may be lost. */
  readonly blockCount: number
  readonly database: Buffer
  readonly log: Buffer
  /** The log does not end with a transaction. */
  readonly isTorn: boolean
}

/** A log of which everything is there up to byte `at`; `how`: what is behind it. */
interface LogCut {
  readonly at: number
  readonly how: 'nothing' | 'zeros' | 'noise' | 'a hole'
}

export interface Choice {
  /** Images of each step, at most. */
  readonly most: number
  readonly random: Random
  /** Those that were there before: no image is made twice. */
  readonly known: Set<string>
}

export function* imagesOf(step: Step, { most, random, known }: Choice): Generator<Image> {
  const newest = step.pages.map((list) => list[list.length - 1])
  const { log } = step
  const whole: LogCut = { at: log.now.length, how: 'nothing' }
  const made = function* (image: Image | undefined): Generator<Image> {
    if (image === undefined) return
    const key = keyOf(image)
    if (known.has(key)) return
    known.add(key)
    yield image
  }
  if (step.database.length === 1) {
    yield* made(imageOf(step, 'kill', newest, whole))
    const previous = log.commits.at(-2)
    if (step.isCommit && previous !== undefined) {
      yield* made(imageOf(step, 'kill before the commit', newest, { at: previous.end, how: 'nothing' }))
    }
  }
  const cuts = cutsOf(log, random)
  const unflushed = step.pages.flatMap((list, block) => (list.length > 1 ? [block] : []))
  const combinations = unflushed.reduce((product, block) => Math.min(product * step.pages[block].length, 1e9), 1)
  const isSmall = combinations * cuts.length * step.database.length <= most
  for (const cut of isSmall ? cuts : sampled(cuts, most, random)) {
    const count = isSmall ? combinations : Math.max(1, Math.floor(most / cuts.length))
    for (let i = 0; i < count; i++) {
      const pages = isSmall ? nth(step, newest, unflushed, i) : pick(step, newest, unflushed, i, random)
      yield* made(imageOf(step, 'power cut', pages, cut, random))
    }
  }
}

/** The pool that is there at the step, as somebody would find it now. */
export const wholeImageOf = (step: Step): Image =>
  imageOf(
    step,
    'kill',
    step.pages.map((list) => list[list.length - 1]),
    { at: step.log.now.length, how: 'nothing' },
  )

/** The n-th combination of versions, all of them being counted through. */
function nth(step: Step, newest: readonly Buffer[], unflushed: readonly number[], n: number): Buffer[] {
  const pages = [...newest]
  for (const block of unflushed) {
    const list = step.pages[block]
    pages[block] = list[n % list.length]
    n = Math.floor(n / list.length)
  }
  return pages
}

/** Nothing written back, everything, or any page for itself. */
function pick(
  step: Step,
  newest: readonly Buffer[],
  unflushed: readonly number[],
  i: number,
  random: Random,
): Buffer[] {
  const pages = [...newest]
  const share = i % 3 === 0 ? 0 : i % 3 === 1 ? random.of([0.1, 0.5, 0.9]) : 1
  for (const block of unflushed) {
    const list = step.pages[block]
    pages[block] = random.chance(share) ? list[1 + random.below(list.length - 1)] : list[0]
  }
  return pages
}

function sampled(cuts: readonly LogCut[], most: number, random: Random): LogCut[] {
  if (cuts.length <= most) return [...cuts]
  // The two ends always: nothing of what was not synced, and all of it.
  const middle = cuts.slice(1, -1)
  while (middle.length > Math.max(0, most - 2)) middle.splice(random.below(middle.length), 1)
  return [cuts[0], ...middle, cuts[cuts.length - 1]]
}

/** Where the log may end: after each transaction that is not durable, and torn within one. */
function cutsOf(log: LogState, random: Random): LogCut[] {
  const first = log.commits.findLast(({ commit }) => commit <= log.durableCommit)?.end ?? 0
  const open = log.commits.filter(({ commit }) => commit > log.durableCommit)
  const cuts: LogCut[] = [{ at: first, how: 'nothing' }]
  let start = first
  for (const { end } of open) {
    const within = start + random.below(end - start)
    cuts.push(
      { at: within, how: random.of(['nothing', 'zeros', 'noise', 'a hole'] as const) },
      { at: end, how: 'nothing' },
    )
    start = end
  }
  return cuts
}

function imageOf(step: Step, cause: Cause, pages: readonly Buffer[], cut: LogCut, random?: Random): Image {
  const { log } = step
  const { bytes, at } = logOf(log, cut)
  const commit = log.commits.findLast(({ end }) => end <= at)?.commit ?? log.movedCommit
  const old = pages.filter((page, block) => page !== step.pages[block].at(-1)).length
  const end = `${commit} of ${log.commits.at(-1)?.commit ?? log.movedCommit} transactions (${log.durableCommit} durable), log cut at ${cut.at} with ${cut.how} behind`
  return {
    step,
    cause,
    description: `${cause} at step ${step.index} (${step.what}): ${end}, ${old} pages not the newest`,
    commit,
    pages,
    blockCount:
      cause === 'power cut' && pages.every((page, block) => block < step.durableBlocks || page === ZERO_PAGE)
        ? step.durableBlocks
        : pages.length,
    database: databaseOf(step, random),
    log: bytes,
    isTorn: at !== 0 && !log.commits.some(({ end: whole }) => whole === at),
  }
}

/** Pages moved into meta.db and not synced are there or not, each for itself. */
function databaseOf({ database }: Step, random: Random | undefined): Buffer {
  const last = database[database.length - 1]
  if (database.length === 1 || random === undefined) return last
  const [before] = database
  const mixed = Buffer.from(last)
  for (let at = 0; at < before.length; at += PAGE) if (random.chance(0.5)) before.copy(mixed, at, at, at + PAGE)
  return random.chance(0.3) ? mixed.subarray(0, before.length) : mixed
}

function logOf({ now, durable }: LogState, { at, how }: LogCut): { readonly bytes: Buffer; readonly at: number } {
  const bytes = torn(now, durable, at, how)
  // Where it was torn, old and new may have the same bytes.
  return { bytes, at: firstDifference(bytes, now) }
}

function torn(now: Buffer, durable: Buffer, at: number, how: LogCut['how']): Buffer {
  // Of a log that started anew not even the header: it has the old one and the old frames.
  if (at < LOG_HEADER) return durable
  const bytes = Buffer.alloc(Math.max(now.length, durable.length))
  durable.copy(bytes)
  now.copy(bytes, 0, 0, at)
  if (how === 'nothing') return bytes.subarray(0, Math.max(at, durable.length))
  if (how === 'noise') for (let i = at; i < Math.min(at + PAGE, now.length); i++) bytes[i] = (i * 197) & 0xff
  if (how === 'a hole' && at + PAGE < now.length) now.copy(bytes, at + PAGE, at + PAGE)
  return bytes
}

function firstDifference(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length)
  if (a.compare(b, 0, length, 0, length) === 0) return length
  let at = 0
  while (a[at] === b[at]) at++
  return at
}

const numbers = new WeakMap<Buffer, number>()
let next = 1

/** One number for each Buffer that a recording holds. */
function numberOf(buffer: Buffer): number {
  let number = numbers.get(buffer)
  if (number === undefined) numbers.set(buffer, (number = next++))
  return number
}

const keyOf = ({ cause, pages, commit, step, database, log }: Image): string =>
  `${cause === 'power cut' ? 'cut' : 'kill'} ${commit} ${log.length} ${step.database.length === 1 ? numberOf(database) : step.index} ${pages.map(numberOf).join()}`

/** Makes the pool at `path`, of an image that was there before or of nothing but an empty `pins`. */
export function writeImage(path: string, image: Image, hidesPowerCut = false): void {
  const files = poolDirectory(path)
  const fd = openSync(files.device, 'w+')
  try {
    ftruncateSync(fd, DATA_START + image.blockCount * PAGE)
    writeSync(fd, image.step.label, 0, image.step.label.length, 0)
    image.pages.forEach((page, block) => {
      // A process's death leaves blocks allocated; a power cut may take that back until they were flushed.
      const isThere = page !== ZERO_PAGE || (image.cause !== 'power cut' && image.step.allocated.has(block))
      if (isThere) writeSync(fd, page, 0, PAGE, DATA_START + block * PAGE)
    })
  } finally {
    closeSync(fd)
  }
  writeFileSync(files.metadata, image.database)
  rmSync(`${files.metadata}-shm`, { force: true })
  if (image.log.length === 0) rmSync(`${files.metadata}-wal`, { force: true })
  else writeFileSync(`${files.metadata}-wal`, image.log)
  // The last word says which file the device is: this one, else the opening would take it for a copy.
  const { dev, ino } = statSync(files.device, { bigint: true })
  const sameBoot = image.step.boot.replace(/\d+:\d+$/, `${dev}:${ino}`)
  writeFileSync(`${files.pins}/boot`, image.cause === 'power cut' && !hidesPowerCut ? 'another boot' : sameBoot)
}
