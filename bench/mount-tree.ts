/** A tree of many small files, unpacked and removed through a mount. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CacheMode, Sides } from './mount-sides.ts'
import { rowsAgainst } from './mount-rows.ts'
import type { Row } from './report.ts'

const DIRECTORIES = 200
const FILES_EACH = 100
/** Unpacked one after the other. */
const PARTS = 4
/** Three times as long as passthrough_ll takes. */
const LEAST_OF_PASSTHROUGH = 0.33

export function mountTree(sides: Sides, cache: CacheMode): Row[] {
  using archives = packTree()
  const seconds: Record<'unpacked' | 'removed', Map<string, number>> = { unpacked: new Map(), removed: new Map() }
  const spend = (into: Map<string, number>, side: string, program: string, words: string[]): void => {
    const start = process.hrtime.bigint()
    execFileSync(program, words)
    into.set(side, (into.get(side) ?? 0) + Number(process.hrtime.bigint() - start) / 1e9)
  }
  for (const [side, directory] of sides.directories) {
    const target = join(directory, 'tree')
    mkdirSync(target)
    for (const path of archives.paths) {
      spend(seconds.unpacked, side, 'tar', ['-xf', path, '-C', target])
      forgetNames()
    }
    spend(seconds.removed, side, 'rm', ['-r', target])
  }
  const files = (DIRECTORIES * FILES_EACH).toLocaleString('en')
  return Object.entries(seconds).flatMap(([what, found]) =>
    rowsAgainst(`mount, cache=${cache}: tree of ${files} small files ${what}`, Object.fromEntries(found), {
      show: (side) => `${found.get(side)!.toPrecision(3)} s`,
      speed: (side) => found.get(side)! / found.get('holdfast')!,
      least: what === 'unpacked' ? LEAST_OF_PASSTHROUGH : undefined,
    }),
  )
}

/** passthrough_ll has a descriptor open for each name that the kernel knows, and runs out of them. Root only. */
function forgetNames(): void {
  if (process.getuid?.() === 0) writeFileSync('/proc/sys/vm/drop_caches', '2')
}

/** Archives of the parts of a tree, of files of up to 4 KiB. */
function packTree(): Disposable & { readonly paths: readonly string[] } {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-'))
  const paths = Array.from({ length: PARTS }, (_, part) => {
    for (let i = 0; i < DIRECTORIES / PARTS; i++) {
      const own = join(directory, 'tree', `directory-${part}-${i}`)
      mkdirSync(own, { recursive: true })
      for (let k = 0; k < FILES_EACH; k++) writeFileSync(join(own, `file-${k}`), Buffer.alloc((k * 41) % 4096, k))
    }
    const path = join(directory, `part-${part}.tar`)
    execFileSync('tar', ['-cf', path, '-C', directory, 'tree'])
    rmSync(join(directory, 'tree'), { recursive: true })
    return path
  })
  return { paths, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) }
}
