/** `holdfast demo`: nothing happens to I/O whose file is taken away; and what happens without Holdfast. */
import type { Command } from 'commander'
import { Option } from 'commander'
import { ExitCode } from '../exit-codes.ts'
import { parseSize } from '../sizes.ts'
import type { Outcome, Run } from '../verb.ts'
import { does, verb } from '../verb.ts'

const DEFAULT_BYTES = 64 << 20
const CLEAR_LINE = '\r\u001B[K'

const STORY = [
  'A slow client downloads a file over TCP from pinned blocks, O_DIRECT reads and a pipe fill pinned blocks of another.',
  'Meanwhile a second process truncates, punches and unlinks both under each policy, and a third one wants all freed space',
  'at once for new files. Everything is compared by hash. The last rows are the same without Holdfast.',
]

const MORE = `${STORY.join(' ')}

  ms, RETURNED  how long the change took, and what was so when it returned
  LATE DATA     where data that came after the change was found while its blocks were pinned

Exit code 1: a promise broke. The temporary directory is in $TMPDIR.`

const EXAMPLES = ['demo', 'demo --size 256M', 'demo --keep --json']

interface Flags {
  size: number
  keep?: boolean
}

export const demoCommand = (): Command =>
  does(
    verb('demo', 'Take files away from under running I/O, in a temporary pool.', { more: MORE, examples: EXAMPLES })
      .addOption(sizeOption())
      .option('--keep', 'keep the temporary directory'),
    demo,
  )

const sizeOption = (): Option =>
  new Option('--size <SIZE>', 'of the file that is downloaded').argParser(parseSize).default(DEFAULT_BYTES, '64M')

async function demo({ signal }: Run, { size, keep = false }: Flags): Promise<Outcome> {
  const { runDemo } = await import('../demo/demo.ts')
  const { reportText } = await import('../demo/report.ts')
  const report = await runDemo({ sizeBytes: size, isKept: keep, say, signal }).finally(() => say(''))
  const where = keep ? `The pool is ${report.directory}/pool.\n` : ''
  return {
    json: report,
    text: reportText(report) + where,
    exitCode: report.isKept ? ExitCode.done : ExitCode.failed,
  }
}

/** One line on a terminal's standard error, in place of the last one. */
function say(what: string): void {
  const { isTTY, columns } = process.stderr
  if (isTTY) process.stderr.write(CLEAR_LINE + what.slice(0, columns - 1))
}
