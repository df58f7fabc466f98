/**
 * An open directory. Its entries are read in portions in byte order of their names, each portion from behind the last name
 * of the one before: a name that stays is seen exactly once, whatever changes. What was read stays for as long as the
 * handle is open, so that an offset means the same entry when somebody comes back to it (seekdir); offset 0 (rewinddir)
 * begins anew.
 *
 * Price: 100 bytes for each entry read.
 */
import type { FileSystem } from '../files/file-system.ts'
import { directoryOf } from '../files/paths.ts'
import type { DirectoryEntry } from '../metadata/metadata.ts'
import type { InodeNumber } from '../units.ts'

export class OpenDirectory {
  readonly ino: InodeNumber
  readonly #fs: FileSystem
  #entries: DirectoryEntry[] = []
  #isComplete = false
  /** Requests on one handle may be in flight side by side: one portion is read at a time. */
  #reading: Promise<void> | undefined

  constructor(fs: FileSystem, ino: InodeNumber) {
    this.#fs = fs
    this.ino = ino
  }

  rewind(): void {
    this.#entries = []
    this.#isComplete = false
  }

  /** The entry at an index from 0; undefined: the directory ends before. */
  async at(index: number): Promise<DirectoryEntry | undefined> {
    while (index >= this.#entries.length && !this.#isComplete) {
      this.#reading ??= this.#readOn().finally(() => {
        this.#reading = undefined
      })
      await this.#reading
    }
    return this.#entries[index]
  }

  /** The same, when it was read already. */
  known(index: number): DirectoryEntry | undefined {
    return this.#entries[index]
  }

  /** The directory above; of the root, and of one that was removed, itself. */
  async parent(): Promise<InodeNumber> {
    return (await directoryOf(this.#fs, this.ino))?.ino ?? this.ino
  }

  async #readOn(): Promise<void> {
    const entries = this.#entries
    const last = entries.at(-1)
    const portion = await this.#fs.metadata.entries(this.ino, last === undefined ? {} : { after: last.name })
    // Rewound meanwhile: what was read is not of this round.
    if (entries !== this.#entries) return
    entries.push(...portion)
    this.#isComplete = portion.length === 0
  }
}
