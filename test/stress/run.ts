/**
 * `npm run stress -- [--seconds 60] [--seed n] [--processes 3] [--path directory]`
 *
 * Status 1 and the command to repeat it when a promise was broken. A seed repeats what each process tries, not how the
 * machine interleaves it: a finding may need several runs.
 */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { stress } from './stress.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    processes: { type: 'string', default: '3' },
    path: { type: 'string', default: tmpdir() },
  },
})
const options = {
  seconds: Number(values.seconds),
  seed: Number(values.seed),
  processes: Number(values.processes),
  path: values.path,
}
const command = `npm run stress -- --seconds ${options.seconds} --seed ${options.seed} --processes ${options.processes} --path ${options.path}`
console.log(command)
const { findings, kills, stops, counts } = await stress(options)
console.log(`${kills} processes killed, ${stops} stopped for a while`)
console.table(Object.fromEntries(Object.entries(counts).sort(([a], [b]) => a.localeCompare(b))))
if (findings.length > 0) {
  console.error(`${findings.join('\n')}\nrepeat it with: ${command}`)
  process.exit(1)
}
console.log('every promise held')
