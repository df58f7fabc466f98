/** Holders as a table: who keeps blocks from going away. */
import type { Holder } from '../index.ts'
import { formatDuration } from './durations.ts'
import { shown, widthOf } from './output.ts'
import { table } from './table.ts'

const COLUMNS = [
  { title: 'PID', align: 'right' },
  { title: 'WHAT' },
  { title: 'OFFSET', align: 'right' },
  { title: 'LENGTH', align: 'right' },
  { title: 'AGE', align: 'right' },
  { title: 'FILE' },
  { title: 'COMMAND' },
] as const

/** Bytes of ranges are in full: what is to be compared must not be rounded. */
export function holdersTable(holders: readonly Holder[], stream: NodeJS.WriteStream = process.stdout): string {
  const rows = holders.map((holder) => [
    String(holder.pid) + (holder.threadId === 0 ? '' : `/${holder.threadId}`),
    holder.mode === undefined || holder.kind === 'transaction' ? holder.kind : `${holder.mode} ${holder.kind}`,
    String(holder.offset ?? ''),
    String(holder.length ?? ''),
    holder.ageMs === undefined ? '' : formatDuration(holder.ageMs),
    shown(fileOf(holder), stream),
    shown(holder.command, stream),
  ])
  return table(COLUMNS, rows, widthOf(stream))
}

function fileOf({ path, inode }: Holder): string {
  if (path !== undefined) return path
  return inode === undefined ? '' : `inode ${inode}`
}
