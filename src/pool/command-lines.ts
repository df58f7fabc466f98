/** Command lines of other participants, for errors and lists. */
import { commandLine, processStartTime } from '../platform/process-identity.ts'

/** By process; a start time belongs to one process only, so an answer stays true. */
const commandLines = new Map<string, string>()

/** '' for a process of another pid namespace, or one that got the number later. */
export function commandLineOf(pid: number, startTime: number): string {
  const key = `${pid} ${startTime}`
  const known = commandLines.get(key)
  if (known !== undefined) return known
  const line = processStartTime(pid) === startTime ? commandLine(pid) : ''
  commandLines.set(key, line)
  return line
}
