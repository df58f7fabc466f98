/**
 * `npm run bench [-- pins truncates wait leases files names fs memory mount http large] [-- --json]`: measures and prints one table. Figures are ratios
 * within one run; nothing here asserts a time.
 */
import { cpus } from 'node:os'
import { benchFsApi } from './fs-api.ts'
import { benchHttp } from './http.ts'
import { benchLargeDirectories } from './large-directories.ts'
import { benchLargePools } from './large-pools.ts'
import { benchLeases } from './leases.ts'
import { benchMakeAndRemove } from './make-and-remove.ts'
import { benchMemory } from './memory.ts'
import { benchMount } from './mount.ts'
import { benchNames } from './names.ts'
import { benchPins } from './pins.ts'
import type { Row } from './report.ts'
import { tableOf } from './report.ts'
import { benchSmallFiles } from './small-files.ts'
import { benchTruncates, benchWait } from './truncates.ts'

const benches: Record<string, () => Promise<Row[]>> = {
  pins: benchPins,
  truncates: benchTruncates,
  wait: benchWait,
  leases: benchLeases,
  files: benchSmallFiles,
  names: async () => [...(await benchNames()), ...(await benchMakeAndRemove()), ...(await benchLargeDirectories())],
  fs: benchFsApi,
  memory: benchMemory,
  mount: benchMount,
  http: benchHttp,
  large: benchLargePools,
}

const words = process.argv.slice(2)
const asked = words.filter((word) => !word.startsWith('--'))
const unknown = asked.find((word) => !Object.hasOwn(benches, word))
if (unknown !== undefined) {
  console.error(`bench: there is no '${unknown}'; there are: ${Object.keys(benches).join(' ')}`)
  process.exit(2)
}

const rows: Row[] = []
for (const [name, bench] of Object.entries(benches)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  process.stderr.write(`bench: ${name} …\n`)
  rows.push(...(await bench()))
}
if (words.includes('--json')) {
  console.log(JSON.stringify(rows, undefined, 2))
} else {
  console.log(`\n${tableOf(rows)}\n`)
  console.log(
    `Node ${process.version}, ${process.platform} ${process.arch}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
  )
}
