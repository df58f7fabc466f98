/** Files of lost+found as a table. */
import type { LostFile } from '../index.ts'
import { formatDuration } from './durations.ts'
import { shown, widthOf } from './output.ts'
import { formatSize } from './sizes.ts'
import { table } from './table.ts'

const COLUMNS = [
  { title: 'NAME' },
  { title: 'LENGTH', align: 'right' },
  { title: 'AGE', align: 'right' },
  { title: 'FROM' },
  { title: 'HELD BY' },
] as const

export function lostFilesTable(files: readonly LostFile[]): string {
  const rows = files.map((file) => [
    file.name,
    formatSize(file.length),
    formatDuration(Math.max(0, Date.now() - file.sinceMs)),
    `${shown(file.originName === '' ? `inode ${file.originInode}` : file.originName)} at ${file.offset}`,
    heldBy(file),
  ])
  return table(COLUMNS, rows, widthOf())
}

function heldBy({ holders }: LostFile): string {
  if (holders.length === 0) return 'nobody'
  const [{ pid, command }] = holders
  const more = holders.length > 1 ? `, ${holders.length - 1} more` : ''
  return `pid ${pid}${more} ${shown(command)}`.trim()
}
