import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { bootId, commandLine, hasEnded, processStartTime } from '../../src/platform/process-identity.ts'

/** Above every pid_max. */
const NOBODY = 2 ** 22 + 1

test('the boot has a name that stays', () => {
  assert.match(bootId(), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  assert.equal(bootId(), bootId())
})

test('a process has a start time, at which it was started', () => {
  const upSeconds = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
  const startedAt = processStartTime(process.pid)
  assert(startedAt !== undefined)
  assert(Math.abs(upSeconds - process.uptime() - startedAt / 100) < 2)
  assert.equal(processStartTime(process.pid), startedAt)
})

test('a process that named itself with parentheses and spaces has the right start time', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const odd = join(directory, 'a) R 1 (b')
  copyFileSync('/bin/sleep', odd)
  const before = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
  const child = spawn(odd, ['30'])
  t.after(() => child.kill())
  await once(child, 'spawn')
  const startedAt = processStartTime(child.pid!)
  assert(startedAt !== undefined && startedAt / 100 > before - 1 && startedAt / 100 < before + 5, `${startedAt}`)
  assert.match(commandLine(child.pid!), /a\) R 1 \(b 30$/)
})

test('a process that does not exist has neither', () => {
  assert.equal(processStartTime(NOBODY), undefined)
  assert.equal(commandLine(NOBODY), '')
})

test('a process has ended when nobody is there, or nobody has waited for it', async (t) => {
  assert.deepEqual([hasEnded(NOBODY), hasEnded(process.pid), hasEnded(1)], [true, false, false])
  // The shell becomes a program that waits for nobody.
  const parent = spawn('sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 30'])
  t.after(() => parent.kill())
  const child = Number((await once(parent.stdout, 'data'))[0])
  while (!hasEnded(child)) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.ok(process.kill(child, 0), 'its number is taken until then')
})

test('a command line is one printable line of bounded length', async (t) => {
  const child = spawn('sleep', ['30'], { argv0: `evil\u001B[2J\n\u0007${'x'.repeat(1000)}` })
  t.after(() => child.kill())
  await once(child, 'spawn')
  const line = commandLine(child.pid!)
  assert.match(line, /^evil \[2J x+…$/)
  assert.equal(line.length, 200)
})
