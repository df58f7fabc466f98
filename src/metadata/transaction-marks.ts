/**
 * The marks of the transaction that runs: which inodes it changes, told to whoever caches them (`ChangeMarks`).
 *
 * The tables mark the inode of every row that they change, so that no operation can forget it. An operation that asks a
 * callback marks what it is going to change before: the callback looks at what others hold by now, and they look at the
 * marks after they took it.
 */
import { FewNumbers } from '../few-numbers.ts'
import type { InodeNumber } from '../units.ts'
import type { ChangeMarks } from './metadata.ts'

export class TransactionMarks {
  readonly #marks: ChangeMarks | undefined
  readonly #begun = new FewNumbers()

  constructor(marks: ChangeMarks | undefined) {
    this.#marks = marks
  }

  begin(ino: InodeNumber): void {
    if (this.#marks === undefined || this.#begun.placeOf(ino) >= 0) return
    // First: what `begin` did in part is to be ended too.
    this.#begun.add(ino)
    this.#marks.begin(ino)
  }

  /** After COMMIT or ROLLBACK. */
  end(): void {
    if (this.#begun.size === 0) return
    this.#begun.clear()
    this.#marks?.end()
  }
}
