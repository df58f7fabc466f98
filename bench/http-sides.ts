/** Servers of the same files, each a process on one CPU, and what loads them from the other one. */
import type { ChildProcess } from 'node:child_process'
import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export interface ServerSide extends AsyncDisposable {
  readonly name: string
  readonly port: number
  readonly pid: number
}

/** holdfast, all of whose requests go through node:http. */
export const BARE = 'holdfast, middleware only'

/** A server that answers out of memory. */
export const MEMORY = 'node:http, a Buffer'

const has = (program: string): boolean => spawnSync('which', [program]).status === 0
export const hasNginx = has('nginx')
const hasWrk = has('wrk')

/** `program args` on one CPU, where there are two. */
function onCpu(cpu: 0 | 1, program: string, args: readonly string[]): [string, string[]] {
  return cpus().length > 1 && has('taskset') ? ['taskset', ['-c', String(cpu), program, ...args]] : [program, [...args]]
}

/** A server of node:http, by bench/http-server.ts. */
export async function nodeSide(name: string, directory: string): Promise<ServerSide> {
  const script = join(import.meta.dirname, 'http-server.ts')
  const [program, args] = onCpu(0, process.execPath, ['--disable-warning=ExperimentalWarning', script, name, directory])
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return side(name, child, Number(line))
}

/** nginx with one process and sendfile, for `directory`/host; `caching`: what it may keep of files. */
export async function nginxSide(directory: string, caching = ''): Promise<ServerSide> {
  const port = await freePort()
  const config = join(directory, 'nginx.conf')
  writeFileSync(
    config,
    `daemon off; master_process off; pid ${directory}/nginx.pid; error_log ${directory}/nginx.log;
events { worker_connections 4096; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; ${caching}
  server { listen 127.0.0.1:${port}; root ${directory}/host; } }\n`,
  )
  const [program, args] = onCpu(0, 'nginx', ['-c', config, '-e', join(directory, 'nginx.log')])
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  await untilListening(port)
  return side('nginx', child, port)
}

function side(name: string, child: ChildProcess, port: number): ServerSide {
  return {
    name,
    port,
    pid: child.pid!,
    [Symbol.asyncDispose]: async () => {
      const left = once(child, 'exit')
      child.kill('SIGTERM')
      await left
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function untilListening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const socket = connect(port, '127.0.0.1')
    const isThere = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (isThere) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`nobody listens on port ${port}`)
}

const TICKS_PER_S = 100

/** Seconds of CPU that a process has used. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S
}

export interface Load {
  /** Requests a second. */
  readonly perSecond: number
  /** Requests for each second of the server's CPU. */
  readonly perCpuSecond: number
}

/** Asks for one path on many connections, from the other CPU, for so long. */
export async function load(
  { port, pid }: ServerSide,
  path: string,
  connections: number,
  seconds: number,
): Promise<Load> {
  const before = cpuSeconds(pid)
  const requests = await ask(`http://127.0.0.1:${port}${path}`, connections, seconds)
  return { perSecond: requests / seconds, perCpuSecond: requests / (cpuSeconds(pid) - before) }
}

async function ask(url: string, connections: number, seconds: number): Promise<number> {
  if (hasWrk) {
    const [program, args] = onCpu(1, 'wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, url])
    const { stdout } = await promisify(execFile)(program, args)
    if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(stdout)
    return Number(/(?<requests>\d+) requests in/.exec(stdout)?.groups?.['requests'])
  }
  const script = fileURLToPath(import.meta.resolve('autocannon'))
  const [program, args] = onCpu(1, process.execPath, [script, '-j', `-c${connections}`, `-d${seconds}`, url])
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 1 << 26 })
  const { requests, non2xx, errors } = JSON.parse(stdout) as {
    requests: { total: number }
    non2xx: number
    errors: number
  }
  if (non2xx + errors > 0) throw new Error(stdout)
  return requests.total
}
