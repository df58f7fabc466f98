/** Files over HTTP: against what Node.js programs use, and nginx. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { benchChanging } from './http-changing.ts'
import { benchSlowClients } from './http-slow.ts'
import type { Load, ServerSide } from './http-sides.ts'
import { BARE, hasNginx, MEMORY, load, nginxSide, nodeSide } from './http-sides.ts'
import { median } from './measure.ts'
import type { Row } from './report.ts'
import { makeSubject, MIB } from './subject.ts'

const SIZES: Readonly<Record<string, number>> = { '4 KiB': 4096, '64 KiB': 65_536, '1 MiB': MIB }
const PEERS = ['send', 'sirv', '@fastify/static']
const ROUNDS = 3
const ROUND_S = 1
const CONNECTIONS = 32

export async function benchHttp(): Promise<Row[]> {
  await using subject = await makeSubject(128 * MIB)
  const host = join(subject.directory, 'host')
  mkdirSync(host)
  for (const size of Object.values(SIZES)) {
    const content = Buffer.alloc(size, 'content')
    await subject.pool.writeFile(`/${size}.bin`, content)
    writeFileSync(join(host, `${size}.bin`), content)
  }
  const rows = await compareSides(subject.directory)
  return [...rows, ...(await benchChanging(subject.directory)), ...(await benchSlowClients(subject.directory))]
}

async function compareSides(directory: string): Promise<Row[]> {
  await using servers = new AsyncDisposableStack()
  const sides: ServerSide[] = []
  for (const name of ['holdfast', BARE, ...PEERS, MEMORY]) sides.push(servers.use(await nodeSide(name, directory)))
  if (hasNginx) sides.push(servers.use(await nginxSide(directory, 'open_file_cache max=1000 inactive=60s;')))
  const rows: Row[] = []
  for (const [name, size] of Object.entries(SIZES)) rows.push(...(await compareAt(sides, name, size)))
  return rows
}

/** All sides in turns; ratios are those within a round. */
async function compareAt(sides: readonly ServerSide[], name: string, size: number): Promise<Row[]> {
  const loads = new Map<string, Load[]>(sides.map((side) => [side.name, []]))
  for (const side of sides) await load(side, `/${size}.bin`, CONNECTIONS, 1)
  for (let round = 0; round < ROUNDS; round++)
    for (const side of sides) loads.get(side.name)!.push(await load(side, `/${size}.bin`, CONNECTIONS, ROUND_S))
  const ours = loads.get('holdfast')!
  const must = size === 4096 ? {} : { peers: 3, nginx: 0.9 }
  const rows: Row[] = []
  for (const [side, theirs] of loads) {
    if (side === 'holdfast') continue
    const ratio = median(ours.map(({ perCpuSecond }, round) => perCpuSecond / theirs[round].perCpuSecond))
    const least = side === 'nginx' ? must.nginx : side === MEMORY || side === BARE ? undefined : must.peers
    rows.push({
      measure: `http: GET ${name}, requests for each second of the server's CPU`,
      result: show(ours),
      against: `${side} ${show(theirs)}`,
      ratio,
      mustBe: least === undefined ? '' : `≥ ${least}`,
      isMet: least === undefined ? undefined : ratio >= least,
    })
  }
  return rows
}

const show = (loads: readonly Load[]): string =>
  `${Math.round(median(loads.map(({ perCpuSecond }) => perCpuSecond)))} (${Math.round(median(loads.map(({ perSecond }) => perSecond)))}/s)`
