/** `holdfast ls`: what is in a directory. */
import { posix } from 'node:path'
import type { Command } from 'commander'
import type { Pool, Stat } from '../../index.ts'
import { statUnlessMissing } from '../copying.ts'
import { modeText, statJson, timeText } from '../stat-text.ts'
import { coloured, shown } from '../output.ts'
import { formatSize } from '../sizes.ts'
import { table } from '../table.ts'
import type { Run } from '../verb.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

export function lsVerb(): Command {
  const command = poolVerb('ls', 'List a directory.', {
    examples: ['ls /data/pool', 'ls -l /data/pool /videos'],
  })
    .argument('[PATH]', 'directory or file of the pool', '/')
    .option('-l, --long', 'mode, links, owner, size, space taken, time of change')
  return does(command, (run, poolPath: string, path: string, { long }: { long?: boolean }) =>
    withPool(run, poolPath, async (pool) => {
      if (long !== true) {
        const entries = await listNames(pool, path)
        const text = entries.map(({ name, kind }) => `${shownName(name, kind === 'directory')}\n`).join('')
        return { json: { entries }, text }
      }
      const entries = await listLong(run, pool, path)
      return {
        json: { entries: entries.map(({ name, stat }) => ({ name, ...statJson(stat) })) },
        text: longText(entries),
      }
    }),
  )
}

async function listNames(pool: Pool, path: string): Promise<{ name: string; kind: string }[]> {
  if (!(await pool.stat(path)).isDirectory()) return [{ name: path, kind: 'file' }]
  const entries: { name: string; kind: string }[] = []
  for await (const { name, kind } of pool.entries(path)) entries.push({ name, kind })
  return entries
}

interface LongEntry {
  readonly name: string
  readonly stat: Stat
}

async function listLong(run: Run, pool: Pool, path: string): Promise<LongEntry[]> {
  const stat = await pool.stat(path)
  if (!stat.isDirectory()) return [{ name: path, stat }]
  const entries: LongEntry[] = []
  for await (const { name } of pool.entries(path)) {
    run.signal.throwIfAborted()
    const below = await statUnlessMissing(pool, posix.join(path, name))
    if (below !== undefined) entries.push({ name, stat: below })
  }
  return entries
}

function longText(entries: readonly LongEntry[]): string {
  if (entries.length === 0) return ''
  const rows = entries.map(({ name, stat }) => [
    modeText(stat),
    String(stat.nlink),
    `${stat.uid}:${stat.gid}`,
    formatSize(stat.size),
    formatSize(stat.blocks * 512),
    timeText(stat.mtime),
    shownName(name, stat.isDirectory()),
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

const shownName = (name: string, isDirectory: boolean): string =>
  isDirectory ? coloured(['bold', 'blue'], shown(name)) : shown(name)
