/** The inspector's page: in the package it is there, in a checkout it is built when it is missing. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemError } from '../errors.ts'
import { builtPage } from '../http/server/page.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Directory of the built page; undefined: there is none, and nothing to build it of. */
export async function inspectorPage(signal: AbortSignal): Promise<string | undefined> {
  const built = builtPage()
  const vite = join(ROOT, 'node_modules', '.bin', 'vite')
  if (built !== undefined || !existsSync(join(ROOT, 'web', 'index.html')) || !existsSync(vite)) return built
  process.stderr.write('holdfast: building the inspector, once …\n')
  const child = spawn(vite, ['build', '--logLevel', 'warn'], {
    cwd: join(ROOT, 'web'),
    stdio: ['ignore', 2, 2],
    signal,
  })
  const [status] = (await once(child, 'close')) as [number | null]
  if (status === 0) return builtPage()
  throw systemError('EIO', 'the inspector could not be built (see above)', { syscall: 'build', path: 'web' })
}
