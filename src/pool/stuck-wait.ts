/** The alarm about a wait that lasts: a process warning that says what waits, for whom and how long. */
import type { HoldfastError } from '../errors.ts'

/** `error`: what the wait would end with now. */
export function warnOfStuckWait(error: Error, waitedMs: number): void {
  const { syscall, path, message, code } = error as HoldfastError
  const what = path === undefined ? syscall : `${syscall} '${path}'`
  const why = message.replace(`${code}: `, '').replace(`, ${what}`, '')
  process.emitWarning(`${what} has been waiting for ${Math.round(waitedMs)} ms: ${why}`, {
    type: 'HoldfastWarning',
    code: 'HOLDFAST_STUCK',
  })
}
