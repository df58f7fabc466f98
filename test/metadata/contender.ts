/**
 * A process that works on the store of a test. Arguments: path of meta.db, what to do, a name.
 *
 *   count    500 times: one more on the change count of inode 1's file `shared`, and a file of its own
 *   churn    makes, fills, cuts and deletes files until it is killed
 *   stall    opens a transaction, says so, and never ends it
 */
import { writeSync } from 'node:fs'

import { ROOT_INODE } from '../../src/metadata/metadata.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite-metadata.ts'
import { create, everythingSequestered, everythingBusy, NOW, orphaned, range, releaseAll } from './subject.ts'

const [path, task, name] = process.argv.slice(2)
const metadata = await openSqliteMetadata(path)
const say = (word: string) => writeSync(1, `${word}\n`)

const stall = (): never => {
  say('inside')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  throw new Error('woken')
}

if (task === 'count') {
  const shared = await metadata.lookup(ROOT_INODE, 'shared')
  for (let nth = 0; nth < 500; nth++) {
    await metadata.extend(shared!.ino, NOW, ({ inode }) => inode.size + 1)
    await create(metadata, `${name}-${nth}`)
  }
  await metadata.close()
} else if (task === 'churn') {
  say('started')
  for (let nth = 0; ; nth++) {
    const { ino } = await create(metadata, `${name}-${nth}`)
    await metadata.allocate({ ino, range: range(0, 8), preallocate: 8 }, () => {})
    await metadata.extend(ino, NOW, () => 8 * 4096)
    await metadata.changeLayout({ ino, remove: [range(3, 5)], nowNs: NOW }, everythingSequestered)
    const fill = { range: range(0, 4), prepare: () => {} }
    const shift = { from: 5, by: -2 } as never
    await metadata.changeLayout({ ino, remove: [range(1, 2)], shift, fill, nowNs: NOW }, everythingBusy)
    const own = (suffix: string) => ({ parent: ROOT_INODE, name: `${name}-${nth}${suffix}`, nowNs: NOW })
    await metadata.setXattr(ino, 'user.nth', Uint8Array.of(nth), { mode: 'set', nowNs: NOW })
    await metadata.link({ ...own('~'), ino })
    const places = { fromParent: ROOT_INODE, fromName: own('').name, toParent: ROOT_INODE, toName: own('+').name }
    await metadata.rename({ ...places, nowNs: NOW }, everythingBusy)
    await metadata.unlink(own('~'), everythingBusy)
    if (nth % 2 === 0) {
      await metadata.unlink(own('+'), everythingSequestered)
    } else {
      await metadata.unlink(own('+'), orphaned)
      await metadata.changeLayout({ ino, remove: [], deleteInode: true, nowNs: NOW }, everythingBusy)
    }
    for (const entry of await metadata.lostAndFound()) {
      await metadata.changeLayout({ ino: entry.ino, remove: [], deleteInode: true, nowNs: NOW }, everythingBusy)
    }
    await releaseAll(metadata)
  }
} else if (task === 'stall') {
  const { ino } = await create(metadata, `${name}-before`)
  // Past the point where SQLite has written rows: the free run is taken, the extents are not there yet.
  await metadata.allocate({ ino, range: range(0, 4) }, stall)
}
