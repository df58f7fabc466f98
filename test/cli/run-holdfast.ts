/** The real program as a child process, and a pool that goes with the test. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import '../support/compile-cache.ts'

const root = join(import.meta.dirname, '..', '..')
export const main = join(root, 'src', 'cli', 'main.ts')

export interface Ended {
  /** 128 + the number when a signal ended it. */
  code: number | null
  /** Bytes of standard output; `text` is them as UTF-8. */
  output: Buffer
  text: string
  errors: string
}

export function startHoldfast(args: readonly string[], program = main): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [program, ...args], { env: { ...process.env, NO_COLOR: '1' } })
}

export async function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  const [output, errors, [code]] = await Promise.all([
    buffer(child.stdout),
    buffer(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ])
  return { code, output, text: output.toString(), errors: errors.toString() }
}

/** Runs it, or another program that behaves like it, to its end. */
export async function holdfast(
  args: readonly string[],
  input: string | Uint8Array = '',
  program = main,
): Promise<Ended> {
  const child = startHoldfast(args, program)
  // It may end without reading.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return ended(child)
}

/** Runs it; it must succeed without a word of complaint. */
export async function mustRun(args: readonly string[], input: string | Uint8Array = ''): Promise<Ended> {
  const result = await holdfast(args, input)
  assert.equal(result.errors, '', args.join(' '))
  assert.equal(result.code, 0, args.join(' '))
  return result
}

export async function mustJson<T>(args: readonly string[]): Promise<T> {
  return JSON.parse((await mustRun([...args, '--json'])).text) as T
}

/** A directory that goes with the test; in memory where there is one for that. */
export function temporaryDirectory(t: TestContext): string {
  const parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  const directory = mkdtempSync(join(parent, 'holdfast-cli-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Resolves when the condition holds; fails after 20 s. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `waited in vain: ${what}`)
    await sleep(5)
  }
}
