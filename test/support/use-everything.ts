/**
 * Uses all that a pool has, whatever state it is in: for pools that somebody has tampered with. Says what went wrong other than
 * by an error of the system's, which is the right answer to damage: none, and the pool gave correct service or a clear no.
 */
import { codeOf } from '../../src/errors.ts'
import type { File, Pool } from '../../src/index.ts'
import { openPool } from '../../src/index.ts'
import type { Participant } from './participant.ts'

const MAX_DEPTH = 5
const MAX_ENTRIES = 50
const BLOCK = 4096
/** Of Node's shape: three capitals and more, and no mistake of ours or the caller's. */
const isSystemError = (error: unknown): boolean => /^E[A-Z0-9]{2,}$/.test(codeOf(error) ?? '')

export interface Used {
  /** What no pool may ever do. */
  readonly wrong: readonly string[]
  /** How many calls succeeded, and the codes of those that did not. */
  readonly done: number
  readonly codes: readonly string[]
}

const MODULE = import.meta.url

/** The same by a process of its own, which may die, or hang: then it rejects, with `what`. */
export async function usedBy(
  user: Participant,
  path: string,
  { readOnly, timeoutMs, what = '' }: { readOnly: boolean; timeoutMs: number; what?: string },
): Promise<Used> {
  const hung = Promise.withResolvers<never>()
  const timer = setTimeout(() => hung.reject(new Error(`${what} hangs`)), timeoutMs)
  const run = user.run(
    async (here, url, at, isReadOnly) => {
      const module = await here.load<{ useEverything: typeof useEverything }>(url)
      return module.useEverything(at, { readOnly: isReadOnly })
    },
    MODULE,
    path,
    readOnly,
  )
  try {
    return await Promise.race([run, hung.promise])
  } finally {
    clearTimeout(timer)
  }
}

export async function useEverything(path: string, { readOnly = false } = {}): Promise<Used> {
  const wrong: string[] = []
  const codes = new Set<string>()
  let done = 0
  const attempt = async <T>(what: string, call: () => Promise<T>): Promise<T | undefined> => {
    try {
      const value = await call()
      done++
      return value
    } catch (error) {
      if (isSystemError(error)) codes.add(codeOf(error) ?? '')
      else wrong.push(`${what}: ${error instanceof Error ? error.stack : String(error)}`)
      return undefined
    }
  }
  const pool = await attempt('open', () => openPool(path, { readOnly }))
  if (pool !== undefined) {
    await walk(pool, '/', 0, attempt)
    await wholePool(pool, attempt)
    await attempt('close', () => pool.close({ force: true }))
  }
  return { wrong, done, codes: [...codes].toSorted(undefined) }
}

type Attempt = <T>(what: string, call: () => Promise<T>) => Promise<T | undefined>

async function walk(pool: Pool, directory: string, depth: number, attempt: Attempt): Promise<void> {
  const names = (await attempt(`readdir ${directory}`, () => pool.readdir(directory))) ?? []
  for (const name of names.slice(0, MAX_ENTRIES)) {
    const path = `${directory === '/' ? '' : directory}/${name}`
    const stat = await attempt(`lstat ${path}`, () => pool.lstat(path))
    await attempt(`stat ${path}`, () => pool.stat(path))
    await attempt(`attributes of ${path}`, async () => {
      for (const attribute of await pool.listXattrs(path)) await pool.getXattr(path, attribute)
    })
    await attempt(`readlink ${path}`, async () => (stat?.isSymbolicLink() === true ? pool.readlink(path) : ''))
    await attempt(`why ${path}`, () => pool.why(path))
    if (stat?.isDirectory() === true && depth < MAX_DEPTH) await walk(pool, path, depth + 1, attempt)
    if (stat?.isFile() !== true) continue
    await attempt(`open ${path}`, async () => {
      await using file = await pool.open(path, pool.isReadOnly ? 'r' : 'r+')
      await useFile(file, path, attempt)
    })
    await attempt(`link ${path}`, () => pool.link(path, `${path}-link`))
    await attempt(`rename ${path}`, () => pool.rename(path, `${path}-renamed`))
    await attempt(`unlink ${path}`, () => pool.unlink(`${path}-link`))
  }
}

async function useFile(file: File, path: string, attempt: Attempt): Promise<void> {
  const { size } = (await attempt(`stat of open ${path}`, () => file.stat())) ?? { size: 0 }
  const buffer = Buffer.alloc(2 * BLOCK)
  const places = [...new Set([0, 4 * BLOCK, size - 100])].filter((at) => at >= 0 && at < size)
  for (const at of places) {
    await attempt(`read ${path} at ${at}`, () => file.read(buffer, 0, buffer.length, at))
    await attempt(`pin ${path} at ${at}`, async () => {
      using pin = await file.pin({ offset: at, length: Math.min(BLOCK, size - at), mode: 'read' })
      return pin.buffers.map((bytes) => bytes[0] + bytes[bytes.length - 1])
    })
  }
  await attempt(`seek ${path}`, () => file.seekHole(0))
  for (const at of places) await attempt(`write ${path} at ${at}`, () => file.write(buffer, 0, 10, at))
  await attempt(`append to ${path}`, () => file.write(buffer, 0, buffer.length, size))
  await attempt(`zero ${path}`, () => file.zeroRange(0, 100))
  await attempt(`collapse ${path}`, () => file.collapseRange(0, BLOCK))
  await attempt(`insert into ${path}`, () => file.insertRange(0, BLOCK))
  await attempt(`punch ${path}`, () => file.punchHole(BLOCK, BLOCK))
  await attempt(`truncate ${path}`, () => file.truncate(100))
  await attempt(`sync ${path}`, () => file.sync())
}

async function wholePool(pool: Pool, attempt: Attempt): Promise<void> {
  await attempt('stats', () => pool.stats())
  await attempt('list lost files', () => pool.lostAndFound.list())
  await attempt('reclaim', () => pool.lostAndFound.reclaim())
  await attempt('reap', () => pool.reap())
  await attempt('make', async () => {
    await pool.mkdir('/made')
    await pool.writeFile('/made/file', Buffer.alloc(10 * BLOCK, 1))
  })
  await attempt('read what was made', async () => {
    const content = await pool.readFile('/made/file')
    if (content.some((byte) => byte !== 1)) throw new Error('a new file shows what is not its own')
  })
  await attempt('fill', () => pool.writeFile('/fill', Buffer.alloc(2 << 20)))
  await attempt('grow', async () => pool.grow((await pool.stats()).sizeBytes + (1 << 20)))
  await attempt('sync', () => pool.sync())
  await attempt('check', () => pool.check())
  await attempt('remove', () => pool.unlink('/made/file'))
}
