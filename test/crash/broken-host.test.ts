/**
 * A host that breaks for real: a disk that is larger than what backs it, so that writing back fails, and an ext4 that goes
 * read-only under a pool in use. Where that cannot be, the reason is in the skip.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { codeOf } from '../../src/errors.ts'
import type { Pool } from '../../src/index.ts'
import { createPool, openPool } from '../../src/index.ts'
import { allocateSpaceWhole } from '../../src/platform/file-space.ts'
import type { Mounted } from '../device/mounted.ts'
import { mountTemporary } from '../device/mounted.ts'
import type { Participant } from '../support/participant.ts'
import { startProcess } from '../support/participant.ts'

const CONTENT = Buffer.alloc(200_000, 7)

/** Takes what the host has left. */
function fill(path: string): void {
  const fd = openSync(path, 'a')
  let at = 0
  for (let size = 2 ** 26; size >= 4096;) {
    try {
      allocateSpaceWhole(fd, at, size)
      at += size
    } catch {
      size /= 2
    }
  }
  closeSync(fd)
}

/** An ext4 whose disk is a file on a tmpfs; or why there can be none. */
function diskInMemory(t: TestContext): { backing: Mounted; disk: Mounted } | string {
  const backing = mountTemporary('tmpfs')
  if (typeof backing === 'string') return backing
  t.after(() => backing.release())
  const disk = mountTemporary('ext4', backing.directory)
  if (typeof disk === 'string') return disk
  backing.onRelease(() => disk.release())
  return { backing, disk }
}

/** A process that has made a pool there, with a file that is synced. */
async function userOf(t: TestContext, path: string, sizeBytes: number): Promise<Participant> {
  const user = await startProcess(t)
  await user.run(
    async (here, to, content, size) => {
      here.kept.pool = await here.createPool(to, { sizeBytes: size })
      await here.attach(to)
      await here.pool.writeFile('/synced', content)
      await here.pool.sync()
    },
    path,
    CONTENT,
    sizeBytes,
  )
  return user
}

test('a disk that cannot write back: the sync fails, every later one too, and what was synced is there afterwards', async (t) => {
  const host = diskInMemory(t)
  if (typeof host === 'string') return t.skip(host)
  const { backing, disk } = host
  const path = join(disk.directory, 'pool')
  const user = await userOf(t, path, 24 << 20)
  const filler = join(backing.directory, 'filler')
  fill(filler)
  const broken = await user.run(async (here) => {
    const codes: unknown[] = []
    const note = async (action: () => Promise<unknown>): Promise<void> => {
      codes.push(
        await action().then(
          () => 'done',
          (error: { code?: string }) => error.code,
        ),
      )
    }
    await note(() => here.pool.writeFile('/unsynced', Buffer.alloc(16 << 20, 1)))
    await note(() => here.pool.sync())
    await note(() => here.pool.sync())
    await note(() => here.pool.writeFile('/another', 'x'))
    return codes
  })
  assert.ok(['EIO', 'ENOSPC'].includes(String(broken[1])), `the kernel's own word for it: ${broken.join()}`)
  assert.deepEqual(broken.slice(2), ['EIO', 'EIO'])
  await user.kill()
  rmSync(filler)
  disk.remount()
  await using pool = await openPool(path)
  assert.deepEqual(await pool.readFile('/synced'), CONTENT)
  assert.deepEqual(await pool.check(), [])
  await pool.writeFile('/after', 'x')
  await pool.sync()
})

test('a host that goes read-only under a pool: errors, no signal, and what was synced is there afterwards', async (t) => {
  const host = mountTemporary('ext4')
  if (typeof host === 'string') return t.skip(host)
  t.after(() => host.release())
  const trigger = triggerOf(host.directory)
  if (trigger === undefined) return t.skip('this kernel has no trigger_fs_error for ext4')
  host.setOption('errors=remount-ro')
  const path = join(host.directory, 'pool')
  const user = await userOf(t, path, 4 << 20)
  writeFileSync(trigger, '1')
  const codes = await user.run(async (here, content) => {
    const said: unknown[] = [content.equals(await here.pool.readFile('/synced'))]
    for (let i = 0; i < 3; i++) {
      const action = i === 0 ? here.pool.writeFile('/new', content) : here.pool.sync()
      said.push(
        await action.then(
          () => 'done',
          (error: { code?: string }) => error.code,
        ),
      )
    }
    return said
  }, CONTENT)
  assert.ok(
    codes.slice(1).some((code) => code !== 'done'),
    codes.join(),
  )
  assert.ok(
    codes.slice(1).every((code) => ['done', 'EIO', 'EROFS', 'ENOSPC'].includes(String(code))),
    codes.join(),
  )
  await user.kill()
  await assert.rejects(openPool(path), (error) => ['EROFS', 'EIO'].includes(codeOf(error) ?? ''))
  {
    await using reader = await openPool(path, { readOnly: true })
    assert.deepEqual(await reader.readFile('/synced'), CONTENT)
  }
  host.remount()
  await using pool = await openPool(path)
  assert.deepEqual(await pool.readFile('/synced'), CONTENT)
  assert.deepEqual(await pool.check(), [])
  await pool.writeFile('/new', 'x')
})

test('a disk that cannot read: who reads by copy is told EIO, who opens the metadata too, and all is there when it can again', async (t) => {
  const user = await startProcess(t)
  const host = diskInMemory(t)
  if (typeof host === 'string') return t.skip(host)
  const { backing, disk } = host
  // ext4 must have nothing to write while its disk is away: every 5 s it looks.
  execFileSync('mount', ['-o', 'remount,noatime,commit=300', disk.directory])
  const [own = ''] = readdirSync(backing.directory)
  const image = join(backing.directory, own, 'image')
  const path = join(disk.directory, 'pool')
  {
    await using pool = await createPool(path, { sizeBytes: 4 << 20 })
    await pool.writeFile('/file', CONTENT)
  }
  execFileSync('sync', ['-f', path])
  const whole = readFileSync(image)
  await user.run(async (here, from) => {
    here.kept.reader = await here.openPool(from, { readOnly: true })
  }, path)

  truncateSync(image)
  forget(join(path, 'device'))
  const read = await user.run(async (here) => {
    const reader = here.kept.reader as Pool
    const error = await reader.readFile('/file').catch((reason: unknown) => reason)
    await reader.close()
    return (error as { code?: string }).code
  })
  assert.equal(read, 'EIO')
  forget(join(path, 'meta.db'))
  for (const readOnly of [true, false]) {
    const opened = await user.run(
      (here, from, how) =>
        here.openPool(from, { readOnly: how }).then(
          () => 'opened',
          (error: { code?: string }) => error.code,
        ),
      path,
      readOnly,
    )
    assert.equal(opened, 'EIO')
  }
  truncateSync(image, whole.length)
  const fd = openSync(image, 'r+')
  for (let at = 0; at < whole.length; at += 4096) {
    // There is no room for its holes.
    const block = whole.subarray(at, at + 4096)
    if (block.some((byte) => byte !== 0)) writeSync(fd, block, 0, block.length, at)
  }
  closeSync(fd)
  await using pool = await openPool(path)
  assert.deepEqual(await pool.readFile('/file'), CONTENT)
  assert.deepEqual(await pool.check(), [])
})

/** Has the kernel forget what it has of a file: the next read is one of the disk. */
const forget = (file: string): void =>
  void execFileSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none'])

/** The file that makes an ext4 fail, of the one that the directory is on. */
function triggerOf(directory: string): string | undefined {
  const { dev } = statSync(directory)
  const name = readdirSync('/sys/fs/ext4').find((disk) => {
    const device = statSync(`/dev/${disk}`, { throwIfNoEntry: false })
    return device?.rdev === dev
  })
  const trigger = `/sys/fs/ext4/${name}/trigger_fs_error`
  return name !== undefined && statSync(trigger, { throwIfNoEntry: false }) !== undefined ? trigger : undefined
}
