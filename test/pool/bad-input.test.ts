/** "Bad input" of issue 2: a clear error with a stable code, and nothing lost. */
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { createPool, openPool } from '../../src/index.ts'
import type { File, Holder, Pool } from '../../src/index.ts'
import { tryLock } from '../../src/platform/file-lock.ts'
import { LockByte, poolDirectory } from '../../src/pool/pool-directory.ts'
import { mountTemporary } from '../device/mounted.ts'
import { startProcess } from '../support/participant.ts'
import { checkSound, stamped } from '../support/stamps.ts'
import { BLOCK, temporaryDirectory, temporaryPool } from '../support/temporary-pool.ts'

const content = stamped(4, 4)
type Failure = Error & { code: string; syscall: string; path: string; errno: number; holders: Holder[] }

/** A system error in Node's shape. */
const refused =
  (code: string, words?: RegExp) =>
  (error: Failure): boolean => {
    assert.equal(error.code, code, error.stack)
    assert.ok(error.message.startsWith(`${code}: `), error.message)
    assert.ok(error.errno < 0 && error.syscall !== '', error.message)
    if (words !== undefined) assert.match(error.message, words)
    return true
  }

async function closedPool(directory: string): Promise<string> {
  const path = join(directory, 'pool')
  const pool = await createPool(path, { sizeBytes: 1 << 20 })
  await pool.writeFile('/file', content)
  await pool.close()
  return path
}

async function checkContent(path: string): Promise<void> {
  await using pool = await openPool(path)
  assert.ok(content.equals(await pool.readFile('/file')), 'nothing is lost')
  await checkSound(pool)
}

describe('pools that cannot be opened', () => {
  test('a path that is missing, no directory, empty, or of something else is no pool', async (t) => {
    const directory = temporaryDirectory(t)
    await assert.rejects(openPool(join(directory, 'missing')), { code: 'ENOENT' })
    await assert.rejects(openPool(directory), refused('ENOENT', /no pool/))
    writeFileSync(join(directory, 'file'), 'x')
    await assert.rejects(openPool(join(directory, 'file')), refused('ENOTDIR'))
    await assert.rejects(createPool(join(directory, 'file'), { sizeBytes: 1 << 20 }), { code: /ENOTDIR|EEXIST/ })
    await assert.rejects(createPool(directory, { sizeBytes: 1 << 20 }), refused('ENOTEMPTY', /file/))
    await assert.rejects(createPool(join(directory, 'a', 'b'), { sizeBytes: 1 << 20 }), { code: 'ENOENT' })
    const path = await closedPool(directory)
    await assert.rejects(createPool(path, { sizeBytes: 1 << 20 }), refused('EEXIST'))
    await checkContent(path)
    mkdirSync(join(directory, 'fake', 'pins'), { recursive: true })
    for (const name of ['meta.db', 'device']) writeFileSync(join(directory, 'fake', name), 'this is something else')
    await assert.rejects(openPool(join(directory, 'fake')), refused('EUCLEAN'))
  })

  test('a file of somebody else is never taken for what a createPool left, whatever its name', async (t) => {
    const directory = temporaryDirectory(t)
    for (const name of ['device', 'reserve', 'meta.db.new']) {
      mkdirSync(join(directory, name))
      const path = join(directory, name, name)
      writeFileSync(path, 'precious')
      await assert.rejects(createPool(join(directory, name), { sizeBytes: 1 << 20 }), refused('ENOTEMPTY'))
      assert.equal(readFileSync(path, 'utf8'), 'precious')
    }
  })

  test('one of a newer format is refused with both versions, and left alone', async (t) => {
    const path = await closedPool(temporaryDirectory(t))
    const setVersion = (version: number): number => {
      const db = new DatabaseSync(join(path, 'meta.db'))
      const before = db.prepare('PRAGMA user_version').get()?.['user_version'] as number
      db.exec(`PRAGMA user_version = ${version}`)
      db.close()
      return before
    }
    const known = setVersion(99)
    await assert.rejects(openPool(path), refused('EPROTONOSUPPORT', new RegExp(`99.*${known}`)))
    setVersion(known)
    await checkContent(path)
  })

  test('one whose device is shorter than its metadata says, or missing, is refused', async (t) => {
    const path = await closedPool(temporaryDirectory(t))
    const { size } = statSync(join(path, 'device'))
    truncateSync(join(path, 'device'), size - BLOCK)
    await assert.rejects(openPool(path), refused('EUCLEAN', /device/))
    truncateSync(join(path, 'device'), size)
    await checkContent(path)
    rmSync(join(path, 'device'))
    await assert.rejects(openPool(path), refused('ENOENT', /device/))
  })

  test('one on a host file system mounted for reading only is refused with EROFS', async (t) => {
    const mounted = mountTemporary('tmpfs')
    if (typeof mounted === 'string') return t.skip(mounted)
    t.after(() => mounted.release())
    const path = await closedPool(mounted.directory)
    execFileSync('mount', ['-o', 'remount,ro', mounted.directory])
    await assert.rejects(openPool(path), { code: 'EROFS' })
    await assert.rejects(createPool(join(mounted.directory, 'new'), { sizeBytes: 1 << 20 }), { code: 'EROFS' })
    execFileSync('mount', ['-o', 'remount,rw', mounted.directory])
    await checkContent(path)
  })

  test('one of somebody else is refused with EACCES', async (t) => {
    if (process.getuid?.() !== 0) return t.skip('only root can become somebody else')
    const directory = temporaryDirectory(t)
    chmodSync(directory, 0o755)
    const path = await closedPool(directory)
    const somebody = await startProcess(t)
    await somebody.run(() => {
      process.setgid?.(65534)
      process.setuid?.(65534)
    })
    await assert.rejects(
      somebody.run(async (here, to) => void (await here.openPool(to)), path),
      { code: 'EACCES' },
    )
    await assert.rejects(
      somebody.run(async (here, to) => void (await here.createPool(to, { sizeBytes: 1 << 20 })), `${directory}/new`),
      { code: 'EACCES' },
    )
    chmodSync(path, 0o755)
    await assert.rejects(
      somebody.run(async (here, to) => void (await here.openPool(to)), path),
      { code: 'EACCES' },
    )
    await checkContent(path)
  })

  test('one where byte-range locks do not work is refused with ENOLCK, whether they fail or only seem to work', async (t) => {
    const path = await closedPool(temporaryDirectory(t))
    const index = new URL('../../src/index.ts', import.meta.url).href
    const fakes = {
      'they fail': `export const tryLock = () => { throw Object.assign(new Error('no locks'), { code: 'ENOLCK' }) }
        export const isLocked = () => false; export const isAnyLocked = isLocked; export const unlock = () => {}`,
      'they seem to work': `export const tryLock = () => true; export const isLocked = () => false; export const isAnyLocked = isLocked; export const unlock = () => {}`,
    }
    for (const [how, fake] of Object.entries(fakes)) {
      const script = `import { registerHooks } from 'node:module'
        registerHooks({ load: (url, context, next) => url.endsWith('/platform/file-lock.ts')
          ? { format: 'module', shortCircuit: true, source: ${JSON.stringify(fake)} } : next(url, context) })
        const { openPool, createPool } = await import(${JSON.stringify(index)})
        const code = (making) => making.then(() => 'none', (error) => error.code + ' ' + error.message)
        console.log(JSON.stringify([await code(openPool(process.argv[1])), await code(createPool(process.argv[1] + '-new', { sizeBytes: 1 << 20 }))]))`
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script, path])
      for (const outcome of JSON.parse(stdout) as string[]) assert.match(outcome, /^ENOLCK .*byte-range locks/, how)
    }
    await checkContent(path)
  })

  test('one that somebody else opens at the same moment, in the middle of asking for byte-range locks, is opened', async (t) => {
    const path = await closedPool(temporaryDirectory(t))
    const { table } = poolDirectory(path)
    const fd = openSync(table, 'r+')
    t.after(() => closeSync(fd))
    assert.ok(tryLock(fd, LockByte.probe, 'exclusive'))
    await checkContent(path)
  })

  test('options that make no sense are mistakes of the caller', async (t) => {
    const path = join(temporaryDirectory(t), 'pool')
    for (const sizeBytes of [0, 4095, (1 << 20) - 1, -1, NaN, 2 ** 53, 2 ** 45]) {
      await assert.rejects(
        createPool(path, { sizeBytes }),
        { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' },
        String(sizeBytes),
      )
    }
    await assert.rejects(createPool(path, { sizeBytes: '1G' as never }), { name: 'TypeError' })
    await assert.rejects(createPool(path, { sizeBytes: 1 << 20, busy: 'never' as never }), {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_VALUE',
    })
    await assert.rejects(createPool(path, { sizeBytes: 1 << 20, dax: 'maybe' as never }), { name: 'TypeError' })
    await assert.rejects(openPool(path), { code: 'ENOENT' }, 'nothing was made')
  })
})

describe('offsets and lengths', () => {
  const BAD = [-1, NaN, 1.5, 2 ** 53, Infinity, -Infinity]

  async function opened(t: Parameters<typeof temporaryPool>[0]): Promise<[Pool, File]> {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    const file = await pool.open('/file', 'r+')
    return [pool, file]
  }

  test('negative, NaN, fractional and beyond 2^53 are RangeErrors, of other types TypeErrors, wherever they go', async (t) => {
    const [pool, file] = await opened(t)
    const one = Buffer.alloc(1)
    const uses: Record<string, (value: number) => Promise<unknown>> = {
      'pin offset': (offset) => file.pin({ offset, length: 1, mode: 'read' }),
      'pin length': (length) => file.pin({ offset: 0, length, mode: 'read' }),
      'pinSync offset': async (offset) => file.pinSync({ offset, length: 1, mode: 'write' }),
      truncate: (length) => file.truncate(length),
      'pool.truncate': (length) => pool.truncate('/file', length),
      'punch offset': (offset) => file.punchHole(offset, 1),
      'punch length': (length) => file.punchHole(0, length),
      'allocate offset': (offset) => file.allocate(offset, 1),
      'allocate length': (length) => file.allocate(0, length),
      'flushDma offset': (offset) => file.flushDma({ offset }),
      'flushDma length': (length) => file.flushDma({ length }),
      'read position': (position) => file.read(one, { position }),
      'read length': (length) => file.read(one, { length }),
      'write position': (position) => file.write(one, { position }),
      'write offset': (offset) => file.write(one, { offset }),
      sendTo: (start) => file.sendTo(process.stdout, { start }),
    }
    for (const [name, use] of Object.entries(uses)) {
      for (const value of BAD) {
        await assert.rejects(use(value), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }, `${name} ${value}`)
      }
      await assert.rejects(use('1' as never), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }, name)
    }
    for (const timeoutMs of [-1, NaN, 2 ** 53]) {
      await assert.rejects(file.truncate(0, { timeoutMs }), { name: 'RangeError' })
      await assert.rejects(file.pin({ offset: 0, length: 1, mode: 'read', timeoutMs }), { name: 'RangeError' })
      await assert.rejects(pool.unlink('/file', { timeoutMs }), { name: 'RangeError' })
    }
    await assert.rejects(file.truncate(0, { signal: {} as never }), { name: 'TypeError' })
    await assert.rejects(file.truncate(0, { busy: 'later' as never }), {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_VALUE',
    })
    await assert.rejects(file.pin({ offset: 0, length: 1, mode: 'both' as never }), { name: 'TypeError' })
    await assert.rejects(file.configure({ busy: 'later' as never }), { name: 'TypeError' })
    await assert.rejects(pool.open('/file', 'rw'), { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' })
    await assert.rejects(file.pin({ offset: 0, length: 1, mode: 'read', longTerm: true }), refused('EOPNOTSUPP'))
    assert.ok(content.equals(await pool.readFile('/file')))
    assert.deepEqual(await pool.pins(), [])
    await checkSound(pool)
    await file.close()
  })

  test('zero length: no pin, no punch, no allocation of nothing; reads and writes of nothing are fine', async (t) => {
    const [pool, file] = await opened(t)
    const range = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }
    await assert.rejects(file.pin({ offset: 0, length: 0, mode: 'read' }), range)
    assert.throws(() => file.pinSync({ offset: 0, length: 0, mode: 'read' }), range)
    await assert.rejects(file.punchHole(0, 0), range)
    await assert.rejects(file.allocate(0, 0), range)
    assert.equal((await file.read(Buffer.alloc(0), { position: 0 })).bytesRead, 0)
    assert.equal((await file.write(Buffer.alloc(0), { position: 99_999 })).bytesWritten, 0)
    assert.equal((await file.stat()).size, content.length)
    await checkSound(pool)
    await file.close()
  })

  test('past the end: a pin is ERANGE, a read has 0 bytes, a punch does nothing; beyond the largest file EFBIG', async (t) => {
    const [pool, file] = await opened(t)
    const { length } = content
    for (const [offset, size] of [
      [length, 1],
      [length - 1, 2],
      [0, length + 1],
      [2 ** 53 - 1, 1],
      [2 ** 52, 2 ** 52],
    ] as const) {
      await assert.rejects(file.pin({ offset, length: size, mode: 'read' }), refused('ERANGE'))
      await assert.rejects(file.pin({ offset, length: size, mode: 'write' }), refused('ERANGE'))
      assert.throws(() => file.pinSync({ offset, length: size, mode: 'read' }), refused('ERANGE'))
    }
    assert.equal((await file.read(Buffer.alloc(10), { position: length })).bytesRead, 0)
    assert.equal((await file.read(Buffer.alloc(10), { position: 2 ** 53 - 1 })).bytesRead, 0)
    await file.punchHole(length, 2 ** 53 - 1)
    await assert.rejects(file.allocate(2 ** 53 - 1, 1), refused('EFBIG'))
    await assert.rejects(file.write('xy', { position: 2 ** 53 - 1 }), refused('EFBIG'))
    assert.ok(content.equals(await pool.readFile('/file')))
    await file.truncate(2 ** 53 - 1)
    assert.equal((await file.stat()).size, 2 ** 53 - 1)
    await assert.rejects(file.allocate(0, 2 ** 50), refused('ENOSPC'))
    await file.truncate(length)
    assert.ok(content.equals(await pool.readFile('/file')))
    await checkSound(pool)
    await file.close()
  })
})

test('a pin of holes that are longer than memory is ENOMEM, and nothing stays pinned', async (t) => {
  const pool = await temporaryPool(t)
  await pool.writeFile('/file', 'abc')
  await using file = await pool.open('/file', 'r+')
  const length = 2 ** 43
  await file.truncate(length)
  const tooMuch = refused('ENOMEM', /pin less/)
  for (const more of [{}, { revocable: false }, { stable: true }])
    await assert.rejects(file.pin({ offset: 0, length, mode: 'read', ...more }), tooMuch)
  assert.throws(() => file.pinSync({ offset: 0, length, mode: 'read' }), tooMuch)
  assert.deepEqual(await pool.pins(), [])
  await file.configure({ dax: 'never' })
  await assert.rejects(file.pin({ offset: 0, length, mode: 'read' }), tooMuch)
  await file.truncate(0, { busy: 'fail' })
  await pool.close()
})

describe('names', () => {
  test('empty, dots, NUL, too long, not Unicode: refused by every operation that makes or takes one', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    const uses: Record<string, (path: string) => Promise<unknown>> = {
      open: (path) => pool.open(path, 'w'),
      mkdir: (path) => pool.mkdir(path),
      'rename to': (path) => pool.rename('/file', path),
      'rename from': (path) => pool.rename(path, '/new'),
      unlink: (path) => pool.unlink(path),
      rmdir: (path) => pool.rmdir(path),
    }
    // As Linux has it: for '/', for '.', for '..'.
    const codes: Record<string, readonly [string, string, string]> = {
      open: ['EISDIR', 'EISDIR', 'EISDIR'],
      mkdir: ['EEXIST', 'EEXIST', 'EEXIST'],
      'rename to': ['EBUSY', 'EBUSY', 'EBUSY'],
      'rename from': ['EBUSY', 'EBUSY', 'EBUSY'],
      unlink: ['EISDIR', 'EISDIR', 'EISDIR'],
      rmdir: ['EBUSY', 'EINVAL', 'ENOTEMPTY'],
    }
    for (const [name, use] of Object.entries(uses)) {
      const [root, dot, dots] = codes[name]
      await assert.rejects(use(''), { code: 'ENOENT' }, name)
      await assert.rejects(use('/'), refused(root), name)
      for (const path of ['.', '/.', './']) await assert.rejects(use(path), refused(dot), `${name} ${path}`)
      for (const path of ['..', '/..', '../']) await assert.rejects(use(path), refused(dots), `${name} ${path}`)
      await assert.rejects(use('/a\0b'), { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' }, name)
      await assert.rejects(use(`/${'n'.repeat(256)}`), refused('ENAMETOOLONG'), name)
      await assert.rejects(use(`/${'é'.repeat(128)}`), refused('ENAMETOOLONG'), name)
      await assert.rejects(use('/\ud800'), refused('EILSEQ'), name)
      await assert.rejects(use(Buffer.from('/x') as never), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }, name)
      await assert.rejects(use(undefined as never), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }, name)
      await assert.rejects(use('/none/x'), refused('ENOENT'), name)
      await assert.rejects(use('/file/x'), refused('ENOTDIR'), name)
    }
    await pool.writeFile(`/${'n'.repeat(255)}`, 'long')
    assert.equal(await pool.readFile(`/${'n'.repeat(255)}`, 'utf8'), 'long')
    assert.deepEqual((await pool.readdir('/')).length, 3)
    assert.ok(content.equals(await pool.readFile('//./file')))
    await checkSound(pool)
  })

  test('directories and files are not taken for each other, and none is moved into itself', async (t) => {
    const pool = await temporaryPool(t)
    await pool.mkdir('/a/b/c', { recursive: true })
    await pool.writeFile('/file', content)
    await assert.rejects(pool.rename('/a', '/a/b/x'), refused('EINVAL', /itself/))
    await assert.rejects(pool.rename('/a', '/a/x'), refused('EINVAL'))
    await assert.rejects(pool.rename('/a', '/file'), refused('ENOTDIR'))
    await assert.rejects(pool.rename('/file', '/a'), refused('EISDIR'))
    await assert.rejects(pool.rename('/a/b/c', '/a'), refused('ENOTEMPTY'))
    await assert.rejects(pool.unlink('/a'), refused('EISDIR'))
    await assert.rejects(pool.rmdir('/a'), refused('ENOTEMPTY'))
    await assert.rejects(pool.rmdir('/file'), refused('ENOTDIR'))
    await assert.rejects(pool.open('/a', 'r'), refused('EISDIR'))
    await assert.rejects(pool.open('/new/', 'w'), refused('EISDIR'))
    await assert.rejects(pool.open('/file/', 'r'), refused('ENOTDIR'))
    await assert.rejects(pool.readdir('/file'), refused('ENOTDIR'))
    await assert.rejects(pool.mkdir('/a'), refused('EEXIST'))
    await assert.rejects(pool.open('/file', 'wx'), refused('EEXIST'))
    await assert.rejects(pool.rmdir('/lost+found'), refused('EBUSY'))
    await assert.rejects(pool.rename('/lost+found', '/x'), refused('EBUSY'))
    await assert.rejects(pool.rename('/file', '/lost+found/x'), refused('EPERM'))
    await assert.rejects(pool.open('/lost+found/x', 'w'), refused('EPERM'))
    await assert.rejects(pool.lostAndFound.read('none'), refused('ENOENT'))
    await assert.rejects(pool.lostAndFound.reclaim('none'), refused('ENOENT'))
    await pool.rename('/file', '/file')
    assert.ok(content.equals(await pool.readFile('/file')))
    await checkSound(pool)
  })
})

describe('ends', () => {
  test('double release, use after close, and a close with pins outstanding', async (t) => {
    const pool = await temporaryPool(t)
    await pool.writeFile('/file', content)
    const file = await pool.open('/file', 'r')
    const pin = await file.pin({ offset: 0, length: BLOCK, mode: 'read' })
    await assert.rejects(file.pin({ offset: 0, length: 1, mode: 'write' }), refused('EBADF'))
    await assert.rejects(file.write('x'), refused('EBADF'))
    await assert.rejects(file.truncate(0), refused('EBADF'))
    await assert.rejects(pin.readFrom(process.stdin), refused('EBADF'))
    await using writer = await pool.open('/file', 'a')
    await assert.rejects(writer.read(Buffer.alloc(1)), refused('EBADF'))
    await assert.rejects(writer.pin({ offset: 0, length: 1, mode: 'read' }), refused('EBADF'))
    await file.close()
    await file.close()
    for (const use of [
      () => file.read(Buffer.alloc(1)),
      () => file.pin({ offset: 0, length: 1, mode: 'read' }),
      () => file.stat(),
      () => file.sync(),
      () => file.flushDma(),
      () => file.configure({ busy: 'fail' }),
    ]) {
      await assert.rejects(use(), refused('EBADF'))
    }
    assert.ok(content.subarray(0, BLOCK).equals(pin.buffer), 'a pin outlives its file’s close')
    await assert.rejects(pool.close(), (error: Failure) => {
      assert.deepEqual(
        [error.code, error.holders.map((holder) => [holder.pid, holder.kind, holder.offset, holder.length])],
        ['EBUSY', [[process.pid, 'pin', 0, BLOCK]]],
      )
      return true
    })
    assert.ok(content.equals(await pool.readFile('/file')), 'the pool is open still')
    pin.release()
    assert.throws(() => pin.release(), refused('ESTALE'))
    assert.equal((await pool.stats()).pins, 0, 'a second release takes nobody else’s pin')
    await pool.close()
    await pool.close()
    for (const use of [
      () => pool.open('/file'),
      () => pool.stats(),
      () => pool.unlink('/file'),
      () => pool.sync(),
      () => pool.check(),
    ]) {
      await assert.rejects(use(), refused('EBADF'))
    }
    await checkContent(pool.path)
  })

  test('options of debug tell where a pin was taken, and a pin dropped without release is reported and stays', async (t) => {
    const pool = await temporaryPool(t, { debug: true })
    await pool.writeFile('/file', content)
    await using file = await pool.open('/file', 'r')
    using _ = await file.pin({ offset: 0, length: 1, mode: 'read' })
    const [held] = await pool.pins()
    assert.match(held?.takenAt ?? '', /bad-input\.test/)
    const index = new URL('../../src/index.ts', import.meta.url).href
    const script = `import { openPool } from ${JSON.stringify(index)}
      const pool = await openPool(process.argv[1]); const file = await pool.open('/file')
      process.on('warning', (warning) => { if (warning.code === 'HOLDFAST_PIN_DROPPED') { pool.pins().then((pins) => { console.log(pins.length); process.exit() }) } })
      await (async () => { await file.pin({ offset: 0, length: 1, mode: 'read' }) })()
      setInterval(() => gc(), 50)`
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--expose-gc', '--input-type=module', '--eval', script, pool.path],
      { timeout: 20_000 },
    )
    assert.equal(stdout.trim(), '2')
  })
})
