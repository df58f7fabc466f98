/** Replies byte by byte. The literals were printed by a C program that filled the structs of linux/fuse.h (7.45). */
import { test } from 'node:test'
import { writeAttributesReply } from '../../../src/fuse/wire/attributes.ts'
import { encodeOffset, encodeWritten } from '../../../src/fuse/wire/data.ts'
import { DirectoryReply } from '../../../src/fuse/wire/directory-entries.ts'
import { writeEntry, writeNoEntry } from '../../../src/fuse/wire/entry.ts'
import { writeOutHeader } from '../../../src/fuse/wire/header.ts'
import { encodeInit, InitFlag } from '../../../src/fuse/wire/init.ts'
import { encodeIoctl } from '../../../src/fuse/wire/ioctl.ts'
import { encodeInvalidateEntry, encodeInvalidateInode } from '../../../src/fuse/wire/notify.ts'
import { OpenFlag, writeCreated, writeOpened } from '../../../src/fuse/wire/open.ts'
import { encodeStatfs } from '../../../src/fuse/wire/statfs.ts'
import { encodeStatx } from '../../../src/fuse/wire/statx.ts'
import { encodeXattrNames, encodeXattrSize } from '../../../src/fuse/wire/xattr.ts'
import assert from 'node:assert/strict'
import { assertBytes, bytes } from './bytes.ts'

/** What is written, in a buffer with something else before it and behind it. */
function written(write: (bytes: Buffer, at: number) => number): Buffer {
  const all = Buffer.alloc(256, 0xee)
  const end = write(all, 16)
  assert.ok(all.every((byte, at) => (at >= 16 && at < end) || byte === 0xee))
  return all.subarray(16, end)
}

const attributes = {
  ino: 0x1_0000_0002,
  size: Number.MAX_SAFE_INTEGER,
  blocks: 24,
  atimeNs: 1_000_000_002n,
  // a second and a nanosecond before 1970
  mtimeNs: -1_000_000_001n,
  ctimeNs: 1_700_000_000_123_456_789n,
  birthtimeNs: 3_000_000_004n,
  mode: 0o100_644,
  nlink: 3,
  uid: 1000,
  gid: 100,
  // major 1, minor 0x12345
  rdev: 0x1230_0145,
  blksize: 4096,
}

const attributeBytes = `0200000001000000 ffffffffffff1f00 1800000000000000 0100000000000000 feffffffffffffff
  00f1536500000000 02000000ffc99a3b 15cd5b07a4810000 03000000e8030000 6400000045013012 0010000000000000`

const entry = {
  nodeId: 0x1_0000_0002,
  generation: 0x8899_aabb_ccdd_eeffn,
  entryValidMs: 1500,
  attributesValidMs: 2250,
  attributes,
}
const entryBytes = `0200000001000000 ffeeddccbbaa9988 0100000000000000 0200000000000000 0065cd1d80b2e60e ${attributeBytes}`
const zeroEntryBytes = '00'.repeat(128)

test('the header of a reply says which request it answers, and the error', () => {
  const header = Buffer.alloc(16)
  const request = bytes('3900000001000000 8877665544332211 0700000000000000 e803000064000000 e110000000000000')
  writeOutHeader(header, request, { bodyBytes: 8, errno: -4 })
  assertBytes(header, '18000000fcffffff 8877665544332211')
  writeOutHeader(header, request, { bodyBytes: 0 })
  assertBytes(header, '1000000000000000 8877665544332211')
})

test('a reply to INIT has flags in two words', () => {
  const flags = InitFlag.asyncRead | InitFlag.maxPages | InitFlag.initExtended | InitFlag.directIoAllowMmap
  const reply = encodeInit({
    minor: 45,
    maxReadahead: 65_536,
    flags,
    maxBackground: 12,
    congestionThreshold: 9,
    maxWriteBytes: 1 << 20,
    maxPages: 256,
    timeGranularityNs: 1,
  })
  assertBytes(
    reply,
    `070000002d000000 0000010001004040 0c00090000001000 0100000000010000 1000000000000000 0000000000000000
     0000000000000000 0000000000000000`,
  )
})

test('attributes have 64 bit sizes and times before 1970', () => {
  assertBytes(
    written((bytes_, at) => writeAttributesReply(bytes_, attributes, 1500, at)),
    `0100000000000000 0065cd1d00000000 ${attributeBytes}`,
  )
})

test('an entry has the generation and two times for which it is good', () => {
  assertBytes(
    written((bytes_, at) => writeEntry(bytes_, entry, at)),
    entryBytes,
  )
})

test('no entry may be remembered, too', () => {
  assertBytes(
    written((bytes_, at) => writeNoEntry(bytes_, 1500, at)),
    `${'00'.repeat(16)} 0100000000000000 ${'00'.repeat(8)} 0065cd1d00000000 ${'00'.repeat(88)}`,
  )
})

test('an open file has a handle and flags, alone or behind its entry', () => {
  const opened = { handle: 0x5_0000_0006, openFlags: OpenFlag.directIo | OpenFlag.parallelDirectWrites }
  assertBytes(
    written((bytes_, at) => writeOpened(bytes_, opened, at)),
    '0600000005000000 4100000000000000',
  )
  assertBytes(
    written((bytes_, at) => writeCreated(bytes_, entry, opened, at)),
    `${entryBytes} 0600000005000000 4100000000000000`,
  )
})

test('counts and offsets', () => {
  assertBytes(encodeWritten(3), '0300000000000000')
  assertBytes(encodeOffset(0x1_0000_0001), '0100000001000000')
})

test('a directory entry is padded to 8 bytes, and one that does not fit is left out whole', () => {
  const reply = new DirectoryReply(32, 'plain')
  const item = { ino: 7, nextOffset: 1, name: 'abc', mode: 0o100_644 }
  assert.equal(reply.add(item), true)
  assert.equal(reply.add(item), false)
  assertBytes(reply.bytes, '0700000000000000 0100000000000000 0300000008000000 6162630000000000')
  const full = new DirectoryReply(31, 'plain')
  assert.equal(full.add(item), false)
  assert.equal(full.bytes.length, 0)
})

test('names of directory entries are counted in bytes', () => {
  const reply = new DirectoryReply(4096, 'plain')
  reply.add({ ino: 7, nextOffset: 1, name: 'häß-€-😀', mode: 0o040_755 })
  assertBytes(reply.bytes, '0700000000000000 0100000000000000 0e00000004000000 68c3a4c39f2de282 ac2df09f98800000')
})

test('a directory entry with attributes is a lookup, and one without says so by node 0', () => {
  const plus = new DirectoryReply(4096, 'plus')
  plus.add({ ino: 1, nextOffset: 1, name: '.', mode: 0o040_755 })
  plus.addPlus({ ino: 0x1_0000_0002, nextOffset: 2, name: 'abc', mode: 0o100_644 }, entry)
  assertBytes(
    plus.bytes,
    `${zeroEntryBytes} 0100000000000000 0100000000000000 0100000004000000 2e00000000000000
     ${entryBytes} 0200000001000000 0200000000000000 0300000008000000 6162630000000000`,
  )
})

test('sizes and names of extended attributes', () => {
  assertBytes(encodeXattrSize(64), '4000000000000000')
  assertBytes(encodeXattrNames(['user.a', 'user.ß']), '757365722e6100 757365722ec39f00')
})

test('the size of the file system', () => {
  assertBytes(
    encodeStatfs({
      blocks: 1,
      freeBlocks: 2,
      availableBlocks: 3,
      inodes: 4,
      freeInodes: 5,
      blockBytes: 4096,
      nameBytesMax: 255,
    }),
    `0100000000000000 0200000000000000 0300000000000000 0400000000000000 0500000000000000 00100000ff000000
     0010000000000000 0000000000000000 0000000000000000 0000000000000000`,
  )
})

test('statx has the birth time, and device numbers in two words', () => {
  assertBytes(
    encodeStatx(attributes, 1500),
    `0100000000000000 0065cd1d00000000 0000000000000000 0000000000000000 ff0f000000100000 0000000000000000
     03000000e8030000 64000000a4810000 0200000001000000 ffffffffffff1f00 1800000000000000 0000000000000000
     0100000000000000 0200000000000000 0300000000000000 0400000000000000 00f1536500000000 15cd5b0700000000
     feffffffffffffff ffc99a3b00000000 0100000045230100 0000000000000000 ${'0000000000000000'.repeat(14)}`,
  )
})

test('an ioctl returns a number', () => {
  assertBytes(encodeIoctl(-25), 'e7ffffff00000000 0000000000000000')
})

test('notices have no request that they answer, and their kind in the place of the error', () => {
  assertBytes(
    encodeInvalidateInode(7, -1, 0),
    '2800000002000000 0000000000000000 0700000000000000 ffffffffffffffff 0000000000000000',
  )
  assertBytes(
    encodeInvalidateEntry(7, 'ab'),
    '2300000003000000 0000000000000000 0700000000000000 0200000000000000 616200',
  )
})
