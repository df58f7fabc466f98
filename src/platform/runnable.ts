/**
 * How much there is to run: the kernel's count of threads that run or wait for a CPU, whoever's they are.
 *
 * Callers: the loop of a mount, which spins only where nobody else would have the CPU.
 */
import { readProc } from './proc.ts'

/** This one included, so 1 at least; `undefined` where /proc does not tell. Of the whole machine. 6 µs. */
export function runnableThreads(): number | undefined {
  // "1.44 1.84 1.44 1/91 13976": three averages, runnable/all, the last pid
  const count = Number.parseInt(readProc('loadavg')?.split(' ')[3] ?? '', 10)
  return Number.isNaN(count) ? undefined : count
}
