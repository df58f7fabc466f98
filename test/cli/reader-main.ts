/** The program, run by somebody who may not write what belongs to the test: as root's child it becomes user 65534. */
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { runProgram } from '../../src/cli/program.ts'
import { assertSupportedPlatform } from '../../src/platform/libc.ts'

process.removeAllListeners('warning')
// All that is loaded when it is needed: it may lie where only the test's user may read.
const sources = join(import.meta.dirname, '..', '..', 'src')
for (const path of ['index.ts', 'layout/holders.ts', ...globSync('cli/commands/*.ts', { cwd: sources })]) {
  await import(join(sources, path))
}
assertSupportedPlatform()
if (process.getuid?.() === 0) {
  process.setgroups?.([])
  process.setgid?.(65_534)
  process.setuid?.(65_534)
}
await runProgram(process.argv.slice(2))
