/** The clock for real. */
import type { Clock } from '../layout/surroundings.ts'
import { turnBeganMs } from '../platform/event-loop.ts'

export const systemClock: Clock = {
  nowMs: () => Date.now(),

  steadyMs: () => performance.timeOrigin + performance.now(),

  /** A pin that costs 90 ns can't spend 60 on the time. */
  coarseMs: turnBeganMs,

  after: (delayMs, callback, keepsAlive) => {
    const timer = setTimeout(callback, delayMs)
    if (!keepsAlive) timer.unref()
    return () => clearTimeout(timer)
  },
}
