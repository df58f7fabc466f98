/** A head is given to other responses only where Node.js would write the same. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { RequestListener, ServerOptions, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import type { Answer, Fields } from '../../src/http/files/answer.ts'
import { writeHeadOf } from '../../src/http/files/head.ts'
import { middleware } from '../../src/http/index.ts'
import { atEnd, temporaryPool } from '../support/temporary-pool.ts'

const headers = new Map([
  ['content-type', 'text/plain'],
  ['content-length', '2'],
])
const ASK = 'GET / HTTP/1.1\r\nhost: test\r\n\r\n'
const thisSecond = (): number => Math.floor(Date.now() / 1000)

interface Case {
  /** Of the head that is kept. Default 0. */
  readonly maxRequests?: number
  /** The event that tells of the request; default 'request'. */
  readonly event?: string
  readonly server?: ServerOptions & { keepAliveTimeout?: number; maxRequestsPerSocket?: number }
  readonly asked?: string
  readonly before?: (response: ServerResponse) => void
}

/** The head of a response whose fields have that of a plain one, of this second. */
async function headOf(
  t: TestContext,
  { server: options = {}, asked = ASK, event = 'request', before }: Case,
  write: (response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(options).on(event, (_, response: ServerResponse) => {
    before?.(response)
    write(response)
    response.end('ok')
  })
  server.maxRequestsPerSocket = options.maxRequestsPerSocket ?? 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(t, () => {
    server.closeAllConnections()
    server.close()
  })
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  atEnd(t, () => socket.destroy())
  socket.write(asked)
  const [first] = (await once(socket, 'data')) as [Buffer]
  const text = first.toString('latin1')
  return text.slice(0, text.indexOf('\r\n\r\n')).replace(/\r\nDate: .*?GMT/, '\r\nDate: now')
}

function fieldsWith(text: string | undefined, second = thisSecond(), maxRequests = 0): Fields {
  const head = text === undefined ? undefined : { text, status: 200, second, keepAliveTimeout: 65_000, maxRequests }
  return { headers, list: [...headers].flat(), head }
}

const answerWith = (fields: Fields): Answer => ({ status: 200, headers, fields, body: [], source: undefined })
const KEPT = 'HTTP/1.1 200 OK\r\nx-kept: 1\r\nContent-Length: 2\r\n\r\n'

test('a plain response has the head that another one had', async (t) => {
  const server = { keepAliveTimeout: 65_000 }
  let fields = fieldsWith(KEPT)
  const write = (response: ServerResponse): void => {
    fields = fieldsWith(KEPT)
    writeHeadOf(response, answerWith(fields))
  }
  assert.match(await headOf(t, { server }, write), /x-kept/)
})

test('what is kept is what Node.js has written', async (t) => {
  const fields = fieldsWith(undefined)
  const first = await headOf(t, {}, (response) => writeHeadOf(response, answerWith(fields)))
  assert.equal(first, fields.head?.text.trimEnd().replace(/\r\nDate: .*?GMT/, '\r\nDate: now'))
  assert.match(first, /Connection: keep-alive/)
})

describe('it is written anew', () => {
  const server = { keepAliveTimeout: 65_000 }
  const cases: Record<string, Case> = {
    'for HTTP/1.0': { asked: 'GET / HTTP/1.0\r\n\r\n' },
    'for the last of a connection': { asked: ASK.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n') },
    'when the connection may have no more requests': {
      server: { ...server, maxRequestsPerSocket: 1 },
      maxRequests: 1,
    },
    'when a connection may have only so many': { server: { ...server, maxRequestsPerSocket: 9 } },
    'when connections stay for another time': { server: { keepAliveTimeout: 7000 } },
    'when connections do not say for how long': { server: { keepAliveTimeout: 0 } },
    'with a field of others': { before: (response) => void response.setHeader('x-frame-options', 'DENY') },
    'without the date': { before: (response) => response.removeHeader('date') },
    'without the field Connection': { before: (response) => response.removeHeader('connection') },
    'with a reason of others': { before: (response) => void (response.statusMessage = 'Fine') },
    'when the client waits to be told to go on': {
      asked: ASK.replace('\r\n\r\n', '\r\nexpect: 100-continue\r\n\r\n'),
      event: 'checkContinue',
    },
    'when somebody wants to see it, as on-headers does': {
      before: (response) => {
        const { writeHead } = response
        response.writeHead = ((...args: Parameters<typeof writeHead>) => {
          response.setHeader('x-seen', '1')
          return writeHead.apply(response, args)
        }) as typeof writeHead
      },
    },
  }
  for (const [name, each] of Object.entries(cases)) {
    test(name, async (t) => {
      const asked = { server, ...each }
      const expected = await headOf(t, asked, (response) => response.writeHead(200, [...headers].flat()))
      const actual = await headOf(t, asked, (response) => {
        writeHeadOf(response, answerWith(fieldsWith(KEPT, thisSecond(), each.maxRequests)))
      })
      assert.equal(actual, expected)
    })
  }
})

test('in another second it has another date', async (t) => {
  const text = KEPT.replace('Content-Length', 'Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length')
  const fields = fieldsWith(text, thisSecond() - 1)
  const server = { keepAliveTimeout: 65_000 }
  const head = await headOf(t, { server }, (response) => writeHeadOf(response, answerWith(fields)))
  assert.match(head, /\r\nx-kept: 1\r\nDate: now\r\n/)
  const date = /\r\nDate: (?<date>.*?)\r\n/.exec(fields.head!.text)!.groups!['date']
  assert.equal(date, new Date(fields.head!.second * 1000).toUTCString())
  assert.ok(Math.abs(Date.now() - Date.parse(date)) < 5000)
})

test('requests on one connection, many of a turn, get the same, and each its body', async (t) => {
  const pool = await temporaryPool(t)
  const content = Buffer.alloc(20_000, 'content')
  await pool.writeFile('/a', content)
  const errors: unknown[] = []
  const files = middleware(pool, { onError: (error) => void errors.push(error) })
  const listener: RequestListener = (request, response) => {
    response.strictContentLength = true
    files(request, response)
  }
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(t, () => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const heads = new Set<string>()
  for (let nth = 0; nth < 20; nth++) {
    const response = await fetch(`http://127.0.0.1:${port}/a`)
    const { status, headers: fields } = response
    heads.add(JSON.stringify([status, ...[...fields].filter(([name]) => name !== 'date')]))
    assert.ok(Buffer.from(await response.arrayBuffer()).equals(content))
  }
  assert.equal(heads.size, 1)
  assert.deepEqual(errors, [])
})
