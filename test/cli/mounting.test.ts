/** `mount`, `umount`, and the script for mount(8). */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { closeSync, copyFileSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { MountOptions } from '../../src/fuse/index.ts'
import { mountedAt } from '../../src/fuse/mount-point.ts'
import { remount } from '../../src/fuse/remount.ts'
import { hasEnded } from '../../src/platform/process-identity.ts'
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

/** The program, as a file of its own. */
function programIn(directory: string): string {
  const program = join(directory, 'holdfast')
  const lines = `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'src/cli/main.ts')}' "$@"\n`
  writeFileSync(program, lines, { mode: 0o755 })
  return program
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
  assert.ok(hasEnded(pid))
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

test('Ctrl-C while it mounts leaves nothing, whenever it comes, and so does a kill', { skip }, async (t) => {
  const { pool, dir } = await poolAndPoint(t)
  const servers = (): number =>
    spawnSync('pgrep', ['-fc', `server-main.ts ${pool}`], { encoding: 'utf8' }).stdout.trim() === '0' ? 0 : 1
  const interruptedAt: Record<string, () => boolean> = {
    'it has begun': () => servers() > 0,
    'it has mounted': () => mountedAt(dir) !== undefined,
  }
  /** Whether nothing is left, which who says that it was interrupted must see to. */
  const interrupted = async (isNow: () => boolean, signal: NodeJS.Signals): Promise<boolean> => {
    const child = startHoldfast(['mount', pool, dir])
    while (!isNow()) await delay(1)
    child.kill(signal)
    const { code, errors } = await ended(child)
    // It may have been too late: then it is mounted, and that is what it says.
    if (code === 0) await mustRun(['umount', dir])
    else if (code !== null) assert.match(`${code} ${errors}`, /^130 .*nothing has changed/)
    for (let looks = 0; looks < 500; looks++) {
      if (mountedAt(dir) === undefined && servers() === 0) return true
      await delay(10)
    }
    assert.equal(code, null, 'what was interrupted is mounted')
    await mustRun(['umount', dir])
    return false
  }
  for (const [when, isNow] of Object.entries(interruptedAt)) {
    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      // It may have taken the mount over, and died before it could say so. Not five times in a row.
      let isNothingLeft = false
      for (let tries = 0; tries < 5 && !isNothingLeft; tries++) isNothingLeft = await interrupted(isNow, signal)
      assert.ok(isNothingLeft, `${signal} when ${when}`)
    }
  }
})

test('options that there are not are told', async () => {
  for (const words of ['frobnicate', 'cache=all', 'busy=never', 'timeout=5', 'user_id=0']) {
    const { code, errors } = await holdfast(['mount', 'pool', 'dir', '-o', words])
    assert.equal(code, 2, words)
    assert.match(errors, /^holdfast: mount: option '-o/, words)
  }
})

test('remount changes flags, and says what stays as it is', { skip }, async (t) => {
  const { pool, dir } = await poolAndPoint(t)
  const flags = (): string =>
    readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .find((line) => line.includes(` ${dir} `)) ?? ''
  const nothing = await holdfast(['mount', pool, dir, '-o', 'remount'])
  assert.match(nothing.errors, /EINVAL: nothing is mounted here/)
  await mustRun(['mount', pool, dir, '-o', 'cache=auto'])
  const open = openSync(join(dir, 'open'), 'w')
  assert.match(
    (await holdfast(['mount', pool, dir, '-o', 'remount,ro'])).errors,
    /EBUSY: files are open there for writing/,
  )
  closeSync(open)
  await mustRun(['mount', pool, dir, '-o', 'ro,remount,noexec,user_id=0,group_id=0,default_permissions,cache=auto'])
  assert.match(flags(), /\sro,nosuid,nodev,noexec,/)
  await assert.rejects(writeFile(join(dir, 'a'), ''), { code: 'EROFS' })
  await mustRun(['mount', pool, dir, '-o', 'remount,rw'])
  assert.match(flags(), /\srw,nosuid,nodev,relatime/)
  await writeFile(join(dir, 'a'), 'hello')
  const lasting: Record<string, MountOptions> = {
    cache: { cache: 'none' },
    busy: { busy: 'wait' },
    timeout: { timeoutMs: 3000 },
    allow_other: { allowOther: true },
  }
  for (const [word, options] of Object.entries(lasting))
    assert.throws(() => remount(dir, options), {
      code: 'EINVAL',
      message: new RegExp(`'${word}' of a mounted pool stays`),
    })
  await mustRun(['umount', dir])
  await mustRun(['mount', pool, dir, '-o', 'dev,suid'])
  await mustRun(['mount', pool, dir, '-o', 'remount,ro'])
  assert.match(flags(), /\sro,relatime,/)
  await mustRun(['mount', pool, dir, '-o', 'remount,nodev'])
  assert.match(flags(), /\srw,nodev,relatime,/)
  await mustRun(['umount', dir])
  await mustRun(['mount', pool, dir, '-o', 'ro'])
  assert.match(
    (await holdfast(['mount', pool, dir, '-o', 'remount,rw'])).errors,
    /EINVAL: the pool was opened for reading only/,
  )
  await mustRun(['umount', dir])
})

/** Why a mount namespace of its own cannot be had here; false: it can. */
const noNamespace = (): string | false =>
  spawnSync('unshare', ['-m', 'true']).status === 0 ? false : 'unshare(1) cannot make a mount namespace here'

/**
 * The script lies in /sbin for mount(8), in a mount namespace of the test's own: there /sbin is a directory that has nothing
 * else. The lines tell what they find.
 */
test('mount(8), umount(8) and a line of fstab', { skip: skip === false ? noNamespace() : skip }, async (t) => {
  const { pool, dir } = await poolAndPoint(t)
  const place = temporaryDirectory(t)
  mkdirSync(join(place, 'sbin'))
  copyFileSync(join(root, 'scripts', 'mount.fuse.holdfast'), join(place, 'sbin', 'mount.fuse.holdfast'))
  writeFileSync(join(place, 'fstab'), `${pool}  ${dir}  fuse.holdfast  noauto,nofail,noatime,allow_other  0  0\n`)
  const lines = `
    mount --bind '${place}/sbin' "$(realpath /sbin)"
    flags() { grep " ${dir} " /proc/self/mounts | cut -d' ' -f1,3,4; }
    pool='${pool}' dir='${dir}'
    mount -t fuse.holdfast $pool $dir -o cache=auto; echo "mounted $?"; flags
    echo hello > $dir/a; cat $dir/a
    mount -o remount,ro $dir; echo "remounted $?"; echo more 2> /dev/null >> $dir/a; flags
    mount -o remount,rw $dir; echo "remounted $?"; echo more >> $dir/a
    mount -o remount,cache=none $dir; echo "refused $?"
    umount $dir; echo "unmounted $?"; flags; ls $dir
    mount -t fuse.holdfast $pool $dir -o ro; echo "mounted $?"; touch $dir/b 2> /dev/null || echo read-only; flags; cat $dir/a
    cd $dir; umount $dir 2> /dev/null; echo "in use $?"; cd /; umount $dir; echo "unmounted $?"
    mount -T '${place}/fstab' $dir; echo "mounted $?"; flags; umount -l $dir; echo "unmounted $?"; flags
    mount -t fuse.holdfast $pool/missing $dir; echo "missing $?"
    umount $dir; echo "nothing $?"`
  const program = programIn(place)
  const { stdout, stderr } = await promisify(execFile)(
    'unshare',
    ['-m', '--propagation', 'private', 'sh', '-c', lines],
    {
      env: { ...process.env, HOLDFAST: program, LC_ALL: 'C' },
    },
  )
  const line = (flags: string): string => `${pool} fuse.holdfast ${flags},user_id=0,group_id=0,default_permissions`
  assert.deepEqual(stdout.trimEnd().split('\n'), [
    'mounted 0',
    line('rw,nosuid,nodev,relatime'),
    'hello',
    'remounted 0',
    line('ro,nosuid,nodev,relatime'),
    'remounted 0',
    'refused 32',
    'unmounted 0',
    'mounted 0',
    'read-only',
    line('ro,nosuid,nodev,relatime'),
    'hello',
    'more',
    'in use 32',
    'unmounted 0',
    'mounted 0',
    `${line('rw,nosuid,nodev,noatime')},allow_other`,
    'unmounted 0',
    'missing 32',
    'nothing 32',
  ])
  assert.match(stderr, /'cache' of a mounted pool stays as it is/)
  assert.match(stderr, /ENOENT: .*missing/)
})

/** nobody: fusermount3 wants a user with a name. */
const USER = 65_534

/** Why no ordinary user can mount here; false: one can, as far as can be told before. */
function whyNotAsUser(): string | false {
  const why = skip === false ? noNamespace() : skip
  if (why !== false) return why
  const found = spawnSync('sh', ['-c', 'test -u "$(command -v fusermount3)"'])
  if (found.status !== 0) return 'fusermount3 is not installed (package fuse3), or not setuid'
  const node = spawnSync(process.execPath, [join(root, 'src/cli/main.ts'), '--version'], {
    uid: USER,
    gid: USER,
    cwd: '/',
  })
  return node.status === 0 ? false : `an ordinary user cannot run the sources in ${root}`
}

/** In a mount namespace of its own /dev/fuse is one that everybody may open, as on a machine with udev. */
test(
  'an ordinary user mounts through fusermount3, and nobody else looks into it',
  { skip: whyNotAsUser() },
  async (t) => {
    const { HOME: _, ...env } = process.env
    const place = temporaryDirectory(t)
    const [pool, dir] = [join(place, 'home', 'pool'), join(place, 'home', 'mnt')]
    const program = programIn(place)
    const user = `setpriv --reuid=${USER} --regid=${USER} --clear-groups`
    const lines = `
    mkdir ${place}/dev ${place}/of-root; chmod 755 ${place}
    mount -t tmpfs -o dev,mode=755 none ${place}/dev
    mknod ${place}/dev/fuse c 10 229; chmod 666 ${place}/dev/fuse; mount --bind ${place}/dev/fuse /dev/fuse
    mkdir ${place}/home; chown ${USER}:${USER} ${place}/home
    holdfast() { ${user} ${program} "$@"; }
    holdfast mkfs ${pool} --size 16M > /dev/null; ${user} mkdir ${dir}
    holdfast mount ${pool} ${dir} -o relatime,noatime; echo "mounted $?"
    grep ' ${dir} ' /proc/self/mounts
    ${user} sh -c 'echo mine > ${dir}/a; cat ${dir}/a; stat -c %u ${dir}/a'
    cat ${dir}/a 2>&1 | grep -o 'Permission denied'
    holdfast mount ${pool} ${dir} 2>&1 | grep -o EBUSY
    setpriv --reuid=1 --regid=1 --clear-groups ${program} umount ${dir} 2>&1 | grep -o 'EPERM: somebody else has mounted this'
    holdfast umount ${dir}; echo "unmounted $?"; grep -c ' ${dir} ' /proc/self/mounts
    holdfast mount ${pool} ${place}/of-root 2>&1 | grep -o 'EPERM: fusermount3: user has no write access to mountpoint'
    holdfast mount ${pool} ${dir}
    pkill -KILL -u ${USER} -f 'server-main.ts ${pool}'
    for i in $(seq 100); do ${user} ls ${dir} 2>&1 | grep -o 'Transport endpoint is not connected' && break; sleep 0.1; done
    holdfast umount ${dir}; echo "unmounted $?"; holdfast fsck -n ${pool} > /dev/null; echo "sound $?"`
    const words = ['-m', '--propagation', 'private', 'sh', '-c', lines]
    const { stdout } = await promisify(execFile)('unshare', words, { env: { ...env, LC_ALL: 'C' }, cwd: '/' })
    assert.deepEqual(stdout.trimEnd().split('\n'), [
      'mounted 0',
      `${pool} ${dir} fuse.holdfast rw,nosuid,nodev,noatime,user_id=${USER},group_id=${USER},default_permissions 0 0`,
      'mine',
      `${USER}`,
      'Permission denied',
      'EBUSY',
      'EPERM: somebody else has mounted this',
      'unmounted 0',
      '0',
      'EPERM: fusermount3: user has no write access to mountpoint',
      'Transport endpoint is not connected',
      'unmounted 0',
      'sound 0',
    ])
  },
)

test(
  'the mount of a server that was killed says so, is unmounted by umount(8), and fsck finds nothing',
  { skip },
  async (t) => {
    const { pool, dir } = await poolAndPoint(t)
    const { pid } = await mustJson<{ pid: number }>(['mount', pool, dir])
    await writeFile(join(dir, 'a'), 'hello')
    process.kill(pid, 'SIGKILL')
    await until('it is dead', () => spawnSync('ls', [dir], { encoding: 'utf8' }).stderr.includes('not connected'))
    const again = await holdfast(['mount', pool, dir])
    assert.match(again.errors, /the process that served .* has ended; .*holdfast umount/)
    assert.equal(spawnSync('umount', [dir]).status, 0)
    assert.equal(mountedAt(dir), undefined)
    const { code, text } = await holdfast(['fsck', '-n', pool])
    assert.equal(code, 0, text)
    assert.equal((await mustRun(['cat', pool, '/a'])).text, 'hello')
  },
)

test('mount(8) mounts through the script', { skip }, async (t) => {
  const { pool, dir } = await poolAndPoint(t)
  const program = programIn(temporaryDirectory(t))
  const script = join(root, 'scripts', 'mount.fuse.holdfast')
  const run = (...args: string[]): number | null =>
    spawnSync(script, args, { env: { ...process.env, HOLDFAST: program }, stdio: 'ignore' }).status
  assert.equal(run(pool, dir, '-n', '-o', 'rw,noauto,user=me,allow_other', '-t', 'fuse.holdfast'), 0)
  assert.equal(mountedAt(dir)?.source, pool)
  await mustRun(['umount', dir, '--lazy'])
  assert.equal(run(join(pool, 'missing'), dir), 32)
})
