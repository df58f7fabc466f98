/** The demo, as a user runs it, with a small file. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { DemoReport } from '../../src/cli/demo/demo.ts'
import { hasEnded } from '../../src/platform/process-identity.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const MIB = 1 << 20
const temporary = mkdtempSync(join(tmpdir(), 'holdfast-test-demo-'))
after(() => rmSync(temporary, { recursive: true, force: true }))

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function start(args: readonly string[]): { pid: number; kill: () => void; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [MAIN, 'demo', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: temporary },
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...output }))
  return { pid: child.pid ?? 0, kill: () => child.kill('SIGINT'), ended }
}

test('the demo keeps every promise, and shows what happens without: SIGBUS, a short body, a torn body', async () => {
  const { code, stdout, stderr } = await start(['--size', '4M', '--json']).ended
  assert.equal(stderr, '')
  const report = JSON.parse(stdout) as DemoReport
  assert.deepEqual(
    report.rounds.flatMap(({ broken }) => broken),
    [],
  )
  assert.deepEqual(report.findings, [], 'the pool is sound at the end')
  assert.equal(report.isKept, true)
  assert.equal(code, 0)
  assert.deepEqual(
    report.rounds.map(({ change, policy }) => `${change}, ${policy}`),
    [
      ...['truncate, fail', 'truncate, wait', 'truncate, sequester', 'truncate, dax never'],
      ...['punch, fail', 'punch, wait', 'punch, sequester'],
      ...['unlink, fail', 'unlink, wait', 'unlink, sequester'],
    ],
  )
  for (const { change, policy, client, newFiles, lateData, space, pinsHeld, afterLastPinMs } of report.rounds) {
    const name = `${change}, ${policy}`
    assert.equal(client.bytes, 4 * MIB, name)
    assert(client.isIntact && newFiles.areUntouched && lateData.isFound && space.isBack, name)
    assert(client.sentAfterBytes >= 2 * MIB, `${name}: half of the download comes after the change`)
    assert(newFiles.bytes > MIB / 2, `${name}: the pool was filled`)
    assert.equal(lateData.bytes, policy === 'dax never' ? 0 : (4 * MIB * 6) / 64, name)
    // After a wait, pins that queued behind the change may be there already.
    if (policy !== 'wait') assert.equal(pinsHeld > 0, policy !== 'dax never', name)
    assert.equal(afterLastPinMs !== undefined && afterLastPinMs >= 0, policy === 'wait', name)
    if (policy === 'sequester') {
      assert.equal(lateData.where, 'lost+found', name)
      assert(newFiles.reusedBytes > 0, `${name}: what nobody had pinned was reused at once`)
    }
  }
  assert.deepEqual(
    report.controls.map(({ change, reader, outcome }) => `${change}, ${reader}: ${outcome}`),
    ['truncate, plain mmap: SIGBUS', 'truncate, fs stream: short', 'overwrite, fs stream: torn'],
  )
  assert.deepEqual(readdirSync(temporary), [], 'the temporary directory is gone')
})

test('Ctrl-C in the middle of the demo ends its processes, removes its directory and exits with 130', async () => {
  const demo = start(['--size', '4M'])
  await until(() => childrenOf(demo.pid).length > 0 && readdirSync(temporary).some(hasPool))
  const children = childrenOf(demo.pid)
  demo.kill()
  assert.equal((await demo.ended).code, 130)
  assert.deepEqual(readdirSync(temporary), [])
  assert.deepEqual(
    children.filter((pid) => !hasEnded(Number(pid))),
    [],
  )
})

const hasPool = (name: string): boolean => existsSync(join(temporary, name, 'pool', 'meta.db'))

const childrenOf = (pid: number): string[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ')
    .filter((child) => child !== '')

/** The test's own time limit ends it. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await delay(5)
}
