/** `mount`, `umount`, and the script for mount(8). */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { mountedAt } from '../../src/fuse/mount-point.ts'
import { whyNoMount } from '../support/mounted-pool.ts'
import { ended, holdfast, mustJson, mustRun, startHoldfast, temporaryDirectory, until } from './run-holdfast.ts'

const skip = whyNoMount()
const root = join(import.meta.dirname, '..', '..')

/** A pool, and a directory to mount it on, from which it is taken after the test. */
async function poolAndPoint(t: TestContext): Promise<{ pool: string; dir: string }> {
  // Hooks run in order: off the tree before the tree goes.
  const place = { dir: '' }
  t.after(() => void spawnSync('umount', ['-l', place.dir]))
  const directory = temporaryDirectory(t)
  const pool = join(directory, 'pool')
  place.dir = join(directory, 'mnt')
  mkdirSync(place.dir)
  await mustRun(['mkfs', pool, '--size', '16M'])
  return { pool, dir: place.dir }
}

test('mount leaves a mount behind, umount takes it away', { skip }, async (t) => {
  const { pool, dir } = await poolAndPoint(t)
  const { pid } = await mustJson<{ pid: number }>(['mount', pool, dir, '-o', 'nofail,noatime', '-o', 'cache=auto'])
  await writeFile(join(dir, 'a'), 'hello')
  assert.equal((await mustRun(['cat', pool, '/a'])).text, 'hello')
  const again = await holdfast(['mount', pool, dir])
  assert.match(again.errors, /EBUSY: a pool is mounted here already; unmount it first/)
  assert.equal(again.code, 1)
  await mustRun(['umount', dir])
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  const nothing = await holdfast(['umount', dir])
  assert.match(nothing.errors, /EINVAL: nothing is mounted here/)
})

test('--foreground stays, and Ctrl-C unmounts', { skip }, async (t) => {
  const { pool, dir } = await poolAndPoint(t)
  const child = startHoldfast(['mount', pool, dir, '--foreground', '-o', 'ro'])
  await until('it is mounted', () => mountedAt(dir) !== undefined && readFileSync('/proc/mounts', 'utf8').includes(dir))
  await until('it can be used', () => spawnSync('ls', [dir]).status === 0)
  await assert.rejects(writeFile(join(dir, 'a'), ''), { code: 'EROFS' })
  child.kill('SIGINT')
  assert.deepEqual(await ended(child), { code: 0, output: Buffer.alloc(0), text: '', errors: '' })
  assert.equal(mountedAt(dir), undefined)
})

test('options that there are not are told', async () => {
  for (const words of ['frobnicate', 'cache=all', 'busy=never', 'timeout=5', 'user_id=0']) {
    const { code, errors } = await holdfast(['mount', 'pool', 'dir', '-o', words])
    assert.equal(code, 2, words)
    assert.match(errors, /^holdfast: mount: option '-o/, words)
  }
})

test('mount(8) mounts through the script', { skip }, async (t) => {
  const { pool, dir } = await poolAndPoint(t)
  const program = join(temporaryDirectory(t), 'holdfast')
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'src/cli/main.ts')}' "$@"\n`, {
    mode: 0o755,
  })
  const script = join(root, 'scripts', 'mount.fuse.holdfast')
  const run = (...args: string[]): number | null =>
    spawnSync(script, args, { env: { ...process.env, HOLDFAST: program }, stdio: 'ignore' }).status
  assert.equal(run(pool, dir, '-n', '-o', 'rw,noauto,user=me,allow_other', '-t', 'fuse.holdfast'), 0)
  assert.equal(mountedAt(dir)?.source, pool)
  await mustRun(['umount', dir, '--lazy'])
  assert.equal(run(join(pool, 'missing'), dir), 32)
})
