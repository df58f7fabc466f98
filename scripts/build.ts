/** Makes dist/ from src/, and dist/web, the inspector's page, from web/, anew each time: what is published holds no file that src/ no longer has. */
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)
rmSync('dist', { recursive: true, force: true })
const { status } = spawnSync('tsc', ['--project', 'tsconfig.build.json'], { stdio: 'inherit' })
if (existsSync('dist/cli/main.js')) chmodSync('dist/cli/main.js', 0o755)
const page = spawnSync('vite', ['build', 'web', '--logLevel', 'warn'], { stdio: 'inherit' })
if (page.status === 0) cpSync('web/dist', 'dist/web', { recursive: true })
process.exitCode = (status ?? 1) || (page.status ?? 1)
