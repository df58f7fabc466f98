/**
 * `glob`: paths that match patterns. What a pattern means is asked of `path.matchesGlob`, which is Node's own; here is only
 * the walk, which looks at no directory that no pattern can lead into.
 */
import type { Dirent } from 'node:fs'
import { posix } from 'node:path'
import { codeOf, wrongType } from '../errors.ts'
import type { InodeKind } from '../metadata/metadata.ts'
import type { Pool } from '../pool/pool.ts'
import { pathOf } from './arguments.ts'
import { PoolDirent } from './dirent.ts'
import { joined } from './read-directory.ts'

export interface GlobOptions {
  /** Where relative patterns begin; default the root of the pool. */
  readonly cwd?: string | URL | undefined
  readonly withFileTypes?: boolean | undefined
  /** Patterns, or a function that is asked of each path (with `withFileTypes` of each entry): true leaves it and what is below out. */
  readonly exclude?: readonly string[] | ((what: never) => boolean) | undefined
}

/** Checks what was given; then gives each path once: relative to `cwd`, or absolute where the pattern is. */
export function glob(
  pool: Pool,
  pattern: string | readonly string[],
  options: GlobOptions = {},
): AsyncGenerator<string | Dirent, undefined> {
  const patterns = typeof pattern === 'string' ? [pattern] : pattern
  if (!Array.isArray(patterns) || !patterns.every((each) => typeof each === 'string'))
    throw wrongType('patterns', 'of type string or an array of strings', pattern)
  const { exclude } = options
  if (exclude !== undefined && typeof exclude !== 'function' && !Array.isArray(exclude))
    throw wrongType('options.exclude', 'an array of strings or a function', exclude)
  return found(pool, patterns, options)
}

async function* found(
  pool: Pool,
  patterns: readonly string[],
  options: GlobOptions,
): AsyncGenerator<string | Dirent, undefined> {
  const cwd = pathOf(options.cwd ?? '.')
  const exclusion = exclusionOf(options, cwd)
  const seen = new Set<string>()
  for (const pattern of patterns.flatMap((each) => alternatives(posix.normalize(each)))) {
    for await (const { path, kind } of walk(pool, cwd, pattern, exclusion)) {
      if (seen.has(path)) continue
      seen.add(path)
      yield options.withFileTypes === true ? direntOf(cwd, path, kind) : path
    }
  }
  return undefined
}

interface Found {
  readonly path: string
  readonly kind: InodeKind
}

/** What is left out: the path and all below it, or only what is below it. */
type Exclusion = (found: Found) => 'all' | 'below' | undefined

function exclusionOf({ exclude, withFileTypes }: GlobOptions, cwd: string): Exclusion {
  if (exclude === undefined) return () => undefined
  if (typeof exclude === 'function') {
    const asked = exclude as (what: unknown) => boolean
    return ({ path, kind }) => (asked(withFileTypes === true ? direntOf(cwd, path, kind) : path) ? 'all' : undefined)
  }
  const isOneOf = (path: string): boolean => exclude.some((pattern) => posix.matchesGlob(path, pattern))
  // With a '/' behind it a directory is what is in it: that is what 'directory/**' means.
  return ({ path, kind }) => (isOneOf(path) ? 'all' : kind === 'directory' && isOneOf(`${path}/`) ? 'below' : undefined)
}

const direntOf = (cwd: string, path: string, kind: InodeKind): PoolDirent =>
  new PoolDirent({ name: posix.basename(path), kind }, posix.dirname(path.startsWith('/') ? path : joined(cwd, path)))

/** A directory that was removed meanwhile, never was one, or cannot be looked into: nothing is found in it, as by node:fs. */
const UNSEEN: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES'])

/** Whether a part of a pattern is just a name. */
const isPlain = (part: string): boolean => !/[*?[\]{}()!+@\\]/.test(part)

/** A pattern, and what follows from it. */
interface Walk {
  readonly pool: Pool
  readonly cwd: string
  readonly pattern: string
  readonly parts: readonly string[]
  /** It ends with '/'. */
  readonly isOfDirectories: boolean
  readonly exclusion: Exclusion
}

/** Goes from the directories that the pattern names straight to those it does not. */
async function* walk(pool: Pool, cwd: string, given: string, exclusion: Exclusion): AsyncGenerator<Found> {
  const isOfDirectories = given.endsWith('/')
  const pattern = given.replace(/(.)\/+$/, '$1')
  const parts = pattern.split('/')
  const on: Walk = { pool, cwd, pattern, parts, isOfDirectories, exclusion }
  const plain = parts.findIndex((part) => !isPlain(part))
  const named = plain < 0 ? pattern : parts.slice(0, plain).join('/')
  const start = plain === 1 && parts[0] === '' ? '/' : named
  const kind = await kindAt(pool, placeOf(on, start))
  if (kind === undefined) return
  // A '**' at the end also means the directory itself.
  const isItself = plain < 0 || (plain === parts.length - 1 && parts[plain] === '**')
  const path = start === '' ? '.' : start
  const isWanted = (plain >= 0 && kind === 'directory') || (path !== '.' && (kind === 'directory' || !isOfDirectories))
  if (isItself && isWanted && exclusion({ path, kind }) !== 'all') yield { path, kind }
  if (plain >= 0) yield* below(on, start)
}

const placeOf = ({ cwd }: Walk, path: string): string => (path.startsWith('/') ? path : joined(cwd, path)) || '/'

async function* below(on: Walk, directory: string): AsyncGenerator<Found> {
  const deepest = on.parts.includes('**') ? Infinity : on.parts.length
  const inside: string[] = []
  try {
    for await (const { name, kind } of on.pool.entries(placeOf(on, directory))) {
      const path = directory === '' ? name : joined(directory, name)
      const leadsOn = kind === 'directory' && path.split('/').length < deepest && mayLeadOn(path, on.parts)
      const isFound = isMatch(on, path, kind)
      const excluded = leadsOn || isFound ? on.exclusion({ path, kind }) : undefined
      if (leadsOn && excluded === undefined) inside.push(path)
      if (isFound && excluded !== 'all') yield { path, kind }
    }
  } catch (error) {
    if (!UNSEEN.has(codeOf(error) ?? '')) throw error
  }
  for (const each of inside) yield* below(on, each)
}

/** What ends with '**' also means the directory before it. */
function isMatch({ pattern, isOfDirectories }: Walk, path: string, kind: InodeKind): boolean {
  if (kind !== 'directory' && isOfDirectories) return false
  if (posix.matchesGlob(path, pattern)) return true
  return kind === 'directory' && pattern.endsWith('/**') && posix.matchesGlob(path, pattern.slice(0, -'/**'.length))
}

/** Whether the first parts of a pattern match all names of a path; a '**' among them leads anywhere that is not hidden. */
function mayLeadOn(path: string, parts: readonly string[]): boolean {
  const names = path.split('/')
  for (const [at, name] of names.entries()) {
    const part = parts[at]
    if (part === undefined) return false
    if (part === '**') return names.slice(at).every((each) => !each.startsWith('.') || parts.includes(each))
    if (part !== name && !posix.matchesGlob(name, part)) return false
  }
  return true
}

async function kindAt(pool: Pool, path: string): Promise<InodeKind | undefined> {
  try {
    const stat = await pool.lstat(path)
    if (stat.isDirectory()) return 'directory'
    return stat.isSymbolicLink() ? 'symlink' : 'file'
  } catch (error) {
    if (UNSEEN.has(codeOf(error) ?? '')) return undefined
    throw error
  }
}

/** 'a{b,c}d' → 'abd', 'acd', as each may begin in another directory. What has no comma is left to the matcher. */
function alternatives(pattern: string): string[] {
  const open = pattern.search(/(?<!\\)\{/)
  if (open < 0) return [pattern]
  const commas: number[] = []
  let close = -1
  for (let at = open + 1, depth = 1; at < pattern.length; at++) {
    if (pattern[at] === '\\') at++
    else if (pattern[at] === '{') depth++
    else if (pattern[at] === '}' && --depth === 0) {
      close = at
      break
    } else if (pattern[at] === ',' && depth === 1) commas.push(at)
  }
  if (close < 0 || commas.length === 0) return [pattern]
  const edges = [open, ...commas, close]
  return edges
    .slice(1)
    .flatMap((edge, at) =>
      alternatives(pattern.slice(0, open) + pattern.slice(edges[at] + 1, edge) + pattern.slice(close + 1)),
    )
}
