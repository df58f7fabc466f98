/**
 * createPool: a new pool directory.
 *
 * Order: directory, pin table (its lock keeps a second creator out), device, metadata under a name of its own, and last
 * its rename to meta.db; each durable before the next, and the pool when createPool resolves. A directory without meta.db is no pool; what a death in between leaves is removed by the next
 * createPool there, and nothing else is.
 */
import { randomUUID } from 'node:crypto'
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { FileDevice } from '../device/file-device.ts'
import { writeLabel } from '../device/label.ts'
import { checkBytes, checkChoice, codeOf, outOfRange, systemError } from '../errors.ts'
import { FORMAT_VERSION } from '../layout/format.ts'
import { BUSY_POLICIES, DAX_MODES } from '../metadata/metadata.ts'
import type { BusyPolicy, DaxMode, PoolProperties } from '../metadata/metadata.ts'
import { reserveOf } from '../metadata/reserve.ts'
import { createSqliteMetadata } from '../metadata/sqlite-metadata.ts'
import { assertSupportedPlatform } from '../platform/libc.ts'
import type { BlockCount } from '../units.ts'
import { BLOCK_SIZE, MAX_DEVICE_BLOCKS } from '../units.ts'
import type { OpenPoolOptions } from './open-pool.ts'
import { openPool } from './open-pool.ts'
import type { Pool } from './pool.ts'
import type { PoolDirectory } from './pool-directory.ts'
import { LockByte, poolDirectory } from './pool-directory.ts'
import { SharedTable } from './shared-table.ts'

export interface CreatePoolOptions extends OpenPoolOptions {
  /**
   * Bytes of the device, rounded down to blocks of 4096: 1 MiB to 16 TiB less 4 KiB, on ext4 less 8 KiB. Sparse: the host's
   * space is taken as files need it.
   */
  sizeBytes: number
  /** What a layout change does about pinned blocks; default 'sequester'. */
  busy?: BusyPolicy
  /** 'never': pins are copies. Default 'always'. */
  dax?: DaxMode
  /** How long a layout lease may keep a change waiting; default 30,000. */
  leaseBreakTimeMs?: number
}

const LEAST_BLOCKS = 256

/** Makes a pool in `path`, which must be missing or empty, and opens it. EEXIST, ENOTEMPTY, ENOSPC, EFBIG, EACCES, ENOLCK. */
export async function createPool(path: string, options: CreatePoolOptions): Promise<Pool> {
  assertSupportedPlatform()
  const blocks = Math.floor(checkBytes('sizeBytes', options.sizeBytes) / BLOCK_SIZE)
  if (blocks < LEAST_BLOCKS || blocks > MAX_DEVICE_BLOCKS) {
    throw outOfRange(
      'sizeBytes',
      `>= ${LEAST_BLOCKS * BLOCK_SIZE} and <= ${MAX_DEVICE_BLOCKS * BLOCK_SIZE}`,
      options.sizeBytes,
    )
  }
  const properties: PoolProperties = {
    uuid: randomUUID(),
    formatVersion: FORMAT_VERSION,
    blockCount: blocks as BlockCount,
    busy: checkChoice('busy', options.busy ?? 'sequester', BUSY_POLICIES),
    dax: checkChoice('dax', options.dax ?? 'always', DAX_MODES),
    leaseBreakTimeMs: checkBytes('leaseBreakTimeMs', options.leaseBreakTimeMs ?? 30_000),
    reserveBlocks: reserveOf(blocks),
  }
  const directory = poolDirectory(path)
  makeDirectory(directory)
  const table = new SharedTable(directory)
  try {
    const opening = table.lock(LockByte.opening)
    if (!opening.tryLock())
      throw systemError('EBUSY', 'another process is making or opening a pool here', { syscall: 'mkfs', path })
    const leftovers = readdirSync(path)
    if (leftovers.includes('meta.db')) throw systemError('EEXIST', 'there is a pool already', { syscall: 'mkfs', path })
    rmSync(directory.device, { force: true })
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${directory.unfinishedMetadata}${suffix}`, { force: true })
    await createDevice(directory.device, properties.blockCount)
    writeLabel(directory.device, properties.uuid)
    await createSqliteMetadata(directory.unfinishedMetadata, properties)
    renameSync(directory.unfinishedMetadata, directory.metadata)
    syncDirectory(path)
    syncDirectory(dirname(resolve(path)))
  } finally {
    table.close()
  }
  return openPool(path, options)
}

/** Durable before there is metadata that says how large it is. */
async function createDevice(path: string, blockCount: BlockCount): Promise<void> {
  const device = FileDevice.create(path, blockCount)
  try {
    await device.flush()
  } finally {
    device.close()
  }
}

/** What a createPool that died may have left. */
const OWN_NAMES: readonly string[] = [
  'pins',
  'device',
  'meta.db.new',
  'meta.db.new-wal',
  'meta.db.new-shm',
  'meta.db.new-journal',
  'reserve',
]

function makeDirectory({ path, pins }: PoolDirectory): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    const found = readdirSync(path)
    if (found.includes('meta.db')) throw systemError('EEXIST', 'there is a pool already', { syscall: 'mkfs', path })
    // createPool makes `pins` first: without it even a file called `device` is somebody else's.
    const foreign = found.find((name) => !found.includes('pins') || !OWN_NAMES.includes(name))
    if (foreign !== undefined) {
      throw systemError(
        'ENOTEMPTY',
        `the directory has other files in it, such as '${foreign}'; name a new or empty one`,
        { syscall: 'mkfs', path },
      )
    }
  }
  mkdirSync(pins, { mode: 0o700, recursive: true })
}

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
