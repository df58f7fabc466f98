/** Ordinary programs on a tree of small files: what a shell's user waits for. Each makes one call after the other. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { median } from './measure.ts'
import type { CacheMode, Sides } from './mount-sides.ts'
import { rowsAgainst } from './mount-rows.ts'
import type { Row } from './report.ts'

const DIRECTORIES = 20
const FILES_EACH = 100
const ROUNDS = 5

type Line = readonly [program: string, ...words: string[]]

/** In this order; `tree` is made by the first and gone after the last. */
const linesOf = (source: string, tree: string): Record<string, Line> => ({
  'cp -r': ['cp', '-r', source, tree],
  'find -newer': ['find', tree, '-newer', source],
  'grep -r': ['grep', '-r', 'nothing of it', tree],
  'rm -r': ['rm', '-r', tree],
})

export function mountPrograms(sides: Sides, cache: CacheMode): Row[] {
  using source = makeTree()
  /** By program and side, of each round. */
  const found: Record<string, Record<string, number[]>> = {}
  for (let round = 0; round < ROUNDS; round++) {
    for (const [side, directory] of sides.directories) {
      for (const [name, [program, ...words]] of Object.entries(linesOf(source.path, join(directory, 'copy')))) {
        const start = performance.now()
        const { status } = spawnSync(program, words, { stdio: 'ignore' })
        // grep's 1: nothing was found.
        if (status !== 0 && !(program === 'grep' && status === 1)) throw new Error(`${name} failed on ${side}`)
        ;((found[name] ??= {})[side] ??= []).push(performance.now() - start)
      }
    }
  }
  const files = (DIRECTORIES * FILES_EACH).toLocaleString('en')
  return Object.entries(found).flatMap(([name, ms]) =>
    rowsAgainst(`mount, cache=${cache}: ${name}, ${files} small files`, ms, {
      show: (side) => `${Math.round(median(ms[side]))} ms`,
      speed: (side) => median(ms[side].map((each, round) => each / ms['holdfast'][round])),
      least: undefined,
    }),
  )
}

/** Files of up to 4 KiB, on the disk. */
function makeTree(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  for (let i = 0; i < DIRECTORIES; i++) {
    const own = join(path, `directory-${i}`)
    mkdirSync(own)
    for (let k = 0; k < FILES_EACH; k++) writeFileSync(join(own, `file-${k}`), Buffer.alloc((k * 41) % 4096, 'a'))
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) }
}
