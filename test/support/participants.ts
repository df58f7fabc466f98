/** A process shared by the tests of one file: starting one takes longer than most tests. */
import { after } from 'node:test'
import type { Participant } from './participant.ts'
import { startProcess } from './participant.ts'

/** Ended after all tests of the file. Attach it to the pool of each test. */
export function sharedProcess(): Promise<Participant> {
  const ends: (() => unknown)[] = []
  after(async () => {
    for (const end of ends) await end()
  })
  return startProcess({ after: (end?: unknown) => void ends.push(end as () => unknown) })
}
