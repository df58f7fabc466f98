/** Requests byte by byte. The literals were printed by a C program that filled the structs of linux/fuse.h (7.45). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf } from '../../../src/errors.ts'
import { readAccess } from '../../../src/fuse/wire/access.ts'
import { readGetattr } from '../../../src/fuse/wire/attributes.ts'
import { readCopy, readFallocate, readLseek, readRead, readWrite } from '../../../src/fuse/wire/data.ts'
import { readBatchForget, readForget } from '../../../src/fuse/wire/forget.ts'
import { InHeader } from '../../../src/fuse/wire/header.ts'
import { InitFlag, readInit } from '../../../src/fuse/wire/init.ts'
import { readInterrupt } from '../../../src/fuse/wire/interrupt.ts'
import { readIoctl } from '../../../src/fuse/wire/ioctl.ts'
import {
  readLink,
  readMkdir,
  readMknod,
  readName,
  readRename,
  readRename2,
  readSymlink,
  RenameFlag,
} from '../../../src/fuse/wire/names.ts'
import { readCreate, readFsync, readHandle, readOpen, readRelease } from '../../../src/fuse/wire/open.ts'
import { opcodeName } from '../../../src/fuse/wire/opcodes.ts'
import { readSetattr } from '../../../src/fuse/wire/setattr.ts'
import { readStatx } from '../../../src/fuse/wire/statx.ts'
import { readGetxattr, readListxattr, readSetxattr } from '../../../src/fuse/wire/xattr.ts'
import { bytes } from './bytes.ts'

const name = (text: string): string => Buffer.from(`${text}\0`).toString('hex')

test('the header of a request', () => {
  const header = bytes('3900000001000000 8877665544332211 0700000000000000 e803000064000000 e110000000000000')
  assert.equal(header.readUInt32LE(InHeader.length), 57)
  assert.equal(opcodeName(header.readUInt32LE(InHeader.opcode)), 'lookup')
  assert.equal(header.readBigUInt64LE(InHeader.unique), 0x1122_3344_5566_7788n)
  assert.equal(header.readUInt32LE(InHeader.nodeId), 7)
  assert.equal(header.readUInt32LE(InHeader.uid), 1000)
  assert.equal(header.readUInt32LE(InHeader.gid), 100)
  assert.equal(header.readUInt32LE(InHeader.pid), 4321)
  assert.equal(opcodeName(99), 'opcode 99')
})

test('INIT has a second word of flags, from kernels that know it', () => {
  const body = bytes(`070000002d000000 0000020001000040 1000000000000000 ${'0000000000000000'.repeat(5)}`)
  const flags = InitFlag.asyncRead | InitFlag.initExtended | InitFlag.directIoAllowMmap
  assert.deepEqual(readInit(body), { major: 7, minor: 45, maxReadahead: 131_072, flags })
  const old = bytes('070000001f000000 0000020001000000')
  assert.deepEqual(readInit(old), { major: 7, minor: 31, maxReadahead: 131_072, flags: InitFlag.asyncRead })
})

test('GETATTR and STATX say whether they come from an open file', () => {
  assert.deepEqual(readGetattr(bytes('0100000000000000 0600000005000000')), { handle: 0x5_0000_0006 })
  assert.deepEqual(readGetattr(bytes('0000000000000000 0600000005000000')), { handle: undefined })
  assert.deepEqual(readStatx(bytes('0100000000000000 0600000000000000 00000000ff0f0000')), { handle: 6 })
  assert.deepEqual(readStatx(bytes('0000000000000000 0600000000000000 00000000ff0f0000')), { handle: undefined })
})

const setattrFields = `0900000000000000 9a78563412000000 aaaa000000000000 ffffffffffffffff 0500000000000000
  00f1536500000000 0700000008000000 09000000ed890000 000000000b000000 0c00000000000000`

test('SETATTR sets what its bits say, with times before 1970 and the time that is now', () => {
  assert.deepEqual(readSetattr(bytes(`7f0d000000000000 ${setattrFields}`)), {
    handle: 9,
    size: 0x12_3456_789a,
    atimeNs: -999_999_993n,
    mtimeNs: 'now',
    ctimeNs: 1_700_000_000_000_000_009n,
    mode: 0o104_755,
    uid: 11,
    gid: 12,
    killsSetIds: true,
  })
  const nothing = {
    handle: undefined,
    size: undefined,
    atimeNs: undefined,
    mtimeNs: undefined,
    ctimeNs: undefined,
    mode: undefined,
    uid: undefined,
    gid: undefined,
    killsSetIds: false,
  }
  assert.deepEqual(readSetattr(bytes(`0000000000000000 ${setattrFields}`)), nothing)
  assert.deepEqual(readSetattr(bytes(`2000000000000000 ${setattrFields}`)), { ...nothing, mtimeNs: 5_000_000_008n })
})

test('a time that 64 bits of nanoseconds cannot hold becomes the last that they can', () => {
  const late = bytes(`1000000000000000 ${setattrFields}`)
  late.writeBigInt64LE(2n ** 40n, 32)
  assert.equal(readSetattr(late).atimeNs, 2n ** 63n - 1n)
  late.writeBigInt64LE(-(2n ** 40n), 32)
  assert.equal(readSetattr(late).atimeNs, -(2n ** 63n))
})

test('names', () => {
  assert.equal(readName(bytes(name('häß €'))), 'häß €')
  assert.deepEqual(readSymlink(bytes(name('link') + name('../target'))), { name: 'link', target: '../target' })
  assert.deepEqual(readMknod(bytes(`a411000003010000 1200000000000000 ${name('pipe')}`)), {
    name: 'pipe',
    mode: 0o010_644,
    rdev: 0x103,
    umask: 0o022,
  })
  assert.deepEqual(readMkdir(bytes(`ed01000012000000 ${name('dir')}`)), { name: 'dir', mode: 0o755, umask: 0o022 })
  assert.deepEqual(readLink(bytes(`1100000000000000 ${name('new')}`)), { nodeId: 17, name: 'new' })
  const renamed = { newParent: 8, name: 'old', newName: 'new' }
  assert.deepEqual(readRename(bytes(`0800000000000000 ${name('old')}${name('new')}`)), { ...renamed, flags: 0 })
  assert.deepEqual(readRename2(bytes(`0800000000000000 0200000000000000 ${name('old')}${name('new')}`)), {
    ...renamed,
    flags: RenameFlag.exchange,
  })
})

test('a name that is no UTF-8 is EILSEQ, and one with the replacement character is a name', () => {
  assert.throws(
    () => readName(bytes('66c3 00')),
    (error) => codeOf(error) === 'EILSEQ',
  )
  assert.equal(readName(bytes(name('\ufffd'))), '\ufffd')
})

test('opening and closing', () => {
  assert.deepEqual(readOpen(bytes('0184000001000000')), { flags: 0o102_001, killsSetIds: true })
  assert.deepEqual(readOpen(bytes('0184000000000000')), { flags: 0o102_001, killsSetIds: false })
  assert.deepEqual(readCreate(bytes(`c200000080810000 3f00000000000000 ${name('new')}`)), {
    flags: 0o302,
    mode: 0o100_600,
    umask: 0o077,
    killsSetIds: false,
    name: 'new',
  })
  assert.deepEqual(readRelease(bytes('0600000000000000 0200000001000000 efbe000000000000')), { handle: 6, flags: 2 })
  assert.equal(readHandle(bytes('0600000000000000 0000000000000000 efbe000000000000')), 6)
  assert.deepEqual(readFsync(bytes('0600000000000000 0100000000000000')), { handle: 6, isDataOnly: true })
  assert.deepEqual(readFsync(bytes('0600000000000000 0000000000000000')), { handle: 6, isDataOnly: false })
})

test('reading and writing', () => {
  const read = bytes('0600000000000000 0000000001000000 0010000002000000 efbe000000000000 0040000000000000')
  assert.deepEqual(readRead(read), { handle: 6, offset: 2 ** 32, size: 4096, flags: 0o40_000 })
  const write = bytes(
    '0600000000000000 0000000001000000 0300000005000000 efbe000000000000 0100000000000000 616263 ffff',
  )
  assert.deepEqual(readWrite(write), {
    handle: 6,
    offset: 2 ** 32,
    data: Buffer.from('abc'),
    flags: 1,
    isFromCache: true,
    killsSetIds: true,
  })
  assert.equal(readWrite(write).data.buffer, write.buffer)
})

test('an offset that no number holds comes out too large, not wrong', () => {
  const { handle, offset, whence } = readLseek(bytes('0600000000000000 ffffffffffffffff 0400000000000000'))
  assert.deepEqual({ handle, whence }, { handle: 6, whence: 4 })
  assert.ok(offset > Number.MAX_SAFE_INTEGER)
})

test('fallocate and copy_file_range', () => {
  assert.deepEqual(readFallocate(bytes('0600000000000000 0010000000000000 0020000000000000 0300000000000000')), {
    handle: 6,
    offset: 4096,
    length: 8192,
    mode: 3,
  })
  const copy = bytes([1, 2, 3, 4, 5, 6, 7].map((n) => `0${n}00000000000000`).join(' '))
  assert.deepEqual(readCopy(copy), {
    handle: 1,
    offset: 2,
    targetNodeId: 3,
    targetHandle: 4,
    targetOffset: 5,
    length: 6,
    flags: 7,
  })
})

test('extended attributes, in the struct that was negotiated', () => {
  const expected = { name: 'user.a', value: Buffer.from('xyz'), flags: 1 }
  assert.deepEqual(readSetxattr(bytes(`0300000001000000 0100000000000000 ${name('user.a')} 78797a`), true), {
    ...expected,
    killsSetgid: true,
  })
  assert.deepEqual(readSetxattr(bytes(`0300000001000000 ${name('user.a')} 78797a`), false), {
    ...expected,
    killsSetgid: false,
  })
  assert.deepEqual(readGetxattr(bytes(`4000000000000000 ${name('user.a')}`)), { size: 64, name: 'user.a' })
  assert.deepEqual(readListxattr(bytes('4000000000000000')), { size: 64 })
})

test('forgetting, one and many', () => {
  assert.equal(readForget(bytes('0500000000000000')), 5)
  const batch = '0200000000000000 0700000000000000 0200000000000000 0000000001000000 0100000000000000'
  assert.deepEqual(readBatchForget(bytes(batch)), [
    { nodeId: 7, lookups: 2 },
    { nodeId: 2 ** 32, lookups: 1 },
  ])
})

test('the rest', () => {
  assert.equal(readAccess(bytes('0500000000000000')), 5)
  assert.equal(readInterrupt(bytes('8877665544332211')), 0x1122_3344_5566_7788n)
  assert.deepEqual(readIoctl(bytes('0600000000000000 100000000b6620c0 78563412ff7f0000 0400000008000000 01020304')), {
    handle: 6,
    isDirectory: true,
    command: 0xc020_660b,
    argument: 0x7fff_1234_5678,
    outBytes: 8,
    data: Buffer.of(1, 2, 3, 4),
  })
})
