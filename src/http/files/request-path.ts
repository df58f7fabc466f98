/** From the target of a request to a path of the pool, decoded once. */
import type { Settings } from './options.ts'

/** Where a request points, or the status that refuses it. */
export interface RequestPath {
  /** In the pool, with the root; no slash at its end. */
  readonly path: string
  /** It ended with '/': a directory is meant. */
  readonly hasSlash: boolean
}

export function requestPath(url: string, { root, dotfiles }: Settings): RequestPath | 400 | 403 | 404 {
  const decoded = decode(pathOf(url))
  if (decoded === undefined || decoded.includes('\0') || !decoded.startsWith('/')) return 400
  const names = decoded.split('/').filter((name) => name !== '' && name !== '.')
  if (names.includes('..')) return 403
  if (dotfiles !== 'allow' && names.some((name) => name.startsWith('.'))) return dotfiles === 'deny' ? 403 : 404
  const path = root + names.map((name) => `/${name}`).join('')
  // What strayed from files with other rights is for the operator of the pool.
  if (/^\/lost\+found(?:\/|$)/.test(path)) return 404
  return { path, hasSlash: /\/\.?$/.test(decoded) }
}

/** Of '/a?b' and of 'http://host/a?b' it is '/a'. */
function pathOf(url: string): string {
  const end = url.search(/[?#]/)
  const target = end < 0 ? url : url.slice(0, end)
  if (target.startsWith('/')) return target
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/[^/]*(?<path>\/.*)?$/i.exec(target)
  return absolute === null ? target : (absolute.groups?.['path'] ?? '/')
}

function decode(text: string): string | undefined {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Where a directory's name without its slash leads: one slash at the beginning, since two would name a host. */
export function withSlash(url: string): string {
  const query = url.indexOf('?')
  const path = pathOf(url).replace(/^[/\\]+/, '/')
  return encodeURI(`${path}/`).replaceAll('%25', '%') + (query < 0 ? '' : url.slice(query))
}
