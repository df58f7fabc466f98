/** SIGSTOP and SIGCONT for participants. */
import { readFileSync } from 'node:fs'
import type { Participant } from './participant.ts'

/** Resolves when the kernel has stopped the process. */
export async function untilStopped({ pid }: Pick<Participant, 'pid'>): Promise<void> {
  while (!/^\d+ \(.*\) T/.test(readFileSync(`/proc/${pid}/stat`, 'latin1')))
    await new Promise((resolve) => setTimeout(resolve, 1))
}

/** Stops the process wherever it is. */
export async function stop(participant: Pick<Participant, 'pid'>): Promise<void> {
  process.kill(participant.pid, 'SIGSTOP')
  await untilStopped(participant)
}

export function goOn({ pid }: Pick<Participant, 'pid'>): void {
  process.kill(pid, 'SIGCONT')
}
