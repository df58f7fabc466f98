/**
 * What POSIX and Linux say of a file system, as a suite: give it a directory on one and it registers its tests. It runs on
 * the file systems of the host too, which proves the suite.
 */
import { casesOn } from './cases.ts'
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
import type { Check, MakeSubject } from './subject.ts'
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
export function posixSuite(name: string, make: MakeSubject): void {
  casesOn(`POSIX on ${name}`, GROUPS, make)
}
