/**
 * What POSIX and Linux say of a file system, as a suite: give it a directory on one and it registers its tests. It runs on
 * the file systems of the host too, which proves the suite.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { contentCases } from './content.ts'
import { directoryCases } from './directories.ts'
import { linkCases } from './links.ts'
import { lockCases } from './locks.ts'
import { mappingCases } from './mappings.ts'
import { nameCases } from './names.ts'
import { openFileCases } from './open-files.ts'
import { ownerCases } from './owners.ts'
import { permissionCases } from './permissions.ts'
import { renameCases } from './renames.ts'
import { spaceCases } from './space.ts'
import { specialFileCases } from './special-files.ts'
import type { Check, Subject } from './subject.ts'
import { placeIn } from './subject.ts'
import { timeCases } from './times.ts'
import { xattrCases } from './xattrs.ts'

const GROUPS: Record<string, (check: Check) => void> = {
  names: nameCases,
  links: linkCases,
  renames: renameCases,
  directories: directoryCases,
  permissions: permissionCases,
  owners: ownerCases,
  times: timeCases,
  content: contentCases,
  'open files': openFileCases,
  space: spaceCases,
  mappings: mappingCases,
  xattrs: xattrCases,
  locks: lockCases,
  'special files': specialFileCases,
}

/** `make` is called once; a string is the reason why there is no such file system here. */
export function posixSuite(name: string, make: () => Subject | string | Promise<Subject | string>): void {
  describe(`POSIX on ${name}`, () => {
    let subject: Subject | string = 'not made'
    before(async () => {
      subject = await make()
    })
    after(async () => {
      if (typeof subject !== 'string') await subject.release?.()
    })
    for (const [group, cases] of Object.entries(GROUPS)) {
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
