/** `holdfast doctor`: what this machine, a directory and a pool can do. */
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import type { Check } from '../check-host.ts'
import { checkAbilities, checkFileSystem, checkMounting, checkNode, checkPlatform } from '../check-host.ts'
import { checkPool } from '../check-pool.ts'
import { ExitCode } from '../exit-codes.ts'
import { coloured, shown } from '../output.ts'
import { facts } from '../table.ts'
import type { Run } from '../verb.ts'
import { does, verb } from '../verb.ts'

const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red' } as const

export function doctorVerb(): Command {
  const command = verb('doctor', 'Check what this machine, and the place of a pool, can do.', {
    more: 'Each check is ok, warn or fail, with a remedy. Exits with 1 when one fails.',
    examples: ['doctor', 'doctor /data/pool', 'doctor /mnt/new-disk'],
  }).argument('[POOL]', 'a pool, or a directory that might become one', '.')
  return does(command, async (run, path: string) => {
    const checks = await checkAll(run, path)
    const isHealthy = checks.every(({ status }) => status !== 'fail')
    return {
      json: { path: resolve(path), isHealthy, checks },
      text: facts(checks.map((check) => [check.name, textOf(check)])),
      exitCode: isHealthy ? ExitCode.done : ExitCode.failed,
    }
  })
}

async function checkAll(run: Run, path: string): Promise<Check[]> {
  const platform = checkPlatform()
  const checks = [checkNode(), platform, checkMounting()]
  if (platform.status === 'fail') return checks
  const directory = nearestDirectory(path)
  const isPool = existsSync(join(path, 'meta.db'))
  checks.push(checkFileSystem(directory), ...checkAbilities(directory, isPool))
  if (isPool) checks.push(...(await checkPool(run, path)))
  return checks
}

/** A pool that is to be made lies in a directory that is there. */
function nearestDirectory(path: string): string {
  let directory = resolve(path)
  while (!existsSync(directory)) directory = dirname(directory)
  return directory
}

function textOf({ status, found, remedy }: Check): string {
  const line = `${coloured(COLOURS[status], status.padEnd(4))}  ${shown(found)}`
  return remedy === undefined ? line : `${line}\n    → ${shown(remedy)}`
}
