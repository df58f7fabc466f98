/** Rows of the table: what was measured, against what, and what it must be. */
export interface Row {
  readonly measure: string
  readonly result: string
  readonly against: string
  readonly ratio: number | undefined
  /** What the project set itself; undefined: for information. */
  readonly mustBe: string
  /** undefined: nothing to hold. */
  readonly isMet: boolean | undefined
}

const verdict = ({ isMet }: Row): string => (isMet === undefined ? '' : isMet ? 'met' : 'missed')

/** The rows as a Markdown table, aligned for terminals. */
export function tableOf(rows: readonly Row[]): string {
  const head = ['measure', 'result', 'against', 'ratio', 'must be', '']
  const cells = rows.map((row) => [
    row.measure,
    row.result,
    row.against,
    row.ratio === undefined ? '' : row.ratio < 0.1 ? row.ratio.toFixed(3) : row.ratio.toFixed(2),
    row.mustBe,
    verdict(row),
  ])
  const widths = head.map((title, i) => Math.max(title.length, ...cells.map((cell) => cell[i].length)))
  const line = (cell: readonly string[]): string => `| ${cell.map((text, i) => text.padEnd(widths[i])).join(' | ')} |`
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...cells.map(line)].join('\n')
}
