/**
 * The process in which damaged pools are used: `node child.ts FIRST END DIRECTORY [PLANTED]`, seeds from FIRST up to, not including,
 * END. * Tells its parent of each seed when it begins, of findings, and of what became of it.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '../stress/random.ts'
import { damaged } from './damage.ts'
import { Exercise } from './exercise.ts'
import { readSpecimens, SPECIMEN_NAMES, writeSpecimen } from './specimens.ts'

export type Word =
  | { readonly kind: 'begun'; readonly seed: number; readonly what: string }
  | { readonly kind: 'done'; readonly outcome: string; readonly findings: readonly string[] }

const tell = (word: Word): void => void process.send?.(word)

/** What goes wrong at the second seed, to see that it is found. */
const PLANTED: Readonly<Record<string, () => void>> = {
  crash: () => process.kill(process.pid, 'SIGSEGV'),
  hang: () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  exit: () => process.exit(0),
  mistake: () => void Promise.reject(new TypeError('planted')),
}

const [first, end, directory, planted = ''] = process.argv.slice(2) as [string, string, string, string | undefined]
const specimens = await readSpecimens()
// A pool that nobody closes would end the process late; and what nobody awaits is a finding too.
process.on('unhandledRejection', (error) => {
  const stack = error instanceof Error ? error.stack : String(error)
  tell({ kind: 'done', outcome: 'unhandled', findings: [`nobody awaited it: ${stack}`] })
})
for (let seed = Number(first); seed < Number(end); seed++) {
  const random = new Random(seed)
  const name = random.of(SPECIMEN_NAMES)
  const other = specimens.get(name === 'closed' ? 'killed' : 'closed')!
  const { files, what } = damaged(specimens.get(name)!, other, random)
  tell({ kind: 'begun', seed, what: `${name}: ${what}` })
  const path = join(directory, `pool-${seed}`)
  mkdirSync(path, { mode: 0o700 })
  writeSpecimen(path, files)
  if (seed === Number(first) + 1) PLANTED[planted]?.()
  const exercise = new Exercise(path)
  await exercise.run(random.chance(0.5))
  tell({ kind: 'done', outcome: exercise.outcome, findings: exercise.findings })
  rmSync(path, { recursive: true })
}
process.disconnect()
