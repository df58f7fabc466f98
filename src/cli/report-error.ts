/**
 * Errors on standard error: `holdfast: VERB: message`, and the holders; with --json one object in one line,
 * `{"error":{"code","message","syscall","path","dest","holders"}}`. Our own mistakes come with their stack. A warning is
 * `holdfast: VERB: warning: message, 'path'`, or `{"warning":{"message","path"}}`.
 */
import { codeOf } from '../errors.ts'
import type { HoldfastError, Holder } from '../index.ts'
import { holdersTable } from './holders.ts'
import { toJson, write } from './output.ts'

/** What was typed wrong: the exit code is that of usage, and help is pointed to. */
export class UsageError extends Error {
  readonly code = 'ERR_USAGE'
}

/** Whether the mistake is in what was typed: an API's TypeErrors and RangeErrors come from there, too. */
export const isUsageError = (error: unknown): boolean =>
  error instanceof UsageError || /^ERR_(?:OUT_OF_RANGE|INVALID_ARG)/.test(codeOf(error) ?? '')

export async function reportError(verb: string, error: unknown, isJson: boolean): Promise<void> {
  const first = firstOf(error)
  const text = isJson ? `${toJson({ error: describe(first) })}\n` : await textOf(verb, first)
  await write(process.stderr, text).catch(ignoreBrokenPipe)
}

/** What failed before something failed to close as well. */
const firstOf = (error: unknown): unknown => (error instanceof SuppressedError ? firstOf(error.suppressed) : error)

export async function reportWarning(verb: string, message: string, path: string, isJson: boolean): Promise<void> {
  const text = `holdfast: ${verb}: warning: ${message}, '${path}'`.replaceAll(/\p{Cc}/gu, '?')
  await write(process.stderr, `${isJson ? toJson({ warning: { message, path } }) : text}\n`).catch(ignoreBrokenPipe)
}

function describe(error: unknown): object {
  const { code, message, syscall, path, dest, holders } = error as Partial<HoldfastError>
  return { code: code ?? 'ERR_INTERNAL', message: message ?? String(error), syscall, path, dest, holders }
}

async function textOf(verb: string, error: unknown): Promise<string> {
  const name = verb === '' ? 'holdfast' : `holdfast: ${verb}`
  if (!(error instanceof Error) || codeOf(error) === undefined || codeOf(error) === 'ERR_ASSERTION') {
    return `${name}: a mistake in Holdfast itself; please report it with this text\n${stackOf(error)}\n`
  }
  const { holders = [] } = error as Partial<HoldfastError>
  // A path or command may hold anything.
  const message = (await withoutHolders(error.message, holders)).replaceAll(/\p{Cc}/gu, '?')
  const hint = isUsageError(error) ? `Try 'holdfast ${verb}${verb === '' ? '' : ' '}-h'.\n` : ''
  const held = holders.length === 0 ? '' : `held by:\n${holdersTable(holders, process.stderr)}`
  return `${name}: ${message}\n${hint}${held}`
}

/** The table below the message says it better. */
async function withoutHolders(message: string, holders: readonly Holder[]): Promise<string> {
  if (holders.length === 0) return message
  const { describeHolders } = await import('../layout/holders.ts')
  return message.replace(` (${describeHolders(holders)})`, '')
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))

/** Nobody is left to tell. */
const ignoreBrokenPipe = (error: unknown): void => {
  if (codeOf(error) !== 'EPIPE') throw error
}
