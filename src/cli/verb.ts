/**
 * What all verbs share: help with examples, --json, an interruption, and how what they come to is printed and turned into
 * an exit code. A verb's own file says what it takes and does, and returns an `Outcome`; it prints nothing itself,
 * unless it streams.
 */
import { setImmediate } from 'node:timers/promises'
import { Command } from 'commander'
import { codeOf } from '../errors.ts'
import { ExitCode, USUAL_CODES } from './exit-codes.ts'
import type { FailureCodes } from './exit-codes.ts'
import { Interruption } from './interruption.ts'
import type { Interrupted } from './interruption.ts'
import { toJson, write } from './output.ts'
import { Progress } from './progress.ts'
import { isUsageError, reportError, reportWarning } from './report-error.ts'

/** What a verb came to. */
export interface Outcome {
  /** Printed with --json; undefined: nothing. Sizes in bytes, times in milliseconds where the name does not say otherwise. */
  readonly json: unknown
  /** Printed without; default nothing. */
  readonly text?: string
  /** Default 0. */
  readonly exitCode?: number
}

/** One run of a verb. */
export interface Run {
  /** Aborted by Ctrl-C and friends; for everything that waits. */
  readonly signal: AbortSignal
  readonly isJson: boolean
  /** Set when something was changed that an interruption leaves as it is. */
  hasChanged: boolean
  /** Of a copy; `totalBytes` undefined when nobody knows. */
  progress(totalBytes: number | undefined): Progress
  /** For what fails while the rest goes on; the exit code is the verb's to give. */
  report(error: unknown): Promise<void>
  warn(message: string, path: string): Promise<void>
}

export interface VerbHelp {
  /** Sentences below the first. */
  readonly more?: string
  /** Command lines without the leading `holdfast`. */
  readonly examples: readonly string[]
}

/** A verb without operands and options of its own yet. `summary` is one sentence. */
export function verb(name: string, summary: string, { more, examples }: VerbHelp): Command {
  const lines = examples.map((example) => `  holdfast ${example}\n`).join('')
  return new Command(name)
    .summary(summary.replace(/\.$/, ''))
    .description(more === undefined ? summary : `${summary}\n\n${more}`)
    .addHelpText('after', `\nExamples:\n${lines.trimEnd()}`)
}

/** A verb whose first operand is the pool. */
export const poolVerb = (name: string, summary: string, help: VerbHelp): Command =>
  verb(name, summary, help).argument('<POOL>', 'directory of the pool')

/** Codes of verbs that do not have the usual ones. */
const codesOfVerbs = new WeakMap<Command, FailureCodes>()
export const failureCodesOf = (command: Command): FailureCodes => codesOfVerbs.get(command) ?? USUAL_CODES

/** `lost+found ls`; '' for the program itself. */
export const verbName = (command: Command): string =>
  command.parent === null ? '' : `${verbName(command.parent)} ${command.name()}`.trim()

/** Gives a verb its body, and the option --json. The body gets operands and options as commander parsed them. */
export function does<Parsed extends unknown[]>(
  command: Command,
  body: (run: Run, ...parsed: Parsed) => Promise<Outcome | undefined>,
  codes: FailureCodes = USUAL_CODES,
): Command {
  codesOfVerbs.set(command, codes)
  return command.option('--json', 'print JSON, errors too').action(async (...all: unknown[]) => {
    const parsed = all.slice(0, -1) as Parsed
    const { json } = command.opts<{ json?: boolean }>()
    process.exitCode = await carryOut(verbName(command), json === true, codes, (run) => body(run, ...parsed))
  })
}

async function carryOut(
  name: string,
  isJson: boolean,
  codes: FailureCodes,
  body: (run: Run) => Promise<Outcome | undefined>,
): Promise<number> {
  using interruption = new Interruption()
  const { signal } = interruption
  let progress: Progress | undefined
  const run: Run = {
    signal,
    isJson,
    hasChanged: false,
    progress: (totalBytes) => (progress = new Progress(name, totalBytes, !isJson)),
    report: (error) => {
      progress?.clear()
      return reportError(name, error, isJson)
    },
    warn: (message, path) => {
      progress?.clear()
      return reportWarning(name, message, path, isJson)
    },
  }
  let exitCode: number = ExitCode.done
  try {
    const outcome = await body(run)
    exitCode = outcome?.exitCode ?? ExitCode.done
    const text = isJson ? jsonText(outcome) : outcome?.text
    if (text !== undefined && text !== '') await write(process.stdout, text)
    return exitCode
  } catch (error) {
    if (await isBrokenPipe(error, signal)) return exitCode === ExitCode.done ? ExitCode.brokenPipe : exitCode
    if (!signal.aborted || !isAbort(error, signal)) {
      await reportError(name, error, isJson)
      return isUsageError(error) ? codes.usage : codes.failed
    }
    const interrupted = signal.reason as Interrupted
    interrupted.message = run.hasChanged
      ? 'interrupted; what was done so far stays'
      : 'interrupted; nothing has changed'
    await reportError(name, interrupted, isJson)
    // Not by itself: a pool that was being opened, or a read of a pipe nobody writes to, would keep the process.
    process.exit(codes.interrupted ?? interrupted.exitCode)
  }
}

const jsonText = (outcome: Outcome | undefined): string | undefined =>
  outcome?.json === undefined ? undefined : `${toJson(outcome.json)}\n`

/** A failed write tells the writer first and the stream a moment later. */
async function isBrokenPipe(error: unknown, signal: AbortSignal): Promise<boolean> {
  if (codeOf(error) === 'EPIPE') await setImmediate()
  return signal.aborted && (signal.reason as Interrupted).by === 'EPIPE'
}

const isAbort = (error: unknown, signal: AbortSignal): boolean =>
  error === signal.reason || (error instanceof Error && error.name === 'AbortError')
