/** `holdfast stats`: the numbers of a pool, once and again. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { atEnd, temporaryPool } from '../support/temporary-pool.ts'
import { ended, mustJson, mustRun, startHoldfast, until } from './run-holdfast.ts'

const MIB = 1 << 20

test('stats says how space is shared out, and who holds pins longest', async (t) => {
  const pool = await temporaryPool(t, { sizeBytes: 16 * MIB })
  await pool.writeFile('/video', Buffer.alloc(8 * MIB, 1))
  await using file = await pool.open('/video', 'r+')
  using _pin = await file.pin({ offset: 0, length: 4 * MIB, mode: 'read' })
  await file.truncate(2 * MIB)
  const numbers = await mustJson<Record<string, number>>(['stats', pool.path])
  assert.deepEqual([numbers['usedBytes'], numbers['pinnedBytes'], numbers['pins']], [2 * MIB, 4 * MIB, 1])
  assert.equal(numbers['sequesteredBytes'], 2 * MIB)
  assert.ok(numbers['oldestPinMs'] >= 0)
  const { text } = await mustRun(['stats', pool.path])
  const bars = Object.fromEntries(
    [...text.matchAll(/^ {2}(\S+) +(\S+) {2}(█*)[▏▎▍▌▋▊▉]?·*$/gm)].map(([, name, size, bar]) => [
      name,
      `${size} ${bar.length}`,
    ]),
  )
  // Of 56 columns an eighth, and so on.
  assert.deepEqual([bars['used'], bars['lost+found'], bars['pinned']], ['2M 7', '2M 7', '4M 14'])
  assert.match(text, new RegExp(`^ {2}OLDEST +LENGTH +PID +FILE\\n {2}\\S+ +4M +${process.pid} {2}/video\\n$`, 'm'))
  assert.deepEqual(
    text.split('\n').filter((line) => line.length > 80),
    [],
  )
})

test('--watch --json is a line each second, until Ctrl-C', async (t) => {
  const pool = await temporaryPool(t)
  const child = startHoldfast(['stats', pool.path, '--watch', '--json'])
  atEnd(t, () => child.kill('SIGKILL'))
  const lines: { files: number }[] = []
  createInterface(child.stdout).on('line', (line) => lines.push(JSON.parse(line) as { files: number }))
  await until('it has looked', () => lines.length > 0)
  await pool.writeFile('/a', 'a')
  await until('it has looked again', () => lines.at(-1)?.files === lines[0].files + 1)
  const end = ended(child)
  child.kill('SIGINT')
  assert.equal((await end).code, 130)
})

const hasTerminals = spawnSync('script', ['--version']).status === 0

test('on a terminal q ends it, which is as it was', { skip: !hasTerminals && 'no script(1) here' }, async (t) => {
  const pool = await temporaryPool(t)
  const main = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')
  const line = `stty cols 80 rows 24; '${process.execPath}' '${main}' stats '${pool.path}' --watch; echo "code $?"; stty -a`
  const child = spawn('script', ['-qec', line, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] })
  atEnd(t, () => child.kill('SIGKILL'))
  let screen = ''
  child.stdout.on('data', (part: Buffer) => (screen += part.toString()))
  await until('it is painted', () => screen.includes('lost+found'))
  child.stdin.write('xq')
  await once(child, 'close')
  assert.match(screen, /code 0/)
  assert.match(screen, / icanon/)
})
