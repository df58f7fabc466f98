import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestContext } from 'node:test'
import type { Participant } from '../support/participant.ts'
import { startProcess } from '../support/participant.ts'
import type { Check, Place } from './subject.ts'
import { fails } from './subject.ts'
import { lockRange, lockWhole } from './system-calls.ts'

const SYSTEM_CALLS = new URL('system-calls.ts', import.meta.url).href
const WHOLE = { start: 0, length: 0 }

function opened(at: Place, t: TestContext): number {
  const fd = fs.openSync(at.path('file'), fs.constants.O_RDWR | fs.constants.O_CREAT)
  t.after(() => fs.closeSync(fd))
  return fd
}

/** Another process that has the file open; `lock` answers the error's code, or 'got it'. */
async function another(at: Place, t: TestContext): Promise<{ lock: typeof lock; process: Participant }> {
  const process = await startProcess(t)
  await process.run(
    async (here, url, path) => {
      here.kept['calls'] = await here.load(url)
      here.kept['fd'] = (await here.load<typeof fs>('node:fs')).openSync(path, 'r+')
    },
    SYSTEM_CALLS,
    at.path('file'),
  )
  const lock = (type: 'read' | 'write' | 'unlock', start: number, length: number, waits = false): Promise<string> =>
    process.run(
      (here, ...[kind, from, bytes, isWaiting]) => {
        const calls = here.kept['calls'] as typeof import('./system-calls.ts')
        try {
          calls.lockRange(here.kept['fd'] as number, kind, { start: from, length: bytes }, { waits: isWaiting })
          return 'got it'
        } catch (error) {
          return (error as { code: string }).code
        }
      },
      ...([type, start, length, waits] as const),
    )
  return { lock, process }
}

/** Locks of ranges (POSIX, open file descriptions) and of files (BSD). */
export function lockCases(check: Check): void {
  check('a range that another process has locked cannot be, other ranges can', async (at, t) => {
    const fd = opened(at, t)
    const other = await another(at, t)
    lockRange(fd, 'write', { start: 100, length: 50 })
    assert.equal(await other.lock('write', 120, 1), 'EAGAIN')
    assert.equal(await other.lock('read', 149, 10), 'EAGAIN')
    assert.equal(await other.lock('write', 150, 10), 'got it')
    assert.equal(await other.lock('write', 0, 100), 'got it')
    fails(['EAGAIN', 'EACCES'], () => lockRange(fd, 'write', WHOLE))
    lockRange(fd, 'unlock', { start: 100, length: 25 })
    assert.equal(await other.lock('write', 100, 25), 'got it')
    assert.equal(await other.lock('write', 125, 1), 'EAGAIN')
  })

  check('any number of readers or one writer has a range', async (at, t) => {
    const fd = opened(at, t)
    const other = await another(at, t)
    lockRange(fd, 'read', { start: 0, length: 10 })
    assert.equal(await other.lock('read', 0, 10), 'got it')
    assert.equal(await other.lock('write', 0, 10), 'EAGAIN')
    fails(['EAGAIN', 'EACCES'], () => lockRange(fd, 'write', { start: 5, length: 1 }))
  })

  check('who waits for a range gets it when it is given back', async (at, t) => {
    const fd = opened(at, t)
    const other = await another(at, t)
    lockRange(fd, 'write', WHOLE)
    let answered = false
    const waiting = other.lock('write', 0, 0, true).then((answer) => {
      answered = true
      return answer
    })
    await sleep(50)
    assert.equal(answered, false)
    lockRange(fd, 'unlock', WHOLE)
    assert.equal(await waiting, 'got it')
  })

  check('the locks of a process go with it', async (at, t) => {
    const fd = opened(at, t)
    const other = await another(at, t)
    assert.equal(await other.lock('write', 0, 0), 'got it')
    fails(['EAGAIN', 'EACCES'], () => lockRange(fd, 'write', WHOLE))
    await other.process.kill()
    lockRange(fd, 'write', WHOLE)
  })

  check("closing any descriptor of a file gives the process's locks on it back", async (at, t) => {
    const fd = opened(at, t)
    const other = await another(at, t)
    lockRange(fd, 'write', WHOLE)
    fs.closeSync(fs.openSync(at.path('file'), 'r'))
    assert.equal(await other.lock('write', 0, 0), 'got it')
  })

  check('locks of open file descriptions hold between two descriptors of a process', (at, t) => {
    const [first, second] = [opened(at, t), opened(at, t)]
    lockRange(first, 'write', { start: 0, length: 10 }, { of: 'description' })
    fails('EAGAIN', () => lockRange(second, 'write', { start: 9, length: 10 }, { of: 'description' }))
    lockRange(second, 'write', { start: 10, length: 10 }, { of: 'description' })
    lockRange(first, 'unlock', WHOLE, { of: 'description' })
    lockRange(second, 'write', WHOLE, { of: 'description' })
  })

  check('a whole file is locked for one or shared by many, by flock', (at, t) => {
    const [first, second] = [opened(at, t), opened(at, t)]
    lockWhole(first, 'exclusive')
    fails('EAGAIN', () => lockWhole(second, 'shared'))
    lockWhole(first, 'shared')
    lockWhole(second, 'shared')
    fails('EAGAIN', () => lockWhole(second, 'exclusive'))
    lockWhole(first, 'unlock')
    lockWhole(second, 'exclusive')
  })

  check('a file that is locked can be read, written and removed by everybody', async (at, t) => {
    const fd = opened(at, t)
    lockRange(fd, 'write', WHOLE)
    lockWhole(fd, 'exclusive')
    const { process } = await another(at, t)
    await process.run(async (here, path) => {
      const { readFileSync, unlinkSync, writeFileSync } = await here.load<typeof fs>('node:fs')
      writeFileSync(path, 'written all the same')
      if (readFileSync(path, 'utf8') !== 'written all the same') throw new Error('not what was written')
      unlinkSync(path)
    }, at.path('file'))
    assert.deepEqual(fs.readdirSync(at.directory), [])
  })
}
