/**
 * Promise 5, as seen through caches: what this process has looked up and kept is what there is, at once, after every kind
 * of change by another process; also when that one was killed in the middle of it.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import type { File, Pool } from '../../src/index.ts'
import { startProcess } from '../support/participant.ts'
import type { Here } from '../support/participant-main.ts'
import { sharedProcess } from '../support/participants.ts'
import { checkSound } from '../support/stamps.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'

/** What a look finds, or the code of its error. */
async function seen(look: () => Promise<unknown>): Promise<unknown> {
  try {
    return await look()
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (typeof code !== 'string') throw error
    return code
  }
}

/** Counts what is asked of the store: nothing, where everything is known. */
function countReads(pool: Pool): () => number {
  let reads = 0
  const metadata = pool.fileSystem.metadata as unknown as Record<string, (...all: unknown[]) => unknown>
  for (const name of ['inode', 'lookup', 'layout', 'layoutNow', 'extend', 'inodeNow', 'lookupNow']) {
    const original = metadata[name]?.bind(metadata)
    if (original === undefined) continue
    metadata[name] = (...all) => {
      reads++
      return original(...all)
    }
  }
  return () => reads
}

interface Looker {
  readonly pool: Pool
  /** /d/file, open to read and write. */
  readonly file: File
}

type Look = (looker: Looker) => Promise<unknown>

const existence =
  (path: string): Look =>
  ({ pool }) =>
    pool.exists(path)
const statOf =
  (path: string, pick: (stat: Awaited<ReturnType<Pool['stat']>>) => unknown): Look =>
  async ({ pool }) =>
    pick(await pool.stat(path))
const opening =
  (path: string): Look =>
  async ({ pool }) => {
    await using file = await pool.open(path, 'r')
    const bytes = Buffer.alloc(4)
    const { bytesRead } = await file.read(bytes, { position: 0 })
    return bytes.toString('latin1', 0, bytesRead)
  }
const reading =
  (position: number): Look =>
  async ({ file }) => {
    const bytes = Buffer.alloc(4)
    const { bytesRead } = await file.read(bytes, { position })
    return bytes.toString('latin1', 0, bytesRead)
  }
const pinning =
  (offset: number): Look =>
  async ({ file }) => {
    using pin = await file.pin({ offset, length: 4, mode: 'read' })
    return Buffer.from(pin.buffer).toString('latin1')
  }

interface Change {
  /** By another process, to which it travels as text. */
  readonly change: (here: Here) => Promise<unknown>
  /** What a look that was made before finds after it. */
  readonly looks: readonly (readonly [look: Look, before: unknown, after: unknown])[]
  /** The look reads what is in no cache: attributes that are extended, names of a directory. */
  readonly isNeverKept?: boolean
}

/** What is there before each: /d/file of three blocks 'aaaa…', 'bbbb…', 'cc', links to it, other files and directories. */
async function prepared(pool: Pool): Promise<void> {
  await pool.mkdir('/d/sub', { recursive: true })
  await pool.mkdir('/empty')
  const content = Buffer.concat([Buffer.alloc(BLOCK, 'a'), Buffer.alloc(BLOCK, 'b'), Buffer.from('cc')])
  await pool.writeFile('/d/file', content)
  await pool.writeFile('/d/other', 'other')
  await pool.symlink('file', '/d/symlink')
  await pool.symlink('/d', '/up')
  await pool.setXattr('/d/file', 'user.a', '1')
}

const CHANGES: Record<string, Change> = {
  'a file made': {
    change: (here) => here.pool.writeFile('/d/new', 'new!'),
    looks: [
      [existence('/d/new'), false, true],
      [opening('/d/new'), 'ENOENT', 'new!'],
      [opening('/up/new'), 'ENOENT', 'new!'],
    ],
  },
  'a directory made': {
    change: (here) => here.pool.mkdir('/d/more'),
    looks: [
      [statOf('/d', ({ nlink }) => nlink), 3, 4],
      [existence('/d/more'), false, true],
      [opening('/d/more'), 'ENOENT', 'EISDIR'],
    ],
  },
  'a directory removed': {
    change: (here) => here.pool.rmdir('/empty'),
    looks: [
      [existence('/empty'), true, false],
      [existence('/empty/x'), false, false],
    ],
  },
  'a name taken away': {
    change: (here) => here.pool.unlink('/d/other'),
    looks: [
      [existence('/d/other'), true, false],
      [opening('/d/other'), 'othe', 'ENOENT'],
    ],
  },
  'the last name of an open file taken away': {
    change: (here) => here.pool.unlink('/d/file'),
    looks: [
      [existence('/d/file'), true, false],
      [existence('/d/symlink'), true, false],
      [async ({ file }) => (await file.stat()).nlink, 1, 0],
      [reading(0), 'aaaa', 'aaaa'],
    ],
  },
  'one more name': {
    change: (here) => here.pool.link('/d/file', '/d/sub/file'),
    looks: [
      [statOf('/d/file', ({ nlink }) => nlink), 1, 2],
      [opening('/d/sub/file'), 'ENOENT', 'aaaa'],
    ],
  },
  'a file renamed': {
    change: (here) => here.pool.rename('/d/other', '/d/sub/moved'),
    looks: [
      [opening('/d/other'), 'othe', 'ENOENT'],
      [opening('/d/sub/moved'), 'ENOENT', 'othe'],
    ],
  },
  'a file renamed over another': {
    change: (here) => here.pool.rename('/d/other', '/d/file'),
    looks: [
      [opening('/d/file'), 'aaaa', 'othe'],
      [opening('/d/symlink'), 'aaaa', 'othe'],
      [statOf('/d/file', ({ size }) => size), 2 * BLOCK + 2, 5],
      [reading(0), 'aaaa', 'aaaa'],
    ],
  },
  'two files exchanged': {
    change: (here) => here.pool.rename('/d/other', '/d/file', { exchange: true }),
    looks: [
      [opening('/d/file'), 'aaaa', 'othe'],
      [opening('/d/other'), 'othe', 'aaaa'],
    ],
  },
  'a directory renamed': {
    change: (here) => here.pool.rename('/d', '/e'),
    looks: [
      [opening('/d/file'), 'aaaa', 'ENOENT'],
      [opening('/e/file'), 'ENOENT', 'aaaa'],
      [opening('/up/file'), 'aaaa', 'ENOENT'],
      [({ pool }) => pool.realpath('/e/symlink'), 'ENOENT', '/e/file'],
    ],
  },
  'a symlink replaced': {
    change: async (here) => {
      await here.pool.symlink('other', '/d/next')
      await here.pool.rename('/d/next', '/d/symlink')
    },
    looks: [
      [({ pool }) => pool.readlink('/d/symlink'), 'file', 'other'],
      [opening('/d/symlink'), 'aaaa', 'othe'],
      [({ pool }) => pool.realpath('/up/symlink'), '/d/file', '/d/other'],
    ],
  },
  'a directory in place of a symlink to one': {
    change: async (here) => {
      await here.pool.unlink('/up')
      await here.pool.mkdir('/up')
    },
    looks: [[opening('/up/file'), 'aaaa', 'ENOENT']],
  },
  'a file in place of a directory': {
    change: async (here) => {
      await here.pool.rename('/d', '/e')
      await here.pool.writeFile('/d', 'file')
    },
    looks: [
      [opening('/d/file'), 'aaaa', 'ENOTDIR'],
      [existence('/d/none'), false, false],
    ],
  },
  chmod: {
    change: (here) => here.pool.chmod('/d/file', 0o600),
    looks: [
      [statOf('/up/symlink', ({ mode }) => mode & 0o777), 0o644, 0o600],
      [async ({ file }) => (await file.stat()).mode & 0o777, 0o644, 0o600],
    ],
  },
  chown: {
    change: (here) => here.pool.chown('/d/file', 11, 12),
    looks: [
      [
        statOf('/d/file', ({ uid, gid }) => [uid, gid].join(':')),
        `${process.getuid?.()}:${process.getgid?.()}`,
        '11:12',
      ],
    ],
  },
  utimes: {
    change: (here) => here.pool.utimes('/d/file', 1, 2),
    looks: [[statOf('/d/file', ({ mtimeNs }) => mtimeNs === 2_000_000_000n), false, true]],
  },
  policies: {
    change: (here) => here.pool.configure('/d/file', { busy: 'fail', dax: 'never' }),
    looks: [[statOf('/d/file', ({ busy, dax }) => `${busy} ${dax}`), 'undefined undefined', 'fail never']],
  },
  'an attribute set': {
    change: (here) => here.pool.setXattr('/d/file', 'user.b', '2'),
    looks: [
      [({ pool }) => pool.listXattrs('/d/file'), ['user.a'], ['user.a', 'user.b']],
      [({ pool }) => pool.getXattr('/d/file', 'user.b').then(String), 'ENODATA', '2'],
    ],
    isNeverKept: true,
  },
  'an attribute removed': {
    change: (here) => here.pool.removeXattr('/d/file', 'user.a'),
    looks: [[({ pool }) => pool.getXattr('/d/file', 'user.a').then(String), '1', 'ENODATA']],
    isNeverKept: true,
  },
  'names of a directory': {
    change: (here) => here.pool.rename('/d/other', '/d/another'),
    looks: [
      [({ pool }) => pool.readdir('/d'), ['file', 'other', 'sub', 'symlink'], ['another', 'file', 'sub', 'symlink']],
    ],
    isNeverKept: true,
  },
  'a growing write': {
    change: (here) => here.pool.writeFile('/d/file', 'dddddddd', { flags: 'a' }),
    looks: [
      [statOf('/d/file', ({ size }) => size), 2 * BLOCK + 2, 2 * BLOCK + 10],
      [reading(2 * BLOCK), 'cc', 'ccdd'],
      [pinning(2 * BLOCK), 'ERANGE', 'ccdd'],
    ],
    isNeverKept: true,
  },
  'a write in place': {
    change: (here) => here.pool.writeFile('/d/file', 'zz', { flags: 'r+' }),
    looks: [
      [reading(0), 'aaaa', 'zzaa'],
      [pinning(0), 'aaaa', 'zzaa'],
    ],
  },
  'a truncate': {
    change: (here) => here.pool.truncate('/d/file', 4098),
    looks: [
      [statOf('/d/file', ({ size }) => size), 2 * BLOCK + 2, BLOCK + 2],
      [reading(BLOCK), 'bbbb', 'bb'],
      [pinning(BLOCK), 'bbbb', 'ERANGE'],
    ],
  },
  'a truncate that makes it longer': {
    change: (here) => here.pool.truncate('/d/file', 8192 + 4),
    looks: [
      [statOf('/d/file', ({ size }) => size), 2 * BLOCK + 2, 2 * BLOCK + 4],
      [reading(2 * BLOCK), 'cc', 'cc\0\0'],
    ],
    isNeverKept: true,
  },
  'a punched hole': {
    change: (here) => here.pool.punchHole('/d/file', 0, 4096),
    looks: [
      [statOf('/d/file', ({ blocks }) => blocks), 3 * 8, 2 * 8],
      [reading(0), 'aaaa', '\0\0\0\0'],
      [async ({ file }) => file.seekData(0), 0, BLOCK],
    ],
  },
  'a block collapsed': {
    change: async (here) => {
      await using file = await here.pool.open('/d/file', 'r+')
      await file.collapseRange(0, 4096)
    },
    looks: [
      [statOf('/d/file', ({ size }) => size), 2 * BLOCK + 2, BLOCK + 2],
      [reading(0), 'aaaa', 'bbbb'],
    ],
  },
  'a hole filled': {
    change: async (here) => {
      await using file = await here.pool.open('/d/file', 'r+')
      await file.insertRange(0, 4096)
      await file.write('eeee', { position: 0 })
    },
    looks: [
      [reading(0), 'aaaa', 'eeee'],
      [reading(BLOCK), 'bbbb', 'aaaa'],
    ],
  },
}

describe('promise 5: a change by another process is seen at once by who has looked before:', async () => {
  const other = await sharedProcess()

  for (const [name, { change, looks, isNeverKept = false }] of Object.entries(CHANGES)) {
    test(name, async (t) => {
      const pool = await temporaryPool(t)
      await prepared(pool)
      await using file = await pool.open('/d/file', 'r+')
      const looker = { pool, file }
      await other.attach(pool)
      for (const [look, before] of looks) {
        assert.deepEqual(await seen(() => look(looker)), before)
        assert.deepEqual(await seen(() => look(looker)), before)
      }
      const reads = countReads(pool)
      for (const [look] of looks) await seen(() => look(looker))
      if (!isNeverKept) assert.equal(reads(), 0, 'everything is known')
      await other.run(change)
      for (const [look, , after] of looks) assert.deepEqual(await seen(() => look(looker)), after)
      await checkSound(pool)
    })
  }
})

/** Where in a transaction the process dies: its marks are odd from then on. */
const DEATHS = {
  'before anything is written': 'begin',
  'after the commit': 'end',
} as const

function dieAt(here: Here, method: 'begin' | 'end'): void {
  const { marks } = here.pool.fileSystem as unknown as { marks: Record<string, (...all: unknown[]) => unknown> }
  const original = marks[method].bind(marks)
  marks[method] = (...all) => {
    if (method === 'begin') original(...all)
    process.kill(process.pid, 'SIGKILL')
    for (;;);
  }
}

const KILLED: Record<string, { readonly change: (here: Here) => Promise<unknown>; readonly looks: readonly Look[] }> = {
  'a file made': {
    change: (here) => here.pool.writeFile('/d/new', 'new!'),
    looks: [existence('/d/new'), opening('/d/new'), statOf('/d', ({ changeCount }) => changeCount)],
  },
  'a name taken away': {
    change: (here) => here.pool.unlink('/d/other'),
    looks: [existence('/d/other'), opening('/d/other')],
  },
  'a file renamed over another': {
    change: (here) => here.pool.rename('/d/other', '/d/file'),
    looks: [opening('/d/file'), opening('/d/other'), opening('/d/symlink'), reading(0)],
  },
  'a directory renamed': {
    change: (here) => here.pool.rename('/d', '/e'),
    looks: [opening('/d/file'), opening('/e/file'), opening('/up/file')],
  },
  chmod: {
    change: (here) => here.pool.chmod('/d/file', 0o600),
    looks: [statOf('/d/file', ({ mode }) => mode), statOf('/up/symlink', ({ mode }) => mode)],
  },
  'a growing write': {
    change: (here) => here.pool.writeFile('/d/file', 'dddddddd', { flags: 'a' }),
    looks: [statOf('/d/file', ({ size }) => size), reading(2 * BLOCK)],
  },
  'a truncate': {
    change: (here) => here.pool.truncate('/d/file', 4098),
    looks: [statOf('/d/file', ({ size }) => size), reading(BLOCK), pinning(BLOCK)],
  },
  'a symlink replaced': {
    change: (here) => here.pool.rename('/d/symlink', '/up'),
    looks: [opening('/up/file'), opening('/up'), ({ pool }) => pool.readlink('/up')],
  },
}

/** What somebody finds who has never looked before. */
async function truth(t: TestContext, pool: Pool, looks: readonly Look[], path: string): Promise<unknown[]> {
  const fresh = await openedAgain(t, pool)
  await using file = await fresh.open(path, 'r+')
  const found: unknown[] = []
  for (const look of looks) found.push(await seen(() => look({ pool: fresh, file })))
  return found
}

describe('promise 5: a change whose process was killed is seen as it is by who has looked before:', () => {
  for (const [name, { change, looks }] of Object.entries(KILLED)) {
    for (const [when, method] of Object.entries(DEATHS)) {
      test(`${name}, killed ${when}`, async (t) => {
        const pool = await temporaryPool(t)
        await prepared(pool)
        // By a name that no change takes away: the file is the same for who opens it later.
        await pool.link('/d/file', '/kept')
        await using file = await pool.open('/kept', 'r+')
        const looker = { pool, file }
        const before: unknown[] = []
        for (const look of looks) before.push(await seen(() => look(looker)))
        for (const look of looks) await seen(() => look(looker))
        const dying = await startProcess(t, pool)
        await dying.run(dieAt, method)
        await assert.rejects(dying.run(change), /gone/, 'it was killed on the way')
        await dying.kill()

        const after: unknown[] = []
        for (const look of looks) after.push(await seen(() => look(looker)))
        assert.deepEqual(after, await truth(t, pool, looks, '/kept'))
        if (method === 'begin') assert.deepEqual(after, before, 'nothing has happened')
        // What it left is no burden: the next change is seen, and after it everything is known again.
        const next = await openedAgain(t, pool)
        for (const path of ['/', '/d', '/e', '/kept', '/up', '/d/sub'])
          await next.utimes(path, 1, 1).catch(() => undefined)
        for (const look of looks) await seen(() => look(looker))
        assert.deepEqual(
          await Promise.all(looks.map((look) => seen(() => look(looker)))),
          await truth(t, pool, looks, '/kept'),
        )
        await pool.reap()
        await checkSound(pool)
      })
    }
  }
})
