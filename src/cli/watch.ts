/**
 * Watching: the same look again each second until Ctrl-C, or q on a terminal. A terminal is painted anew in place; elsewhere one look follows
 * the other, with --json each in a line.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Interrupted } from './interruption.ts'
import { QuitKey } from './key-press.ts'
import { toJson, write } from './output.ts'
import type { Outcome, Run } from './verb.ts'

const PERIOD_MS = 1000
const ESC = String.fromCharCode(27)
const HOME = `${ESC}[H`
const CLEAR_SCREEN = `${HOME}${ESC}[2J`
const CLEAR_LINE_END = `${ESC}[K`
const CLEAR_BELOW = `${ESC}[J`

/** Resolves when it is interrupted, with the exit code for that, or q was pressed, with 0. Rejects when a look fails. */
export async function watch(run: Run, look: () => Promise<Outcome>): Promise<Outcome> {
  const { stdout } = process
  const isPainting = stdout.isTTY && !run.isJson
  using quit = isPainting ? new QuitKey() : undefined
  const ending = quit === undefined ? run.signal : AbortSignal.any([run.signal, quit.signal])
  if (isPainting) await write(stdout, CLEAR_SCREEN)
  for (;;) {
    const { json, text = '' } = await look()
    if (run.isJson) await write(stdout, `${toJson(json)}\n`)
    else await write(stdout, isPainting ? painted(text, stdout) : `${text}\n`)
    await sleep(PERIOD_MS, undefined, { signal: ending }).catch(() => undefined)
    if (quit?.signal.aborted === true) return { json: undefined }
    if (run.signal.aborted) return { json: undefined, exitCode: (run.signal.reason as Interrupted).exitCode }
  }
}

const STYLE_OR_CHARACTER = new RegExp(`${ESC}\\[[0-9;]*m|.`, 'gsu')

/** The first characters of a line, styles not counted, and all of its styles. */
function cutTo(columns: number, line: string): string {
  let room = columns
  return line.replaceAll(STYLE_OR_CHARACTER, (part) => (part.startsWith(ESC) || room-- > 0 ? part : ''))
}

/** Over what was there, without a flash; cut to the screen. */
function painted(text: string, { rows, columns }: { rows: number; columns: number }): string {
  const lines = text.trimEnd().split('\n')
  const room = Math.max(1, rows - 2)
  const kept = lines.length > room ? [...lines.slice(0, room), `… ${lines.length - room} more`] : lines
  return `${HOME}${kept.map((line) => `${cutTo(columns, line)}${CLEAR_LINE_END}\n`).join('')}${CLEAR_BELOW}`
}
