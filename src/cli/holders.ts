/** Holders as a table: who keeps blocks from going away. */
import type { Holder } from '../index.ts'
import { formatDuration } from './durations.ts'
import { shown, widthOf } from './output.ts'
import { formatSize } from './sizes.ts'
import type { Column } from './table.ts'
import { table } from './table.ts'

/**
 * Bytes of ranges are in full: what is to be compared must not be rounded. A range without a length goes to the end of the
 * file. What nobody of those listed has gets no column.
 */
export function holdersTable(holders: readonly Holder[], stream: NodeJS.WriteStream = process.stdout): string {
  const columns = COLUMNS.filter(
    ({ optional, cell }) => optional !== true || holders.some((holder) => cell(holder, stream) !== ''),
  )
  const rows = holders.map((holder) => columns.map(({ cell }) => cell(holder, stream)))
  return table(columns, rows, widthOf(stream))
}

interface HolderColumn extends Column {
  readonly optional?: boolean
  readonly cell: (holder: Holder, stream: NodeJS.WriteStream) => string
}

const COLUMNS: readonly HolderColumn[] = [
  {
    title: 'PID',
    align: 'right',
    cell: (holder) => `${holder.pid}${holder.threadId === 0 ? '' : `/${holder.threadId}`}`,
  },
  { title: 'WHAT', cell: whatOf },
  { title: 'OFFSET', align: 'right', optional: true, cell: (holder) => String(holder.offset ?? '') },
  { title: 'LENGTH', align: 'right', optional: true, cell: (holder) => String(holder.length ?? '') },
  {
    title: 'AGE',
    align: 'right',
    optional: true,
    cell: ({ ageMs }) => (ageMs === undefined ? '' : formatDuration(ageMs)),
  },
  {
    title: 'HELD BACK',
    align: 'right',
    optional: true,
    cell: ({ heldBackBytes }) => (heldBackBytes === undefined ? '' : formatSize(heldBackBytes)),
  },
  { title: 'FILE', optional: true, cell: (holder, stream) => shown(fileOf(holder), stream) },
  { title: 'COMMAND', cell: (holder, stream) => shown(holder.command, stream) },
]

/** `stable read pin`, `recalled exclusive lease`, `waiting truncate`. */
function whatOf(holder: Holder): string {
  const { kind, mode, isStable, isLongTerm, lease, isExclusive, state, cause } = holder
  switch (kind) {
    case 'pin':
    case 'copy':
      return words(isLongTerm && 'long-term', isStable && 'stable', mode, kind)
    case 'lease':
      return words(lease !== 'held' && lease, isExclusive && 'exclusive', kind)
    case 'change':
      return state === 'watching' ? 'wait for release' : words(state, cause ?? kind)
    case 'open':
      return 'open file'
    default:
      return kind
  }
}

const words = (...parts: readonly (string | false | undefined)[]): string =>
  parts.filter((part) => part !== false && part !== undefined).join(' ')

function fileOf({ path, inode }: Holder): string {
  if (path !== undefined) return path
  return inode === undefined ? '' : `inode ${inode}`
}
