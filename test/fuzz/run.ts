/**
 * `npm run fuzz -- [--seed n] [--images 1000]`: damaged pools, seeds n, n + 1 …; status 1 and the seeds when there are findings.
 * It prints where to go on after an interruption. `--images 1` repeats one seed.
 */
import { parseArgs } from 'node:util'
import { fuzz } from './campaign.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    images: { type: 'string', default: '1000' },
  },
})
const seed = Number(values.seed)
const images = Number(values.images)
const command = (from: number, count: number): string => `npm run fuzz -- --seed ${from} --images ${count}`
let done = 0
const goOn = (): void => console.log(`${done} done; the rest: ${command(seed + done, images - done)}`)
const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interruption.abort())
console.log(command(seed, images))
const start = performance.now()
const timer = setInterval(goOn, 60_000)
const result = await fuzz({
  seed,
  images,
  onProgress: (count) => (done = count),
  onFinding: (finding) => console.error(`${finding}\n`),
  signal: interruption.signal,
})
clearInterval(timer)
const perSecond = result.done / ((performance.now() - start) / 1000)
const found = result.findings.length === 0 ? 'no findings' : `${result.findings.length} findings`
console.log(`${result.done} damaged pools, ${perSecond.toFixed(0)} a second, ${found}:`, result.outcomes)
if (interruption.signal.aborted) goOn()
process.exitCode = result.findings.length > 0 ? 1 : interruption.signal.aborted ? 130 : 0
