/**
 * Measuring on machines that are shared and noisy: sides of a comparison take turns in many short rounds, and what is
 * reported is the median of each side and the median of the rounds' ratios.
 *
 * The rounds are plain loops over a warm side. (mitata compiles a loop for each measurement: what takes a few hundred
 * nanoseconds was measured before it was optimised, three times too slow.)
 */

/** What is measured: one call. */
type Call = (() => void) | (() => Promise<unknown>)

/** `after` is called after each round, and not measured. */
export type Side = Call | { readonly run: Call; readonly after: () => Promise<void> }

const WARM_UP_CALLS = 50_000
const WARM_UP_NS = 300e6
const ROUND_NS = 5e6

/** Nanoseconds, and the ratio of a side to the baseline in the same round. */
export interface Compared {
  readonly ns: number
  readonly ratio: number
}

export const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]

/** Nanoseconds a call of `calls` calls. A side that is not asynchronous pays for no await. */
async function time(side: Side, calls: number): Promise<number> {
  const { run, after } = typeof side === 'function' ? { run: side } : side
  const start = process.hrtime.bigint()
  const first = run()
  if (first instanceof Promise) {
    await first
    for (let i = 1; i < calls; i++) await run()
  } else {
    for (let i = 1; i < calls; i++) void run()
  }
  const ns = Number(process.hrtime.bigint() - start) / calls
  await after?.()
  return ns
}

/** Warms a side up; returns how many calls fill a round. */
async function callsOf(side: Side, roundNs: number, warmUpNs: number): Promise<number> {
  let calls = 1
  for (let spent = 0, done = 0; spent < warmUpNs && done < WARM_UP_CALLS; done += calls, calls *= 2) {
    spent += (await time(side, calls)) * calls
  }
  return Math.max(1, Math.round(roundNs / (await time(side, Math.max(1, calls >> 2)))))
}

/**
 * Median time of each side, and its median ratio to `baseline`, one of the sides. On a machine that others load short
 * rounds are better: most of them are not interrupted.
 */
export async function compare(
  sides: Record<string, Side>,
  baseline: string,
  { rounds = 101, roundNs = ROUND_NS, warmUpNs = WARM_UP_NS } = {},
): Promise<Record<string, Compared>> {
  const calls: Record<string, number> = {}
  for (const [name, side] of Object.entries(sides)) calls[name] = await callsOf(side, roundNs, warmUpNs)
  const times: Record<string, number[]> = {}
  for (let round = 0; round < rounds; round++) {
    for (const [name, side] of Object.entries(sides)) (times[name] ??= []).push(await time(side, calls[name]))
  }
  return Object.fromEntries(
    Object.entries(times).map(([name, ns]) => [
      name,
      { ns: median(ns), ratio: median(ns.map((each, round) => each / times[baseline][round])) },
    ]),
  )
}

/** Median nanoseconds of `times` single runs of `action`, `prepare` not counted. */
export async function medianOf(
  times: number,
  prepare: (i: number) => Promise<void>,
  action: (i: number) => Promise<void>,
): Promise<number> {
  const ns: number[] = []
  for (let i = 0; i < times; i++) {
    await prepare(i)
    const start = process.hrtime.bigint()
    await action(i)
    ns.push(Number(process.hrtime.bigint() - start))
  }
  return median(ns)
}

/** 812 ns, 3.4 µs, 12 ms. */
export function showTime(ns: number): string {
  if (ns < 1000) return `${ns.toFixed(0)} ns`
  if (ns < 1e6) return `${(ns / 1000).toPrecision(3)} µs`
  if (ns < 1e9) return `${(ns / 1e6).toPrecision(3)} ms`
  return `${(ns / 1e9).toPrecision(3)} s`
}
