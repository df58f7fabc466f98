/** `holdfast stat`: all about one file. */
import type { Command } from 'commander'
import type { Pool, PoolProperties, Stat } from '../../index.ts'
import { shown } from '../output.ts'
import { formatSize } from '../sizes.ts'
import { deviceText, exactTimeText, kindOf, modeText, statJson } from '../stat-text.ts'
import { facts } from '../table.ts'
import { does, poolVerb } from '../verb.ts'
import { withPoolToRead } from '../with-pool.ts'

export function statVerb(): Command {
  const command = poolVerb('stat', 'Say everything about a file, directory or link.', {
    more: 'A symlink is not followed; PATH/ is.',
    examples: ['stat /data/pool /video.bin', 'stat /data/pool /video.bin --json | jq .sizeBytes'],
  }).argument('<PATH>', 'file or directory of the pool')
  return does(command, (run, poolPath: string, path: string) =>
    withPoolToRead(run, poolPath, async (pool) => {
      const stat = await pool.lstat(path)
      const target = stat.isSymbolicLink() ? await pool.readlink(path) : undefined
      const xattrs = await xattrNames(pool, path, stat)
      return {
        json: { path, ...statJson(stat), ...(target === undefined ? {} : { target }), xattrs },
        text: `${shown(path)}\n${facts(factsOf(stat, target, xattrs, pool.properties))}`,
      }
    }),
  )
}

/** A path to a symlink leads to its target's attributes. */
const xattrNames = async (pool: Pool, path: string, stat: Stat): Promise<string[]> =>
  stat.isSymbolicLink() ? [] : pool.listXattrs(path)

function factsOf(
  stat: Stat,
  target: string | undefined,
  xattrs: readonly string[],
  pool: PoolProperties,
): [string, string][] {
  const bits = (stat.mode & 0o7777).toString(8).padStart(4, '0')
  const device = deviceText(stat)
  return [
    ['kind', kindOf(stat) + (target === undefined ? '' : ` to ${shown(target)}`)],
    ...(device === undefined ? [] : ([['device', device]] as [string, string][])),
    ['inode', String(stat.ino)],
    ['size', inBytes(stat.size)],
    ['taken', inBytes(stat.blocks * 512)],
    ['mode', `${bits} ${modeText(stat)}`],
    ['links', String(stat.nlink)],
    ['owner', `${stat.uid}:${stat.gid}`],
    ['read', exactTimeText(stat.atimeNs)],
    ['written', exactTimeText(stat.mtimeNs)],
    ['changed', `${exactTimeText(stat.ctimeNs)}  change ${stat.changeCount}`],
    ['made', exactTimeText(stat.birthtimeNs)],
    ['xattrs', xattrs.length === 0 ? 'none' : shown(xattrs.join(', '))],
    ...policyFacts(stat, pool),
  ]
}

function policyFacts(stat: Stat, pool: PoolProperties): [string, string][] {
  if (!stat.isDirectory() && !stat.isFile()) return []
  const inherited = stat.isDirectory() ? ', for what is made in it' : ''
  const policy = (own: string | undefined, pools: string): string => (own ?? `${pools} (the pool's)`) + inherited
  return [
    ['busy', policy(stat.busy, pool.busy)],
    ['dax', policy(stat.dax, pool.dax)],
  ]
}

const inBytes = (bytes: number): string => (bytes < 1024 ? `${bytes} bytes` : `${formatSize(bytes)} (${bytes} bytes)`)
