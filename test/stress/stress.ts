/**
 * The stress: real processes that stamp, pin, do DMA, truncate, punch, unlink, rename and reuse the same small pool, some
 * of which are stopped for a while or killed with SIGKILL and replaced. It looks for foreign or torn stamps in pinned
 * blocks, zeros where something was pinned, stale stamps where a file grew, and a pool that does not add up at the end.
 */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createPool, openPool } from '../../src/index.ts'
import type { Message, ParticipantOptions } from './participant.ts'
import { Random } from './random.ts'

export interface StressOptions {
  readonly seconds: number
  readonly seed: number
  readonly processes: number
  /** Directory in which a pool is made, and removed. */
  readonly path: string
}

export interface StressResult {
  readonly findings: readonly string[]
  readonly kills: number
  readonly stops: number
  /** What the participants did, up to a quarter of a second before they were killed. */
  readonly counts: Readonly<Record<string, number>>
}

const POOL_BYTES = 6 << 20
const LANES = 3
const READY_MS = 60_000

class Crew {
  readonly findings: string[] = []
  readonly counts: Record<string, number> = {}
  kills = 0
  readonly #options: Omit<ParticipantOptions, 'seed' | 'number'>
  readonly #random: Random
  readonly #children: ChildProcess[] = []

  constructor(options: Omit<ParticipantOptions, 'seed' | 'number'>, random: Random) {
    this.#options = options
    this.#random = random
  }

  get hasFound(): boolean {
    return this.findings.length > 0
  }

  /** Starts, or replaces, a participant; resolves when it works. */
  async start(number: number): Promise<void> {
    const options: ParticipantOptions = { ...this.#options, number, seed: this.#random.below(2 ** 31) }
    const child = fork(new URL('participant.ts', import.meta.url), [JSON.stringify(options)], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#children[number] = child
    const ready = new Promise<void>((resolve) => {
      child.on('message', (message: Message) => {
        if (message.kind === 'ready') resolve()
        if (message.kind === 'finding') this.findings.push(`process ${number}: ${message.what}`)
        if (message.kind === 'counts') this.#add(message.counts)
      })
      child.on('exit', (status, signal) => {
        if (signal !== 'SIGKILL' && (status !== 0 || signal !== null) && !this.hasFound) {
          this.findings.push(`process ${number} ended with ${signal ?? status}`)
        }
        resolve()
      })
    })
    await Promise.race([ready, sleep(READY_MS, undefined, { ref: false })])
  }

  async kill(number: number): Promise<void> {
    const child = this.#children[number]
    if (child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
    this.kills++
  }

  /** Stops a participant anywhere, also between publishing a claim and granting it. */
  async freeze(number: number, ms: number): Promise<void> {
    this.#children[number].kill('SIGSTOP')
    await sleep(ms)
    this.#children[number].kill('SIGCONT')
  }

  /** Has everybody finish what is under way. */
  async end(): Promise<void> {
    for (const [number, child] of this.#children.entries()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const exit = once(child, 'exit')
      if (child.connected) child.send('stop', () => {})
      const limit = sleep(READY_MS, 'late', { ref: false })
      if ((await Promise.race([exit, limit])) !== 'late') continue
      this.findings.push(`promise 4: process ${number} did not end in ${READY_MS / 1000} s`)
      child.kill('SIGKILL')
      await exit
    }
  }

  #add(counts: Readonly<Record<string, number>>): void {
    for (const [what, number] of Object.entries(counts)) this.counts[what] = (this.counts[what] ?? 0) + number
  }
}

/** Runs it. Findings: empty when every promise held. */
export async function stress({ seconds, seed, processes, path }: StressOptions): Promise<StressResult> {
  const directory = mkdtempSync(join(path, 'holdfast-stress-'))
  try {
    const pool = join(directory, 'pool')
    await (await createPool(pool, { sizeBytes: POOL_BYTES })).close()
    const random = new Random(seed)
    const crew = new Crew({ pool, host: directory, participants: processes, lanes: LANES }, random)
    await Promise.all(Array.from({ length: processes }, (_, number) => crew.start(number)))
    // From here on: on a busy machine processes take seconds to start.
    const end = Date.now() + seconds * 1000
    let stops = 0
    while (Date.now() < end && !crew.hasFound) {
      await sleep(Math.min(200 + random.below(800), Math.max(end - Date.now(), 0)))
      const number = random.below(processes)
      if (crew.hasFound) break
      if (random.chance(0.4)) {
        stops++
        await crew.freeze(number, random.below(400))
      } else {
        await crew.kill(number)
        await crew.start(number)
      }
    }
    await crew.end()
    const findings = [...crew.findings]
    if (findings.length === 0) findings.push(...(await remainsOf(pool)))
    return { findings, kills: crew.kills, stops, counts: crew.counts }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The pool after everybody left: sound, and with all space free but what files have. */
async function remainsOf(path: string): Promise<string[]> {
  await using pool = await openPool(path)
  const findings = (await pool.check()).map(({ code, message }) => `check: ${code}: ${message}`)
  const wrong = async (when: string): Promise<void> => {
    await pool.lostAndFound.reclaim()
    await pool.reap()
    const stats = await pool.stats()
    const isRight =
      stats.pins === 0 &&
      stats.busyBytes === 0 &&
      stats.sequesteredBytes === 0 &&
      stats.freeBytes + stats.usedBytes === stats.sizeBytes
    if (!isRight) findings.push(`promise 11: ${when} the numbers do not add up: ${JSON.stringify(stats)}`)
    if (when !== 'before' && stats.usedBytes !== 0)
      findings.push(`${stats.usedBytes} bytes are used and there is no file`)
  }
  await wrong('before')
  for (const name of await pool.readdir('/')) if (name !== 'lost+found') await pool.unlink(`/${name}`)
  await wrong('after every file was removed')
  findings.push(...(await pool.check()).map(({ code, message }) => `check at the end: ${code}: ${message}`))
  return findings
}
