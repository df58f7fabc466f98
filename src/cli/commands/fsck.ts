/** `holdfast fsck`: are the invariants kept? And if not: repairs. */
import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import { codeOf } from '../../errors.ts'
import type { Finding } from '../../index.ts'
import type { FsckReport } from '../../pool/fsck.ts'
import { FsckCode } from '../exit-codes.ts'
import { shown } from '../output.ts'
import { UsageError } from '../report-error.ts'
import { StepProgress } from '../step-progress.ts'
import type { Outcome, Run } from '../verb.ts'
import { does, poolVerb } from '../verb.ts'
import { withPoolReadOnly, withPoolToRead } from '../with-pool.ts'

const CODES = { failed: FsckCode.failed, usage: FsckCode.usage, interrupted: FsckCode.interrupted }

interface Flags {
  /** False with -n: as commander has it. */
  change: boolean
  yes?: boolean
  online?: boolean
}

export function fsckVerb(): Command {
  const command = poolVerb('fsck', 'Check the invariants of a pool, and repair it.', {
    more:
      'Nobody may have the pool open, but for -n and --online. On a terminal repairs are shown, then asked about. ' +
      'They are made as a whole or not at all, and only when nothing is left to find: a second run is clean. What no name ' +
      'leads to is put into /lost+found, as #INODE; blocks that two files had are copied; metadata that SQLite cannot ' +
      'read are written anew from what can be read, and kept beside them. Exit codes: 0 sound, 1 all repaired, 4 errors ' +
      'left, 8 could not check, 16 usage, 32 interrupted (nothing changed).',
    examples: ['fsck -n /data/pool', 'fsck -y /data/pool', 'fsck --online /data/pool --json | jq .findings'],
  })
    .option('-n, --no-change', 'only check')
    .option('-y, --yes', 'repair without asking')
    .option('--online', 'only check the metadata, of a pool in use, and keep nobody from opening it')
  return does(
    command,
    async (run, poolPath: string, flags: Flags) => {
      const { change, yes = false, online = false } = flags
      if (yes && (!change || online)) throw new UsageError('-y repairs, -n and --online only check: give one of them')
      const mayAsk = process.stdin.isTTY && process.stderr.isTTY
      if (change && !yes && !online && !mayAsk) throw new UsageError('without a terminal to ask on, give -n or -y')
      return online ? checkInUse(run, poolPath, true) : checkAlone(run, poolPath, change, yes)
    },
    CODES,
  )
}

async function checkAlone(run: Run, path: string, mayChange: boolean, yes: boolean): Promise<Outcome> {
  const { fsck } = await import('../../pool/fsck.ts')
  using progress = new StepProgress('fsck', !run.isJson)
  const approve = async (actions: readonly string[]): Promise<boolean> => {
    progress.clear()
    const isApproved = yes || (await asked(run, actions))
    run.signal.throwIfAborted()
    run.hasChanged ||= isApproved
    return isApproved
  }
  try {
    const report = await fsck(path, {
      ...(mayChange ? { approve } : {}),
      onStep: (label, step, steps) => progress.show(label, step, steps),
      signal: run.signal,
    })
    return outcomeOf(path, report)
  } catch (error) {
    // Who only checks may do so beside others, and without being able to write.
    if (mayChange || !['EBUSY', 'EACCES', 'EROFS'].includes(codeOf(error) ?? '')) throw error
    return await checkInUse(run, path, false)
  }
}

async function asked({ signal }: Run, actions: readonly string[]): Promise<boolean> {
  process.stderr.write(actions.map((action) => `${shown(action, process.stderr)}\n`).join(''))
  // Not as a terminal: Ctrl-C would be a key then, and no signal.
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false })
  const { promise: ended, resolve: end } = Promise.withResolvers<string>()
  lines.once('close', () => end('no'))
  const what = actions.length === 1 ? 'this repair' : `these ${actions.length} repairs`
  try {
    const answer = await Promise.race([lines.question(`Make ${what}? [y/N] `, { signal }), ended])
    return /^y(?:es)?$/i.test(answer.trim())
  } finally {
    lines.close()
  }
}

async function checkInUse(run: Run, path: string, isReadOnly: boolean): Promise<Outcome> {
  const open = isReadOnly ? withPoolReadOnly : withPoolToRead
  const left = await open(run, path, (pool) => pool.check()).catch((error: unknown): Finding[] => {
    // A pool that cannot be opened for its damage is the worst finding.
    if (codeOf(error) !== 'EUCLEAN') throw error
    return [{ code: 'unreadable', message: (error as Error).message }]
  })
  return outcomeOf(path, { findings: left, repairs: [], left, keptAs: undefined })
}

function outcomeOf(path: string, { findings, repairs, left, keptAs }: FsckReport): Outcome {
  const lines = findings.map(({ code, message }) => `${code}: ${shown(message)}\n`)
  const isSound = left.length === 0
  const isRepaired = isSound && repairs.length > 0
  const done = repairs.map((repair) => `repaired: ${shown(repair)}\n`)
  const kept = keptAs === undefined ? '' : `the damaged metadata are kept as ${keptAs}\n`
  const count = `${findings.length} error${findings.length === 1 ? '' : 's'}`
  const summary = isRepaired ? `${count}, all repaired` : isSound ? 'sound' : count
  return {
    json: { path, isSound, isRepaired, findings, repairs, left, keptAs },
    text: `${[...lines, ...done].join('')}${kept}${path}: ${summary}\n`,
    exitCode: isRepaired ? FsckCode.corrected : isSound ? FsckCode.clean : FsckCode.errorsLeft,
  }
}
