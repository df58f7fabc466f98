/** The store that commits late: all that every store must do, and what a batch is in between. */
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Alone, LateCommits, Metadata } from '../../src/metadata/metadata.ts'
import { ROOT_INODE, XATTR_LIST_MAX } from '../../src/metadata/metadata.ts'
import { atEnd, temporaryDirectory } from '../support/temporary-pool.ts'
import { metadataConformance } from './conformance.ts'
import type { MakeMetadata } from './subject.ts'
import { create, everythingBusy, fileOf, LATER, made, NOW, nothing, properties, sqliteIn } from './subject.ts'

/** Alone, until somebody comes. */
class Door implements Alone {
  isStill = true
  begun = 0
  isOpen = false

  begin(): boolean {
    assert.ok(!this.isOpen)
    if (!this.isStill) return false
    this.begun++
    this.isOpen = true
    return true
  }

  end(): void {
    assert.ok(this.isOpen)
    this.isOpen = false
  }
}

/** Commits late; who opens the store a second time comes in by the door. */
const lateIn =
  (directory: string): MakeMetadata =>
  async (wanted, marks) => {
    const subject = await sqliteIn(directory)(wanted, marks)
    const door = new Door()
    const late = subject.metadata.commitLate!(door)
    return {
      ...subject,
      openAgain: () => {
        door.isStill = false
        late.commit()
        return subject.openAgain()
      },
    }
  }

metadataConformance('SQLite that commits late', lateIn('/dev/shm'))

interface Subject {
  readonly metadata: Metadata
  /** Somebody who was there before: sees what is committed. */
  readonly other: Metadata
  readonly door: Door
  readonly late: LateCommits
}

async function subjectOf(t: Parameters<typeof made>[0]): Promise<Subject> {
  const { metadata, openAgain } = await made(t, sqliteIn('/dev/shm'))
  const other = await openAgain()
  const door = new Door()
  return { metadata, other, door, late: metadata.commitLate!(door) }
}

const namesOf = async (metadata: Metadata): Promise<string[]> =>
  (await metadata.entries(ROOT_INODE)).map(({ name }) => name).filter((name) => name !== 'lost+found')

test('changes are in one transaction, which the owner sees and others do not, until it is committed', async (t) => {
  const { metadata, other, door, late } = await subjectOf(t)
  await create(metadata, 'a')
  await create(metadata, 'b')
  await metadata.unlink({ parent: ROOT_INODE, name: 'a', nowNs: LATER }, everythingBusy)
  await create(metadata, 'd', 'directory')
  assert.deepEqual(await namesOf(metadata), ['b', 'd'])
  assert.deepEqual([await namesOf(other), door.begun, late.isOpen], [[], 1, true])
  const root = await metadata.inode(ROOT_INODE)
  assert.deepEqual([root?.nlink, root?.changeCount, root?.mtimeNs], [4, 4, NOW])
  late.commit()
  assert.deepEqual([late.isOpen, door.isOpen], [false, false])
  assert.deepEqual(await other.inode(ROOT_INODE), root)
  assert.deepEqual(await namesOf(other), ['b', 'd'])
  assert.equal((await other.space()).files, 1)
})

test('it is due after a millisecond, and has 64 changes at most', async (t) => {
  const { metadata, other, door, late } = await subjectOf(t)
  assert.ok(!late.isDue)
  await create(metadata, 'first')
  const start = performance.now()
  while (performance.now() < start + 1);
  assert.ok(late.isDue)
  late.commit()
  assert.ok(!late.isDue)
  for (let i = 0; i < 65; i++) await create(metadata, `file-${i}`)
  assert.deepEqual([door.begun, (await namesOf(other)).length], [3, 65])
})

for (const [what, act] of Object.entries<(subject: Subject) => Promise<unknown>>({
  'a sync': ({ metadata }) => metadata.sync(),
  'a checkpoint': ({ metadata }) => metadata.checkpoint(),
  'a look at the length of the log': async ({ metadata }) => void metadata.wantsCheckpoint,
  'an allocation': async ({ metadata }) => fileOf(metadata, 'allocated', 1),
  'a reservation': ({ metadata }) => metadata.reserve(1, nothing),
  'a read of several statements': ({ metadata }) => metadata.tree(),
  'the check': ({ metadata }) => metadata.check(),
  closing: ({ metadata }) => metadata.close(),
  'a change after somebody came': async ({ metadata, door }) => {
    door.isStill = false
    await create(metadata, 'after')
  },
})) {
  test(`${what} commits what is open`, async (t) => {
    const { openAgain, metadata } = await made(t, async (wanted, marks) => {
      const subject = await sqliteIn('/dev/shm')(wanted, marks)
      // What is checked at the end of the test is what the other one sees.
      const other = await subject.openAgain()
      return { ...subject, metadata: other, openAgain: async () => subject.metadata }
    })
    const own = await openAgain()
    const door = new Door()
    const late = own.commitLate!(door)
    await create(own, 'made')
    assert.ok(!(await namesOf(metadata)).includes('made'))
    await act({ metadata: own, other: metadata, door, late })
    assert.ok((await namesOf(metadata)).includes('made'))
    assert.ok(!door.isOpen)
  })
}

test('a change that fails takes back itself, what it put off included, and nothing else', async (t) => {
  const { metadata, other, late } = await subjectOf(t)
  await create(metadata, 'a')
  const root = await metadata.inode(ROOT_INODE)
  const space = await metadata.space()
  await assert.rejects(create(metadata, 'a'), { code: 'EEXIST' })
  const claim = (): never => {
    throw new Error('the table is full')
  }
  const request = { parent: ROOT_INODE, name: 'c', kind: 'file', mode: 0, uid: 0, gid: 0, nowNs: LATER } as const
  await assert.rejects(metadata.create(request, claim), /the table is full/)
  const tooMany = { xattrs: [['user.x', new Uint8Array(1)]] as [string, Uint8Array][] }
  for (let bytes = 0; bytes < XATTR_LIST_MAX; bytes += 200)
    tooMany.xattrs.push([`user.${bytes}`.padEnd(199, 'x'), new Uint8Array(1)])
  await assert.rejects(metadata.create({ ...request, along: () => tooMany }), { code: 'ENOSPC' })
  const broken = (): never => {
    throw new Error('no decision')
  }
  await assert.rejects(metadata.unlink({ parent: ROOT_INODE, name: 'a', nowNs: LATER }, broken), /no decision/)
  await assert.rejects(metadata.removeDirectory({ parent: ROOT_INODE, name: 'a', nowNs: LATER }), { code: 'ENOTDIR' })
  assert.deepEqual([await metadata.inode(ROOT_INODE), await metadata.space()], [root, space])
  assert.equal((await create(metadata, 'b')).ino, 4, 'numbers that were not given are given')
  late.commit()
  assert.deepEqual(await namesOf(other), ['a', 'b'])
})

test('blocks of a file that is removed in a batch are busy, and released by nobody before its commit', async (t) => {
  const { metadata, other } = await subjectOf(t)
  await fileOf(metadata, 'f', 3)
  await metadata.unlink({ parent: ROOT_INODE, name: 'f', nowNs: LATER }, everythingBusy)
  assert.equal((await other.space()).busy, 0)
  const busy = await metadata.busyExtents()
  assert.equal(busy.length, 1)
  await metadata.sync()
  assert.equal((await other.space()).busy, 3)
  await metadata.release(busy.map(({ id }) => id))
  assert.equal((await other.space()).free, 64)
})

test('what was carried out and cannot be committed is lost, and then nothing is done any more', async (t) => {
  const directory = temporaryDirectory(t)
  const subject = await sqliteIn(directory)(properties(64))
  atEnd(t, () => subject.dispose())
  const { metadata } = subject
  const door = new Door()
  const late = metadata.commitLate!(door)
  await create(metadata, 'a')
  await metadata.sync()
  const [own] = readdirSync(directory)
  // A count that contradicts the files: one less of them is none that can be.
  const db = new DatabaseSync(join(directory, own, 'meta.db'))
  db.exec('UPDATE space SET files = 0')
  db.close()
  await metadata.unlink({ parent: ROOT_INODE, name: 'a', nowNs: LATER }, everythingBusy)
  late.commit()
  assert.ok(!door.isOpen && !late.isOpen)
  const lost = { code: 'EIO', message: /the last changes .* are lost/ }
  await assert.rejects(create(metadata, 'b'), lost)
  await assert.rejects(metadata.sync(), lost)
  await assert.rejects(metadata.lookup(ROOT_INODE, 'a'), lost)
  const again = await subject.openAgain()
  assert.deepEqual(await namesOf(again), ['a'])
})

test('the first change of a batch fails for want of the lock as any, and waits for it', async (t) => {
  const { metadata, other, door } = await subjectOf(t)
  await fileOf(metadata, 'f', 0)
  let isTried = false
  await other.extend((await metadata.lookup(ROOT_INODE, 'f'))!.ino, NOW, () => {
    void create(metadata, 'g').then(() => (isTried = true))
    return undefined
  })
  assert.ok(!isTried && !door.isOpen)
  while (!isTried) await new Promise((resolve) => setTimeout(resolve, 1))
  assert.deepEqual(await namesOf(metadata), ['f', 'g'])
})
