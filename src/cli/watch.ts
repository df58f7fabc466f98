/**
 * Watching: the same look again each second until Ctrl-C. A terminal is painted anew in place; elsewhere one look follows
 * the other, with --json each in a line.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Interrupted } from './interruption.ts'
import { toJson, write } from './output.ts'
import type { Outcome, Run } from './verb.ts'

const PERIOD_MS = 1000
const ESC = String.fromCharCode(27)
const HOME = `${ESC}[H`
const CLEAR_SCREEN = `${HOME}${ESC}[2J`
const CLEAR_LINE_END = `${ESC}[K`
const CLEAR_BELOW = `${ESC}[J`

/** Resolves when it is interrupted, with the exit code for that. Rejects when a look fails. */
export async function watch(run: Run, look: () => Promise<Outcome>): Promise<Outcome> {
  const { stdout } = process
  const isPainting = stdout.isTTY && !run.isJson
  if (isPainting) await write(stdout, CLEAR_SCREEN)
  for (;;) {
    const { json, text = '' } = await look()
    if (run.isJson) await write(stdout, `${toJson(json)}\n`)
    else await write(stdout, isPainting ? painted(text, stdout) : `${text}\n`)
    await sleep(PERIOD_MS, undefined, { signal: run.signal }).catch(() => undefined)
    if (run.signal.aborted) return { json: undefined, exitCode: (run.signal.reason as Interrupted).exitCode }
  }
}

/** Over what was there, without a flash; cut to the screen. */
function painted(text: string, { rows, columns }: { rows: number; columns: number }): string {
  const lines = text.trimEnd().split('\n')
  const room = Math.max(1, rows - 2)
  const kept = lines.length > room ? [...lines.slice(0, room), `… ${lines.length - room} more`] : lines
  return `${HOME}${kept.map((line) => `${line.slice(0, columns)}${CLEAR_LINE_END}\n`).join('')}${CLEAR_BELOW}`
}
