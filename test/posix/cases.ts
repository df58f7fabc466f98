/** Registers cases as tests, each with a directory of its own on the file system that is judged. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Check, MakeSubject, Subject } from './subject.ts'
import { placeIn } from './subject.ts'

export function casesOn(title: string, groups: Record<string, (check: Check) => void>, make: MakeSubject): void {
  describe(title, () => {
    let subject: Subject | string = 'not made'
    before(async () => {
      subject = await make()
    })
    after(async () => {
      if (typeof subject !== 'string') await subject.release?.()
    })
    for (const [group, cases] of Object.entries(groups)) {
      describe(group, () => {
        cases((sentence, run, { root = false, ability } = {}) => {
          test(sentence, async (t) => {
            if (typeof subject === 'string') return t.skip(subject)
            if (root && process.getuid?.() !== 0) return t.skip('only root can be other users')
            const lack = ability && subject.lacks?.[ability]
            if (lack !== undefined) return t.skip(lack)
            const directory = mkdtempSync(join(subject.directory, 'case-'))
            chmodSync(directory, 0o755)
            try {
              await run(placeIn(directory), t)
            } finally {
              rmSync(directory, { recursive: true, force: true })
            }
          })
        })
      })
    }
  })
}
