import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import type { Check, Place } from './subject.ts'
import { fails } from './subject.ts'
import { copyRange, fallocate, FALLOCATE, seek, SEEK } from './system-calls.ts'

const PAGE = 4096
const MIB = 2 ** 20

function withFile(at: Place, name: string, use: (fd: number) => void, flags: string | number = 'w+'): void {
  const fd = fs.openSync(at.path(name), flags)
  try {
    use(fd)
  } finally {
    fs.closeSync(fd)
  }
}

function fill(fd: number, position: number, length: number, byte: number): void {
  assert.equal(fs.writeSync(fd, Buffer.alloc(length, byte), 0, length, position), length)
}

/** Positions at which the byte changes, and to what: `[[0, 1], [4096, 0]]`. */
function runsOf(fd: number): [number, number][] {
  const bytes = Buffer.alloc(fs.fstatSync(fd).size)
  fs.readSync(fd, bytes, 0, bytes.length, 0)
  const runs: [number, number][] = []
  for (const [i, byte] of bytes.entries()) if (byte !== runs.at(-1)?.[1]) runs.push([i, byte])
  return runs
}

const takenBytes = (fd: number): number => {
  fs.fsyncSync(fd)
  return fs.fstatSync(fd).blocks * 512
}

/** Space: allocating it, giving it back, finding it, copying it. */
export function spaceCases(check: Check): void {
  check('fallocate takes space, makes the file as long, and changes no byte', (at) => {
    withFile(at, 'file', (fd) => {
      fill(fd, 0, 100, 7)
      fallocate(fd, 0, 0, 10 * PAGE)
      assert.equal(fs.fstatSync(fd).size, 10 * PAGE)
      assert.ok(takenBytes(fd) >= 10 * PAGE)
      assert.deepEqual(runsOf(fd), [
        [0, 7],
        [100, 0],
      ])
      fallocate(fd, 0, 0, PAGE)
      assert.equal(fs.fstatSync(fd).size, 10 * PAGE)
    })
  })

  check('with KEEP_SIZE space is taken beyond the end, and the size stays', (at) => {
    withFile(at, 'file', (fd) => {
      fill(fd, 0, 10, 7)
      fallocate(fd, FALLOCATE.keepSize, 0, 20 * PAGE)
      assert.equal(fs.fstatSync(fd).size, 10)
      assert.ok(takenBytes(fd) >= 20 * PAGE)
      fill(fd, 19 * PAGE, 10, 8)
      assert.deepEqual(runsOf(fd), [
        [0, 7],
        [10, 0],
        [19 * PAGE, 8],
      ])
    })
  })

  check(
    'a truncate to the size that the file has gives back what was taken beyond the end, and changes the times',
    (at) => {
      withFile(at, 'file', (fd) => {
        for (const length of [0, 10]) {
          fill(fd, 0, length, 7)
          fallocate(fd, FALLOCATE.keepSize, 0, 20 * PAGE)
          assert.ok(takenBytes(fd) >= 20 * PAGE)
          fs.utimesSync(at.path('file'), 1, 1)
          fs.ftruncateSync(fd, length)
          assert.equal(fs.fstatSync(fd).size, length)
          assert.ok(fs.fstatSync(fd).mtimeMs > 1000)
          assert.equal(takenBytes(fd), length === 0 ? 0 : PAGE)
        }
        assert.deepEqual(runsOf(fd), [[0, 7]])
      })
    },
  )

  check('a punched hole reads as zeros and gives its space back; the size stays', (at) => {
    withFile(at, 'file', (fd) => {
      fill(fd, 0, 64 * PAGE, 7)
      const before = takenBytes(fd)
      fallocate(fd, FALLOCATE.punchHole, 100, 20 * PAGE)
      assert.deepEqual(runsOf(fd), [
        [0, 7],
        [100, 0],
        [100 + 20 * PAGE, 7],
      ])
      assert.equal(fs.fstatSync(fd).size, 64 * PAGE)
      assert.ok(takenBytes(fd) <= before - 19 * PAGE)
      fallocate(fd, FALLOCATE.punchHole, 60 * PAGE, 100 * PAGE)
      assert.equal(fs.fstatSync(fd).size, 64 * PAGE)
      fallocate(fd, FALLOCATE.punchHole, 0, 64 * PAGE)
      assert.equal(takenBytes(fd), 0)
    })
  })

  check(
    'a zeroed range reads as zeros and keeps its space; beyond the end it makes the file longer or not, as asked',
    (at) => {
      withFile(at, 'file', (fd) => {
        fill(fd, 0, 8 * PAGE, 7)
        fallocate(fd, FALLOCATE.zeroRange, 10, 2 * PAGE)
        assert.deepEqual(runsOf(fd), [
          [0, 7],
          [10, 0],
          [10 + 2 * PAGE, 7],
        ])
        assert.ok(takenBytes(fd) >= 8 * PAGE)
        fallocate(fd, FALLOCATE.zeroRangeKeepSize, 7 * PAGE, 4 * PAGE)
        assert.equal(fs.fstatSync(fd).size, 8 * PAGE)
        fallocate(fd, FALLOCATE.zeroRange, 7 * PAGE, 4 * PAGE)
        assert.equal(fs.fstatSync(fd).size, 11 * PAGE)
        assert.deepEqual(runsOf(fd).at(-1), [7 * PAGE, 0])
      })
    },
    { ability: 'zeroRange' },
  )

  check('fallocate of nothing, before the beginning, without the right or of a directory is refused', (at) => {
    withFile(at, 'file', (fd) => {
      fails('EINVAL', () => fallocate(fd, 0, 0, 0))
      fails('EINVAL', () => fallocate(fd, 0, -1, PAGE))
      fails('EFBIG', () => fallocate(fd, 0, 2 ** 62, 2 ** 62))
      fails('EOPNOTSUPP', () => fallocate(fd, 2, 0, PAGE))
    })
    withFile(at, 'file', (fd) => fails('EBADF', () => fallocate(fd, 0, 0, PAGE)), 'r')
    fs.mkdirSync(at.path('directory'))
    withFile(at, 'directory', (fd) => fails(['EBADF', 'EISDIR'], () => fallocate(fd, 0, 0, PAGE)), 'r')
  })

  check('lseek finds data and holes', (at) => {
    withFile(at, 'file', (fd) => {
      fill(fd, MIB, PAGE, 1)
      fill(fd, 3 * MIB, PAGE, 2)
      fs.ftruncateSync(fd, 4 * MIB)
      fs.fsyncSync(fd)
      assert.equal(seek(fd, 0, SEEK.hole), 0)
      assert.equal(seek(fd, 0, SEEK.data), MIB)
      assert.equal(seek(fd, MIB + 5, SEEK.data), MIB + 5)
      assert.equal(seek(fd, MIB, SEEK.hole), MIB + PAGE)
      assert.equal(seek(fd, 3 * MIB + 1, SEEK.hole), 3 * MIB + PAGE)
      assert.equal(seek(fd, MIB + PAGE, SEEK.data), 3 * MIB)
      fails('ENXIO', () => seek(fd, 3 * MIB + PAGE, SEEK.data))
      fails('ENXIO', () => seek(fd, 4 * MIB, SEEK.hole))
      fails('ENXIO', () => seek(fd, 4 * MIB, SEEK.data))
      fails(['ENXIO', 'EINVAL'], () => seek(fd, -1, SEEK.data))
      fs.ftruncateSync(fd, MIB + 10)
      assert.equal(seek(fd, MIB, SEEK.hole), MIB + 10)
      fallocate(fd, FALLOCATE.punchHole, 0, 2 * MIB)
      fails('ENXIO', () => seek(fd, 0, SEEK.data))
    })
  })

  check('copy_file_range copies within a file and between files, and ends at the end', (at) => {
    const bytes = randomBytes(50_000)
    at.file('from', bytes)
    withFile(
      at,
      'from',
      (from) =>
        withFile(at, 'to', (to) => {
          let done = 0
          while (done < 40_000) done += copyRange(from, 10_000 + done, to, 100 + done, 40_000 - done)
          const copied = fs.readFileSync(at.path('to'))
          assert.equal(copied.length, 40_100)
          assert.ok(copied.subarray(100).equals(bytes.subarray(10_000)))
          assert.ok(copied.subarray(0, 100).every((byte) => byte === 0))
          assert.equal(copyRange(from, 50_000, to, 0, 100), 0)
          assert.equal(copyRange(from, 49_990, to, 0, 100), 10)
          assert.equal(copyRange(to, 0, to, 60_000, 10), 10)
          assert.ok(fs.readFileSync(at.path('to')).subarray(60_000).equals(bytes.subarray(49_990)))
          fails('EINVAL', () => copyRange(to, 0, to, 5, 10))
          fails('EBADF', () => copyRange(from, 0, from, 0, 10))
        }),
      'r',
    )
  })

  check('a copy to a descriptor with O_APPEND is EBADF', (at) => {
    at.file('from', 'data')
    withFile(
      at,
      'from',
      (from) => withFile(at, 'to', (to) => fails('EBADF', () => copyRange(from, 0, to, 0, 4)), 'a'),
      'r',
    )
  })
}
