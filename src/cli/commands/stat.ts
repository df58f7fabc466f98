/** `holdfast stat`: all about one file. */
import type { Command } from 'commander'
import type { PoolProperties, Stat } from '../../index.ts'
import { shown } from '../output.ts'
import { formatSize } from '../sizes.ts'
import { modeText, statJson, timeText } from '../stat-text.ts'
import { facts } from '../table.ts'
import { does, poolVerb } from '../verb.ts'
import { withPool } from '../with-pool.ts'

export function statVerb(): Command {
  const command = poolVerb('stat', 'Say everything about a file or directory.', {
    examples: ['stat /data/pool /video.bin', 'stat /data/pool /video.bin --json | jq .sizeBytes'],
  }).argument('<PATH>', 'file or directory of the pool')
  return does(command, (run, poolPath: string, path: string) =>
    withPool(run, poolPath, async (pool) => {
      const stat = await pool.stat(path)
      return {
        json: { path, ...statJson(stat) },
        text: `${shown(path)}\n${facts(factsOf(stat, pool.properties))}`,
      }
    }),
  )
}

function factsOf(stat: Stat, pool: PoolProperties): [string, string][] {
  const bits = (stat.mode & 0o7777).toString(8).padStart(4, '0')
  const all: [string, string][] = [
    ['kind', stat.isDirectory() ? 'directory' : 'file'],
    ['inode', String(stat.ino)],
    ['size', inBytes(stat.size)],
    ['taken', inBytes(stat.blocks * 512)],
    ['mode', `${bits} ${modeText(stat)}`],
    ['links', String(stat.nlink)],
    ['owner', `${stat.uid}:${stat.gid}`],
    ['read', timeText(stat.atime)],
    ['written', timeText(stat.mtime)],
    ['changed', `${timeText(stat.ctime)}  change ${stat.changeCount}`],
    ['made', timeText(stat.birthtime)],
  ]
  if (stat.isDirectory()) return all
  const policy = (own: string | undefined, pools: string): string => own ?? `${pools} (the pool's)`
  return [...all, ['busy', policy(stat.busy, pool.busy)], ['dax', policy(stat.dax, pool.dax)]]
}

const inBytes = (bytes: number): string => (bytes < 1024 ? `${bytes} bytes` : `${formatSize(bytes)} (${bytes} bytes)`)
