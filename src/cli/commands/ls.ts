/** `holdfast ls`: what is in a directory. */
import { posix } from 'node:path'
import type { Command } from 'commander'
import { codeOf } from '../../errors.ts'
import type { InodeKind, Pool, Stat } from '../../index.ts'
import { deviceText, kindOf, modeText, statJson, timeText } from '../stat-text.ts'
import { coloured, shown } from '../output.ts'
import type { Style } from '../output.ts'
import { formatSize } from '../sizes.ts'
import { table } from '../table.ts'
import type { Run } from '../verb.ts'
import { does, poolVerb } from '../verb.ts'
import { withPoolToRead } from '../with-pool.ts'

export function lsVerb(): Command {
  const command = poolVerb('ls', 'List a directory.', {
    more: 'With -l symlinks are shown with where they point, and a symlink named as PATH is not followed; PATH/ is.',
    examples: ['ls /data/pool', 'ls -l /data/pool /videos'],
  })
    .argument('[PATH]', 'directory or file of the pool', '/')
    .option('-l, --long', 'kind and mode, links, owner, size, space taken, time of change')
  return does(command, (run, poolPath: string, path: string, { long }: { long?: boolean }) =>
    withPoolToRead(run, poolPath, async (pool) => {
      if (long !== true) {
        const entries = await listNames(pool, path)
        return { json: { entries }, text: entries.map(({ name, kind }) => `${shownName(name, kind)}\n`).join('') }
      }
      const entries = await listLong(run, pool, path)
      return { json: { entries: entries.map(entryJson) }, text: longText(entries) }
    }),
  )
}

async function listNames(pool: Pool, path: string): Promise<{ name: string; kind: InodeKind }[]> {
  const stat = await pool.stat(path)
  if (!stat.isDirectory()) return [{ name: path, kind: kindOf(stat) }]
  const entries: { name: string; kind: InodeKind }[] = []
  for await (const { name, kind } of pool.entries(path)) entries.push({ name, kind })
  return entries
}

interface LongEntry {
  readonly name: string
  readonly stat: Stat
  /** Where a symlink points. */
  readonly target: string | undefined
}

async function listLong(run: Run, pool: Pool, path: string): Promise<LongEntry[]> {
  const own = await longEntry(pool, path, path)
  if (!own.stat.isDirectory()) return [own]
  const entries: LongEntry[] = []
  for await (const { name } of pool.entries(path)) {
    run.signal.throwIfAborted()
    const entry = await longEntry(pool, name, posix.join(path, name)).catch(unlessGone)
    if (entry !== undefined) entries.push(entry)
  }
  return entries
}

async function longEntry(pool: Pool, name: string, path: string): Promise<LongEntry> {
  const stat = await pool.lstat(path)
  return { name, stat, target: stat.isSymbolicLink() ? await pool.readlink(path) : undefined }
}

/** Removed, or replaced by something of another kind, since it was listed. */
function unlessGone(error: unknown): undefined {
  if (!['ENOENT', 'EINVAL'].includes(codeOf(error) ?? '')) throw error
}

const entryJson = ({ name, stat, target }: LongEntry): object => ({
  name,
  ...statJson(stat),
  ...(target === undefined ? {} : { target }),
})

function longText(entries: readonly LongEntry[]): string {
  if (entries.length === 0) return ''
  const rows = entries.map(({ name, stat, target }) => [
    modeText(stat),
    String(stat.nlink),
    `${stat.uid}:${stat.gid}`,
    deviceText(stat) ?? formatSize(stat.size),
    formatSize(stat.blocks * 512),
    timeText(stat.mtime),
    shownName(name, kindOf(stat)) + (target === undefined ? '' : ` -> ${shown(target)}`),
  ])
  const columns = [
    { title: 'MODE' },
    { title: 'LINKS', align: 'right' },
    { title: 'OWNER' },
    { title: 'SIZE', align: 'right' },
    { title: 'TAKEN', align: 'right' },
    { title: 'CHANGED' },
    { title: 'NAME' },
  ] as const
  return table(columns, rows)
}

const STYLES: Partial<Record<InodeKind, Style>> = { directory: ['bold', 'blue'], symlink: 'cyan' }

function shownName(name: string, kind: InodeKind): string {
  const style = STYLES[kind]
  return style === undefined ? shown(name) : coloured(style, shown(name))
}
