/**
 * `npm start`: makes ./pool of the present directory with some files, or takes the one that is there, and serves it with --write until Ctrl-C.
 * `npm start -- --port 0` and other options are those of `holdfast serve`.
 */
import { existsSync, globSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { contentOf } from '../src/cli/demo/content.ts'
import { createPool } from '../src/index.ts'
import { fileSystemOf } from '../src/platform/file-system.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const POOL_BYTES = 256 << 20
const VIDEO_BYTES = 16 << 20
/** Where the pool goes when none can be here, as in a container. */
const ELSEWHERE = [`/var/tmp/holdfast-${process.getuid?.() ?? 0}`, `/dev/shm/holdfast-${process.getuid?.() ?? 0}`]

/** A directory of a file system that can hold a pool; the present one when none can: making the pool says what is wrong. */
function home(): string {
  const canHold = (path: string): boolean => {
    try {
      return fileSystemOf(path).type !== 'other'
    } catch {
      return false
    }
  }
  const here = process.cwd()
  if (canHold(here)) return here
  const found = ELSEWHERE.find((path) => canHold(dirname(path)))
  if (found === undefined) return here
  process.stderr.write(
    `holdfast: the file system here cannot hold a pool ("bin/holdfast doctor ." says why); it is in ${found}/pool\n`,
  )
  mkdirSync(found, { recursive: true, mode: 0o700 })
  return found
}

/** The documents, and 16 MiB to try things out on. */
async function fill(path: string): Promise<void> {
  await using pool = await createPool(path, { sizeBytes: POOL_BYTES })
  for (const file of globSync(['*.md', 'docs/**/*.md', 'examples/*.ts'], { cwd: ROOT })) {
    await pool.mkdir(`/${dirname(file)}`, { recursive: true })
    await pool.writeFile(`/${file}`, readFileSync(join(ROOT, file)))
  }
  await pool.writeFile('/video.bin', contentOf('video', 0, VIDEO_BYTES))
}

const path = join(home(), 'pool')
if (!existsSync(join(path, 'meta.db'))) {
  try {
    await fill(path)
  } catch (error) {
    process.stderr.write(`holdfast: ${(error as Error).message}\n`)
    process.exit(1)
  }
}
const { runProgram } = await import('../src/cli/program.ts')
await runProgram(['serve', path, '--write', ...process.argv.slice(2)])
