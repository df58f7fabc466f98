/** A store under test, and short ways to say what the tests say often. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { ROOT_INODE } from '../../src/metadata/metadata.ts'
import type {
  ChangeMarks,
  Inode,
  LastNameDecision,
  LayoutDecision,
  Metadata,
  PoolProperties,
} from '../../src/metadata/metadata.ts'
import { FORMAT_VERSION } from '../../src/metadata/schema.ts'
import { createSqliteMetadata, openSqliteMetadata } from '../../src/metadata/sqlite-metadata.ts'
import type { SqliteMetadataOptions } from '../../src/metadata/sqlite-metadata.ts'
import type { BlockCount, Extent, FileRange, InodeNumber } from '../../src/units.ts'

export interface MetadataUnderTest {
  readonly metadata: Metadata
  /** Opens the same store a second time, as another process would. */
  openAgain(): Promise<Metadata>
  /** Closes what was opened and removes the store. */
  dispose(): Promise<void>
}

/** `marks` are those of the store's first opener. */
export type MakeMetadata = (properties: PoolProperties, marks?: ChangeMarks) => Promise<MetadataUnderTest>

export const NOW = 1_700_000_000_123_456_789n
export const LATER = NOW + 1n

export const properties = (blockCount: number, reserveBlocks = 0): PoolProperties => ({
  uuid: '6ba7b810-9dad-41d1-80b4-00c04fd430c8',
  formatVersion: FORMAT_VERSION,
  blockCount: blockCount as BlockCount,
  busy: 'sequester',
  dax: 'always',
  leaseBreakTimeMs: 30_000,
  reserveBlocks: reserveBlocks as BlockCount,
})

/** Makes a store for one test. Whatever the test did, the invariants hold at its end. */
export async function made(
  t: TestContext,
  make: MakeMetadata,
  blockCount = 64,
  reserveBlocks = 0,
  marks?: ChangeMarks,
) {
  const subject = await make(properties(blockCount, reserveBlocks), marks)
  t.after(async () => {
    const found = await subject.metadata.check()
    await subject.dispose()
    assert.deepEqual(found, [])
  })
  return subject
}

/** SQLite stores below `directory`. */
export const sqliteIn =
  (directory: string, options: SqliteMetadataOptions = {}): MakeMetadata =>
  async (wanted, marks) => {
    const own = mkdtempSync(join(directory, 'holdfast-test-'))
    const path = join(own, 'meta.db')
    const opened: Metadata[] = []
    const open = async (more: SqliteMetadataOptions = {}) => {
      const metadata = await openSqliteMetadata(path, { ...options, ...more })
      opened.push(metadata)
      return metadata
    }
    await createSqliteMetadata(path, wanted)
    return {
      metadata: await open({ marks }),
      openAgain: () => open(),
      dispose: async () => {
        for (const metadata of opened) await metadata.close()
        rmSync(own, { recursive: true })
      },
    }
  }

export const range = (start: number, end: number): FileRange => ({ start, end }) as FileRange
export const ino = (number: number): InodeNumber => number as InodeNumber
/** A callback that must not be called. */
export const unexpected = (): never => {
  throw new Error('called')
}
export const nothing = (): void => {}
export const everythingBusy = (): LayoutDecision => ({ commit: true, sequester: [] })
export const everythingSequestered = (removed: readonly Extent[]): LayoutDecision => ({
  commit: true,
  sequester: removed,
})
/** Somebody has it open: a file that loses its last name lives on. */
export const orphaned = (): LastNameDecision => 'orphan'
export const refused = (): LayoutDecision => ({ commit: false })

export const flat = (extents: readonly Extent[]): [file: number, device: number, count: number][] =>
  extents.map(({ fileBlock, deviceBlock, count }) => [fileBlock, deviceBlock, count])

/** Makes something; a symlink points to 'f'. */
export function create(
  metadata: Metadata,
  name: string,
  kind: Inode['kind'] = 'file',
  parent: InodeNumber = ROOT_INODE,
): Promise<Inode> {
  const mode = kind === 'file' ? 0o640 : 0o750
  const target = kind === 'symlink' ? 'f' : undefined
  return metadata.create({ parent, name, kind, mode, uid: 1000, gid: 100, target, nowNs: NOW })
}

/** A file of `count` mapped blocks from block 0. */
export async function fileOf(metadata: Metadata, name: string, count: number): Promise<InodeNumber> {
  const inode = await create(metadata, name)
  await metadata.allocate({ ino: inode.ino, range: range(0, count) }, nothing)
  await metadata.extend(inode.ino, NOW, () => count * 4096)
  return inode.ino
}

/** Makes all busy extents free. */
export async function releaseAll(metadata: Metadata): Promise<void> {
  await metadata.release((await metadata.busyExtents()).map(({ id }) => id))
}
