/** The server's JSON API. The token comes in the address's fragment, which no server sees, and stays in this tab. */
import type { BlockMap } from '../../src/http/api/block-map.ts'
import type { Failure } from '../../src/http/api/failure.ts'
import type { FileListing, FileView } from '../../src/http/api/files-view.ts'
import type { SpaceColumns } from '../../src/http/api/space-history.ts'
import type { PoolStats } from '../../src/pool/pool-stats.ts'

export interface PoolFacts {
  readonly name: string
  readonly sizeBytes: number
  readonly blockSize: number
  readonly blocks: number
  readonly policies: { readonly busy: string; readonly dax: string; readonly leaseBreakTimeMs: number }
  readonly stats: PoolStats
  readonly writable: boolean
}

const API = new URL('api/', document.baseURI)
const KEPT = 'holdfast-token'

const fromAddress = new URLSearchParams(location.hash.slice(1)).get('token')
if (fromAddress !== null) {
  sessionStorage.setItem(KEPT, fromAddress)
  history.replaceState(null, '', location.pathname + location.search)
}
const token = fromAddress ?? sessionStorage.getItem(KEPT)

export async function ask<T>(path: string, method = 'GET', body?: unknown): Promise<T> {
  const response = await fetch(new URL(path, API), {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const answer = (await response.json()) as T & { error?: Failure }
  if (!response.ok) throw new Error(answer.error?.message ?? `${response.status} ${response.statusText}`)
  return answer
}

export const events = (path: string): EventSource => new EventSource(new URL(path, API))

export const poolFacts = (): Promise<PoolFacts> => ask('pool')
export const mapOf = (from: number, to: number, cells: number): Promise<BlockMap> =>
  ask(`map?from=${from}&to=${to}&cells=${cells}`)
export const filesIn = (path: string, after = ''): Promise<FileListing> =>
  ask(`files?path=${encodeURIComponent(path)}&after=${encodeURIComponent(after)}`)
/** Extents that are shown of a file at first, and how many the server gives at once at most. */
export const EXTENTS = 200
export const MOST_EXTENTS = 1000
/** With a portion of its extents, from byte `from` on. */
export const fileAt = (path: string, { from = 0, limit = EXTENTS } = {}): Promise<FileView> =>
  ask(`file?path=${encodeURIComponent(path)}&from=${from}&limit=${limit}`)
/** Where the file itself is. */
export const fileAddress = (path: string): string =>
  new URL(`..${path.split('/').map(encodeURIComponent).join('/')}`, document.baseURI).href
export const spaceHistory = (): Promise<SpaceColumns> => ask('history')
