/**
 * The loop of a mount: waits for requests, and lets the event loop have its turn.
 *
 * A request that is handled between two turns of the event loop costs 3 µs less than one for which the event loop is
 * asked, so this thread waits in poll(2), for the device *and* for the event loop's own descriptors (epoll): a ring of a
 * doorbell, a finished thread of the pool, a message of the parent, a signal. Whatever of these comes ends the wait.
 *
 * Requests that come one after the other are not waited for: while there are any, poll(2) is asked before each
 * REQUESTS_PER_LOOK only. Where the caller runs on the same CPU its next request is there before this thread goes on. Where
 * it runs on another one this thread stays awake for it: poll(2) without a time, while busy-wait.ts says so.
 *
 * The event loop has a turn
 *   1. when its descriptors say that there is something for it, REQUESTS_PER_LOOK requests later at most;
 *   2. after a request became pending, so that what it began (a timer, a socket) is known to those descriptors;
 *   3. when the last one is TURN_MS ago: timers, and `turnIfDue` of the operations, which would make each operation wait
 *      for a turn once this one has lasted long.
 * Nothing else is scheduled, so timers come up to the time of a wait late: PENDING_WAIT_MS while a request is pending (its
 * timeout is a timer), IDLE_WAIT_MS else (housekeeping).
 *
 * Changes of names that are not committed yet (metadata/commit-batch.ts) are committed when they are due, when no request comes
 * for LATE_WAIT_MS, and before the event loop has a turn. A request that becomes pending is followed by a turn; what it
 * lets run before has the same metadata, which see to it themselves.
 *
 * While requests come in without a pause, the turns are still had (3), and pending ones get on: at most TURN_MS and
 * REQUESTS_PER_LOOK operations late.
 */
import { availableParallelism } from 'node:os'

import { eventLoopDescriptors, ReadablePoll } from '../platform/poll.ts'
import { runnableThreads } from '../platform/runnable.ts'
import type { LateCommits } from '../metadata/metadata.ts'
import { BusyWait } from './busy-wait.ts'
import type { Session } from './session.ts'

const TURN_MS = 4
const PENDING_WAIT_MS = 5
const IDLE_WAIT_MS = 100
/** While something is to be committed. */
const LATE_WAIT_MS = 1
const REQUESTS_PER_LOOK = 8

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/**
 * Serves the session on `fd` until the file system is unmounted and nobody has anything of it open any more, or until
 * `leave` is aborted (looked at after each turn of the event loop). Throws what only our own mistakes can cause.
 */
export async function serve(
  session: Session,
  fd: number,
  { leave, late }: { readonly leave: AbortSignal; readonly late: LateCommits | undefined },
): Promise<void> {
  const poll = new ReadablePoll([fd, ...eventLoopDescriptors()])
  const busyWait = new BusyWait({ cpus: availableParallelism(), runnableThreads, nowMs: () => performance.now() })
  let turnedAt = Date.now()
  let isTurnDue = true
  let untilLook = 0
  for (;;) {
    if (untilLook === 0) {
      const longestMs = session.pendingCount > 0 ? PENDING_WAIT_MS : IDLE_WAIT_MS
      const isAwake = isTurnDue || busyWait.goesOn()
      const ready = poll.wait(isAwake ? 0 : late?.isOpen === true ? LATE_WAIT_MS : longestMs)
      const isRequest = poll.isReady(0)
      // The clock may be set back.
      if (isTurnDue || ready !== Number(isRequest) || Math.abs(Date.now() - turnedAt) >= TURN_MS) {
        late?.commit()
        await turn()
        if (leave.aborted) return
        turnedAt = Date.now()
        isTurnDue = false
      } else if ((!isRequest && !isAwake) || late?.isDue === true) {
        late?.commit()
      }
      if (!isRequest) continue
      busyWait.end()
      untilLook = REQUESTS_PER_LOOK
    }
    const next = session.next()
    const step = next instanceof Promise ? await next : next
    if (step === 'ended') return
    isTurnDue = step === 'pending'
    untilLook = step === 'answered' ? untilLook - 1 : 0
  }
}
