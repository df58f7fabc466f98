/** How long an operation may wait, and what its errors say. */
import { DEFAULT_TIMEOUT_MS } from '../../files/file-system.ts'
import type { BusyCall } from '../../files/making.ts'
import type { Limits } from '../../layout/waiting.ts'
import type { Mounted, Request } from '../request.ts'

/** The mount's timeout from now on, and the request's signal, which is made only when somebody waits. */
export class CallLimits implements Limits {
  readonly deadlineMs: number
  readonly #request: Request

  constructor({ fs, options }: Mounted, request: Request) {
    this.deadlineMs = fs.table.clock.steadyMs() + (options.timeoutMs ?? DEFAULT_TIMEOUT_MS)
    this.#request = request
  }

  get signal(): AbortSignal {
    return this.#request.signal
  }
}

/** Of what is to be stored before somebody may look, or be told that it is: the usual time, and the request's signal. */
export const lookLimits = ({ fs }: Mounted, request: Request): Limits => ({
  deadlineMs: fs.table.clock.steadyMs() + DEFAULT_TIMEOUT_MS,
  get signal() {
    return request.signal
  },
})

/** A call with the mount's policy for pinned blocks. */
export const callOf = (mounted: Mounted, request: Request, syscall: string, path: string): BusyCall => ({
  limits: new CallLimits(mounted, request),
  busy: mounted.options.busy,
  syscall,
  path,
})
