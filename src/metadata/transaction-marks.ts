/**
 * The marks of the transaction that runs: which inodes it changes, told to whoever caches them (`ChangeMarks`).
 *
 * The tables mark the inode of every row that they change, so that no operation can forget it. An operation that asks a
 * callback marks what it is going to change before: the callback looks at what others hold by now, and they look at the
 * marks after they took it.
 *
 * An array, though it is a set: few inodes are changed by one transaction, and a Set that is cleared is linked to from the
 * memory that it had before, which can keep all that it ever had from the collections of young objects.
 */
import type { InodeNumber } from '../units.ts'
import type { ChangeMarks } from './metadata.ts'

export class TransactionMarks {
  readonly #marks: ChangeMarks | undefined
  readonly #begun: InodeNumber[] = []
  #count = 0

  constructor(marks: ChangeMarks | undefined) {
    this.#marks = marks
  }

  begin(ino: InodeNumber): void {
    if (this.#marks === undefined) return
    for (let i = 0; i < this.#count; i++) if (this.#begun[i] === ino) return
    // First: what `begin` did in part is to be ended too.
    this.#begun[this.#count++] = ino
    this.#marks.begin(ino)
  }

  /** After COMMIT or ROLLBACK. */
  end(): void {
    if (this.#count === 0) return
    this.#count = 0
    this.#marks?.end()
  }
}
