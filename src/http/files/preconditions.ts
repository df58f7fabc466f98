/** Conditional requests (RFC 9110, section 13): what a client knows already, or insists on. */
import type { Question } from './answer.ts'

/** Of what is there now; both undefined: nothing is. */
export interface Validators {
  readonly etag: string | undefined
  /** As in Last-Modified. */
  readonly lastModified: string | undefined
}

/**
 * 412: not what the client insists on. 304: what it has already. Order and precedence are those of section 13.2.2. Tags are
 * compared without `W/`, also by If-Match: ours name a stored state of the file, weak or not.
 */
export function failedPrecondition(question: Question, now: Validators, exists = true): 412 | 304 | undefined {
  const ifMatch = question.header('if-match')
  if (ifMatch !== undefined) {
    if (!exists || !isListed(ifMatch, now.etag)) return 412
  } else {
    const since = dateOf(question.header('if-unmodified-since'))
    if (exists && since !== undefined && isLater(now.lastModified, since)) return 412
  }
  const isRead = question.method === 'GET' || question.method === 'HEAD'
  const ifNoneMatch = question.header('if-none-match')
  if (ifNoneMatch !== undefined) {
    if (!exists || !isListed(ifNoneMatch, now.etag)) return undefined
    return !isRead ? 412 : isReload(question) ? undefined : 304
  }
  const since = dateOf(question.header('if-modified-since'))
  if (!isRead || since === undefined || now.lastModified === undefined || isReload(question)) return undefined
  return isLater(now.lastModified, since) ? undefined : 304
}

/** Whether a Range counts: there is no If-Range, or it names exactly what is there now. */
export function isRangeWanted(question: Question, { etag, lastModified }: Validators): boolean {
  const ifRange = question.header('if-range')
  if (ifRange === undefined) return true
  // Parts of two states that a weak tag calls equal must not be put together.
  if (ifRange.includes('"')) return etag !== undefined && !etag.startsWith('W/') && ifRange.trim() === etag
  const date = dateOf(ifRange)
  return date !== undefined && lastModified !== undefined && Date.parse(lastModified) === date
}

const isReload = (question: Question): boolean =>
  /(?:^|,)\s*no-cache\s*(?:,|$)/.test(question.header('cache-control') ?? '')

function isListed(list: string, etag: string | undefined): boolean {
  if (list.trim() === '*') return true
  if (etag === undefined) return false
  const opaque = withoutWeakness(etag)
  return (list.match(/(?:W\/)?"[^"]*"/g) ?? []).some((tag) => withoutWeakness(tag) === opaque)
}

const withoutWeakness = (tag: string): string => (tag.startsWith('W/') ? tag.slice(2) : tag)

function dateOf(text: string | undefined): number | undefined {
  const date = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(date) ? undefined : date
}

const isLater = (lastModified: string | undefined, date: number): boolean =>
  lastModified === undefined || Date.parse(lastModified) > date
