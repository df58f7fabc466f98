/** What somebody can do who may read the directory of a pool and not write it. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createPool } from '../../src/index.ts'
import { temporaryDirectory } from '../support/temporary-pool.ts'
import type { Ended } from './run-holdfast.ts'
import { holdfast } from './run-holdfast.ts'

const program = join(import.meta.dirname, 'reader-main.ts')
const asReader = (...args: string[]): Promise<Ended> => holdfast(args, '', program)

async function mustRead(...args: string[]): Promise<Ended> {
  const result = await asReader(...args)
  assert.deepEqual([result.code, result.errors], [0, ''], args.join(' '))
  return result
}

test('verbs that change nothing work for who may only read the pool; the others say EACCES', async (t) => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'pool')
  const target = join(directory, 'target')
  const long = Buffer.alloc(5_000_001, 'a long file')
  {
    await using pool = await createPool(path, { sizeBytes: 64 << 20 })
    await pool.mkdir('/dir')
    await pool.writeFile('/dir/long', long)
    await pool.writeFile('/dir/short', 'short')
    await pool.symlink('short', '/dir/link')
  }
  mkdirSync(target)
  chmodSync(target, 0o777)
  chmodSync(directory, 0o755)
  execFileSync('chmod', ['-R', 'a-w,a+rX', path])
  using removable = new DisposableStack()
  removable.defer(() => execFileSync('chmod', ['-R', 'u+w', path]))

  assert.equal((await mustRead('ls', path, '/dir')).text, 'link\nlong\nshort\n')
  assert.match((await mustRead('ls', '-l', path, '/dir')).text, / link -> short\n/)
  assert.match((await mustRead('stat', path, '/dir/long')).text, /size +4\.8M \(5000001 bytes\)/)
  assert.ok(
    (await mustRead('cat', path, '/dir/long', '/dir/link')).output.equals(Buffer.concat([long, Buffer.from('short')])),
  )
  await mustRead('get', path, '/dir/long', join(target, 'alone'))
  await mustRead('get', '-r', path, '/', join(target, 'all'))
  for (const copy of ['alone', 'all/dir/long']) assert.ok(readFileSync(join(target, copy)).equals(long), copy)
  assert.equal(readFileSync(join(target, 'all/dir/short'), 'utf8'), 'short')
  assert.equal(readlinkSync(join(target, 'all/dir/link')), 'short')
  assert.match((await mustRead('df', path)).text, /open in +0 {2}processes and threads\n/)
  assert.equal((await mustRead('pins', path)).text, 'no pins\n')
  assert.equal((await mustRead('lost+found', 'ls', path)).text, 'nothing in lost+found\n')
  assert.equal((await mustRead('fsck', '-n', path)).text, `${path}: sound\n`)
  assert.match((await mustRead('doctor', path)).text, /pool +warn +opens for reading only/)

  for (const args of [
    ['rm', path, '/dir/short'],
    ['mkdir', path, '/new'],
    ['truncate', '-s', '0', path, '/dir/long'],
  ]) {
    const { code, errors } = await asReader(...args, '--json')
    assert.deepEqual([code, (JSON.parse(errors) as { error: { code: string } }).error.code], [1, 'EACCES'], args[0])
  }
})
