/** A tree of many small files, unpacked and removed through a mount. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { median } from './measure.ts'
import type { CacheMode, Sides } from './mount-sides.ts'
import { rowsAgainst } from './mount-rows.ts'
import type { Row } from './report.ts'

const DIRECTORIES = 200
const FILES_EACH = 100
const ROUNDS = 3
/** Three times as long as passthrough_ll takes. */
const LEAST_OF_PASSTHROUGH = 1 / 3

export function mountTree(sides: Sides, cache: CacheMode): Row[] {
  using archive = packTree()
  const times: Record<'unpacked' | 'removed', Map<string, number[]>> = { unpacked: new Map(), removed: new Map() }
  const spend = (into: Map<string, number[]>, side: string, program: string, words: string[]): void => {
    const start = process.hrtime.bigint()
    execFileSync(program, words)
    into.set(side, [...(into.get(side) ?? []), Number(process.hrtime.bigint() - start) / 1e9])
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [side, directory] of sides.directories) {
      const target = join(directory, 'tree')
      mkdirSync(target)
      spend(times.unpacked, side, 'tar', ['-xf', archive.path, '-C', target])
      spend(times.removed, side, 'rm', ['-r', target])
    }
  }
  const files = (DIRECTORIES * FILES_EACH).toLocaleString('en')
  return Object.entries(times).flatMap(([what, found]) => {
    const seconds = (side: string): number => median(found.get(side)!)
    return rowsAgainst(`mount, cache=${cache}: tree of ${files} small files ${what}`, Object.fromEntries(found), {
      show: (side) => `${seconds(side).toPrecision(3)} s`,
      speed: (side) => median(found.get(side)!.map((time, round) => time / found.get('holdfast')![round])),
      least: LEAST_OF_PASSTHROUGH,
    })
  })
}

/** Files of up to 4 KiB, in memory where there is room for such things. */
function packTree(): Disposable & { readonly path: string } {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  const path = join(directory, 'tree.tar')
  for (let i = 0; i < DIRECTORIES; i++) {
    const own = join(directory, 'tree', `directory-${i}`)
    mkdirSync(own, { recursive: true })
    for (let k = 0; k < FILES_EACH; k++) writeFileSync(join(own, `file-${k}`), Buffer.alloc((k * 41) % 4096, k))
  }
  execFileSync('tar', ['-cf', path, '-C', directory, 'tree'])
  rmSync(join(directory, 'tree'), { recursive: true })
  return { path, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) }
}
