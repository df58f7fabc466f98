/** What the pool throws, in the words of node:fs: same `code`, `syscall`, `path` and `dest`; what the message explains stays. */
import { constants } from 'node:os'
import { isSystemError, retold, systemError } from '../errors.ts'

/** What node:fs says an error is of. An operation on a descriptor has no path there. */
export interface Call {
  readonly syscall: string
  readonly path?: string
  readonly dest?: string
}

/**
 * Runs an operation of the pool on `known` paths; a system error of it is told as one of `call`. An error about another path
 * is not about the caller's file (such as one of the files that the pool is made of), and stays as it is.
 */
export async function inNodesWords<T>(call: Call, operation: () => Promise<T>, known?: string): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    if (!isSystemError(error)) throw error
    const isOurs = error.path === undefined || [call.path, call.dest, known].includes(error.path)
    throw isOurs ? retold(error, call) : error
  }
}

/** Of a descriptor that is nobody's. */
export const badDescriptor = (syscall: string): Error =>
  systemError('EBADF', 'bad file descriptor: it is not open in this pool', { syscall })

/** As node:fs throws it when a signal says so. */
export const aborted = (signal: AbortSignal): Error =>
  Object.assign(new Error('The operation was aborted', { cause: signal.reason }), {
    name: 'AbortError',
    code: 'ABORT_ERR',
  })

export function mustNotBeAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw aborted(signal)
}

/** An error with a code of node:fs that is no system error, such as ERR_DIR_CLOSED. */
export const codedError = (code: string, message: string): Error => Object.assign(new Error(message), { code })

/** Node's `SystemError`, which `cp` and `rm` throw: a code of their own, with the number and the syscall of what it means. */
export function refusal(
  code: string,
  what: string,
  {
    errno,
    syscall,
    path,
    message,
  }: { errno: keyof typeof constants.errno; syscall: string; path: string; message: string },
): Error {
  const number = constants.errno[errno]
  const error = new Error(`${what}: ${syscall} returned ${errno} (${message}) ${path}`)
  const info = { message, path, syscall, errno: number, code: errno }
  return Object.assign(error, { name: 'SystemError', code, info, errno: number, syscall, path })
}
