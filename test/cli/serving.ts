/** `holdfast serve` as a child of a test, and requests to it. */
import assert from 'node:assert/strict'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:http'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { startHoldfast } from './run-holdfast.ts'

export interface Served {
  readonly child: ChildProcessWithoutNullStreams
  readonly url: string
  readonly port: number
  readonly inspector: string
  readonly metrics: string
  readonly token?: string
  readonly mount?: string
  /** Events that were logged so far. */
  readonly log: Readonly<Record<string, unknown>>[]
  /** Sends a signal; resolves with the exit code, or null when a signal ended it. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

/** Starts it on a free port; resolves when it listens. */
export async function startServing(pool: string, ...args: string[]): Promise<Served> {
  const child = startHoldfast(['serve', pool, '--port', '0', '--json', ...args])
  const log: Record<string, unknown>[] = []
  const errors: string[] = []
  createInterface(child.stderr).on('line', (line) => {
    errors.push(line)
    if (line.startsWith('{')) log.push(JSON.parse(line) as Record<string, unknown>)
  })
  const exited = once(child, 'exit')
  const lines = createInterface(child.stdout)
  const first = await Promise.race([once(lines, 'line'), exited.then(() => undefined)])
  assert.ok(first !== undefined, `it did not start: ${errors.join('\n')}`)
  const { pool: _, ...announced } = JSON.parse(String(first[0])) as Omit<Served, 'child' | 'log' | 'end'> & {
    pool: string
  }
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    child.kill(signal)
    return ((await exited) as [number | null])[0]
  }
  return { child, log, end, ...announced }
}

interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Sends a request, its body included, and resolves with the head of the response. */
export async function ask(url: string, { method = 'GET', headers = {}, body }: Asked = {}): Promise<IncomingMessage> {
  const sent = request(url, { method, headers, agent: false }).end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  return response
}

export async function answer(
  url: string,
  asked?: Asked,
): Promise<{ status: number; headers: IncomingMessage['headers']; body: string }> {
  const response = await ask(url, asked)
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) }
}
