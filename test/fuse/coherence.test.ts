/**
 * A participant with direct access and a mount see the same files: what one of them did the other one sees, with the
 * default cache setting at once, with `cache: 'auto'` at the next open, and names within a second.
 */
import assert from 'node:assert/strict'
import {
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { map } from '../posix/system-calls.ts'
import { Random } from '../stress/random.ts'
import { mountedPool, whyNoMount } from '../support/mounted-pool.ts'
import { startProcess } from '../support/participant.ts'

const skip = whyNoMount()
const BLOCK = 4096
const BLOCKS = 8
const ROUNDS = 60
const SEED = Number(process.env['HOLDFAST_SEED'] ?? 5)
/** What `cache: 'auto'` lets the kernel keep names and attributes. */
const AUTO_MS = 1000

const bytesOf = (round: number): Buffer => Buffer.alloc(1 + ((round * 7919) % 20_000), `round ${round}, `)

test('what the library writes is read through the mount at once, and the reverse', { skip }, async (t) => {
  const { pool, dir } = await mountedPool(t)
  await using file = await pool.open('/file', 'w+')
  const mounted = await open(`${dir}/file`, 'r+')
  try {
    for (let round = 0; round < 40; round++) {
      const bytes = bytesOf(round)
      if (round % 2 === 0) {
        await file.truncate(0)
        await file.write(bytes, { position: 0 })
        assert.equal((await mounted.stat()).size, bytes.length)
        const { buffer, bytesRead } = await mounted.read(Buffer.alloc(30_000), 0, 30_000, 0)
        assert.ok(buffer.subarray(0, bytesRead).equals(bytes), `round ${round}`)
      } else {
        await mounted.truncate(0)
        await mounted.write(bytes, 0, bytes.length, 0)
        assert.equal((await file.stat()).size, bytes.length)
        assert.ok((await pool.readFile('/file')).equals(bytes), `round ${round}`)
      }
    }
  } finally {
    await mounted.close()
  }
})

test('names, modes and links that one side makes the other sees at once', { skip }, async (t) => {
  const { pool, dir } = await mountedPool(t)
  await assert.rejects(stat(`${dir}/a`), { code: 'ENOENT' })
  await pool.mkdir('/a')
  await pool.writeFile('/a/first', 'first')
  assert.deepEqual(await readdir(`${dir}/a`), ['first'])
  await rename(`${dir}/a/first`, `${dir}/a/second`)
  assert.deepEqual(await pool.readdir('/a'), ['second'])
  await pool.rename('/a/second', '/a/third')
  assert.equal(await readFile(`${dir}/a/third`, 'utf8'), 'first')
  await assert.rejects(stat(`${dir}/a/second`), { code: 'ENOENT' })
  await pool.chmod('/a/third', 0o600)
  assert.equal((await stat(`${dir}/a/third`)).mode & 0o777, 0o600)
  await symlink('third', `${dir}/a/link`)
  assert.equal(await pool.readlink('/a/link'), 'third')
  await pool.unlink('/a/link')
  await assert.rejects(readlink(`${dir}/a/link`), { code: 'ENOENT' })
  await rm(`${dir}/a`, { recursive: true })
  assert.equal(await pool.exists('/a'), false)
  await mkdir(`${dir}/b`)
  await pool.rmdir('/b')
  assert.deepEqual(
    (await readdir(dir)).filter((name) => name !== 'lost+found'),
    [],
  )
})

test('a pinned block and a read or write through the mount are the same bytes', { skip }, async (t) => {
  const { pool, dir } = await mountedPool(t)
  await using file = await pool.open('/file', 'w+')
  await file.write(Buffer.alloc(2 * BLOCK, 'x'), { position: 0 })
  using pin = await file.pin({ offset: 0, length: 2 * BLOCK, mode: 'write' })
  const mounted = await open(`${dir}/file`, 'r+')
  try {
    for (let round = 0; round < 20; round++) {
      pin.buffer[round * 100] = round
      const { buffer } = await mounted.read(Buffer.alloc(1), 0, 1, round * 100)
      assert.equal(buffer[0], round)
      await mounted.write(Buffer.from([round + 100]), 0, 1, round * 100 + 1)
      assert.equal(pin.buffer[round * 100 + 1], round + 100)
    }
  } finally {
    await mounted.close()
  }
})

test(
  'stores into a mapping of the mount are in the file after msync, and a new mapping shows the file',
  { skip },
  async (t) => {
    const { pool, dir } = await mountedPool(t)
    await pool.writeFile('/file', Buffer.alloc(2 * BLOCK, 'x'))
    const mounted = await open(`${dir}/file`, 'r+')
    try {
      for (let round = 1; round < 10; round++) {
        {
          using mapped = map('shared', mounted.fd, 2 * BLOCK)
          assert.equal(
            mapped.bytes[BLOCK],
            round === 1 ? 0x78 : round - 1,
            'what the library wrote in the round before',
          )
          mapped.bytes[7] = round
          mapped.sync()
          assert.equal((await pool.readFile('/file'))[7], round)
        }
        await using file = await pool.open('/file', 'r+')
        await file.write(Buffer.from([round]), { position: BLOCK })
      }
    } finally {
      await mounted.close()
    }
  },
)

/**
 * A mapping is of pages: what the library writes comes into it when they are read anew, with `none` by each new mapping, with
 * `auto` by the next open; what is stored in it goes to the pool by msync or munmap.
 */
for (const cache of ['none', 'auto'] as const) {
  test(
    `with cache=${cache} the library and mappings of the mount see all that the other one wrote`,
    { skip },
    async (t) => {
      const { pool, dir } = await mountedPool(t, { cache })
      const random = new Random(SEED)
      const expected = Buffer.alloc(BLOCKS * BLOCK, 'x')
      await pool.writeFile('/file', expected)
      await using file = await pool.open('/file', 'r+')
      /** A run of bytes within the file, often over an edge of blocks. */
      const change = (): { offset: number; bytes: Buffer } => {
        const offset = random.below(expected.length - 1)
        const bytes = Buffer.alloc(
          1 + random.below(Math.min(2 * BLOCK, expected.length - offset) - 1),
          1 + random.below(254),
        )
        bytes.copy(expected, offset)
        return { offset, bytes }
      }
      for (let round = 0; round < ROUNDS; round++) {
        for (let n = random.below(3); n > 0; n--) {
          const { offset, bytes } = change()
          await file.write(bytes, { position: offset })
        }
        const mounted = await open(`${dir}/file`, 'r+')
        try {
          using mapped = map('shared', mounted.fd, expected.length)
          assert.ok(
            expected.equals(mapped.bytes),
            `round ${round}, seed ${SEED}: the mapping has not what the library wrote`,
          )
          for (let n = random.below(3); n > 0; n--) {
            const { offset, bytes } = change()
            mapped.bytes.set(bytes, offset)
          }
          if (round % 2 === 0) {
            mapped.sync()
            assert.ok(
              expected.equals(await pool.readFile('/file')),
              `round ${round}, seed ${SEED}: not in the pool after msync`,
            )
          }
        } finally {
          // Writes back what munmap left dirty.
          await mounted.close()
        }
        assert.ok(
          expected.equals(await pool.readFile('/file')),
          `round ${round}, seed ${SEED}: not in the pool after close`,
        )
      }
    },
  )
}

test('a mapping of the mount cannot bring back what the library cut', { skip }, async (t) => {
  const { pool, dir } = await mountedPool(t)
  await pool.writeFile('/file', Buffer.alloc(4 * BLOCK, 'x'))
  const mounted = await open(`${dir}/file`, 'r+')
  try {
    using mapped = map('shared', mounted.fd, 4 * BLOCK)
    mapped.bytes[0] = 1
    mapped.sync()
    await pool.truncate('/file', BLOCK)
    assert.equal((await stat(`${dir}/file`)).size, BLOCK)
    assert.equal((await readFile(`${dir}/file`)).length, BLOCK)
    await pool.truncate('/file', 4 * BLOCK)
    assert.ok((await readFile(`${dir}/file`)).subarray(BLOCK).every((byte) => byte === 0))
  } finally {
    await mounted.close()
  }
})

test(
  'with cache=auto an open sees what was written before, and names and sizes come within a second',
  { skip },
  async (t) => {
    const { pool, dir } = await mountedPool(t, { cache: 'auto' })
    for (let round = 0; round < 20; round++) {
      const bytes = bytesOf(round)
      await (round % 2 === 0 ? pool.writeFile('/file', bytes) : writeFile(`${dir}/file`, bytes))
      const seen = await readFile(`${dir}/file`)
      assert.ok(seen.equals(bytes), `round ${round}: ${seen.length} of ${bytes.length} bytes`)
      assert.ok((await pool.readFile('/file')).equals(bytes), `round ${round}`)
    }
    assert.equal((await stat(`${dir}/file`)).size, bytesOf(19).length)
    await pool.rename('/file', '/moved')
    await pool.truncate('/moved', 3)
    await sleep(AUTO_MS + 100)
    await assert.rejects(stat(`${dir}/file`), { code: 'ENOENT' })
    assert.equal((await stat(`${dir}/moved`)).size, 3)
    await truncate(`${dir}/moved`, 1)
    assert.equal((await pool.stat('/moved')).size, 1)
  },
)

test(
  'with cache=auto an open sees what a process wrote that was killed before it closed the file',
  { skip },
  async (t) => {
    const { pool, dir } = await mountedPool(t, { cache: 'auto' })
    await pool.writeFile('/file', 'before')
    const read = (): Promise<string> => readFile(`${dir}/file`, 'utf8')
    const writer = await startProcess(t, pool)
    assert.deepEqual([await read(), await read()], ['before', 'before'])
    await writer.run(async ({ pool: theirs }) => {
      const file = await theirs.open('/file', 'r+')
      await file.write(Buffer.from('after '), { position: 0 })
    })
    await writer.kill()
    assert.equal(await read(), 'after ')
  },
)
