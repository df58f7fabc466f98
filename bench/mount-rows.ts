/** Rows of what a mount does against the other sides: the ratio is of speeds, above 1 the mount is faster. */
import type { Row } from './report.ts'

/** A row for each other side there is. What is to be held is held against passthrough_ll. */
export function rowsAgainst(
  measure: string,
  sides: Record<string, unknown>,
  {
    show,
    speed,
    least,
  }: {
    /** What a side came to, for people. */
    show: (side: string) => string
    /** How much faster the mount was than a side. */
    speed: (side: string) => number
    /** Of passthrough_ll's speed. */
    least: number
  },
): Row[] {
  return ['passthrough_ll', 'ext4']
    .filter((side) => side in sides)
    .map((side) => {
      const held = side === 'passthrough_ll'
      return {
        measure,
        result: show('holdfast'),
        against: `${side} ${show(side)}`,
        ratio: speed(side),
        mustBe: held ? `>= ${least}` : '',
        isMet: held ? speed(side) >= least : undefined,
      }
    })
}
