import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'

import { Bell, Doorbell, ring } from '../../src/platform/doorbell.ts'
import { makeFifo } from '../../src/platform/fifo.ts'

const doorbellUrl = JSON.stringify(import.meta.resolve('../../src/platform/doorbell.ts'))

function temporary(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

function fifo(t: TestContext): string {
  const path = join(temporary(t), 'bell')
  makeFifo(path, 0o600)
  return path
}

function receiver(
  t: TestContext,
  path: string,
): { doorbell: Doorbell; rung: () => Promise<void>; count: () => number } {
  const doorbell = new Doorbell(path)
  t.after(() => doorbell.close())
  let count = 0
  let wake: (() => void) | undefined
  doorbell.onRing(() => {
    count++
    wake?.()
  })
  doorbell.ref()
  return {
    doorbell,
    count: () => count,
    rung: () =>
      new Promise((resolve) => {
        wake = resolve
      }),
  }
}

test('makeFifo makes a pipe with just these permissions, whatever the umask, once', (t) => {
  const path = join(temporary(t), 'bell')
  const earlier = process.umask(0o077)
  try {
    makeFifo(path, 0o622)
  } finally {
    process.umask(earlier)
  }
  assert.equal(statSync(path).isFIFO(), true)
  assert.equal(statSync(path).mode & 0o777, 0o622)
  assert.throws(() => makeFifo(path, 0o600), { code: 'EEXIST', syscall: 'mkfifo', path })
})

test('a ring runs the callback, every time', async (t) => {
  const path = fifo(t)
  const { rung } = receiver(t, path)
  const bell = new Bell(path)
  t.after(() => bell.close())
  for (let index = 0; index < 20; index++) {
    const heard = rung()
    assert.equal(bell.ring(), true)
    await heard
  }
})

test('a ring before the callback is set, but after the doorbell was made, is heard', async (t) => {
  const path = fifo(t)
  const doorbell = new Doorbell(path)
  t.after(() => doorbell.close())
  assert.equal(ring(path), true)
  const heard = Promise.withResolvers<void>()
  doorbell.onRing(heard.resolve)
  doorbell.ref()
  await heard.promise
})

test('nobody there is false and no error, before, between and after receivers', async (t) => {
  const path = fifo(t)
  const bell = new Bell(path)
  t.after(() => bell.close())
  assert.equal(bell.ring(), false)
  const first = receiver(t, path)
  assert.equal(bell.ring(), true)
  first.doorbell.close()
  first.doorbell.close()
  assert.equal(bell.ring(), false)
  const second = receiver(t, path)
  const heard = second.rung()
  assert.equal(bell.ring(), true)
  await heard
  assert.equal(new Bell(`${path}-missing`).ring(), false)
})

test('a receiver that made its pipe anew is found by a bell that was open', async (t) => {
  const path = fifo(t)
  const bell = new Bell(path)
  t.after(() => bell.close())
  const first = receiver(t, path)
  assert.equal(bell.ring(), true)
  first.doorbell.close()
  rmSync(path)
  makeFifo(path, 0o600)
  const second = receiver(t, path)
  const heard = second.rung()
  assert.equal(bell.ring(), true)
  await heard
})

test('a receiver that does not read never blocks who rings, and hears of it when it reads', async (t) => {
  const path = fifo(t)
  const { rung, count } = receiver(t, path)
  const bell = new Bell(path)
  t.after(() => bell.close())
  const heard = rung()
  // more than a pipe holds, without a turn of the event loop
  for (let index = 0; index < 70_000; index++) assert.equal(bell.ring(), true)
  assert.equal(count(), 0)
  await heard
  while (count() < 128) await sleep(1)
  const again = rung()
  bell.ring()
  await again
})

test('a process that only listens ends, one that called ref does not', (t) => {
  const path = fifo(t)
  const run = (extra: string, timeout: number): ReturnType<typeof spawnSync> =>
    spawnSync(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        `import { Doorbell } from ${doorbellUrl}; const doorbell = new Doorbell(${JSON.stringify(path)}); ${extra}`,
      ],
      { timeout, killSignal: 'SIGKILL' },
    )
  assert.equal(run('', 30_000).status, 0)
  assert.equal(run('doorbell.ref(); doorbell.unref()', 30_000).status, 0)
  assert.equal(run('doorbell.ref()', 1000).signal, 'SIGKILL')
})

test('another process wakes us, and we see that it died', async (t) => {
  const [here, there] = [fifo(t), fifo(t)]
  const { rung } = receiver(t, here)
  const script = `
    import { Bell, Doorbell } from ${doorbellUrl}
    const doorbell = new Doorbell(${JSON.stringify(there)})
    const back = new Bell(${JSON.stringify(here)})
    doorbell.onRing(() => back.ring())
    doorbell.ref()
    back.ring()`
  let heard = rung()
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: 'inherit' })
  t.after(() => child.kill('SIGKILL'))
  await heard
  const bell = new Bell(there)
  t.after(() => bell.close())
  for (let index = 0; index < 5; index++) {
    heard = rung()
    assert.equal(bell.ring(), true)
    await heard
  }
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(bell.ring(), false)
})

test('what is not a pipe is refused by both sides and not written to', (t) => {
  const directory = temporary(t)
  const [plain, folder, link] = [join(directory, 'plain'), join(directory, 'folder'), join(directory, 'link')]
  writeFileSync(plain, 'text')
  mkdirSync(folder)
  makeFifo(join(directory, 'bell'), 0o600)
  symlinkSync('bell', link)
  assert.throws(() => new Doorbell(plain), { code: 'EUCLEAN', path: plain })
  assert.throws(() => ring(plain), { code: 'EUCLEAN', path: plain })
  assert.throws(() => ring(link), { code: 'EUCLEAN', path: link })
  assert.throws(() => new Doorbell(link), { path: link })
  assert.throws(() => new Doorbell(folder))
  assert.throws(() => new Doorbell(join(directory, 'missing')), { code: 'ENOENT', syscall: 'open' })
  assert.equal(readFileSync(plain, 'utf8'), 'text')
})

test('no descriptor is left', async (t) => {
  const path = fifo(t)
  const before = readdirSync('/proc/self/fd').length
  for (let index = 0; index < 10; index++) {
    const doorbell = new Doorbell(path)
    ring(path)
    const bell = new Bell(path)
    bell.ring()
    bell.close()
    doorbell.close()
    ring(path)
    assert.throws(() => new Doorbell(import.meta.filename), { code: 'EUCLEAN' })
    assert.throws(() => ring(import.meta.filename), { code: 'EUCLEAN' })
  }
  await sleep(0)
  assert.equal(readdirSync('/proc/self/fd').length, before)
})

test('a child process does not inherit a doorbell, so that its death is seen', (t) => {
  const path = fifo(t)
  receiver(t, path)
  const inherited = execFileSync('sh', ['-c', 'ls -l /proc/self/fd'], { encoding: 'utf8' })
  assert.equal(inherited.includes(path), false)
})

test('the end of a worker closes its doorbell, and no descriptor of anybody else', async (t) => {
  const path = fifo(t)
  const script = `
    import { parentPort } from 'node:worker_threads'
    import { Doorbell } from ${doorbellUrl}
    const first = new Doorbell(${JSON.stringify(path)})
    globalThis.second = new Doorbell(${JSON.stringify(path)})
    first.close()
    parentPort.postMessage('closed')
    setInterval(() => {}, 1000)`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`))
  t.after(() => worker.terminate())
  await once(worker, 'message')
  assert.equal(ring(path), true)
  // these get the number that the worker's first doorbell had
  const ours = Array.from({ length: 5 }, () => openSync(process.execPath, 'r'))
  await worker.terminate()
  assert.equal(ring(path), false)
  for (const fd of ours) closeSync(fd)
})
