/** Change marks as the store tells of them: part of the contract of metadata.ts. */
import type { InodeNumber } from '../units.ts'

/**
 * Marks of changes, for whoever caches what it read. `begin` is called inside the transaction, before any decision of a
 * callback is asked and before the commit, for each inode whose row, names within, or attributes may change; `end` right
 * after the commit or the rollback. A value read before `begin` is true until the commit.
 */
export interface ChangeMarks {
  begin(ino: InodeNumber): void
  end(): void
}
