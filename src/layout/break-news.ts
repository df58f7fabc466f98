/** Telling of layout changes that are over (diagnostics.ts). */
import type { BreakMessage } from '../diagnostics.ts'
import { breaks } from '../diagnostics.ts'
import { codeOf } from '../errors.ts'
import type { PinTable } from './pin-table.ts'
import type { Limits } from './waiting.ts'

/** What a change came to: undefined when there was nothing to change. */
type Result = { readonly committed: boolean; readonly lostAndFound: readonly unknown[] } | undefined

/** Does `work` and tells what became of it. The caller has seen that somebody listens. */
export async function toldOfBreak<T extends Result>(
  table: PinTable,
  { inode, change, limits }: Pick<BreakMessage, 'inode' | 'change'> & { readonly limits: Limits },
  work: () => Promise<T>,
): Promise<T> {
  const sinceMs = performance.now()
  const tell = (outcome: BreakMessage['outcome']): void =>
    breaks.publish({ ...table.teller, inode, change, outcome, durationMs: performance.now() - sinceMs })
  let result: T
  try {
    result = await work()
  } catch (error) {
    tell(limits.signal?.aborted === true && error === limits.signal.reason ? 'aborted' : failureOf(error))
    throw error
  }
  if (result === undefined || !result.committed) tell('none')
  else tell(result.lostAndFound.length > 0 ? 'sequestered' : 'done')
  return result
}

function failureOf(error: unknown): BreakMessage['outcome'] {
  switch (codeOf(error)) {
    case 'EBUSY':
    case 'ETXTBSY':
      return 'busy'
    case 'ETIMEDOUT':
      return 'timeout'
    default:
      return 'failed'
  }
}
