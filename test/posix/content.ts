import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import type { Check } from './subject.ts'
import { fails, look, textOf } from './subject.ts'
import { map } from './system-calls.ts'

/** Below 16 TiB, where files of ext4 end. */
const FAR = 2 ** 43
const PAGE = 4096

function withFile(path: string, flags: string | number, use: (fd: number) => void): void {
  const fd = fs.openSync(path, flags, 0o644)
  try {
    use(fd)
  } finally {
    fs.closeSync(fd)
  }
}

const writeAt = (fd: number, bytes: string | Uint8Array, position: number): number =>
  fs.writeSync(fd, Buffer.from(bytes), 0, bytes.length, position)

const readAt = (fd: number, length: number, position: number): Buffer => {
  const buffer = Buffer.alloc(length)
  return buffer.subarray(0, fs.readSync(fd, buffer, 0, length, position))
}

/** Reads and writes, sizes, truncates, O_DIRECT. */
export function contentCases(check: Check): void {
  check('bytes are read as they were written, in pieces of any size and at any offset', (at) => {
    const model = Buffer.alloc(300_000)
    withFile(at.path('file'), 'w+', (fd) => {
      let size = 0
      for (let i = 0; i < 200; i++) {
        const start = (i * 7919) % 200_000
        const bytes = randomBytes(1 + ((i * 104_729) % 30_000))
        assert.equal(writeAt(fd, bytes, start), bytes.length)
        bytes.copy(model, start)
        size = Math.max(size, start + bytes.length)
        const from = (i * 15_485_863) % size
        assert.ok(readAt(fd, 40_000, from).equals(model.subarray(from, Math.min(size, from + 40_000))))
      }
      assert.equal(fs.fstatSync(fd).size, size)
      assert.ok(fs.readFileSync(at.path('file')).equals(model.subarray(0, size)))
    })
  })

  check('a file of 20 MiB comes back the same', (at) => {
    const hash = createHash('sha256')
    withFile(at.path('file'), 'w', (fd) => {
      for (let i = 0; i < 20; i++) {
        const piece = randomBytes(2 ** 20)
        hash.update(piece)
        fs.writeSync(fd, piece)
      }
      fs.fsyncSync(fd)
    })
    assert.equal(
      createHash('sha256')
        .update(fs.readFileSync(at.path('file')))
        .digest('hex'),
      hash.digest('hex'),
    )
  })

  check('reading at the end gives nothing, beyond it too, and what is skipped reads as zeros', (at) => {
    withFile(at.path('file'), 'w+', (fd) => {
      writeAt(fd, 'begin', 0)
      assert.equal(readAt(fd, 10, 5).length, 0)
      assert.equal(readAt(fd, 10, 1_000_000).length, 0)
      writeAt(fd, 'end', 10_000)
      assert.ok(readAt(fd, 9995, 5).every((byte) => byte === 0))
      assert.equal(fs.fstatSync(fd).size, 10_003)
      assert.equal(readAt(fd, 100, 9998).toString(), '\0\0end')
    })
  })

  check('a truncate cuts, and what it makes longer again reads as zeros', (at) => {
    const path = at.file('file', 'x'.repeat(10_000))
    for (const size of [9999, 8192, 4097, 4096, 4095, 1, 0]) {
      fs.truncateSync(path, size)
      assert.equal(look(path).size, BigInt(size))
      fs.truncateSync(path, 12_000)
      const bytes = fs.readFileSync(path)
      assert.equal(bytes.length, 12_000)
      assert.ok(bytes.subarray(0, size).every((byte) => byte === 0x78))
      assert.ok(bytes.subarray(size).every((byte) => byte === 0))
      fs.truncateSync(path, size)
    }
    fails('EINVAL', () => withFile(path, 'r', (fd) => fs.ftruncateSync(fd, 0)))
    fails('ENOENT', () => fs.truncateSync(at.path('missing'), 0))
  })

  check('offsets beyond 32 bits and sizes of terabytes are as good as small ones', (at) => {
    withFile(at.path('file'), 'w+', (fd) => {
      for (const offset of [2 ** 31 - 2, 2 ** 32 - 2, 2 ** 40 - 2, FAR]) {
        writeAt(fd, 'four', offset)
        assert.equal(readAt(fd, 8, offset).toString(), 'four')
        assert.equal(fs.fstatSync(fd).size, offset + 4)
      }
      assert.equal(readAt(fd, 4, 2 ** 32 - 2).toString(), 'four')
      assert.ok(fs.fstatSync(fd).blocks < 20_000, 'the rest takes no space')
      fs.ftruncateSync(fd, FAR + 1)
      assert.equal(readAt(fd, 8, FAR).toString(), 'f')
      fs.ftruncateSync(fd, 2 ** 33)
      assert.equal(readAt(fd, 4, 2 ** 32 - 2).toString(), 'four')
    })
  })

  check('with O_APPEND every write goes to the end, wherever the position is', (at) => {
    const path = at.file('file', 'begin ')
    withFile(path, 'a+', (first) =>
      withFile(path, 'a', (second) => {
        fs.writeSync(first, 'one ')
        fs.writeSync(second, 'two ')
        writeAt(first, 'three ', 0)
        fs.ftruncateSync(first, 6)
        fs.writeSync(second, 'four')
        assert.equal(textOf(path), 'begin four')
      }),
    )
  })

  check('a descriptor for reading does not write, and one for writing does not read', (at) => {
    const path = at.file('file', 'data')
    withFile(path, 'r', (fd) => fails('EBADF', () => fs.writeSync(fd, 'x')))
    withFile(path, fs.constants.O_WRONLY, (fd) => fails('EBADF', () => fs.readSync(fd, Buffer.alloc(1))))
    assert.equal(textOf(path), 'data')
  })

  check('two descriptors of a file see each other at once', (at) => {
    const path = at.file('file', 'before')
    withFile(path, 'r+', (writer) =>
      withFile(path, 'r', (reader) => {
        assert.equal(readAt(reader, 20, 0).toString(), 'before')
        writeAt(writer, 'after!', 0)
        assert.equal(readAt(reader, 20, 0).toString(), 'after!')
        writeAt(writer, ' longer', 6)
        assert.equal(fs.fstatSync(reader).size, 13)
        assert.equal(readAt(reader, 20, 0).toString(), 'after! longer')
        fs.ftruncateSync(writer, 2)
        assert.equal(readAt(reader, 20, 0).toString(), 'af')
      }),
    )
  })

  check('many buffers are written and read by one call', (at) => {
    withFile(at.path('file'), 'w+', (fd) => {
      const parts = Array.from({ length: 40 }, (_, i) => Buffer.alloc(i * 100, i))
      const whole = Buffer.concat(parts)
      assert.equal(fs.writevSync(fd, parts), whole.length)
      const back = parts.map((part) => Buffer.alloc(part.length))
      assert.equal(fs.readvSync(fd, back, 0), whole.length)
      assert.ok(Buffer.concat(back).equals(whole))
    })
  })

  check(
    'O_DIRECT reads what was written with it and without it',
    (at) => {
      const path = at.file('file', Buffer.alloc(8 * PAGE, 1))
      using memory = map('anonymous', -1, 4 * PAGE)
      withFile(path, fs.constants.O_RDWR | fs.constants.O_DIRECT, (fd) => {
        assert.equal(fs.readSync(fd, memory.bytes, 0, 4 * PAGE, 2 * PAGE), 4 * PAGE)
        assert.ok(memory.bytes.every((byte) => byte === 1))
        memory.bytes.fill(2)
        assert.equal(fs.writeSync(fd, memory.bytes, 0, 2 * PAGE, PAGE), 2 * PAGE)
      })
      const bytes = fs.readFileSync(path)
      assert.deepEqual([bytes[PAGE - 1], bytes[PAGE], bytes[3 * PAGE - 1], bytes[3 * PAGE]], [1, 2, 2, 1])
      withFile(path, 'r+', (fd) => writeAt(fd, Buffer.alloc(PAGE, 3), 0))
      withFile(path, fs.constants.O_RDONLY | fs.constants.O_DIRECT, (fd) => {
        assert.equal(fs.readSync(fd, memory.bytes, 0, 4 * PAGE, 0), 4 * PAGE)
        assert.deepEqual([memory.bytes[0], memory.bytes[PAGE - 1], memory.bytes[PAGE]], [3, 3, 2])
        assert.equal(fs.readSync(fd, memory.bytes, 0, 4 * PAGE, 6 * PAGE), 2 * PAGE)
      })
    },
    { ability: 'directIo' },
  )

  check('fsync and fdatasync answer, of files and of directories', (at) => {
    withFile(at.path('file'), 'w', (fd) => {
      fs.writeSync(fd, 'data')
      fs.fsyncSync(fd)
      fs.fdatasyncSync(fd)
    })
    withFile(at.directory, 'r', (fd) => fs.fsyncSync(fd))
    withFile(at.path('synced'), fs.constants.O_CREAT | fs.constants.O_WRONLY | fs.constants.O_SYNC, (fd) =>
      assert.equal(fs.writeSync(fd, 'durable'), 7),
    )
    assert.equal(textOf(at.path('synced')), 'durable')
  })

  check('the space that a file takes is counted, and there is less of it when a file is larger', (at) => {
    const found = fs.statfsSync(at.directory)
    assert.ok(found.bsize > 0 && found.blocks > 0 && found.bfree <= found.blocks && found.bavail <= found.bfree)
    const path = at.file('file', Buffer.alloc(100 * PAGE, 1))
    withFile(path, 'r', (fd) => fs.fsyncSync(fd))
    assert.ok(fs.statSync(path).blocks * 512 >= 100 * PAGE)
    fs.truncateSync(path, 0)
    assert.equal(fs.statSync(path).blocks, 0)
  })

  check('a copy of a file by the kernel is whole', (at) => {
    const source = at.file('source', randomBytes(3_000_001))
    fs.copyFileSync(source, at.path('copy'))
    assert.ok(fs.readFileSync(at.path('copy')).equals(fs.readFileSync(source)))
  })
}
