/**
 * A process of the stress: `lanes` of random operations on a shared pool until it is told to stop, or is killed.
 *
 * A file belongs to the lane whose prefix is in its name; only that lane writes to it, so what a lane has just written it
 * can expect to the word. Everybody reads, pins, truncates, punches, unlinks and renames everything. Findings end the
 * process with status 3.
 */
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BusyPolicy, File, Pin, Pool } from '../../src/index.ts'
import { openPool } from '../../src/index.ts'
import { Random } from './random.ts'
import type { Fault } from './stamps.ts'
import { copyOfWords, faultIn, stamp } from './stamps.ts'

export interface ParticipantOptions {
  readonly pool: string
  /** Where host files for DMA go. */
  readonly host: string
  readonly seed: number
  readonly number: number
  readonly participants: number
  readonly lanes: number
}

export type Message =
  | { readonly kind: 'ready' }
  | { readonly kind: 'finding'; readonly what: string }
  | { readonly kind: 'counts'; readonly counts: Readonly<Record<string, number>> }

const BLOCK = 4096
const NAMES = 4
const MOST_BLOCKS = 48
/** What a truncate may take beyond what it waits for: others are stopped for up to 400 ms, also in a transaction. */
const LATE_MS = 5000
const POLICIES: readonly BusyPolicy[] = ['fail', 'wait', 'sequester']
/** What the calls may say in this traffic. */
const EXPECTED = new Set([
  'ENOENT',
  'EEXIST',
  'EBUSY',
  'ETIMEDOUT',
  'ETXTBSY',
  'ENOSPC',
  'ERANGE',
  'EAGAIN',
  // Of long-term pins: the lease was revoked, or given back.
  'ESTALE',
  'EOPNOTSUPP',
])

let counts: Record<string, number> = {}
const count = (what: string): void => {
  counts[what] = (counts[what] ?? 0) + 1
}

class Finding extends Error {}

class Lane {
  readonly #pool: Pool
  /** The same pool, as another participant. */
  readonly #elsewhere: Pool
  readonly #options: ParticipantOptions
  readonly #lane: number
  readonly #random: Random
  readonly #isStopping: () => boolean
  #generation = 1
  #isDirect = true

  constructor(pools: readonly [Pool, Pool], options: ParticipantOptions, lane: number, isStopping: () => boolean) {
    ;[this.#pool, this.#elsewhere] = pools
    this.#options = options
    this.#lane = lane
    this.#random = new Random(options.seed * 31 + options.number * 7 + lane)
    this.#isStopping = isStopping
  }

  async run(): Promise<void> {
    while (!this.#isStopping()) {
      const [name, action] = this.#random.of(this.#actions)
      try {
        await action.call(this)
        count(name)
      } catch (error) {
        if (error instanceof Finding) throw error
        const { code } = error as { code?: string }
        if (code === undefined || !EXPECTED.has(code)) throw error
        const { holders } = error as { holders?: unknown[] }
        if ((code === 'EBUSY' || code === 'ETIMEDOUT' || code === 'ETXTBSY') && holders === undefined) {
          throw new Finding(`promise 4: ${code} without holders in ${name}: ${String(error)}`)
        }
        count(`${name} ${code}`)
      }
      // Others in this process have their turn.
      await new Promise((resolve) => void setImmediate(resolve))
    }
  }

  readonly #actions: readonly (readonly [string, () => Promise<void>])[] = [
    ['write by copy', this.#write],
    ['write by copy', this.#write],
    ['write by pin', this.#writePinned],
    ['write by pin', this.#writePinned],
    ['DMA into a pin', this.#dmaIn],
    ['shrink and grow', this.#shrinkAndGrow],
    ['read by pin', this.#readPinned],
    ['read by pin', this.#readPinned],
    ['read by pin', this.#readPinned],
    ['DMA out of a pin', this.#dmaOut],
    ['read by copy', this.#read],
    ['snapshot', this.#snapshot],
    ['snapshot', this.#snapshot],
    ['lease', this.#lease],
    ['truncate under own pin', this.#truncateUnderPin],
    ['wait for own pins', this.#waitForPins],
    ['wait for own pins', this.#waitForPins],
    ['pin what is waited for', this.#pinWaitedFor],
    ['pin what is waited for', this.#pinWaitedFor],
    ['truncate and wait', this.#truncateAndWait],
    ['truncate', this.#truncate],
    ['punch', this.#punch],
    ['punch', this.#punch],
    ['unlink', this.#unlink],
    ['rename over', this.#rename],
    ['read after unlink', this.#readAfterUnlink],
    ['flush DMA', this.#flushDma],
    ['read lost+found', this.#readLost],
    ['reclaim', this.#reclaim],
  ]

  // ---- the lane's own files ----

  async #write(): Promise<void> {
    await using file = await this.#ownFile()
    const { offset, length } = this.#range()
    const bytes = new Uint8Array(length)
    const generation = this.#generation++
    stamp(bytes, file.ino, offset, generation)
    const { bytesWritten } = await file.write(bytes, { position: offset })
    if (this.#random.chance(0.3)) await file.sync()
    if (bytesWritten > 0) count('bytes written')
  }

  async #writePinned(): Promise<void> {
    await using file = await this.#ownFile()
    const { offset, length } = this.#range()
    const pin = await this.#pinOwn(file, offset, length)
    try {
      this.#must(this.#faultOf(pin, file.ino))
      const generation = this.#generation++
      this.#each(pin, (bytes, at) => stamp(bytes, file.ino, at, generation))
      await this.#hold()
      this.#must(this.#faultOf(pin, file.ino, { generation }))
    } finally {
      pin.release()
    }
  }

  /** O_DIRECT from a host file into pinned blocks, while others take the file apart. */
  async #dmaIn(): Promise<void> {
    await using file = await this.#ownFile()
    const { offset, length } = this.#blocks()
    const pin = await this.#pinOwn(file, offset, length)
    try {
      const generation = this.#generation++
      const bytes = new Uint8Array(length)
      stamp(bytes, file.ino, offset, generation)
      await this.#withHostFile(bytes, async (host) => {
        let position = 0
        for (const buffer of pin.buffers) {
          await host.read(buffer, 0, buffer.length, position)
          position += buffer.length
        }
      })
      await this.#hold()
      this.#must(this.#faultOf(pin, file.ino, { generation }))
    } finally {
      pin.release()
    }
  }

  /** What a file loses by a truncate it never gets back: no stale data (promise 6). */
  async #shrinkAndGrow(): Promise<void> {
    await using file = await this.#ownFile()
    const { size } = await file.stat()
    const length = this.#random.below(size / 8 + 1) * 8
    await file.truncate(length, this.#policy())
    const end = length + (this.#random.below(8 * BLOCK) >>> 3) * 8
    await file.truncate(end)
    const bytes = new Uint8Array(end - length)
    const { bytesRead } = await file.read(bytes, { position: length })
    const stale = bytes.subarray(0, bytesRead).findIndex((byte) => byte !== 0)
    if (stale >= 0)
      this.#must({ what: 'stale', detail: `byte ${length + stale} of inode ${file.ino} is not zero after it grew` })
  }

  // ---- everybody's files ----

  async #readPinned(): Promise<void> {
    await using file = await this.#pool.open(this.#anyName(), 'r')
    using pin = await this.#pinAny(file)
    const { ino } = file
    this.#must(this.#faultOf(pin, ino))
    const before = pin.buffers.map(copyOfWords)
    for (let looks = this.#random.below(3) + 1; looks > 0; looks--) {
      await this.#hold()
      this.#must(this.#faultOf(pin, ino, { before }))
    }
  }

  async #dmaOut(): Promise<void> {
    await using file = await this.#pool.open(this.#anyName(), 'r')
    const { size } = await file.stat()
    const blocks = Math.floor(size / BLOCK)
    if (blocks === 0) return
    const offset = this.#random.below(blocks) * BLOCK
    const length = Math.min(1 + this.#random.below(16), blocks - offset / BLOCK) * BLOCK
    using pin = await file.pin({ offset, length, mode: 'read', timeoutMs: 500 })
    await this.#withHostFile(new Uint8Array(length), async (host) => {
      let position = 0
      for (const buffer of pin.buffers) {
        // Holes are memory of the heap, not aligned for O_DIRECT.
        const isAligned = buffer.buffer.byteLength === buffer.byteLength && buffer.byteOffset === 0
        if (isAligned) await host.write(buffer, 0, buffer.length, position).catch(ignoreUnaligned)
        position += buffer.length
      }
      const bytes = new Uint8Array(length)
      await using plain = await open(this.#hostPath(), 'r')
      await plain.read(bytes, 0, length, 0)
      this.#must(faultIn(bytes, file.ino, offset))
    })
  }

  async #read(): Promise<void> {
    await using file = await this.#pool.open(this.#anyName(), 'r')
    const offset = this.#random.below(MOST_BLOCKS) * BLOCK
    const bytes = new Uint8Array(16 * BLOCK)
    const { bytesRead } = await file.read(bytes, { position: offset })
    this.#must(faultIn(bytes.subarray(0, bytesRead - (bytesRead % 8)), file.ino, offset))
  }

  /** A stable pin: to the bit the same for as long as it is held, whatever is written. */
  async #snapshot(): Promise<void> {
    const isOwn = this.#random.chance(0.5)
    await using file = isOwn ? await this.#ownFile() : await this.#pool.open(this.#anyName(), 'r')
    using pin = await this.#pinAny(file, { ...this.#policy(), stable: true })
    this.#must(this.#faultOf(pin, file.ino))
    const before = Buffer.concat(pin.buffers)
    if (isOwn) {
      const bytes = new Uint8Array(pin.length)
      stamp(bytes, file.ino, pin.offset, this.#generation++)
      await file.write(bytes, { position: pin.offset })
    }
    for (let looks = this.#random.below(3) + 1; looks > 0; looks--) {
      await this.#hold()
      count('checks')
      if (!before.equals(Buffer.concat(pin.buffers))) {
        throw new Finding(`torn: a stable pin of inode ${file.ino} at ${pin.offset} has changed`)
      }
    }
  }

  /** A layout lease with a long-term pin under it; a recall is answered, or not, and then it is revoked. */
  async #lease(): Promise<void> {
    await using file = await this.#pool.open('/leased', constants.O_RDWR | constants.O_CREAT)
    const { size } = await file.stat()
    if (size < MOST_BLOCKS * BLOCK) await file.truncate(MOST_BLOCKS * BLOCK)
    const onRecall = this.#random.of(['release', 'downgrade', 'nothing'] as const)
    let recalls = 0
    const { offset, length } = this.#blocks()
    const lease = await file.lease({
      type: 'layout',
      offset,
      length,
      exclusive: this.#random.chance(0.2),
      breakTimeMs: 20 + this.#random.below(100),
      timeoutMs: 100,
      onRecall: (_, recalled) => {
        recalls++
        if (onRecall === 'release') return recalled.release()
        if (onRecall === 'downgrade') recalled.downgrade()
        return undefined
      },
    })
    try {
      using pin = await file.pin({ offset, length, mode: 'read', longTerm: true, timeoutMs: 500 })
      const before = pin.buffers.map(copyOfWords)
      for (let looks = 3; looks > 0; looks--) {
        await sleep(this.#random.below(60))
        // Revoked: the views are gone, the blocks are not.
        const isWhole = pin.buffers.every((bytes, index) => bytes.length === before[index].byteLength)
        if (isWhole) this.#must(this.#faultOf(pin, file.ino, { before }))
        else count('views revoked')
      }
    } finally {
      if (recalls > 0) count(`recalled: ${onRecall}`)
      await lease.release()
    }
  }

  /** Under `sequester` a truncate waits for no pin: not for the one that is held until it is over. No lease is taken here. */
  async #truncateUnderPin(): Promise<void> {
    const pool = this.#random.of([this.#pool, this.#elsewhere])
    await using file = await pool.open('/sequestered', constants.O_RDWR | constants.O_CREAT)
    const { size } = await file.stat()
    if (size < 8 * BLOCK) await file.truncate(8 * BLOCK)
    using pin = await file.pin({ offset: 0, length: 4 * BLOCK, mode: 'write', timeoutMs: 500 })
    const length = this.#random.below(4) * BLOCK
    const start = performance.now()
    await this.#pool.truncate('/sequestered', length, { busy: 'sequester', timeoutMs: 20_000 }).catch(mustNotTimeOut)
    this.#mustBeSoon('a truncate under sequester took', performance.now() - start)
    if (pin.buffers.some((bytes) => bytes.length === 0)) throw new Finding('a truncate took the views of a pin')
  }

  /**
   * Under `wait` a truncate returns when the last pin that it had to wait for is released: not before, and not long after.
   * Nobody else knows the file.
   */
  async #waitForPins(): Promise<void> {
    const name = `/timed-${this.#options.number}.${this.#lane}`
    await using file = await this.#elsewhere.open(name, constants.O_RDWR | constants.O_CREAT)
    const { size } = await file.stat()
    if (size < 8 * BLOCK) await file.truncate(8 * BLOCK)
    const length = this.#random.below(7 * BLOCK)
    const pins: Pin[] = []
    try {
      for (let more = 1 + this.#random.below(3); more > 0; more--) {
        const offset = this.#random.below(8 * BLOCK - 1)
        const end = Math.max(length + 1, offset + 1 + this.#random.below(8 * BLOCK - offset))
        pins.push(await file.pin({ offset, length: Math.min(end, 8 * BLOCK) - offset, mode: 'write', timeoutMs: 500 }))
      }
      let isDone = false
      const truncated = this.#pool.truncate(name, length, { busy: 'wait', timeoutMs: 20_000 }).then(() => {
        isDone = true
        return performance.now()
      }, mustNotTimeOut)
      truncated.catch(() => undefined)
      for (const pin of pins) {
        await sleep(this.#random.below(40))
        if (isDone) throw new Finding('a truncate under wait returned before the last pin that it had to wait for')
        pin.release()
      }
      const released = performance.now()
      this.#mustBeSoon('a truncate under wait returned after the last release by', (await truncated) - released)
    } finally {
      for (const pin of pins) if (pin.isHeld) pin.release()
    }
  }

  #mustBeSoon(what: string, ms: number): void {
    count('checks')
    if (ms < 0) throw new Finding(`${what} ${ms.toFixed(1)} ms`)
    if (ms > LATE_MS) throw new Finding(`${what} ${Math.round(ms)} ms`)
    count(`${what} ${ms < 20 ? 'less than 20 ms' : ms < 450 ? '20 to 450 ms' : 'more'}`)
  }

  /** Under `wait`, which is all that this file knows, what is pinned stays in the file. */
  async #pinWaitedFor(): Promise<void> {
    await using file = await this.#pool.open('/waited-for', constants.O_RDWR | constants.O_CREAT)
    const { size } = await file.stat()
    if (size < 8 * BLOCK) await file.truncate(8 * BLOCK)
    const offset = this.#random.below(7 * BLOCK)
    const length = 1 + this.#random.below(8 * BLOCK - offset)
    // To write: a pin that is read from holds no hole, and a change need not wait for it.
    using pin = await file.pin({ offset, length, mode: 'write', timeoutMs: 500 })
    for (let looks = this.#random.below(3) + 1; looks > 0; looks--) {
      await this.#hold()
      count('checks')
      const now = await file.stat()
      if (now.size < pin.offset + pin.length) {
        const what = `to ${now.size} while bytes ${pin.offset}-${pin.offset + pin.length} were pinned`
        throw new Finding(`a truncate under wait returned too early: ${what}`)
      }
    }
  }

  async #truncateAndWait(): Promise<void> {
    const length = this.#random.below(8 * BLOCK)
    await this.#pool.truncate('/waited-for', length, { busy: 'wait', timeoutMs: 10 + this.#random.below(300) })
  }

  async #truncate(): Promise<void> {
    const length = this.#random.chance(0.3) ? 0 : this.#random.below((MOST_BLOCKS * BLOCK) / 8) * 8
    const name = this.#anyName()
    const { size } = await this.#pool.stat(name)
    if (length < size) await this.#pool.truncate(name, length, this.#policy())
  }

  async #punch(): Promise<void> {
    const { offset, length } = this.#range()
    const name = this.#random.chance(0.3) ? '/leased' : this.#anyName()
    await this.#pool.punchHole(name, offset, length, this.#policy())
  }

  async #unlink(): Promise<void> {
    await this.#pool.unlink(this.#anyName(), this.#policy())
  }

  async #rename(): Promise<void> {
    const prefix = this.#anyPrefix()
    await this.#pool.rename(
      `${prefix}-${this.#random.below(NAMES)}`,
      `${prefix}-${this.#random.below(NAMES)}`,
      this.#policy(),
    )
  }

  /** The content of an open file lives until the last close. */
  async #readAfterUnlink(): Promise<void> {
    const name = this.#anyName()
    await using file = await this.#pool.open(name, 'r')
    await this.#pool.unlink(name, this.#policy())
    using pin = await this.#pinAny(file)
    this.#must(this.#faultOf(pin, file.ino))
    const before = pin.buffers.map(copyOfWords)
    await file.close()
    await this.#hold()
    this.#must(this.#faultOf(pin, file.ino, { before }))
  }

  async #flushDma(): Promise<void> {
    const offset = this.#random.below(MOST_BLOCKS) * BLOCK
    await this.#pool.flushDma(this.#anyName(), { offset, length: 4 * BLOCK, timeoutMs: 50 })
  }

  async #readLost(): Promise<void> {
    const files = await this.#pool.lostAndFound.list()
    if (files.length === 0) return
    const file = this.#random.of(files)
    if (this.#random.chance(0.2)) {
      await this.#pool.lostAndFound.reclaim(file.name)
      return
    }
    const bytes = await this.#pool.lostAndFound.read(file.name)
    const copy = new Uint8Array(bytes.length - (bytes.length % 8))
    copy.set(bytes.subarray(0, copy.length))
    this.#must(faultIn(copy, file.originInode, file.offset))
  }

  /** So that what was freed is wanted again at once. */
  async #reclaim(): Promise<void> {
    await this.#pool.reap()
  }

  // ---- means ----

  #ownFile(): Promise<File> {
    const name = `${prefixOf(this.#options.number, this.#lane)}-${this.#random.below(NAMES)}`
    return this.#pool.open(name, constants.O_RDWR | constants.O_CREAT)
  }

  #anyPrefix(): string {
    return prefixOf(this.#random.below(this.#options.participants), this.#random.below(this.#options.lanes))
  }

  #anyName(): string {
    return `${this.#anyPrefix()}-${this.#random.below(NAMES)}`
  }

  #policy(): { busy: BusyPolicy; timeoutMs: number } {
    return { busy: this.#random.of(POLICIES), timeoutMs: 10 + this.#random.below(150) }
  }

  /** Any bytes, in steps of 8. */
  #range(): { offset: number; length: number } {
    if (this.#random.chance(0.5)) return this.#blocks()
    const offset = this.#random.below(((MOST_BLOCKS - 16) * BLOCK) / 8) * 8
    return { offset, length: (1 + this.#random.below((12 * BLOCK) / 8)) * 8 }
  }

  #blocks(): { offset: number; length: number } {
    return { offset: this.#random.below(MOST_BLOCKS - 16) * BLOCK, length: (1 + this.#random.below(12)) * BLOCK }
  }

  async #pinOwn(file: File, offset: number, length: number): Promise<Pin> {
    const { size } = await file.stat()
    if (size < offset + length) await file.truncate(offset + length)
    return file.pin({ offset, length, mode: 'write', timeoutMs: 500 })
  }

  async #pinAny(file: File, options: { busy?: BusyPolicy; stable?: boolean } = {}): Promise<Pin> {
    const { size } = await file.stat()
    const words = Math.floor(size / 8)
    const offset = this.#random.below(Math.max(words, 1)) * 8
    const length = Math.min(1 + this.#random.below((12 * BLOCK) / 8), Math.max(words - offset / 8, 1)) * 8
    const revocable = this.#random.chance(0.5)
    return file.pin({ timeoutMs: 500, ...options, offset, length, mode: 'read', revocable })
  }

  async #hold(): Promise<void> {
    if (this.#random.chance(0.3)) await sleep(this.#random.below(60))
    else await new Promise((resolve) => void setImmediate(resolve))
  }

  #each(pin: Pin, action: (bytes: Uint8Array, offset: number, index: number) => void): void {
    let { offset } = pin
    for (const [index, bytes] of pin.buffers.entries()) {
      action(bytes, offset, index)
      offset += bytes.length
    }
  }

  #faultOf(
    pin: Pin,
    ino: number,
    { generation, before }: { generation?: number; before?: Uint32Array[] } = {},
  ): Fault | undefined {
    let fault: Fault | undefined
    this.#each(pin, (bytes, at, index) => {
      const expectation = {
        ...(generation === undefined ? {} : { generation }),
        ...(before === undefined ? {} : { before: before[index] }),
      }
      fault ??= faultIn(bytes, ino, at, expectation)
    })
    return fault
  }

  #must(fault: Fault | undefined): void {
    count('checks')
    if (fault !== undefined) throw new Finding(`${fault.what}: ${fault.detail}`)
  }

  #hostPath(): string {
    return join(this.#options.host, `host-${this.#options.number}-${this.#lane}`)
  }

  async #withHostFile(content: Uint8Array, action: (host: FileHandle) => Promise<void>): Promise<void> {
    const path = this.#hostPath()
    const plain = await open(path, 'w+')
    await plain.write(content, 0, content.length, 0)
    await plain.close()
    const host = await this.#openDirect(path)
    try {
      await action(host)
    } finally {
      await host.close()
      await unlink(path)
    }
  }

  async #openDirect(path: string): Promise<FileHandle> {
    if (this.#isDirect) {
      try {
        return await open(path, constants.O_RDWR | constants.O_DIRECT)
      } catch (error) {
        if ((error as { code?: string }).code !== 'EINVAL') throw error
        this.#isDirect = false
      }
    }
    return open(path, constants.O_RDWR)
  }
}

const prefixOf = (participant: number, lane: number): string => `/p${participant}.${lane}`

/** Nothing that lasts for so long is held. */
function mustNotTimeOut(error: unknown): never {
  if ((error as { code?: string }).code !== 'ETIMEDOUT') throw error
  throw new Finding(`a truncate waited for what it need not: ${String(error)}`)
}

function ignoreUnaligned(error: unknown): void {
  if ((error as { code?: string }).code !== 'EINVAL') throw error
}

const send = (message: Message): Promise<void> =>
  new Promise((resolve) => {
    process.send?.(message, () => resolve())
  })

function sendCounts(): Promise<void> {
  const since = counts
  counts = {}
  return send({ kind: 'counts', counts: since })
}

async function main(options: ParticipantOptions): Promise<void> {
  const pools = [await openPool(options.pool), await openPool(options.pool)] as const
  let isStopping = false
  process.on('message', () => {
    isStopping = true
  })
  await send({ kind: 'ready' })
  const lanes = Array.from({ length: options.lanes }, (_, lane) => new Lane(pools, options, lane, () => isStopping))
  // Now and then, so that what is killed counts too.
  const report = setInterval(() => void sendCounts(), 250)
  await Promise.all(lanes.map((lane) => lane.run()))
  for (const pool of pools) await pool.close()
  clearInterval(report)
  await sendCounts()
  process.disconnect()
}

try {
  await main(JSON.parse(process.argv[2]) as ParticipantOptions)
} catch (error) {
  await send({
    kind: 'finding',
    what: error instanceof Finding ? error.message : `unexpected: ${(error as Error).stack}`,
  })
  process.exit(3)
}
