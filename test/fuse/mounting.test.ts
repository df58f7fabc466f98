/** Mounting, unmounting, and what happens when somebody dies. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../../src/errors.ts'
import { mount, unmount } from '../../src/fuse/index.ts'
import { mountedAt } from '../../src/fuse/mount-point.ts'
import { serverOf } from '../../src/fuse/server-of.ts'
import { hasEnded } from '../../src/platform/process-identity.ts'
import {
  inMount,
  mountedPool,
  mountTemporarily,
  startInMount,
  temporaryMountPoint,
  whyNoMount,
} from '../support/mounted-pool.ts'
import { temporaryDirectory, temporaryPool } from '../support/temporary-pool.ts'

const skip = whyNoMount()

test('a mounted pool is a file system for every program', { skip }, async (t) => {
  const { pool, dir } = await mountedPool(t)
  assert.equal(await inMount(dir, 'mkdir d; echo hello > d/a; cp d/a d/b; mv d/b c; cat c; ls d'), 'hello\na\n')
  assert.equal(await pool.readFile('/d/a', 'utf8'), 'hello\n')
  await pool.writeFile('/from-outside', 'there\n')
  assert.equal(await inMount(dir, 'cat from-outside'), 'there\n')
})

test('/proc/mounts has the type for mount(8), the pool, and safe flags', { skip }, async (t) => {
  const { pool, dir } = await mountedPool(t)
  const { flags, ...mounted } = mountedAt(dir) ?? {}
  assert.deepEqual(mounted, { dir, type: 'fuse.holdfast', source: pool.path })
  assert.deepEqual(flags?.slice(0, 3), ['rw', 'nosuid', 'nodev'])
  const line = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .find((each) => each.includes(` ${dir} `))
  assert.match(line ?? '', /\srw,nosuid,nodev,.*default_permissions/)
  assert.doesNotMatch(line ?? '', /allow_other/)
})

test('flags of mount(8) reach the kernel', { skip }, async (t) => {
  const pool = await temporaryPool(t)
  const { dir } = await mountTemporarily(t, pool, { flags: ['suid', 'dev', 'noexec', 'noatime'], allowOther: true })
  const line = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .find((each) => each.includes(` ${dir} `))
  assert.match(line ?? '', /\srw,noexec,noatime,.*default_permissions,allow_other/)
})

test('a timeout of Infinity reaches the server', { skip }, async (t) => {
  const { dir } = await mountTemporarily(t, await temporaryPool(t), { timeoutMs: Infinity, busy: 'wait' })
  assert.deepEqual(serverOf(dir)?.options, { timeoutMs: Infinity, busy: 'wait' })
})

test('a read-only mount changes nothing', { skip }, async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', 'hello')
  const { dir } = await mountTemporarily(t, pool, { readOnly: true })
  assert.equal(await readFile(join(dir, 'a'), 'utf8'), 'hello')
  await assert.rejects(writeFile(join(dir, 'b'), 'x'), { code: 'EROFS' })
})

test('unmount ends the server, makes all durable, and leaves the directory as it was', { skip }, async (t) => {
  const { pool, mount: mounted, dir } = await mountedPool(t)
  await inMount('/', `echo hello > ${dir}/a`)
  await mounted.unmount()
  await mounted.ended
  assert.equal(mountedAt(dir), undefined)
  assert.deepEqual(readdirSync(dir), [])
  assert.ok(hasEnded(mounted.pid))
  assert.deepEqual(await pool.check(), [])
  await mounted.unmount()
})

test('unmount(dir) unmounts what anybody mounted, through a symlink too', { skip }, async (t) => {
  const { mount: mounted, dir } = await mountedPool(t)
  const link = join(temporaryDirectory(t), 'link')
  symlinkSync(dir, link)
  await unmount(link)
  assert.ok(hasEnded(mounted.pid))
  await assert.rejects(unmount(dir), { code: 'EINVAL', message: /nothing is mounted here/ })
  await assert.rejects(unmount('/proc'), { code: 'EINVAL', message: /no pool but proc/ })
})

test('a mount that is in use is not unmounted, and says who uses it', { skip }, async (t) => {
  const { mount: mounted, dir } = await mountedPool(t)
  const user = startInMount(t, dir, 'sleep', '60')
  await assert.rejects(mounted.unmount(), (error: Error) => {
    assert.equal(codeOf(error), 'EBUSY')
    assert.match(error.message, new RegExp(`pid ${user.pid} \\(sleep 60\\) at ${dir}`))
    return true
  })
  await inMount(dir, 'echo still > a')
  user.kill()
  await once(user, 'exit')
  await mounted.unmount()
})

test('a lazy unmount lets who uses the mount go on, and ends when nobody does', { skip }, async (t) => {
  const { pool, mount: mounted, dir } = await mountedPool(t)
  const writer = startInMount(t, dir, 'sh', '-c', 'exec 3> late; echo open; sleep 0.3; echo done >&3')
  await once(writer.stdout, 'data')
  await mounted.unmount({ lazy: true })
  assert.equal(mountedAt(dir), undefined)
  await once(writer, 'exit')
  await mounted.ended
  assert.equal(await pool.readFile('/late', 'utf8'), 'done\n')
})

test('SIGTERM to the server unmounts, when nobody uses the mount', { skip }, async (t) => {
  const { mount: mounted, dir } = await mountedPool(t)
  const user = startInMount(t, dir, 'sleep', '60')
  process.kill(mounted.pid, 'SIGTERM')
  await delay(300)
  await inMount(dir, 'echo still > a')
  user.kill()
  await once(user, 'exit')
  process.kill(mounted.pid, 'SIGTERM')
  await mounted.ended
  assert.equal(mountedAt(dir), undefined)
})

test('a killed server leaves nothing that needs repair', { skip }, async (t) => {
  const { pool, mount: mounted, dir } = await mountedPool(t)
  await inMount('/', `echo kept > ${dir}/a; sync -f ${dir} || :`)
  process.kill(mounted.pid, 'SIGKILL')
  await assert.rejects(mounted.ended, { code: 'ENOTCONN', message: /SIGKILL/ })
  await assert.rejects(readFile(join(dir, 'a')), { code: 'ENOTCONN' })
  await assert.rejects(mount(pool, dir), { code: 'EBUSY', message: /umount/ })
  await unmount(dir)
  const again = await mount(pool, dir)
  assert.equal(await inMount('/', `cat ${dir}/a`), 'kept\n')
  await again.unmount()
  assert.deepEqual(await pool.check(), [])
  assert.equal((await pool.reap()).participants, 0)
})

test(
  'a mount ends with the process that it belongs to, also when that is killed and the mount in use',
  { skip },
  async (t) => {
    const pool = await temporaryPool(t)
    const dir = temporaryMountPoint(t)
    const script = `
    const { mount } = await import(${JSON.stringify(new URL('../../src/fuse/index.ts', import.meta.url).href)})
    const mounted = await mount(${JSON.stringify(pool.path)}, ${JSON.stringify(dir)})
    console.log(mounted.pid)`
    const owner = startInMount(t, '/', process.execPath, '--input-type=module', '-e', script)
    const server = Number(String((await once(owner.stdout, 'data'))[0]))
    const user = startInMount(t, dir, 'sleep', '60')
    owner.kill('SIGKILL')
    while (mountedAt(dir) !== undefined) await delay(5)
    while (!hasEnded(server)) await delay(5)
    user.kill()
    assert.deepEqual(await pool.check(), [])
  },
)

test('what is missing for a mount is said', { skip }, async (t) => {
  const pool = await temporaryPool(t)
  const directory = temporaryDirectory(t)
  await assert.rejects(mount(pool, join(directory, 'missing')), { code: 'ENOENT', message: /no such directory/ })
  writeFileSync(join(directory, 'file'), '')
  await assert.rejects(mount(pool, join(directory, 'file')), { code: 'ENOTDIR' })
  await assert.rejects(mount(pool, pool.path), { code: 'EINVAL', message: /cover the pool/ })
  await assert.rejects(mount(pool, '/'), { code: 'EINVAL', message: /the root/ })
  await assert.rejects(unmount('/'), { code: 'EINVAL', message: /the root/ })
  mkdirSync(join(directory, 'empty'))
  await assert.rejects(mount(join(directory, 'empty'), join(directory, 'empty')), { code: 'EINVAL' })
  await assert.rejects(mount(directory, join(directory, 'empty')), { code: 'ENOENT', message: /no pool/ })
  assert.equal(mountedAt(join(directory, 'empty')), undefined)
  await assert.rejects(mount(pool, directory, { cache: 'all' as 'auto' }), { code: 'ERR_INVALID_ARG_VALUE' })
  await assert.rejects(mount(pool, directory, { flags: ['user_id=0'] }), { code: 'ERR_INVALID_ARG_VALUE' })
})

test('what is in the directory shows again after the mount', { skip }, async (t) => {
  const pool = await temporaryPool(t)
  const { mount: mounted, dir } = await mountTemporarily(t, pool)
  await mounted.unmount()
  writeFileSync(join(dir, 'below'), '')
  const again = await mount(pool, dir)
  assert.deepEqual(readdirSync(dir), ['lost+found'])
  await again.unmount()
  assert.deepEqual(readdirSync(dir), ['below'])
})

test('of two who mount on one directory at once, one does', { skip }, async (t) => {
  const pool = await temporaryPool(t)
  const dir = temporaryMountPoint(t)
  const both = await Promise.allSettled([mount(pool, dir), mount(pool, dir)])
  const mounts = both.filter((each) => each.status === 'fulfilled').map(({ value }) => value)
  const reasons = both.filter((each) => each.status === 'rejected').map(({ reason }) => reason as unknown)
  for (const each of mounts) await each.unmount({ lazy: true })
  for (const each of mounts) await each.ended
  assert.deepEqual([mounts.length, reasons.map(codeOf)], [1, ['EBUSY']])
  assert.equal(mountedAt(dir), undefined)
})

test('a mount that something is mounted in says so, when it is to be unmounted', { skip }, async (t) => {
  const { mount: mounted, dir } = await mountedPool(t)
  await inMount(dir, 'mkdir below')
  const below = join(dir, 'below')
  const inner = await mount(await temporaryPool(t), below)
  await assert.rejects(mounted.unmount(), { code: 'EBUSY', message: new RegExp(`used by what is mounted on ${below}`) })
  await inner.unmount()
  await mounted.unmount()
})

test('two mounts of a pool see each other', { skip }, async (t) => {
  const { pool, dir } = await mountedPool(t)
  const { dir: other } = await mountTemporarily(t, pool)
  await inMount(dir, 'echo one > a')
  assert.equal(await inMount(other, 'cat a; echo two > a'), 'one\n')
  assert.equal(await inMount(dir, 'cat a'), 'two\n')
})
