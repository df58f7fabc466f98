/**
 * Change marks: one word for each bucket of inodes that tells every participant whether what it knows of them (names in
 * a directory, attributes, links) is still so. What the caches of files/ are validated by.
 *
 * The word is even while nobody changes an inode of the bucket, odd from inside the transaction until after its commit,
 * and never the same again.
 *
 *   writer   BEGIN (the store's write lock) → odd → decisions, changes → COMMIT → even, unless another made it odd since
 *   reader   load an even word → read the metadata → load the same word: what was read may be kept under it
 *            later: load the word; the same: what was kept is so now
 *
 * Why it is right. Transactions are one after the other, and each stores a new odd value before its commit. While the
 * word is the one something was kept under, no commit that concerns it has happened; so the cache is never behind. What is
 * read under an even word that is still there afterwards was read between two changes.
 *
 * Who is alone with the store commits late (solitude.ts): its word is even again before the COMMIT. Its own caches see what is
 * not committed, as all it reads; nobody else reads meanwhile.
 *
 * A second writer may begin after our COMMIT and before our `end`: it stores another odd value, our `end` finds that and
 * leaves it, and its own `end` follows. Who dies between leaves the word odd: nothing of the bucket is kept until the next
 * change of it ends, which costs a look at the metadata each time, and nothing else.
 *
 * The word wraps after 2^31 changes of one bucket; something kept would have to lie untouched for exactly that many.
 */
import { FewNumbers } from '../few-numbers.ts'
import type { ChangeMarks } from '../metadata/metadata.ts'
import type { InodeNumber } from '../units.ts'
import { Bucket, bucketOf } from './format.ts'
import type { TableMemory } from './surroundings.ts'
import type { Words } from './words.ts'

/** Says that nothing may be kept. No even word equals it. */
export const UNKNOWN = -1

export class TableMarks implements ChangeMarks {
  readonly #table: Words
  /** Of the transaction under way. */
  readonly #words = new FewNumbers()
  /** The value stored in each, by its place. */
  readonly #odds: number[] = []

  constructor({ table }: Pick<TableMemory, 'table'>) {
    this.#table = table
  }

  begin(ino: InodeNumber): void {
    const word = wordOf(ino)
    if (this.#words.placeOf(word) >= 0) return
    const value = this.#table.load(word)
    // Odd: left by somebody who died, or who is about to end. Either way a new odd value.
    const odd = (value + ((value & 1) === 0 ? 1 : 2)) | 0
    this.#table.store(word, odd)
    this.#odds[this.#words.add(word)] = odd
  }

  end(): void {
    for (let place = 0; place < this.#words.size; place++) {
      const odd = this.#odds[place]
      this.#table.compareExchange(this.#words.at(place), odd, (odd + 1) | 0)
    }
    this.#words.clear()
  }

  /** Inside a transaction that has begun to change the inode: the word under which what it commits may be kept. */
  expected(ino: InodeNumber): number {
    const place = this.#words.placeOf(wordOf(ino))
    return place < 0 ? UNKNOWN : (this.#odds[place] + 1) | 0
  }

  /** Inside a transaction: the word under which what it commits of an inode may be kept, changed by it or not. */
  committing(ino: InodeNumber): number {
    return this.#words.placeOf(wordOf(ino)) < 0 ? this.current(ino) : this.expected(ino)
  }

  /** The word to keep something under that is read after this; {@link UNKNOWN} while a change is under way. */
  current(ino: InodeNumber): number {
    const value = this.#table.load(wordOf(ino))
    return (value & 1) === 0 ? value : UNKNOWN
  }

  /** Whether what was kept under `mark` is so now. Price: 20 ns. */
  isCurrent(ino: InodeNumber, mark: number): boolean {
    return this.#table.load(wordOf(ino)) === mark
  }
}

const wordOf = (ino: InodeNumber): number => bucketOf(ino) + Bucket.changes
