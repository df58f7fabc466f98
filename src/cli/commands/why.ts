/** `holdfast why`: everything that keeps a file's layout and blocks as they are, on one screen. */
import type { Command } from 'commander'
import type { FileHold, Holder, LostFile } from '../../index.ts'
import { holdersTable } from '../holders.ts'
import { lostFilesTable } from '../lost-files.ts'
import { shown } from '../output.ts'
import { formatSize } from '../sizes.ts'
import { does, poolVerb } from '../verb.ts'
import { withPoolToRead } from '../with-pool.ts'

export function whyVerb(): Command {
  const command = poolVerb('why', "Say why a file's truncate does not return, or its space does not come back.", {
    more:
      'Lists the pins of its blocks, leases on its layout, layout changes under way, who has it open, and files of ' +
      'lost+found that came from it. When the name is gone, what lost+found has of the files that had it. A look, which ' +
      'changes nothing: it does not wait for what it finds.',
    examples: ['why /data/pool /video.bin', 'why /data/pool /video.bin --json'],
  }).argument('<PATH>', 'file of the pool')
  return does(command, (run, poolPath: string, path: string) =>
    withPoolToRead(run, poolPath, async (pool) => {
      const hold = await pool.why(path)
      return { json: hold, text: whyText(hold) }
    }),
  )
}

function whyText(hold: FileHold): string {
  const { path, inodes, exists, sizeBytes, lostAndFound, heldBackBytes } = hold
  const what = exists ? `inode ${inodes[0]}, size ${formatSize(sizeBytes)}` : `gone; it was inode ${inodes.join(', ')}`
  const lines = [`${shown(path)}: ${what}`, ...(exists ? [`a truncate to 0: ${prospectOf(hold)}`] : [])]
  if (heldBackBytes > 0) lines.push(`${formatSize(heldBackBytes)} have left it and can be used again when the pins end`)
  const idle = lostAndFound.reduce((sum, file) => sum + (file.holders.length === 0 ? file.length : 0), 0)
  if (idle > 0) lines.push(`${formatSize(idle)} in lost+found are held by nobody: free as soon as space is wanted`)
  return [
    `${lines.join('\n')}\n`,
    ...PARTS.map(([title, partOf]) => part(title, holdersTable(partOf(hold)), partOf(hold))),
    part('lost+found', lostFilesTable(lostAndFound), lostAndFound),
  ].join('')
}

const PARTS: readonly (readonly [title: string, part: (hold: FileHold) => readonly Holder[]])[] = [
  ['pins', (hold) => hold.pins],
  ['leases', (hold) => hold.leases],
  ['layout changes', (hold) => hold.changes],
  ['metadata transactions', (hold) => hold.transactions],
  ['open in', (hold) => hold.opens],
]

const part = (title: string, lines: string, items: readonly (Holder | LostFile)[]): string =>
  items.length === 0 ? '' : `\n${title}:\n${lines}`

/** What would happen, as far as what is listed says. */
function prospectOf({ busy, pins, leases, changes, transactions }: FileHold): string {
  const live = leases.filter(({ lease }) => lease !== 'revoked')
  if (live.some(({ isExclusive }) => isExclusive)) return 'fails (ETXTBSY), the layout is leased exclusively'
  const claims = pins.filter(({ kind }) => kind === 'pin')
  if (busy === 'fail' && live.length > 0) return "fails (EBUSY) by the policy 'fail', the layout is leased"
  if (busy === 'fail' && claims.length > 0) return "fails (EBUSY) by the policy 'fail', blocks are pinned"
  const waits = [
    ...(transactions.length > 0 ? ['for the process in a metadata transaction'] : []),
    ...(changes.some(({ state }) => state === 'abandoned')
      ? ['until somebody who may write opens the pool: a process died in a change']
      : []),
    ...(live.length > 0 ? [`until ${counted(live, 'lease')} given back or revoked`] : []),
    ...(busy === 'wait' && claims.length > 0 ? [`until ${counted(claims, 'pin')} released`] : []),
  ]
  if (waits.length > 0) return `waits ${waits.join(', and ')}`
  return claims.length > 0 ? 'goes on at once, pinned blocks go to lost+found' : 'goes on at once'
}

const counted = (items: readonly unknown[], what: string): string =>
  items.length === 1 ? `1 ${what} is` : `${items.length} ${what}s are`
