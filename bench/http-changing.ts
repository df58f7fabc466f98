/**
 * Bodies of a file that is truncated, overwritten in place and replaced, each ten times a second, by another process. A file
 * is one stamp, again and again, so each body can be checked by itself: all of what was announced, of one stamp, in time.
 */
import { ftruncateSync, openSync, closeSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { join } from 'node:path'
import type { Pool } from '../src/index.ts'
import { openPool } from '../src/index.ts'
import { hasNginx, nginxSide, nodeSide } from './http-sides.ts'
import type { ServerSide } from './http-sides.ts'
import type { Row } from './report.ts'
import { MIB } from './subject.ts'

const SECONDS = 5
const CONNECTIONS = 8
const STALL_MS = 1000
/** Ten times a second each of the three. */
const CHANGE_MS = 1000 / 30
const NAME = 'changing.bin'

const content = (stamp: number): Buffer => Buffer.alloc(MIB, Buffer.from(`${stamp}`.padStart(8, '0')))

type Change = (kind: number, stamp: number) => Promise<void>

/** One write each, so that no reader has a right to see half of one. */
function hostChanges(directory: string): Change {
  const path = join(directory, 'host', NAME)
  writeFileSync(path, content(0))
  return async (kind, stamp) => {
    if (kind === 2) {
      writeFileSync(`${path}.new`, content(stamp))
      renameSync(`${path}.new`, path)
      return
    }
    const fd = openSync(path, 'r+')
    if (kind === 0) ftruncateSync(fd, MIB / 2)
    else writeSync(fd, content(stamp), 0, MIB, 0)
    closeSync(fd)
  }
}

async function poolChanges(pool: Pool): Promise<Change> {
  await pool.writeFile(`/${NAME}`, content(0))
  return async (kind, stamp) => {
    if (kind === 0) await pool.truncate(`/${NAME}`, MIB / 2)
    else if (kind === 1) await pool.writeFile(`/${NAME}`, content(stamp), { flags: 'r+' })
    else {
      await pool.writeFile('/new', content(stamp))
      await pool.rename('/new', `/${NAME}`)
    }
  }
}

interface Counts {
  bodies: number
  stalled: number
  short: number
  torn: number
}

/** Asks once, and counts what comes. */
function ask(port: number, agent: Agent, counts: Counts): Promise<void> {
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    let announced = -1
    const done = (): void => {
      clearTimeout(stall)
      const body = Buffer.concat(parts)
      counts.bodies++
      if (body.length !== announced) counts.short++
      else if (!body.subarray(8).equals(body.subarray(0, -8))) counts.torn++
      resolve()
    }
    const request = get({ port, host: '127.0.0.1', path: `/${NAME}`, agent }, (response) => {
      announced = Number(response.headers['content-length'])
      response.on('data', (part: Buffer) => void parts.push(part))
      response.on('end', done)
      response.on('error', () => undefined)
    })
    request.on('close', () => setImmediate(resolve))
    request.on('error', () => {
      clearTimeout(stall)
      if (!request.destroyed || parts.length > 0) counts.short++
    })
    const stall = setTimeout(() => {
      counts.stalled++
      parts.length = 0
      request.destroy()
    }, STALL_MS)
  })
}

async function countOf({ port }: ServerSide, change: Change): Promise<Counts> {
  const counts = { bodies: 0, stalled: 0, short: 0, torn: 0 }
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const end = performance.now() + SECONDS * 1000
  const reading = Array.from({ length: CONNECTIONS }, async () => {
    while (performance.now() < end) await ask(port, agent, counts)
  })
  for (let stamp = 1; performance.now() < end; stamp++) {
    await change(stamp % 3, stamp)
    await new Promise((resolve) => setTimeout(resolve, CHANGE_MS))
  }
  await Promise.all(reading)
  agent.destroy()
  return counts
}

const show = ({ bodies, stalled, short, torn }: Counts): string =>
  `${stalled} stalled, ${short} short, ${torn} torn of ${bodies}`

export async function benchChanging(directory: string): Promise<Row[]> {
  const theirs: [string, Counts][] = []
  for (const name of ['send', 'sirv that looks again', '@fastify/static', 'nginx']) {
    if (name === 'nginx' && !hasNginx) continue
    await using side = await (name === 'nginx' ? nginxSide(directory) : nodeSide(name, directory))
    theirs.push([name, await countOf(side, hostChanges(directory))])
  }
  await using pool = await openPool(join(directory, 'pool'))
  await using side = await nodeSide('holdfast', directory)
  const ours = await countOf(side, await poolChanges(pool))
  const isRight = ours.stalled + ours.short + ours.torn === 0 && ours.bodies > 0
  return theirs.map(([name, counts], index) => ({
    measure: 'http: 1 MiB while it is truncated, overwritten, replaced, each 10/s',
    result: show(ours),
    against: `${name} ${show(counts)}`,
    ratio: undefined,
    mustBe: index === 0 ? '0, 0, 0' : '',
    isMet: index === 0 ? isRight : undefined,
  }))
}
