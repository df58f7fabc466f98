/**
 * Measuring on machines that are shared and noisy: sides of a comparison take turns in many short rounds, and what is
 * reported is the median of each side and the median of the rounds' ratios.
 */
import { measure } from 'mitata'

export type Side = () => unknown

/** Nanoseconds, and the ratio of a side to the baseline in the same round. */
export interface Compared {
  readonly ns: number
  readonly ratio: number
}

export const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]

/** Median time of each side, and its median ratio to `baseline`, one of the sides. */
export async function compare(
  sides: Record<string, Side>,
  baseline: string,
  rounds = 9,
): Promise<Record<string, Compared>> {
  const times: Record<string, number[]> = {}
  for (let round = 0; round < rounds; round++) {
    for (const [name, side] of Object.entries(sides)) {
      const { p50 } = await measure(side, {
        min_cpu_time: 20e6,
        min_samples: 8,
        batch_samples: 1024,
        batch_threshold: 20_000,
      } as never)
      ;(times[name] ??= []).push(p50)
    }
  }
  return Object.fromEntries(
    Object.entries(times).map(([name, ns]) => [
      name,
      { ns: median(ns), ratio: median(ns.map((time, round) => time / times[baseline][round])) },
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
  return `${(ns / 1e6).toPrecision(3)} ms`
}
