/** The inspector's page: the built files, all in memory, since they are few and small. */
import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Handler } from 'hono'
import { contentType } from 'mime-types'

/** Where it is: built beside the sources in a checkout, or in the package. */
const PLACES = ['../../../web/dist', '../../web'].map((place) => fileURLToPath(new URL(place, import.meta.url)))

/** Directory of the built page; undefined: there is none. */
export const builtPage = (): string | undefined => PLACES.find((place) => existsSync(join(place, 'index.html')))

interface PageFile {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly type: string
  readonly etag: string
}

/** Serves the page under `prefix`, which ends in '/'. Only names that were there at the start are found. */
export function servePage(directory: string, prefix: string): Handler {
  const files = new Map<string, PageFile>()
  for (const entry of globSync('**/*', { cwd: directory, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    const bytes = Uint8Array.from(readFileSync(path))
    files.set(path.slice(directory.length + 1), {
      bytes,
      type: contentType(entry.name) || 'application/octet-stream',
      etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`,
    })
  }
  return (context, next) => {
    const { method, path, header } = {
      method: context.req.method,
      path: context.req.path,
      header: context.req.header('if-none-match'),
    }
    const file =
      method === 'GET' || method === 'HEAD' ? files.get(path.slice(prefix.length) || 'index.html') : undefined
    if (file === undefined) return next()
    context.header('etag', file.etag)
    context.header('cache-control', 'no-cache')
    if (header === file.etag) return Promise.resolve(context.body(null, 304))
    context.header('content-type', file.type)
    return Promise.resolve(context.body(file.bytes))
  }
}
