/**
 * File handles (name_to_handle_at(2)): what NFS servers, backup programs and fanotify keep in place of a path. They lead to
 * the same inode after the kernel has forgotten it, and after the next mount.
 */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import { mount } from '../../src/fuse/index.ts'
import type { Pool } from '../../src/index.ts'
import { handleOf, openByHandle } from '../posix/system-calls.ts'
import { inMount, mountTemporarily, temporaryMountPoint, whyNoMount } from '../support/mounted-pool.ts'
import { BLOCK, temporaryPool } from '../support/temporary-pool.ts'
import { entryOf, name, Requests, struct, u32 } from './requests.ts'

/** Those that a mount, which is gone by now, has given for names. */
async function handlesOf(t: TestContext, pool: Pool, ...names: readonly string[]): Promise<Buffer[]> {
  const dir = temporaryMountPoint(t)
  const mounted = await mount(pool, dir)
  try {
    return names.map((each) => handleOf(`${dir}/${each}`))
  } finally {
    await mounted.unmount()
  }
}

describe('a file handle, after the next mount', { skip: whyNoMount() }, () => {
  test('leads to the file and the directory under their new names, and not to what was removed', async (t) => {
    const pool = await temporaryPool(t)
    await pool.mkdir('/d/e', { recursive: true })
    await pool.writeFile('/d/e/f', 'content')
    await pool.writeFile('/d/gone', 'content')
    await pool.writeFile('/d/linked', 'content')
    const [root, file, directory, gone, linked] = await handlesOf(t, pool, '', 'd/e/f', 'd/e', 'd/gone', 'd/linked')
    await pool.rename('/d/e/f', '/d/e/renamed')
    await pool.rename('/d', '/moved')
    await pool.unlink('/moved/gone')
    await pool.link('/moved/linked', '/another')
    await pool.unlink('/moved/linked')
    const { dir } = await mountTemporarily(t, pool)
    const top = fs.openSync(dir, 'r')
    const use = <T>(handle: Buffer, look: (fd: number) => T): T => {
      const fd = openByHandle(top, handle, fs.constants.O_RDWR)
      try {
        return look(fd)
      } finally {
        fs.closeSync(fd)
      }
    }
    const look = <T>(handle: Buffer, see: (path: string) => T): T => {
      const fd = openByHandle(top, handle, fs.constants.O_DIRECTORY)
      try {
        return see(`/proc/self/fd/${fd}`)
      } finally {
        fs.closeSync(fd)
      }
    }
    try {
      assert.equal(look(directory, fs.readlinkSync), `${dir}/moved/e`, 'the kernel finds the way up')
      assert.deepEqual(
        look(directory, (path) => fs.readdirSync(path)),
        ['renamed'],
      )
      assert.equal(look(root, fs.readlinkSync), dir)
      assert.equal(
        use(file, (fd) => fs.readFileSync(fd, 'utf8')),
        'content',
      )
      use(file, (fd) => fs.writeSync(fd, 'C', 0))
      assert.equal(await inMount(dir, 'cat moved/e/renamed'), 'Content')
      assert.equal(
        use(linked, (fd) => fs.fstatSync(fd).nlink),
        1,
      )
      assert.throws(() => openByHandle(top, gone), { code: 'ESTALE' })
      await pool.unlink('/moved/e/renamed')
      assert.throws(() => openByHandle(top, file), { code: 'ESTALE' })
    } finally {
      fs.closeSync(top)
    }
  })
})

describe('the lookups that handles need', () => {
  test('answer the node and the directory above it; what has no name is ENOENT', async (t) => {
    const pool = await temporaryPool(t)
    const requests = new Requests(t, pool)
    const { nodeId: d } = await requests.mkdir(1, 'd')
    const { nodeId: f, handle } = await requests.create(d, 'f')
    const look = async (node: number, text: string): Promise<[number, bigint]> => {
      const bytes = await requests.ask('lookup', node, struct(name(text)))
      return [entryOf(bytes).nodeId, bytes.readBigUInt64LE(8)]
    }
    const [[node, generation], [again, sameGeneration]] = [await look(d, 'f'), await look(f, '.')]
    assert.deepEqual([again, sameGeneration], [node, generation])
    assert.equal((await look(f, '..'))[0], d)
    assert.deepEqual(await look(d, '..'), [1, 0n], 'the kernel has the root as generation 0')
    assert.deepEqual(await look(1, '..'), [1, 0n])
    await requests.ask('unlink', d, struct(name('f')))
    await requests.refuses('ENOENT', 'lookup', f, struct(name('.')))
    await requests.release(f, handle)
    await requests.refuses('ENOENT', 'lookup', f, struct(name('..')))
  })

  test('know a file of lost+found again, which is for reading', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/f', 'x')
    const file = await pool.open('/f', 'r+')
    const pin = await file.pin({ offset: 0, length: 1, mode: 'read' })
    await file.close()
    await pool.truncate('/f', 0)
    const [{ name: lost, length }] = await pool.lostAndFound.list()
    const { ino: inode } = await pool.stat(`/lost+found/${lost}`)
    assert.equal(length, BLOCK)
    const requests = new Requests(t, pool)
    await requests.ask('lookup', inode, struct(name('.')))
    await requests.refuses('EPERM', 'open', inode, struct(u32(2), u32(0)))
    pin.release()
  })
})
