/** Makes dist/ from src/ and web/, anew each time: what is published holds no file that they no longer have. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)
rmSync('dist', { recursive: true, force: true })
const { status } = spawnSync('tsc', ['--project', 'tsconfig.build.json'], { stdio: 'inherit' })
if (existsSync('dist/cli/main.js')) chmodSync('dist/cli/main.js', 0o755)
const page = spawnSync('vite', ['build', 'web', '--outDir', '../dist/web', '--logLevel', 'warn'], {
  stdio: 'inherit',
}).status
const reference = spawnSync(process.execPath, ['scripts/api-reference.ts', 'dist/api.md'], { stdio: 'ignore' }).status
process.exitCode = [status, page, reference].every((each) => each === 0) ? 0 : 1
