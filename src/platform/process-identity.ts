/**
 * Which process is meant. A pid alone is used again; a pid, its start time and the boot are not.
 *
 * All of it is as this pid namespace sees it, and serves to *name* a process. Whether the owner of a slot lives is asked
 * of its lock (`file-lock.ts`), which works across namespaces. Callers: the pin table, error messages.
 */
import { readFileSync } from 'node:fs'

import { codeOf } from '../errors.ts'
import { readProc } from './proc.ts'

const COMMAND_LINE_CHARACTERS = 200

let boot: string | undefined

/** The kernel's random name for this boot, a UUID. */
export function bootId(): string {
  return (boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())
}

/**
 * When a process was started, in clock ticks (1/100 s) since boot; `undefined` when there is none with this pid, or /proc
 * hides it (hidepid). A process that is dead but not waited for still has one. 10 µs.
 */
export const processStartTime = (pid: number): number | undefined => startTimeIn(readProc(`${pid}/stat`))

/**
 * The same of this process; 0 when /proc does not tell. Not by its pid: in a pid namespace whose /proc is that of another one
 * the number would be somebody else's there.
 */
export const ownStartTime = (): number => startTimeIn(readProc('self/stat')) ?? 0

function startTimeIn(stat: string | undefined): number | undefined {
  if (stat === undefined) return undefined
  const startTime = Number(fieldsFromThird(stat)[22 - 3])
  return Number.isSafeInteger(startTime) ? startTime : undefined
}

/** Field 2 is the command in parentheses and may itself hold spaces and parentheses; field 3 follows the last ')'. */
const fieldsFromThird = (stat: string): string[] => stat.slice(stat.lastIndexOf(')') + 2).split(' ')

/**
 * Whether a process is at its end: there is none with this pid, or nobody has waited for it yet. Orphans are waited for by
 * process 1, which in many a container never does. 20 µs.
 */
export function hasEnded(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return true
  }
  const stat = readProc(`${pid}/stat`)
  return stat !== undefined && ['Z', 'X'].includes(fieldsFromThird(stat)[0])
}

/** The command line of a process as one printable line, at most 200 characters; '' when it cannot be read. */
export function commandLine(pid: number): string {
  const words = readProc(`${pid}/cmdline`) ?? ''
  // a process chooses these bytes itself: nothing of it may move a terminal's cursor
  const line = words.replace(/\p{Cc}+/gu, ' ').trim()
  return line.length <= COMMAND_LINE_CHARACTERS ? line : `${line.slice(0, COMMAND_LINE_CHARACTERS - 1)}…`
}

/** The umask, without setting it (process.umask() does, for all threads, for an instant). 20 µs. */
export function fileModeMask(): number {
  const mask = /^Umask:\s*([0-7]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return mask === undefined ? 0o022 : Number.parseInt(mask, 8)
}
