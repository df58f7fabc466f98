import assert from 'node:assert/strict'
import { chmodSync, openSync, closeSync, readdirSync, readFileSync } from 'node:fs'
import type { Check } from '../posix/subject.ts'
import { look, modeOf, textOf } from '../posix/subject.ts'
import { lacks, run } from './run.ts'

/** Programs that change files: in place, by a new file that takes the name, by appending. */
export function editingCases(check: Check): void {
  check('sed --in-place changes a file by a rename over, and leaves nothing else', async (at) => {
    const path = at.file('text', 'old line\n'.repeat(5000))
    chmodSync(path, 0o640)
    const reader = openSync(path, 'r')
    const { ino } = look(path)
    await run(at.directory, 'sed', '--in-place', 's/old/new/', 'text')
    assert.equal(textOf(path), 'new line\n'.repeat(5000))
    assert.equal(readFileSync(reader, 'utf8'), 'old line\n'.repeat(5000))
    assert.notEqual(look(path).ino, ino)
    assert.equal(modeOf(path), 0o640)
    assert.deepEqual(readdirSync(at.directory), ['text'])
    closeSync(reader)
  })

  check('cp over a file and install replace its content', async (at) => {
    at.file('first', 'first'.repeat(30_000))
    at.file('second', 'second')
    const { ino } = look(at.path('second'))
    await run(at.directory, 'cp', 'first', 'second')
    assert.equal(look(at.path('second')).ino, ino)
    assert.equal(textOf(at.path('second')), 'first'.repeat(30_000))
    await run(at.directory, 'install', '--mode=0751', 'first', 'installed')
    assert.equal(modeOf(at.path('installed')), 0o751)
    await run(at.directory, 'cp', '--backup=numbered', 'second', 'installed')
    assert.deepEqual(readdirSync(at.directory).toSorted(), ['first', 'installed', 'installed.~1~', 'second'])
  })

  check('dd writes into the middle, appends, and goes around the cache', async (at) => {
    at.file('file', 'x'.repeat(16_384))
    await run(
      at.directory,
      'dd',
      'if=/dev/zero',
      'of=file',
      'bs=4096',
      'seek=1',
      'count=1',
      'conv=notrunc',
      'oflag=direct',
      'status=none',
    )
    assert.equal(textOf(at.path('file')), 'x'.repeat(4096) + '\0'.repeat(4096) + 'x'.repeat(8192))
    await run(at.directory, 'dd', 'if=file', 'of=copy', 'bs=4096', 'iflag=direct', 'conv=fsync', 'status=none')
    assert.equal(await run(at.directory, 'cmp', 'file', 'copy'), '')
    await run(at.directory, 'dd', 'if=file', 'of=copy', 'oflag=append', 'conv=notrunc', 'status=none')
    assert.equal(look(at.path('copy')).size, 32_768n)
  })

  check('truncate, fallocate and cp --sparse make and find holes', async (at) => {
    await run(at.directory, 'truncate', '--size=10M', 'file')
    assert.equal(look(at.path('file')).blocks, 0n)
    await run(at.directory, 'fallocate', '--length', '1M', 'file')
    assert.ok(look(at.path('file')).blocks >= 2048n)
    await run(at.directory, 'fallocate', '--punch-hole', '--offset', '0', '--length', '1M', 'file')
    assert.equal(look(at.path('file')).blocks, 0n)
    await run(at.directory, 'fallocate', '--dig-holes', 'file')
    await run(at.directory, 'cp', '--sparse=always', 'file', 'copy')
    assert.equal(await run(at.directory, 'cmp', 'file', 'copy'), '')
    assert.equal(look(at.path('copy')).blocks, 0n)
  })

  check('a compiler makes a program there, and it runs', async (at, t) => {
    if (lacks(t, 'make', 'cc')) return
    at.file(
      'main.c',
      '#include <stdio.h>\nint number(void);\nint main(void) { printf("%d\\n", number()); return 0; }\n',
    )
    at.file('number.c', 'int number(void) { return 42; }\n')
    at.file('Makefile', 'main: main.o number.o\n\t$(CC) -o $@ $^\n')
    await run(at.directory, 'make', '--silent', 'CC=cc')
    assert.equal(await run(at.directory, './main'), '42\n')
    assert.match(await run(at.directory, 'make', 'CC=cc'), /up to date/)
  })
}
