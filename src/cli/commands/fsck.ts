/** `holdfast fsck -n`: are the invariants kept? */
import type { Command } from 'commander'
import { codeOf } from '../../errors.ts'
import type { Finding } from '../../index.ts'
import { FsckCode } from '../exit-codes.ts'
import { shown } from '../output.ts'
import { UsageError } from '../report-error.ts'
import type { Outcome } from '../verb.ts'
import { does, poolVerb } from '../verb.ts'
import { withPoolToRead } from '../with-pool.ts'

const CODES = { failed: FsckCode.failed, usage: FsckCode.usage, interrupted: FsckCode.interrupted }

export function fsckVerb(): Command {
  const command = poolVerb('fsck', 'Check the invariants of a pool.', {
    more:
      'Changes nothing beyond what opening a pool does. The pool may be in use; the check then holds up its cleaning, not ' +
      'its users. Exit codes: 0 sound, 4 errors found, 8 could not check, 16 usage, 32 interrupted.',
    examples: ['fsck -n /data/pool', 'fsck -n /data/pool --json | jq .findings'],
  }).option('-n, --no-change', 'only check (needed: this version repairs nothing)')
  return does(
    command,
    async (run, poolPath: string, { change }: { change: boolean }) => {
      if (change) throw new UsageError('only checking exists so far: give -n')
      return withPoolToRead(run, poolPath, async (pool) => outcomeOf(poolPath, await pool.check())).catch(
        (error: unknown) => {
          // A pool that cannot be opened for its damage is the worst finding.
          if (codeOf(error) !== 'EUCLEAN') throw error
          return outcomeOf(poolPath, [{ code: 'unreadable', message: (error as Error).message }])
        },
      )
    },
    CODES,
  )
}

function outcomeOf(path: string, findings: readonly Finding[]): Outcome {
  const lines = findings.map(({ code, message }) => `${code}: ${shown(message)}\n`)
  const isSound = findings.length === 0
  const summary = isSound ? `${path}: sound\n` : `${path}: ${findings.length} errors\n`
  return {
    json: { path, isSound, findings },
    text: lines.join('') + summary,
    exitCode: isSound ? FsckCode.clean : FsckCode.errorsLeft,
  }
}
