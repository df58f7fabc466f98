/** Files for node:http, connect and express. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Pool } from '../../pool/pool.ts'
import type { Answer, Question } from './answer.ts'
import { isAsItCame } from './asked-target.ts'
import type { Body } from './body.ts'
import { breaksOff } from './deliveries.ts'
import { Files } from './files.ts'
import { handlerOf } from './handlers.ts'
import type { FilesOptions } from './options.ts'
import { refusal } from './refusal.ts'
import { sendRestToNode, sendToNode } from './send-to-node.ts'

/** For `createServer(…)`, `app.use(…)`. Without `next` it answers everything. */
export type FilesMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => void

/** Serves the files of a pool; what is not there, and other methods, are left to `next`. TypeError, RangeError. */
export function middleware(pool: Pool, options?: FilesOptions): FilesMiddleware {
  const files = new Files(pool, options)
  return handlerOf(files, (request, response, next) => {
    const question = new NodeQuestion(request)
    const answer = files.answerNow(question)
    if (answer === undefined) void serve(files, question, request, response, next)
    else void respond(files, response, answer, question.url)
  })
}

async function serve(
  files: Files,
  question: Question,
  request: IncomingMessage,
  response: ServerResponse,
  next: ((error?: unknown) => void) | undefined,
): Promise<void> {
  const found = await files.answer(question)
  if (found === undefined && next !== undefined) {
    next()
    return
  }
  await respond(files, response, found ?? files.nothing(question), question.url)
  // What a refused upload still sends stands between us and the next request.
  if (!request.readableEnded) request.resume()
}

/** Sends, at once when the client takes it at once; what goes wrong ends the connection at most. */
export function respond(
  files: Files,
  response: ServerResponse,
  answer: Answer,
  path: string,
): Promise<void> | undefined {
  return guarded(files, response, path, () => sendToNode(response, answer, files.holds))
}

/** The same for what is left of a body, of a response whose header is out. */
export function respondWithRest(
  files: Files,
  response: ServerResponse,
  body: Body,
  path: string,
): Promise<void> | undefined {
  return guarded(files, response, path, () => sendRestToNode(response, body, files.holds))
}

function guarded(
  files: Files,
  response: ServerResponse,
  path: string,
  send: () => Promise<void> | undefined,
): Promise<void> | undefined {
  try {
    return send()?.catch((error: unknown) => broken(files, response, error, path))
  } catch (error) {
    return broken(files, response, error, path)
  }
}

async function broken(files: Files, response: ServerResponse, error: unknown, path: string): Promise<void> {
  if (response.headersSent || response.destroyed) response.destroy()
  else await sendRefusal(files, response).catch(() => response.destroy())
  if (isOfClient(error)) return
  breaksOff(response, 'error')
  files.settings.onError(error, path)
}

const sendRefusal = async (files: Files, response: ServerResponse): Promise<void> =>
  sendToNode(response, refusal(500), files.holds)

const OF_CLIENTS: readonly unknown[] = ['ECONNRESET', 'EPIPE', 'ETIMEDOUT']
const isOfClient = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && OF_CLIENTS.includes(error.code)

/** A class: its accessors are not made anew for each request. */
class NodeQuestion implements Question {
  readonly #request: IncomingMessage
  readonly method: string
  readonly url: string

  constructor(request: IncomingMessage) {
    this.#request = request
    this.method = request.method ?? 'GET'
    this.url = request.url ?? '/'
  }

  get originalUrl(): string | undefined {
    return (this.#request as { originalUrl?: string }).originalUrl
  }

  get isAsItCame(): boolean {
    return isAsItCame(this.#request, this.url)
  }

  /** Not destroyed by who stops early: there is an answer to be sent. */
  get body(): AsyncIterable<Uint8Array> {
    return this.#request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name]
    return (Array.isArray(value) ? value.join(', ') : value) || undefined
  }
}
