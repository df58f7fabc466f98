/**
 * Foundations: who keeps the bytes and the metadata of a pool that may be written. There is one answer outside of tests;
 * the tests of crashes and of failing disks stand a pool on devices and stores that watch or break what passes through.
 */
import type { Device } from '../device/device.ts'
import { FileDevice } from '../device/file-device.ts'
import type { Metadata } from '../metadata/metadata.ts'
import type { SqliteMetadataOptions } from '../metadata/sqlite-metadata.ts'
import { openSqliteMetadata } from '../metadata/sqlite-metadata.ts'
import type { BlockCount } from '../units.ts'

export interface Foundations {
  /** `dropCache` as of FileDevice, where there is a page cache. */
  openDevice(path: string, blockCount: BlockCount): Device & { dropCache?(): void }
  openMetadata(path: string, options: SqliteMetadataOptions): Promise<Metadata>
}

export const FILES: Foundations = {
  openDevice: (path, blockCount) => FileDevice.open(path, blockCount),
  openMetadata: (path, options) => openSqliteMetadata(path, options),
}
