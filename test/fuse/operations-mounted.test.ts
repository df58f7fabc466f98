/**
 * Ordinary programs on a mount, and a Node process that has pinned what they truncate, remove and replace. That happens in a
 * directory of its own: Linux keeps a directory locked while a name is taken out of it.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { MountOptions } from '../../src/fuse/index.ts'
import type { Pin } from '../../src/index.ts'
import type { MountedPool } from '../support/mounted-pool.ts'
import { inMount, mountedPool, startInMount, whyNoMount } from '../support/mounted-pool.ts'
import { BLOCK } from '../support/temporary-pool.ts'
import { pattern } from './requests.ts'

const skip = whyNoMount()

const CHANGES: Readonly<Record<string, readonly [program: string, ...args: string[]]>> = {
  'truncate -s 0': ['truncate', '-s', '0', 'pinned'],
  'fallocate -p': ['fallocate', '-p', '-o', '0', '-l', '4096', 'pinned'],
  rm: ['rm', 'pinned'],
  mv: ['mv', 'other', 'pinned'],
  cp: ['cp', 'other', 'pinned'],
}

interface Scene extends MountedPool {
  readonly pin: Pin
}

async function pinnedFile(t: TestContext, options: MountOptions): Promise<Scene> {
  const mounted = await mountedPool(t, options)
  const { pool } = mounted
  await pool.mkdir('/d')
  await pool.writeFile('/elsewhere', 'goes on')
  await pool.writeFile('/d/pinned', pattern(2 * BLOCK))
  await pool.writeFile('/d/other', 'other')
  const file = await pool.open('/d/pinned', 'r+')
  const pin = await file.pin({ offset: 0, length: BLOCK, mode: 'write' })
  await file.close()
  return { ...mounted, pin }
}

async function run(
  t: TestContext,
  dir: string,
  command: readonly [string, ...string[]],
): Promise<{ status: number | null; signal: string | null; said: string }> {
  const child = startInMount(t, join(dir, 'd'), ...command)
  const said = text(child.stderr)
  const [status, signal] = (await once(child, 'close')) as [number | null, string | null]
  return { status, signal, said: await said }
}

for (const [what, command] of Object.entries(CHANGES)) {
  describe(`${what} of a file that a Node process has pinned`, { skip }, () => {
    test("under 'fail' says Device or resource busy (promise 5)", async (t) => {
      const { dir, pool, pin } = await pinnedFile(t, { busy: 'fail' })
      const { status, said } = await run(t, dir, command)
      assert.equal(status, 1)
      assert.match(said, /Device or resource busy/)
      assert.deepEqual(await pool.readFile('/d/pinned'), pattern(2 * BLOCK))
      assert.equal(await pool.readFile('/d/other', 'utf8'), 'other')
      pin.release()
      assert.equal((await run(t, dir, command)).status, 0)
    })

    test("under 'wait' waits, can be interrupted and killed, and lets everybody else go on (promise 4)", async (t) => {
      const { dir, pool, pin } = await pinnedFile(t, { busy: 'wait' })
      for (const signal of ['SIGINT', 'SIGKILL'] as const) {
        const child = startInMount(t, join(dir, 'd'), ...command)
        await delay(150)
        assert.equal(child.exitCode, null, 'it waits')
        assert.match(await inMount(dir, 'ls; cat elsewhere; echo more >> another; cat another'), /goes on/)
        child.kill(signal)
        const [, by] = (await once(child, 'close')) as [number | null, string | null]
        assert.equal(by, signal)
        assert.deepEqual(await pool.readFile('/d/pinned'), pattern(2 * BLOCK))
      }
      const done = run(t, dir, command)
      await delay(50)
      pin.release()
      assert.equal((await done).status, 0)
      assert.deepEqual(await pool.lostAndFound.list(), [])
    })

    test("under 'wait' ends after the mount's timeout, and says so (promise 4)", async (t) => {
      const { dir, pool } = await pinnedFile(t, { busy: 'wait', timeoutMs: 50 })
      assert.match((await run(t, dir, command)).said, /timed out/)
      assert.deepEqual(await pool.readFile('/d/pinned'), pattern(2 * BLOCK))
    })

    test("under 'sequester' is done at once; lost+found has the late data, and says who holds it (promises 1 and 11)", async (t) => {
      const { dir, pin } = await pinnedFile(t, {})
      assert.deepEqual(await run(t, dir, command), { status: 0, signal: null, said: '' })
      pin.buffer.set(Buffer.from('late data'))
      assert.match(await inMount(dir, 'cat lost+found/*'), /^late data/)
      assert.match(await inMount(dir, 'ls lost+found'), /^\d+-0-4096\n$/)
      const name = (await inMount(dir, 'ls lost+found')).trim()
      await assert.rejects(inMount(dir, `rm lost+found/${name}`), /Device or resource busy/)
      await assert.rejects(inMount(dir, `echo over > lost+found/${name}`), /cannot create|Operation not permitted/)
      pin.release()
      await inMount(dir, 'rm lost+found/*')
      assert.equal(await inMount(dir, 'ls lost+found'), '')
    })
  })
}

test('programs see attributes of every kind', { skip }, async (t) => {
  const { dir } = await mountedPool(t)
  const said = await inMount(
    dir,
    `umask 027; mkdir d; echo x > d/f; ln d/f g; ln -s d/f l; mkfifo p; chmod 6755 g
     touch -d '1969-12-31 23:59:58.5 UTC' d; touch -d '2200-01-01 00:00:00.123456789 UTC' g
     stat -c '%n %F %A %h %s %Y' d d/f l p; TZ=UTC stat -c %y g; test "$(stat -c %W g)" -gt 1600000000 && echo born`,
  )
  assert.deepEqual(said.trim().split('\n'), [
    'd directory drwxr-x--- 2 0 -2',
    'd/f regular file -rwsr-sr-x 2 2 7258118400',
    ...['l symbolic link lrwxrwxrwx 1 3', 'p fifo prw-r----- 1 0'].map(
      (line) => said.split('\n').find((each) => each.startsWith(line)) ?? `nothing like ${line}`,
    ),
    '2200-01-01 00:00:00.123456789 +0000',
    'born',
  ])
})

test('directories can be walked while they are emptied', { skip }, async (t) => {
  const { dir } = await mountedPool(t)
  const said = await inMount(
    dir,
    'mkdir -p a/b/c; for n in $(seq 3000); do : > a/b/c/$n; done; find a | wc -l; rm -r a; ls',
  )
  assert.equal(said, '3003\nlost+found\n')
})
