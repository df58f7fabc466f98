/**
 * Everything that must hold before a change goes in, in the order of what is cheap first; stops at the first failure.
 * `npm run check -- lint types` runs only the steps named.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { styleText } from 'node:util'

const steps: Record<string, string[]> = {
  format: ['oxfmt', '--check'],
  lint: ['oxlint', '--type-aware', '--deny-warnings'],
  types: ['tsc', '--noEmit'],
  'types-web': ['tsc', '--noEmit', '--project', 'web'],
  unused: ['knip'],
  tests: ['npm', 'run', '--silent', '--ignore-scripts', 'test'],
  build: ['npm', 'run', '--silent', '--ignore-scripts', 'build'],
  package: ['publint', '--strict'],
  'package-types': ['attw', '--pack', '--profile', 'esm-only'],
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in steps))
if (unknown.length > 0) {
  console.error(`check: no such step: ${unknown.join(', ')}. Steps: ${Object.keys(steps).join(', ')}`)
  process.exit(2)
}

for (const [name, [command, ...args]] of Object.entries(steps)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  console.log(styleText('bold', `\n▶ ${name}`), styleText('dim', [command, ...args].join(' ')))
  const startedAt = performance.now()
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  if (status !== 0) {
    if (error) console.error(error.message)
    console.error(styleText('red', `✖ ${name} failed after ${seconds} s. Run it alone: npm run check -- ${name}`))
    process.exit(1)
  }
  console.log(styleText('green', `✔ ${name}`), `${seconds} s`)
}
