/**
 * Watches the marks of a store: whatever an operation changed was marked before, in time for its callback, and the marks
 * end once, right after.
 */
import assert from 'node:assert/strict'

import { ROOT_INODE } from '../../src/metadata/metadata.ts'
import type { ChangeMarks, Metadata } from '../../src/metadata/metadata.ts'
import type { InodeNumber } from '../../src/units.ts'

export class MarkWatch implements ChangeMarks {
  readonly #begun = new Set<InodeNumber>()
  #isWatching = false
  #atCallback: ReadonlySet<InodeNumber> | undefined
  #ends = 0

  begin(ino: InodeNumber): void {
    if (this.#isWatching) assert.equal(this.#ends, 0, 'begun after the end')
    this.#begun.add(ino)
  }

  end(): void {
    this.#ends++
  }

  /** A callback that notes what is marked when it is asked first. */
  readonly noting =
    <Arguments extends unknown[], Result>(callback: (...given: Arguments) => Result) =>
    (...given: Arguments): Result => {
      this.#atCallback ??= new Set(this.#begun)
      return callback(...given)
    }

  /** Runs `operation`, one transaction. Returns the inodes that were marked. */
  async watched<T>(metadata: Metadata, operation: () => Promise<T>): Promise<ReadonlySet<InodeNumber>> {
    const before = await everything(metadata)
    this.#begun.clear()
    this.#atCallback = undefined
    this.#ends = 0
    this.#isWatching = true
    const failed = await operation().then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
    this.#isWatching = false
    const marked = this.#atCallback ?? this.#begun
    assert.equal(this.#ends, this.#begun.size === 0 ? 0 : 1)
    const after = await everything(metadata)
    for (const [ino, was] of before) {
      if (after.get(ino) !== was) assert.ok(marked.has(ino), `inode ${ino} changed without a mark in time`)
    }
    if (failed !== undefined) {
      assert.deepEqual(after, before)
      throw failed.error
    }
    return this.#begun
  }
}

/** All there is to know about each inode, as text. */
export async function everything(metadata: Metadata): Promise<Map<InodeNumber, string>> {
  const known = new Map<InodeNumber, string>()
  const pending = [ROOT_INODE, ...(await metadata.orphans())]
  const names = new Map<InodeNumber, string[]>()
  for (let ino = pending.shift(); ino !== undefined; ino = pending.shift()) {
    if (known.has(ino)) continue
    const entries = await metadata.entries(ino, { limit: 10_000 })
    for (const entry of entries) {
      pending.push(entry.ino)
      names.set(entry.ino, [...(names.get(entry.ino) ?? []), `${ino}/${entry.name}`])
    }
    const attributes = await metadata.xattrs(ino)
    const values = await Promise.all(attributes.map((name) => metadata.xattr(ino, name)))
    const text = JSON.stringify(
      [
        await metadata.layout(ino),
        entries,
        attributes,
        values.map((value) => Buffer.from(value ?? []).toString('hex')),
      ],
      (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value),
    )
    known.set(ino, text)
  }
  for (const [ino, own] of names) known.set(ino, `${known.get(ino)} ${own.toSorted(undefined).join()}`)
  return known
}
