/**
 * Turns of the event loop. Operations on a pool mostly finish without waiting for anything, so a program that awaits one
 * after the other would never let timers, signals and sockets have their turn, as it does with node:fs.
 */

/** How long operations may follow one another before the event loop has a turn. */
const LONGEST_MS = 10

let beganMs = 0

const forget = (): void => {
  beganMs = 0
}

/** The time, ms since 1970, at which it was first asked in this turn: 60 ns once, then next to nothing. */
export function turnBeganMs(): number {
  if (beganMs === 0) {
    beganMs = Date.now()
    setImmediate(forget).unref()
  }
  return beganMs
}

/** The clock is looked at each so many times: looking costs as much as an operation that finds everything known. */
const ASKED_PER_LOOK = 8
let asked = 0

/** A promise of the next turn when this one has lasted long; undefined when there is nothing to wait for. Price: 10 ns. */
export function turnIfDue(): Promise<void> | undefined {
  if (++asked % ASKED_PER_LOOK !== 0) return undefined
  const lastedMs = Date.now() - turnBeganMs()
  return lastedMs < LONGEST_MS ? undefined : new Promise((resolve) => setImmediate(resolve))
}
