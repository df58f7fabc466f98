/**
 * Programs that many people use, on a file system: what each needs of one, nobody knows whole. Whatever is not installed is
 * skipped. On a directory of the host the suite proves itself.
 */
import { casesOn } from '../posix/cases.ts'
import type { MakeSubject } from '../posix/subject.ts'
import { archiveCases } from './archives.ts'
import { databaseCases } from './databases.ts'
import { editingCases } from './editing.ts'
import { gitCases } from './git.ts'
import { nodePackageCases } from './node-packages.ts'
import { pressureCases } from './pressure.ts'

export function programsSuite(name: string, make: MakeSubject): void {
  const groups = {
    git: gitCases,
    databases: databaseCases,
    archives: archiveCases,
    editing: editingCases,
    'node packages': nodePackageCases,
    pressure: pressureCases,
  }
  casesOn(`programs on ${name}`, groups, make)
}
