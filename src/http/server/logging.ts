/**
 * Logs of the server, on standard error: a line of JSON for each event; for a person at a terminal a line of words.
 * No token and no query is ever in them.
 */
import type { Logger } from 'pino'
import pino from 'pino'

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error' | 'flush'>

const STANDARD_ERROR = 2

/** `isForPeople`: words. */
export function newLog(isForPeople: boolean): Log {
  const settings = { base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: levelName } }
  const toStandardError = pino.destination({ dest: STANDARD_ERROR, sync: true })
  if (!isForPeople) return pino(settings, toStandardError)
  return pino(settings, { write: (line) => toStandardError.write(`${inWords(JSON.parse(line) as Event)}\n`) })
}

const UNITS: Readonly<Record<string, string>> = { ms: 'ms', bytes: 'B' }

const levelName = (level: string): { level: string } => ({ level })

/** What a line of JSON holds. */
interface Event {
  readonly level: string
  readonly time: string
  readonly msg: string
  readonly err?: { readonly message: string }
  readonly [name: string]: unknown
}

/** `12:30:01 GET /a 200 5B 3ms`; a warning says so, and what was broken off. */
export function inWords({ level, time, msg, err, ...rest }: Event): string {
  const clock = time.slice(11, 19)
  const label = level === 'info' ? '' : `${level}: `
  const facts = Object.entries(rest)
    .filter(([name, value]) => name !== 'outcome' || value !== 'whole')
    .map(([name, value]) =>
      typeof value === 'string'
        ? name === 'why'
          ? `(${value})`
          : value
        : `${JSON.stringify(value)}${UNITS[name] ?? ''}`,
    )
  const words = [`${label}${msg}`, ...facts, ...(err === undefined ? [] : [err.message])].join(' ')
  return `${clock} ${words.replaceAll(/\p{Cc}/gu, '?')}`
}
