/**
 * Turns of the event loop. Operations on a pool mostly finish without waiting for anything, so a program that awaits one
 * after the other would never let timers, signals and sockets have their turn, as it does with node:fs.
 */

/** How long operations may follow one another before the event loop has a turn. */
const LONGEST_MS = 10

let turnBeganMs = 0

const forget = (): void => {
  turnBeganMs = 0
}

/** A promise of the next turn when this one has lasted long; undefined when there is nothing to wait for. Price: 70 ns. */
export function turnIfDue(): Promise<void> | undefined {
  const nowMs = Date.now()
  if (turnBeganMs === 0) {
    turnBeganMs = nowMs
    setImmediate(forget).unref()
    return undefined
  }
  return nowMs - turnBeganMs < LONGEST_MS ? undefined : new Promise((resolve) => setImmediate(resolve))
}
