/** Programs of the machine, run to their end. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'

const { HOME: _, ...here } = process.env

/** Settings of the user who runs the tests, and of git, stay out. */
const ENVIRONMENT = {
  ...here,
  LC_ALL: 'C',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@example.org',
  GIT_COMMITTER_NAME: 'A',
  GIT_COMMITTER_EMAIL: 'a@example.org',
}

/** True, and the test is skipped and says why, when one of these programs is not installed. */
export function lacks(t: TestContext, ...programs: string[]): boolean {
  const missing = programs.find((program) => !isInstalled(program))
  if (missing === undefined) return false
  t.skip(`${missing} is not installed`)
  return true
}

function isInstalled(program: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((directory) => {
    try {
      accessSync(`${directory}/${program}`, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** What it printed on standard output. It must end with 0; what it printed else is in the error. */
export async function run(directory: string, program: string, ...words: string[]): Promise<string> {
  const child = spawn(program, words, { cwd: directory, env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] })
  const exit = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  const [printed, complaints, status] = await Promise.all([text(child.stdout), text(child.stderr), exit])
  assert.equal(status, 0, `${program} ${words.join(' ')} ended with ${status}:\n${complaints}${printed}`)
  return printed
}
