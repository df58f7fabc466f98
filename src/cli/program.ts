/** The command line `holdfast VERB POOL …`: all verbs, and what is typed wrong. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { wordOfOtherEncoding } from './arguments.ts'
import { ExitCode } from './exit-codes.ts'
import { coloured, widthOf } from './output.ts'
import { reportError, UsageError } from './report-error.ts'
import { failureCodesOf, verbName } from './verb.ts'

type Load = () => Promise<Command>

/**
 * The verbs by groups. Each is loaded when it is asked for, and all only to be listed: most of a short command's time goes
 * into loading.
 */
const GROUPS: Readonly<Record<string, Readonly<Record<string, Load>>>> = {
  'Pools:': {
    mkfs: async () => (await import('./commands/mkfs.ts')).mkfsVerb(),
    grow: async () => (await import('./commands/grow.ts')).growVerb(),
    stats: async () => (await import('./commands/stats.ts')).statsVerb(),
    df: async () => (await import('./commands/df.ts')).dfVerb(),
    fsck: async () => (await import('./commands/fsck.ts')).fsckVerb(),
    dump: async () => (await import('./commands/dump.ts')).dumpVerb(),
    load: async () => (await import('./commands/load.ts')).loadVerb(),
    reap: async () => (await import('./commands/reap.ts')).reapVerb(),
  },
  'Files:': {
    put: async () => (await import('./commands/put.ts')).putVerb(),
    get: async () => (await import('./commands/get.ts')).getVerb(),
    cat: async () => (await import('./commands/cat.ts')).catVerb(),
    ls: async () => (await import('./commands/ls.ts')).lsVerb(),
    stat: async () => (await import('./commands/stat.ts')).statVerb(),
    set: async () => (await import('./commands/set.ts')).setVerb(),
    mkdir: async () => (await import('./commands/mkdir.ts')).mkdirVerb(),
    cp: async () => (await import('./commands/cp.ts')).cpVerb(),
    ln: async () => (await import('./commands/ln.ts')).lnVerb(),
    mv: async () => (await import('./commands/mv.ts')).mvVerb(),
    rm: async () => (await import('./commands/rm.ts')).rmVerb(),
  },
  'Layout changes, pins and leases:': {
    truncate: async () => (await import('./commands/truncate.ts')).truncateVerb(),
    punch: async () => (await import('./commands/punch.ts')).punchVerb(),
    pins: async () => (await import('./commands/pins.ts')).pinsVerb(),
    leases: async () => (await import('./commands/leases.ts')).leasesVerb(),
    why: async () => (await import('./commands/why.ts')).whyVerb(),
    'flush-dma': async () => (await import('./commands/flush-dma.ts')).flushDmaVerb(),
    'lost+found': async () => (await import('./commands/lost-and-found.ts')).lostAndFoundVerb(),
  },
  'Serving:': {
    serve: async () => (await import('./commands/serve.ts')).serveVerb(),
  },
  'Mounting:': {
    mount: async () => (await import('./commands/mount.ts')).mountVerb(),
    umount: async () => (await import('./commands/umount.ts')).umountVerb(),
  },
  'Other:': {
    doctor: async () => (await import('./commands/doctor.ts')).doctorVerb(),
    demo: async () => (await import('./commands/demo.ts')).demoCommand(),
  },
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
    const program = await makeProgram(args[0])
    const odd = wordOfOtherEncoding(args)
    if (odd !== undefined) {
      const what = `'${odd}' is not UTF-8, as names in a pool are; of files of the host name the directory (put -r)`
      throw new Misuse(what, program.commands.find((verb) => verb.name() === args[0]) ?? program)
    }
    await program.parseAsync(args, { from: 'user' })
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

/** With the verb `first` when it is one, else with all. */
async function makeProgram(first: string | undefined): Promise<Command> {
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
  const isVerb = Object.values(GROUPS).some((verbs) => first !== undefined && Object.hasOwn(verbs, first))
  for (const [group, verbs] of Object.entries(GROUPS)) {
    for (const [name, load] of Object.entries(verbs)) {
      if (!isVerb || name === first) program.addCommand((await load()).helpGroup(group))
    }
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
