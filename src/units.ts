/**
 * Units. Everything that is counted here has a type of its own, so that a byte cannot be taken for a block.
 * All are non-negative safe integers; the brand exists only for the compiler.
 */

declare const unit: unique symbol
type Unit<Name extends string> = number & { readonly [unit]: Name }

/** A block of the device: its place is `block * BLOCK_SIZE` bytes into the device. At most {@link MAX_DEVICE_BLOCKS}. */
export type DeviceBlock = Unit<'device block'>
/** A block of a file: bytes `[block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE)` of that file. */
export type FileBlock = Unit<'file block'>
/** How many blocks. */
export type BlockCount = Unit<'block count'>
/** An inode number; never used again after its inode is gone. */
export type InodeNumber = Unit<'inode number'>
/** Bytes in a block: one page of the host. Hosts with another page size are refused. */
export const BLOCK_SIZE = 4096

/**
 * Blocks of a device's file in front of block 0, for its label (device/label.ts). Block *n* is page *n* + LABEL_BLOCKS of the
 * file: it counts wherever the kernel's pages do.
 */
export const LABEL_BLOCKS = 1

/** Device block numbers are 32 bit words in the pin table: 16 TiB less one block. (With the label that is a block too much for ext4: EFBIG.) */
export const MAX_DEVICE_BLOCKS = 0xffff_ffff

/** The largest file size in bytes, 2^53 - 1; beyond is EFBIG. */
export const MAX_FILE_SIZE = Number.MAX_SAFE_INTEGER

/** A run of blocks of the device. */
export interface Run {
  readonly start: DeviceBlock
  readonly count: BlockCount
}

/** A run of blocks of a file and where they are in the device. */
export interface Extent {
  readonly fileBlock: FileBlock
  readonly deviceBlock: DeviceBlock
  readonly count: BlockCount
}

/** Blocks `[start, end)` of a file. */
export interface FileRange {
  readonly start: FileBlock
  readonly end: FileBlock
}

/** Bytes that `count` blocks hold. */
export const bytesOf = (count: number): number => count * BLOCK_SIZE

/** The first block not before `bytes`: how many blocks hold that many bytes. */
export const blocksFor = (bytes: number): number => Math.ceil(bytes / BLOCK_SIZE)
