/** Durations in words: `500ms 10s 2m 1h`. */
import { InvalidArgumentError } from 'commander'

const MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Milliseconds of a duration as typed. A number without a unit is refused: nobody knows which was meant. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text)
  if (match !== null) return Math.round(Number(match[1]) * MS[match[2]])
  if (/^0+$/.test(text)) return 0
  throw new InvalidArgumentError('A duration is a number with ms, s, m or h: 500ms, 10s, 2m.')
}

/** The two largest units: `12ms`, `3.2s`, `4m10s`, `2h05m`, `3d04h`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`
  const seconds = Math.floor(ms / 1000)
  if (seconds < 60) return `${(Math.floor(ms / 100) / 10).toFixed(1)}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${twoDigits(seconds % 60)}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 1440) return `${Math.floor(minutes / 60)}h${twoDigits(minutes % 60)}m`
  return `${Math.floor(minutes / 1440)}d${twoDigits(Math.floor(minutes / 60) % 24)}h`
}

const twoDigits = (number: number): string => String(number).padStart(2, '0')
