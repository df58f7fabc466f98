/** A mounted pool against a directory of the disk and passthrough_ll (see mount-sides.ts). */
import { mountData } from './mount-data.ts'
import { mountNames } from './mount-names.ts'
import { mountPrograms } from './mount-programs.ts'
import { mountSides } from './mount-sides.ts'
import { mountTree } from './mount-tree.ts'
import { mountWaits } from './mount-waits.ts'
import type { Row } from './report.ts'
import { MIB } from './subject.ts'

export async function benchMount(): Promise<Row[]> {
  const rows: Row[] = []
  for (const cache of ['none', 'auto'] as const) {
    await using sides = await mountSides(cache, 1024 * MIB)
    rows.push(...(await mountNames(sides, cache)))
    if (cache === 'none') rows.push(...(await mountData(sides)), ...(await mountWaits(sides)))
    rows.push(...mountPrograms(sides, cache), ...mountTree(sides, cache))
  }
  return rows
}
