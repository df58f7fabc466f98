/** A thousand clients that read nothing, each of a file that is replaced meanwhile. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { join } from 'node:path'
import { openPool } from '../src/index.ts'
import { nodeSide } from './http-sides.ts'
import type { Row } from './report.ts'
import { MIB } from './subject.ts'

const CLIENTS = 1000
const BYTES = 16 * MIB
const KIB = 1024

/** Memory of a process that is its own, in bytes: what it has mapped of files is the pool's, and there anyway. */
function ownMemory(pid: number): number {
  return Number(/RssAnon:\s+(?<kib>\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.groups?.['kib']) * KIB
}

async function slowClient(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write('GET /slow.bin HTTP/1.1\r\nhost: bench\r\n\r\n')
  await once(socket, 'readable')
  socket.pause()
  return socket
}

export async function benchSlowClients(directory: string): Promise<Row[]> {
  await using pool = await openPool(join(directory, 'pool'))
  await pool.writeFile('/slow.bin', Buffer.alloc(BYTES, 'slow'))
  await using side = await nodeSide('holdfast', directory)
  const clients = [await slowClient(side.port)]
  const before = ownMemory(side.pid)
  for (let nth = 1; nth < CLIENTS; nth++) clients.push(await slowClient(side.port))
  const perClient = (ownMemory(side.pid) - before) / CLIENTS
  const held = (await pool.pins()).length
  const start = performance.now()
  await pool.writeFile('/new', Buffer.alloc(BYTES, 'new'))
  await pool.rename('/new', '/slow.bin')
  await pool.writeFile('/slow.bin', Buffer.alloc(MIB, 'more'), { flags: 'r+' })
  const writeMs = performance.now() - start
  for (const client of clients) client.destroy()
  const isWritable = held === CLIENTS && (await pool.readFile('/slow.bin')).length === BYTES
  return [
    {
      measure: `http: ${CLIENTS} clients that read nothing of 16 MiB: the server's memory for each`,
      result: `${(perClient / KIB).toFixed(0)} KiB`,
      against: `16 MiB; written meanwhile in ${writeMs.toFixed(0)} ms`,
      ratio: undefined,
      mustBe: '≤ 64 KiB, writable',
      isMet: perClient <= 64 * KIB && isWritable,
    },
  ]
}
