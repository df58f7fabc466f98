/** The inspector's page: in the package it is there, in a checkout it is built when it is missing, or older than its sources. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { codeOf, systemError } from '../errors.ts'
import { builtPage } from '../http/server/page.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const WEB = join(ROOT, 'web')
const VITE = join(ROOT, 'node_modules', '.bin', 'vite')

/** Directory of the built page; undefined: there is none, and nothing to build it of. */
export async function inspectorPage(signal: AbortSignal): Promise<string | undefined> {
  const built = builtPage()
  if (!existsSync(join(WEB, 'index.html')) || !existsSync(VITE) || (built !== undefined && !isOutdated(built)))
    return built
  process.stderr.write('holdfast: building the inspector, once …\n')
  const workplace = mkdtempSync(join(WEB, 'dist-'))
  const made = join(workplace, 'dist')
  try {
    const child = spawn(VITE, ['build', '--outDir', made, '--logLevel', 'warn'], {
      cwd: WEB,
      stdio: ['ignore', 2, 2],
      signal,
    })
    const [status] = (await once(child, 'close')) as [number | null]
    if (status !== 0) {
      throw systemError('EIO', 'the inspector could not be built (see above)', { syscall: 'build', path: 'web' })
    }
    putInPlace(made, join(WEB, 'dist'))
  } finally {
    rmSync(workplace, { recursive: true })
  }
  return builtPage()
}

function isOutdated(built: string): boolean {
  const madeMs = statSync(join(built, 'index.html')).mtimeMs
  const sources = globSync(['index.html', 'vite.config.ts', 'public/**/*', 'src/**/*'], { cwd: WEB })
  return sources.some((source) => statSync(join(WEB, source)).mtimeMs > madeMs)
}

/** Whole, since others may build it at the same time: who comes second leaves what is there. */
function putInPlace(made: string, place: string): void {
  if (existsSync(join(place, 'index.html')) && isOutdated(place)) rmSync(place, { recursive: true })
  try {
    renameSync(made, place)
  } catch (error) {
    if (codeOf(error) !== 'ENOTEMPTY' && codeOf(error) !== 'EEXIST') throw error
  }
}
