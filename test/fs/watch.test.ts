/** Watching: changes of this process and of others, of names, content and attributes, in a directory, a tree, a file. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createFs } from '../../src/fs/index.ts'
import { startProcess } from '../support/participant.ts'
import { openedAgain, temporaryPool } from '../support/temporary-pool.ts'

type Event = [eventType: string, filename: string | null]

/** Keeps what a watcher told; `until` resolves when all of that was told. */
class Told {
  readonly events: Event[] = []
  readonly #waiting: (() => void)[] = []

  readonly listener = (...event: Event): void => {
    this.events.push(event)
    for (const look of this.#waiting) look()
  }

  async until(...expected: Event[]): Promise<void> {
    const isTold = (event: Event): boolean => this.events.some((each) => each.join() === event.join())
    await new Promise<void>((resolve, reject) => {
      const missing = (): Event[] => expected.filter((event) => !isTold(event))
      const timer = setTimeout(
        () => reject(new Error(`not told: ${missing().join(' ')}; told: ${this.events.join(' ')}`)),
        20_000,
      )
      const look = (): void => {
        if (missing().length > 0) return
        clearTimeout(timer)
        resolve()
      }
      this.#waiting.push(look)
      look()
    })
  }
}

/** The first look is over when a change of attributes that is made for it is told. */
async function settled(told: Told, touch: (nth: number) => Promise<void>): Promise<void> {
  for (let nth = 0; told.events.length === 0; nth++) {
    await touch(nth)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  told.events.length = 0
  await new Promise((resolve) => setTimeout(resolve, 150))
  told.events.length = 0
}

test('a directory tells of names that come, go and move, of content and attributes', async (t) => {
  const pool = await temporaryPool(t)
  const fs = createFs(pool)
  await pool.mkdir('/d/sub', { recursive: true })
  await pool.writeFile('/d/a', 'content')
  const told = new Told()
  const watcher = fs.watch('/d', { persistent: false }, told.listener)
  t.after(() => watcher.close())
  await settled(told, (nth) => pool.chmod('/d/a', 0o600 + (nth % 2)))
  await pool.writeFile('/d/new', 'x')
  await told.until(['rename', 'new'], ['change', 'new'])
  await pool.writeFile('/d/a', 'longer content')
  await told.until(['change', 'a'])
  await pool.rename('/d/new', '/d/newer')
  await told.until(['rename', 'newer'])
  await pool.unlink('/d/a')
  await told.until(['rename', 'a'])
  assert.ok(told.events.every(([, name]) => !name!.includes('/')))
  told.events.length = 0
  await pool.writeFile('/d/sub/below', 'x')
  await pool.writeFile('/d/after', 'x')
  await told.until(['rename', 'after'])
  assert.ok(!told.events.some(([, name]) => name!.startsWith('sub')), 'what is below is not told without recursive')
  await pool.writeFile('/d/replacing', 'x')
  await pool.rename('/d/replacing', '/d/newer')
  await told.until(['rename', 'newer'])
})

test('a tree tells of what is below, also in directories that came later, whoever made them', async (t) => {
  const pool = await temporaryPool(t)
  const told = new Told()
  const watcher = createFs(pool).watch('/', { recursive: true, persistent: false }, told.listener)
  t.after(() => watcher.close())
  await pool.mkdir('/first')
  await settled(told, (nth) => pool.chmod('/first', 0o700 + (nth % 2)))
  const process = await startProcess(t, pool)
  await process.run(async ({ pool: other }) => {
    await other.mkdir('/other/deep', { recursive: true })
    await other.writeFile('/other/deep/file', 'by another process')
  })
  await told.until(['rename', 'other'], ['rename', 'other/deep'], ['rename', 'other/deep/file'])
  const near = await openedAgain(t, pool)
  await near.writeFile('/other/deep/file', 'changed')
  await told.until(['change', 'other/deep/file'])
  await pool.rename('/other', '/moved')
  await told.until(['rename', 'other'], ['rename', 'moved'])
  told.events.length = 0
  await near.writeFile('/moved/deep/file', 'once more')
  await told.until(['change', 'moved/deep/file'])
})

test('a file tells of its content, and that its name is gone or is another file', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/a', 'content')
  const told = new Told()
  const watcher = createFs(pool).watch('/a', { persistent: false }, told.listener)
  t.after(() => watcher.close())
  await settled(told, (nth) => pool.chmod('/a', 0o600 + (nth % 2)))
  // In place: told when the writer closes.
  await using file = await pool.open('/a', 'r+')
  await file.write('CONTENT', { position: 0 })
  await file.close()
  await told.until(['change', 'a'])
  await pool.writeFile('/b', 'other')
  await pool.rename('/b', '/a')
  await told.until(['rename', 'a'])
})

test('the iterator ends by its signal, tells errors, and ends with the pool', async (t) => {
  const pool = await temporaryPool(t)
  const { promises } = createFs(pool)
  const control = new AbortController()
  const changes = promises.watch('/', { signal: control.signal, persistent: false })
  const first = changes[Symbol.asyncIterator]()
  const next = first.next()
  const timer = setInterval(() => void pool.writeFile(`/${performance.now()}`, ''), 20)
  const { value } = await next
  clearInterval(timer)
  assert.equal(value?.eventType, 'rename')
  control.abort(new Error('enough'))
  await assert.rejects(
    async () => {
      for (;;) if ((await first.next()).done === true) return
    },
    { name: 'AbortError', code: 'ABORT_ERR' },
  )

  await assert.rejects(promises.watch('/no')[Symbol.asyncIterator]().next(), {
    code: 'ENOENT',
    syscall: 'watch',
    path: '/no',
    filename: '/no',
  })
  const [error] = (await once(
    createFs(pool)
      .watch('/no')
      .on('error', () => undefined),
    'error',
  )) as [Error & { code: string; filename: string }]
  assert.deepEqual([error.code, error.filename], ['ENOENT', '/no'])

  const last = promises.watch('/', { persistent: false })[Symbol.asyncIterator]()
  const ended = last.next()
  await new Promise((resolve) => setTimeout(resolve, 50))
  await pool.close()
  // Kept alive by this: the watcher itself does not.
  const alive = setInterval(() => undefined, 1000)
  for (let result = await ended; result.done !== true;) result = await last.next()
  clearInterval(alive)
})

test('what is ignored is not told', async (t) => {
  const pool = await temporaryPool(t)
  const told = new Told()
  const watcher = createFs(pool).watch('/', { ignore: ['*.tmp', /^skip/], persistent: false } as never, told.listener)
  t.after(() => watcher.close())
  await pool.writeFile('/seen', '')
  await settled(told, (nth) => pool.chmod('/seen', 0o600 + (nth % 2)))
  await pool.writeFile('/a.tmp', '')
  await pool.writeFile('/skipped', '')
  await pool.writeFile('/z', '')
  await told.until(['rename', 'z'])
  assert.deepEqual([...new Set(told.events.map(([, name]) => name))], ['z'])
})

test('watchFile tells what stat said and says, from nothing on, until unwatchFile', async (t) => {
  const pool = await temporaryPool(t)
  const fs = createFs(pool)
  const told: [number, number][] = []
  let isTold = Promise.withResolvers<void>()
  const listener = (now: { size: number }, before: { size: number }): void => {
    told.push([now.size, before.size])
    isTold.resolve()
    isTold = Promise.withResolvers<void>()
  }
  fs.watchFile('/a', { interval: 20 }, listener)
  await isTold.promise
  await pool.writeFile('/a', 'content')
  while (told.at(-1)?.[0] !== 7) await isTold.promise
  await pool.unlink('/a')
  while (told.at(-1)?.[0] !== 0) await isTold.promise
  fs.unwatchFile('/a', listener)
  assert.deepEqual(told[0], [0, 0])
  assert.deepEqual(told.at(-1), [0, 7])
})
