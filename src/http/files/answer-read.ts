/** GET and HEAD: from a question to an answer whose body is pinned. */
import { randomBytes } from 'node:crypto'
import { validateHeaderName, validateHeaderValue } from 'node:http'
import { contentType } from 'mime-types'
import { posix } from 'node:path'
import type { Pool } from '../../pool/pool.ts'
import type { Stat } from '../../pool/stat.ts'
import type { Answer, BodyPart, Fields, Question } from './answer.ts'
import type { ByteRange } from './byte-ranges.ts'
import { byteRanges, contentRange } from './byte-ranges.ts'
import { stateOf } from './file-state.ts'
import { findFile } from './find-file.ts'
import type { Settings } from './options.ts'
import type { Validators } from './preconditions.ts'
import { failedPrecondition, isRangeWanted } from './preconditions.ts'
import type { RecentFiles } from './recent-files.ts'
import { refusal } from './refusal.ts'
import { requestPath, withSlash } from './request-path.ts'
import { validatorsOf } from './validators.ts'

/** undefined: there is nothing at the path. Errors of the pool are thrown. */
export async function answerRead(
  pool: Pool,
  settings: Settings,
  question: Question,
  recent: RecentFiles | undefined,
): Promise<Answer | undefined> {
  const target = requestPath(question.url, settings)
  if (target === 404) return undefined
  if (typeof target === 'number') return refusal(target)
  const file = await findFile(pool, target, settings)
  if (file === undefined) return undefined
  if (file === 'redirect') {
    const location = withSlash(question.originalUrl ?? question.url)
    return refusal(301, { location, 'content-security-policy': "default-src 'none'" })
  }
  try {
    let plan: Plan | undefined
    const planFor = (stat: Stat): ByteRange | undefined => {
      plan = planOf(question, stat, settings)
      return plan.hull
    }
    const { stat, isExact, source } = await stateOf(file, planFor, !pool.isReadOnly)
    try {
      const isByItself = file.path === target.path || file.path === `${target.path}/${settings.index[0]}`
      if (isByItself) recent?.keep(question.url, file.path)
      const { status, ranges, validators } = isExact ? plan! : { status: 200, ranges: undefined, validators: NONE }
      return answerOf(question, settings, { path: file.path, stat }, { status, ranges, validators, source })
    } catch (error) {
      source?.release()
      throw error
    }
  } finally {
    await file.close()
  }
}

/** The same at once, about a file that was found before. */
export function answerRecent(settings: Settings, question: Question, recent: RecentFiles): Answer | undefined {
  const file = recent.find(question.url)
  if (file === undefined) return undefined
  if (question.isAsItCame === true) file.isAskedFor = true
  const plan = planOf(question, file.stat, settings)
  const { status, ranges, validators, hull } = plan
  const isBare = hull === undefined || hull.length === 0
  const source = isBare ? undefined : recent.take(file, hull)
  if (!isBare && source === undefined) return undefined
  try {
    return answerOf(question, settings, file, { status, ranges, validators, source })
  } catch (error) {
    source?.release()
    throw error
  }
}

interface Plan {
  readonly status: number
  /** undefined: the whole file. */
  readonly ranges: readonly ByteRange[] | undefined
  readonly validators: Validators
  /** The bytes to pin. */
  readonly hull: ByteRange | undefined
}

const NONE: Validators = { etag: undefined, lastModified: undefined }

/** What to say to the question about a file with these attributes. */
function planOf(question: Question, stat: Stat, settings: Settings): Plan {
  const validators = validatorsOf(stat, settings)
  const without = (status: number): Plan => ({ status, ranges: undefined, validators, hull: undefined })
  const failed = failedPrecondition(question, validators)
  if (failed !== undefined) return without(failed)
  if (question.method === 'HEAD') return without(200)
  const whole: Plan = { status: 200, ranges: undefined, validators, hull: { offset: 0, length: stat.size } }
  if (!settings.acceptRanges || !isRangeWanted(question, validators)) return whole
  const ranges = byteRanges(question.header('range'), stat.size)
  if (ranges === undefined) return whole
  if (ranges === 'unsatisfiable') return without(416)
  const offset = Math.min(...ranges.map((range) => range.offset))
  const end = Math.max(...ranges.map((range) => range.offset + range.length))
  return { status: 206, ranges, validators, hull: { offset, length: end - offset } }
}

function answerOf(
  question: Question,
  settings: Settings,
  file: { readonly path: string; readonly stat: Stat; fields?: Fields | undefined },
  { status, ranges, validators, source }: Omit<Plan, 'hull'> & { source: Answer['source'] },
): Answer {
  const { path, stat } = file
  const isWhole = status === 200 && ranges === undefined
  if (isWhole && file.fields !== undefined) {
    const body = source === undefined || question.method === 'HEAD' ? [] : [{ offset: 0, length: stat.size }]
    return { status, headers: file.fields.headers, fields: file.fields, body, source }
  }
  if (status === 412) return refusal(412)
  if (status === 416) return refusal(416, { 'content-range': `bytes */${stat.size}` })
  const type = contentType(posix.extname(path)) || 'application/octet-stream'
  const headers = new Map(settings.always)
  if (settings.acceptRanges) headers.set('accept-ranges', 'bytes')
  if (settings.cacheControl !== undefined) headers.set('cache-control', settings.cacheControl)
  if (validators.lastModified !== undefined) headers.set('last-modified', validators.lastModified)
  if (validators.etag !== undefined) headers.set('etag', validators.etag)
  let body: readonly BodyPart[] = []
  if (status !== 304) {
    headers.set('content-type', type)
    if (ranges === undefined) {
      headers.set('content-length', String(stat.size))
      if (source !== undefined) body = [{ offset: 0, length: stat.size }]
    } else if (ranges.length === 1) {
      headers.set('content-length', String(ranges[0].length))
      headers.set('content-range', contentRange(ranges[0], stat.size))
      body = ranges
    } else {
      const boundary = randomBytes(12).toString('hex')
      body = multipart(ranges, { boundary, type, size: stat.size })
      headers.set('content-type', `multipart/byteranges; boundary=${boundary}`)
      headers.set('content-length', String(body.reduce((sum, { length }) => sum + length, 0)))
    }
  }
  if (settings.setHeaders !== undefined) {
    settings.setHeaders(headers, path, stat)
    for (const [name, value] of headers) {
      validateHeaderName(name)
      validateHeaderValue(name, value)
    }
  }
  if (isWhole && settings.setHeaders === undefined)
    file.fields = { headers, list: [...headers].flat(), head: undefined }
  return { status, headers, body: question.method === 'HEAD' ? [] : body, source }
}

function multipart(
  ranges: readonly ByteRange[],
  { boundary, type, size }: { boundary: string; type: string; size: number },
): BodyPart[] {
  const parts = ranges.flatMap((range, index): BodyPart[] => {
    const head = `${index === 0 ? '' : '\r\n'}--${boundary}\r\ncontent-type: ${type}\r\ncontent-range: ${contentRange(range, size)}\r\n\r\n`
    return [Buffer.from(head), range]
  })
  return [...parts, Buffer.from(`\r\n--${boundary}--\r\n`)]
}
