import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { startProcess } from '../support/participant.ts'
import type { Check } from './subject.ts'
import { fails, textOf } from './subject.ts'
import { map } from './system-calls.ts'

const PAGE = 4096
const SYSTEM_CALLS = new URL('system-calls.ts', import.meta.url).href

const text = (bytes: Uint8Array, length: number): string => Buffer.from(bytes.subarray(0, length)).toString()

/** mmap(2): what is stored is read by others, and what is written is seen. */
export function mappingCases(check: Check): void {
  check('a store into a shared mapping is read by read, before and after msync', (at) => {
    const fd = fs.openSync(at.file('file', 'x'.repeat(3 * PAGE)), 'r+')
    {
      using mapped = map('shared', fd, 3 * PAGE)
      mapped.bytes.set(Buffer.from('stored'), PAGE - 3)
      assert.equal(textOf(at.path('file')).slice(PAGE - 4, PAGE + 4), 'xstoredx')
      mapped.bytes.set(Buffer.from('again'), 2 * PAGE)
      mapped.sync()
      assert.equal(textOf(at.path('file')).slice(2 * PAGE, 2 * PAGE + 6), 'againx')
    }
    fs.closeSync(fd)
    assert.equal(textOf(at.path('file')).slice(PAGE - 4, PAGE + 4), 'xstoredx')
  })

  check('what is written is seen in a mapping that was read before', (at) => {
    const fd = fs.openSync(at.file('file', 'before'.padEnd(2 * PAGE, 'x')), 'r+')
    using mapped = map('shared', fd, 2 * PAGE)
    assert.equal(text(mapped.bytes, 6), 'before')
    fs.writeSync(fd, 'after!', 0)
    assert.equal(text(mapped.bytes, 6), 'after!')
    const other = fs.openSync(at.path('file'), 'r+')
    fs.writeSync(other, 'others', 0)
    assert.equal(text(mapped.bytes, 6), 'others')
    fs.closeSync(other)
    fs.closeSync(fd)
  })

  check('stores stay after the descriptor is closed, the mapping ended and the file opened anew', (at) => {
    const fd = fs.openSync(at.file('file', 'x'.repeat(PAGE)), 'r+')
    const mapped = map('shared', fd, PAGE)
    fs.closeSync(fd)
    mapped.bytes.fill(0x79)
    mapped[Symbol.dispose]()
    assert.equal(textOf(at.path('file')), 'y'.repeat(PAGE))
  })

  check('a private mapping shows the file and keeps its stores to itself', (at) => {
    const fd = fs.openSync(at.file('file', 'file'.padEnd(PAGE, 'x')), 'r')
    using mapped = map('private', fd, PAGE)
    assert.equal(text(mapped.bytes, 5), 'filex')
    mapped.bytes.set(Buffer.from('mine'))
    assert.equal(text(mapped.bytes, 4), 'mine')
    assert.equal(textOf(at.path('file')).slice(0, 4), 'file')
    fs.closeSync(fd)
  })

  check('a shared mapping that can be written needs a descriptor that can write', (at) => {
    const fd = fs.openSync(at.file('file', 'x'.repeat(PAGE)), 'r')
    fails('EACCES', () => map('shared', fd, PAGE))
    using mapped = map('shared', fd, PAGE, { writable: false })
    assert.equal(text(mapped.bytes, 1), 'x')
    fs.closeSync(fd)
  })

  check('the last page beyond the end of the file reads as zeros', (at) => {
    const fd = fs.openSync(at.file('file', 'end'), 'r+')
    using mapped = map('shared', fd, PAGE)
    assert.ok(mapped.bytes.subarray(3).every((byte) => byte === 0))
    fs.closeSync(fd)
  })

  check(
    'what is stored beyond the end of the file does not come into it when it grows',
    (at) => {
      const fd = fs.openSync(at.file('file', 'end'), 'r+')
      using mapped = map('shared', fd, PAGE)
      mapped.bytes[100] = 9
      mapped.sync()
      fs.ftruncateSync(fd, 200)
      assert.equal(fs.readFileSync(fd)[100], 0)
      fs.closeSync(fd)
    },
    { ability: 'cleanTail' },
  )

  check('a store into a hole fills it', (at) => {
    const fd = fs.openSync(at.path('file'), 'w+')
    fs.ftruncateSync(fd, 100 * PAGE)
    {
      using mapped = map('shared', fd, 100 * PAGE)
      mapped.bytes[50 * PAGE + 1] = 5
      mapped.sync()
    }
    assert.equal(fs.readFileSync(at.path('file'))[50 * PAGE + 1], 5)
    assert.equal(fs.fstatSync(fd).blocks, PAGE / 512)
    fs.closeSync(fd)
  })

  check('a mapping of a file that was removed stays', (at) => {
    const fd = fs.openSync(at.file('file', 'kept'.padEnd(PAGE, 'x')), 'r+')
    using mapped = map('shared', fd, PAGE)
    fs.closeSync(fd)
    fs.unlinkSync(at.path('file'))
    assert.equal(text(mapped.bytes, 4), 'kept')
    mapped.bytes.fill(1)
    mapped.sync()
  })

  check('two processes with one file mapped see the stores of each other', async (at, t) => {
    const path = at.file('file', 'x'.repeat(PAGE))
    const fd = fs.openSync(path, 'r+')
    using mapped = map('shared', fd, PAGE)
    const other = await startProcess(t)
    await other.run(
      async (here, url, file) => {
        const { map: mapThere } = await here.load<typeof import('./system-calls.ts')>(url)
        const { openSync } = await here.load<typeof fs>('node:fs')
        here.kept['bytes'] = mapThere('shared', openSync(file, 'r+'), 4096).bytes
      },
      SYSTEM_CALLS,
      path,
    )
    mapped.bytes[7] = 77
    const seen = await other.run((here) => {
      const bytes = here.kept['bytes'] as Uint8Array
      bytes[8] = 88
      return bytes[7]
    })
    assert.deepEqual([seen, mapped.bytes[8]], [77, 88])
    fs.closeSync(fd)
  })
}
