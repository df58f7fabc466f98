/** Refusal: an answer that is no file: a status, and in words of HTTP why. */
import { STATUS_CODES } from 'node:http'
import { codeOf } from '../../errors.ts'
import type { Answer } from './answer.ts'

/** `text` is shown to the client; default the status' own words. */
export function refusal(
  status: number,
  headers: Record<string, string> = {},
  text = STATUS_CODES[status] ?? '',
): Answer {
  const bytes = Buffer.from(`${text}\n`)
  return {
    status,
    headers: new Map([
      ['content-type', 'text/plain; charset=utf-8'],
      ['content-length', String(bytes.length)],
      ['x-content-type-options', 'nosniff'],
      ...Object.entries(headers),
    ]),
    body: [bytes],
    source: undefined,
  }
}

const STATUS_OF: Readonly<Record<string, number>> = {
  ENOENT: 404,
  ENOTDIR: 404,
  ENAMETOOLONG: 404,
  ELOOP: 404,
  // A device, a pipe: nothing that could be sent.
  ENXIO: 404,
  EINVAL: 400,
  ERR_INVALID_ARG_VALUE: 400,
  EPERM: 403,
  EACCES: 403,
  EROFS: 403,
  EEXIST: 409,
  EISDIR: 409,
  ENOTEMPTY: 409,
  EBUSY: 423,
  ETXTBSY: 423,
  EFBIG: 413,
  ENOSPC: 507,
  EDQUOT: 507,
  // The pool is closed, or a wait took too long: another time.
  EBADF: 503,
  ETIMEDOUT: 503,
  ESTALE: 503,
  EAGAIN: 503,
}

/** The status that tells of an error of the pool; 500 for what nobody expects. */
export const statusOf = (error: unknown): number => STATUS_OF[codeOf(error) ?? ''] ?? 500
