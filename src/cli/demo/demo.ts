/** The demo: all rounds, then the controls. */
import type { FileSystem } from '../../platform/file-system.ts'
import type { Finding } from '../../index.ts'
import type { Control } from './controls.ts'
import { playControls } from './controls.ts'
import { Playground } from './playground.ts'
import { playRound } from './round.ts'
import { ROUNDS, Scene } from './scene.ts'
import type { Stage } from './stage.ts'
import { setStage } from './stage.ts'
import type { Verdict } from './verdict.ts'
import { judge } from './verdict.ts'

/** Plain JSON. */
export interface DemoReport {
  /** Whether every promise was kept. */
  readonly isKept: boolean
  readonly sizeBytes: number
  readonly poolBytes: number
  readonly directory: string
  readonly fileSystem: FileSystem['type']
  readonly seconds: number
  readonly rounds: readonly Verdict[]
  readonly controls: readonly Control[]
  /** What the check of the pool found at the end; empty: sound. */
  readonly findings: readonly Finding[]
}

export interface DemoOptions {
  /** Of the file that is downloaded. */
  readonly sizeBytes: number
  /** Keep the directory. */
  readonly isKept: boolean
  readonly say: (what: string) => void
  readonly signal: AbortSignal
}

/**
 * Runs it, in a temporary directory. Broken promises are in the report; throws when it could not be run to its end, and
 * what the signal says when that is aborted. Either way nothing is left but, when it is to be kept, the directory.
 */
export async function runDemo(options: DemoOptions): Promise<DemoReport> {
  try {
    return await run(options)
  } catch (error) {
    // Ctrl-C also ends a child that does not listen yet: what then fails, fails for that reason.
    options.signal.throwIfAborted()
    throw error
  }
}

async function run({ sizeBytes, isKept, say, signal }: DemoOptions): Promise<DemoReport> {
  const startedMs = performance.now()
  const scene = new Scene(sizeBytes)
  await using playground = new Playground({ neededBytes: scene.poolBytes * 3, isKept })
  const stage = await setStage(scene, playground, say)
  try {
    const played = await unlessAborted(signal, () => play(stage))
    return {
      isKept: played.findings.length === 0 && played.rounds.every(({ broken }) => broken.length === 0),
      sizeBytes: scene.videoBytes,
      poolBytes: scene.poolBytes,
      directory: playground.path,
      fileSystem: playground.fileSystem,
      seconds: (performance.now() - startedMs) / 1000,
      ...played,
    }
  } finally {
    await playground.end()
    await stage.pool.close({ force: true })
  }
}

/** Gives up waiting; whoever aborts takes care that the work ends. */
async function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted()
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort)
  try {
    return await Promise.race([work(), promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

async function play(stage: Stage): Promise<Pick<DemoReport, 'rounds' | 'controls' | 'findings'>> {
  const rounds = await playRounds(stage)
  const controls = await playControls(stage)
  await Promise.all([stage.breaker.call('closePool', undefined), stage.filler.call('closePool', undefined)])
  return { rounds, controls, findings: await stage.pool.check() }
}

async function playRounds(stage: Stage): Promise<Verdict[]> {
  const rounds: Verdict[] = []
  for (const { kind, policy } of ROUNDS) {
    const number = rounds.length + 1
    const title = `round ${number} of ${ROUNDS.length}: ${kind}, ${policy}`
    stage.say(title)
    const before = await stage.pool.stats()
    const observed = await playRound(stage, kind, policy, `/round-${number}-new-file-`)
    stage.say(`${title}: comparing`)
    rounds.push(await judge(stage, observed, before))
  }
  return rounds
}
