/**
 * Shared mappings of files, and memory of one's own.
 *
 * Invariants
 *   1. A view is exactly the bytes asked for, inside the mapping; anything else is refused.
 *   2. After `unmap` no new view is given. A view handed out earlier must not be touched any more: that is a crash
 *      (SIGSEGV), or another mapping's bytes. Whoever calls `unmap` answers for it.
 *   3. Faults read single pages; whoever will read much calls `prefetch`, which makes no large folios either
 *      (docs/internals/page-cache.md).
 *   4. Pages past the end of the file may be mapped but not touched (SIGBUS). The caller checks bounds.
 *
 * Callers: the device, the pin table, reads into pins.
 */
import assert from 'node:assert/strict'
import { constants } from 'node:os'

import { callFailed, lastErrno, libc, retryInterrupted, viewMemory } from './libc.ts'

const PROT_READ = 1
const PROT_WRITE = 2
const MAP_SHARED = 1
const MAP_PRIVATE = 2
const MAP_ANONYMOUS = 0x20
const MAP_NORESERVE = 0x4000
const MS_SYNC = 4
const MADV_RANDOM = 1
const MADV_WILLNEED = 3

/** The kernel starts no more than a device's read-ahead at once, and forgets the rest of what was asked. */
const PREFETCH_BYTES = 1 << 20

/** A mapping; offsets and lengths in bytes, offsets relative to its start. */
export interface MappedMemory {
  readonly address: bigint
  readonly length: number
  /**
   * A new ArrayBuffer over part of the mapping, usable until `unmap`. Detach it with `transfer(0)`. 2 µs, whatever the
   * length; but V8 counts views as memory, and each time those alive grow by 64 MiB it collects garbage (0.1 to 5 ms).
   */
  view(offset: number, length: number): ArrayBuffer
  /**
   * Has the kernel read that part ahead; does not wait for it. The offset must be that of a page. Faults read single
   * pages (see below), so reading a cold MiB is eight times faster after this. 9 µs for a MiB that is in memory already.
   */
  prefetch(offset: number, length: number): void
  /**
   * Writes that part back and waits until it is durable, along with what is needed to find it again (new extents):
   * msync(MS_SYNC) is vfs_fsync_range() with datasync on the file (Linux, mm/msync.c). The offset must be that of a
   * page. Throws EIO, ENOSPC, EDQUOT; after that the kernel takes the lost pages for clean, so do not try again.
   */
  sync(offset: number, length: number): void
  /** Ends the mapping; a second call does nothing. */
  unmap(): void
}

class Mapping implements MappedMemory {
  readonly address: bigint
  readonly length: number
  #mapped = true

  constructor(address: bigint, length: number) {
    this.address = address
    this.length = length
    // No read-ahead by faults: it would make page-cache folios that span holes, and a write fault asks the file system
    // (ext4, XFS) for space for the *whole* folio. On a full host that is SIGBUS at a block that is allocated.
    const result = libc().madvise(address, length, MADV_RANDOM)
    assert.equal(result, 0, `madvise of a mapping we made failed with errno ${lastErrno()}`)
  }

  view(offset: number, length: number): ArrayBuffer {
    return viewMemory(this.#locate(offset, length), length)
  }

  prefetch(offset: number, length: number): void {
    const address = this.#locate(offset, length)
    // advice: where it is not taken, the faults still read
    for (let at = 0; at < length; at += PREFETCH_BYTES) {
      libc().madvise(address + BigInt(at), Math.min(PREFETCH_BYTES, length - at), MADV_WILLNEED)
    }
  }

  sync(offset: number, length: number): void {
    const address = this.#locate(offset, length)
    if (retryInterrupted(() => libc().msync(address, length, MS_SYNC)) === 0) return
    throw callFailed('a mapped file could not be written back; what was not durable before may be lost', {
      syscall: 'msync',
    })
  }

  unmap(): void {
    if (!this.#mapped) return
    this.#mapped = false
    const result = libc().munmap(this.address, this.length)
    assert.equal(result, 0, `munmap of a mapping we made failed with errno ${lastErrno()}`)
  }

  #locate(offset: number, length: number): bigint {
    assert(this.#mapped, 'the mapping has ended')
    assert(Number.isSafeInteger(offset) && offset >= 0, 'offset is a byte of the mapping')
    assert(Number.isSafeInteger(length) && length > 0 && length <= this.length - offset, 'the part is in the mapping')
    return this.address + BigInt(offset)
  }
}

/**
 * Maps `length` bytes of an open file from byte `offset` (of a page), readable and writable, shared with every process
 * that maps them too. Takes addresses, not memory: a sparse tebibyte costs the same 10 µs as a page. The descriptor may
 * be closed afterwards. Throws what mmap(2) says; `ENODEV` where the file system cannot map files, `ENOMEM` when
 * addresses or mappings (vm.max_map_count) run out.
 */
export function mapShared(fd: number, offset: number, length: number): MappedMemory {
  return map(fd, offset, length, PROT_READ | PROT_WRITE)
}

/** The same for a descriptor that can only read: shows what others write. A store into a view of it is a crash (SIGSEGV). */
export function mapForReading(fd: number, offset: number, length: number): MappedMemory {
  return map(fd, offset, length, PROT_READ)
}

/** Memory of its own that begins at a page, zeros at first, for I/O that asks for that. `ENOMEM`. */
export function mapAnonymous(length: number): MappedMemory {
  return map(-1, 0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)
}

function map(fd: number, offset: number, length: number, protection: number, kind = MAP_SHARED): MappedMemory {
  assert(Number.isSafeInteger(length) && length > 0, 'a mapping has bytes')
  const address = libc().mmap(null, length, protection, kind | MAP_NORESERVE, fd, offset)
  if (address !== -1) return new Mapping(BigInt(address), length)
  switch (lastErrno()) {
    case constants.errno.ENODEV:
      throw callFailed('the file system cannot map files; put the pool on ext4, XFS, btrfs or tmpfs', {
        syscall: 'mmap',
      })
    case constants.errno.ENOMEM:
      throw callFailed(`no room to map ${length} bytes; see ulimit -v and vm.max_map_count`, { syscall: 'mmap' })
    default:
      throw callFailed(`${length} bytes at ${offset} could not be mapped`, { syscall: 'mmap' })
  }
}
