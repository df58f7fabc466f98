/** The command line `holdfast VERB POOL …`: all verbs, and what is typed wrong. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { catVerb } from './commands/cat.ts'
import { cpVerb } from './commands/cp.ts'
import { demoCommand } from './commands/demo.ts'
import { dfVerb } from './commands/df.ts'
import { doctorVerb } from './commands/doctor.ts'
import { flushDmaVerb } from './commands/flush-dma.ts'
import { fsckVerb } from './commands/fsck.ts'
import { getVerb } from './commands/get.ts'
import { lostAndFoundVerb } from './commands/lost-and-found.ts'
import { lsVerb } from './commands/ls.ts'
import { mkdirVerb } from './commands/mkdir.ts'
import { mkfsVerb } from './commands/mkfs.ts'
import { mvVerb } from './commands/mv.ts'
import { pinsVerb } from './commands/pins.ts'
import { punchVerb } from './commands/punch.ts'
import { putVerb } from './commands/put.ts'
import { reapVerb } from './commands/reap.ts'
import { rmVerb } from './commands/rm.ts'
import { setVerb } from './commands/set.ts'
import { statVerb } from './commands/stat.ts'
import { truncateVerb } from './commands/truncate.ts'
import { ExitCode } from './exit-codes.ts'
import { coloured, widthOf } from './output.ts'
import { reportError, UsageError } from './report-error.ts'
import { failureCodesOf, verbName } from './verb.ts'

const GROUPS: Readonly<Record<string, readonly (() => Command)[]>> = {
  'Pools:': [mkfsVerb, dfVerb, fsckVerb, reapVerb],
  'Files:': [putVerb, getVerb, catVerb, lsVerb, statVerb, setVerb, mkdirVerb, cpVerb, mvVerb, rmVerb],
  'Layout changes and pins:': [truncateVerb, punchVerb, pinsVerb, flushDmaVerb, lostAndFoundVerb],
  'Other:': [doctorVerb, demoCommand],
}

const AFTER = `
Sizes: 4k, 256M, 1.5G (powers of 1024), or bytes. Durations: 500ms, 10s, 2m.
Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted; fsck: see fsck(8).
'holdfast VERB -h' explains a verb, with examples.`

/** Help and the version end the parsing with an error, wanted or for want of a verb. */
const HELP_CODES: readonly string[] = ['commander.helpDisplayed', 'commander.help', 'commander.version']

/** What was typed wrong, found by commander. */
class Misuse extends UsageError {
  readonly verb: string
  readonly exitCode: number

  constructor(message: string, command: Command) {
    super(message)
    this.verb = verbName(command)
    this.exitCode = failureCodesOf(command).usage
  }
}

/** Runs one command line and sets `process.exitCode`; the process ends by itself when nothing is left to do. */
export async function runProgram(args: readonly string[]): Promise<void> {
  // A reader that went away is told to whoever writes, by the write.
  process.stdout.on('error', () => {})
  try {
    await makeProgram().parseAsync(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? ExitCode.done : ExitCode.usage
      return
    }
    const { verb, exitCode } = error instanceof Misuse ? error : { verb: '', exitCode: ExitCode.failed }
    await reportError(verb, error, args.includes('--json'))
    process.exitCode = exitCode
  }
}

function makeProgram(): Command {
  const program = new Command('holdfast')
    .description('Files whose blocks programs hold directly, and no truncate can take away while I/O runs.')
    .usage('VERB POOL …')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'explain')
    .commandsGroup('Other:')
    .helpCommand('help [VERB]', 'explain a verb')
    .addHelpText('after', AFTER)
    .configureOutput({
      outputError: () => {},
      getOutHelpWidth: () => helpWidth(process.stdout),
      getErrHelpWidth: () => helpWidth(process.stderr),
    })
    .configureHelp({ styleTitle: (title) => coloured('bold', title), subcommandTerm: (command) => command.name() })
  for (const [group, verbs] of Object.entries(GROUPS)) {
    for (const make of verbs) program.addCommand(make().helpGroup(group))
  }
  adopt(program)
  return program
}

/** Gives a command and those below it the program's ways: settings, and errors as `Misuse`. */
function adopt(command: Command): void {
  command.exitOverride((error) => {
    throw HELP_CODES.includes(error.code)
      ? error
      : new Misuse(error.message.replace(/^error: /, '').replaceAll('\n', ' '), command)
  })
  for (const below of command.commands) {
    below.copyInheritedSettings(command)
    adopt(below)
  }
}

const helpWidth = (stream: NodeJS.WriteStream): number => (stream.isTTY ? Math.min(120, widthOf(stream)) : 80)

/** From package.json, two folders up in the sources as in the package. */
function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
