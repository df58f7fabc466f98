/** A tree of files with sizes, modes, times and links of all kinds, the same one each time. */
import {
  chmodSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

const SIZES = [0, 1, 100, 4095, 4096, 4097, 20_000, 200_001]

/** `files` files in directories of twenty. */
export function growTree(root: string, files: number): void {
  mkdirSync(root)
  for (let i = 0; i < files; i++) {
    const directory = join(root, `branch-${i % 3}`, `twig-${Math.floor(i / 20)}`)
    mkdirSync(directory, { recursive: true })
    const path = join(directory, `leaf ${i} ü`)
    writeFileSync(path, Buffer.alloc(SIZES[i % SIZES.length], `content of ${i}, `))
    chmodSync(path, [0o644, 0o600, 0o755, 0o444][i % 4])
    utimesSync(path, 1_600_000_000 + i, 1_600_000_000.25 + i)
    if (i % 10 === 3) linkSync(path, join(root, `second name of ${i}`))
    if (i % 10 === 7) symlinkSync(`../twig-0/leaf ${i}`, join(directory, `link ${i}`))
  }
  // Long ago, since some programs take a second for the same time as the one before it.
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8', withFileTypes: true }))
    if (!name.isFile()) lutimesSync(join(name.parentPath, name.name), 1_500_000_000.5, 1_500_000_000.5)
  utimesSync(root, 1_500_000_000, 1_500_000_000)
}
