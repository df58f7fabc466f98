/**
 * The label: the first {@link DATA_START} bytes of a device file, in front of its blocks. It says which pool the blocks
 * belong to, so that the device of another pool, put there by mistake, is refused and not served as this pool's files.
 * Written once, when the pool is made. docs/internals/format.md has it to the byte. Callers: the pool, fsck.
 */
import { closeSync, constants, fdatasyncSync, openSync, readSync, writeSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { systemError } from '../errors.ts'
import { bytesOf, LABEL_BLOCKS } from '../units.ts'

/** Bytes of the file in front of block 0. */
export const DATA_START = bytesOf(LABEL_BLOCKS)

const LABEL_VERSION = 1
export const LABEL_MAGIC = 'HFDEVICE'
/** Places in bytes. */
const VERSION_AT = 8
const DATA_START_AT = 12
const UUID_AT = 16
const UUID_BYTES = 36
const CHECKSUM_AT = 60
export const LABEL_BYTES = 64

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants

/** What stands in front of the blocks: the uuid of their pool, or what keeps it from being read. */
export type DeviceLabel = { readonly uuid: string } | { readonly damage: 'missing' | 'damaged' | 'newer' }

function encoded(uuid: string): Buffer {
  const label = Buffer.alloc(LABEL_BYTES)
  label.write(LABEL_MAGIC, 'latin1')
  label.writeUInt32LE(LABEL_VERSION, VERSION_AT)
  label.writeUInt32LE(DATA_START, DATA_START_AT)
  label.write(uuid, UUID_AT, UUID_BYTES, 'latin1')
  label.writeUInt32LE(crc32(label.subarray(0, CHECKSUM_AT)), CHECKSUM_AT)
  return label
}

/** Writes the label of a device file, durably. */
export function writeLabel(path: string, uuid: string): void {
  withFile(path, O_RDWR, (fd) => {
    writeSync(fd, encoded(uuid), 0, LABEL_BYTES, 0)
    fdatasyncSync(fd)
  })
}

/** Reads the label of a device file. Throws only when the file cannot be read. */
export function readLabel(path: string): DeviceLabel {
  const label = Buffer.alloc(LABEL_BYTES)
  const found = withFile(path, O_RDONLY, (fd) => readSync(fd, label, 0, LABEL_BYTES, 0))
  if (found < LABEL_BYTES || label.every((byte) => byte === 0)) return { damage: 'missing' }
  const isWhole = label.readUInt32LE(CHECKSUM_AT) === crc32(label.subarray(0, CHECKSUM_AT))
  if (!isWhole || label.toString('latin1', 0, VERSION_AT) !== LABEL_MAGIC) return { damage: 'damaged' }
  if (label.readUInt32LE(VERSION_AT) !== LABEL_VERSION) return { damage: 'newer' }
  const uuid = label.toString('latin1', UUID_AT, UUID_AT + UUID_BYTES)
  return /^[0-9a-f-]+$/.test(uuid) ? { uuid } : { damage: 'damaged' }
}

/** Refuses a device that is not that of the pool `uuid`. EUCLEAN, EPROTONOSUPPORT. Price: 15 µs. */
export function checkLabel(path: string, uuid: string): void {
  const label = readLabel(path)
  const detail = { syscall: 'open', path }
  if (!('damage' in label)) {
    if (label.uuid === uuid) return
    const explanation = `this is the device of pool ${label.uuid}, and the metadata are those of pool ${uuid}; put back what belongs together`
    throw systemError('EUCLEAN', explanation, detail)
  }
  if (label.damage === 'newer') {
    throw systemError('EPROTONOSUPPORT', 'the device has a label of a newer format; use a newer Holdfast', detail)
  }
  const explanation = `the label of the device is ${label.damage}: nothing says that it belongs to pool ${uuid}; see fsck`
  throw systemError('EUCLEAN', explanation, detail)
}

function withFile<T>(path: string, access: number, action: (fd: number) => T): T {
  const fd = openSync(path, access | O_NOFOLLOW | O_NONBLOCK)
  try {
    return action(fd)
  } finally {
    closeSync(fd)
  }
}
