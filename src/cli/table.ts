/** Tables and lists of names with values, in aligned columns. */

export interface Column {
  readonly title: string
  /** Default 'left'. */
  readonly align?: 'left' | 'right'
}

const GAP = '  '

/** Lines of a table, the titles first. The last column is cut to what `width` leaves it, others never. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], width = Infinity): string {
  const lines = [columns.map((column) => column.title), ...rows]
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => displayWidth(line[i]))))
  return lines.map((line) => tableLine(columns, widths, line, width)).join('')
}

function tableLine(
  columns: readonly Column[],
  widths: readonly number[],
  line: readonly string[],
  width: number,
): string {
  const last = columns.length - 1
  const room = width - widths.slice(0, last).reduce((sum, taken) => sum + taken + GAP.length, 0)
  const cells = line.map((cell, i) => {
    const text = i === last && cell.length > room && room > 1 ? `${cell.slice(0, room - 1)}…` : cell
    const padding = ' '.repeat(Math.max(0, widths[i] - displayWidth(text)))
    return columns[i].align === 'right' ? padding + text : text + (i === last ? '' : padding)
  })
  return `${cells.join(GAP).trimEnd()}\n`
}

/** `name  value` lines, indented. */
export function facts(pairs: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...pairs.map(([name]) => displayWidth(name)))
  return pairs.map(([name, value]) => `  ${name.padEnd(width)}  ${value}\n`).join('')
}

const ESC = String.fromCharCode(27)
const styled = new RegExp(`${ESC}\\[[0-9;]*m`, 'g')

/** Characters on a terminal, colours not counted. */
const displayWidth = (text: string): number => Array.from(text.replace(styled, '')).length
