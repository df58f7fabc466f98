/** Files for hono, and for whatever else speaks fetch through it. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { MiddlewareHandler } from 'hono'
import { ServerResponse } from 'node:http'
import type { Pool } from '../../pool/pool.ts'
import { Files } from './files.ts'
import { respond } from './middleware.ts'
import type { FilesOptions } from './options.ts'
import { webResponse } from './web-response.ts'

/**
 * A handler of hono, for `app.use(serveFiles(pool))` or `app.get('*', …)`. What is not there, and other methods, are left to
 * what comes behind it. On @hono/node-server it sends by itself, with the headers that were set before it; what a
 * middleware sets after `next()` does not reach those responses. Elsewhere the body is a stream of copies.
 */
export function serveFiles(pool: Pool, options?: FilesOptions): MiddlewareHandler {
  const files = new Files(pool, options)
  return async (context, next) => {
    const { raw } = context.req
    const { outgoing } = (context.env ?? {}) as { outgoing?: unknown }
    const isOfNode = outgoing instanceof ServerResponse
    const url = new URL(raw.url)
    const question = {
      method: raw.method,
      url: url.pathname + url.search,
      // With what `mount` has taken away.
      originalUrl: isOfNode ? outgoing.req.url : undefined,
      get body() {
        return raw.body?.values({ preventCancel: true })
      },
      header: (name: string) => raw.headers.get(name) || undefined,
    }
    const answer = (isOfNode ? files.answerNow(question) : undefined) ?? (await files.answer(question, !isOfNode))
    if (answer === undefined) return next()
    // hono makes a Response of its own of what answers HEAD, so that one must be whole.
    if (answer.source === undefined || !isOfNode) return webResponse(answer, files.holds)
    const headers = new Map([...context.body(null).headers, ...answer.headers])
    const { status, body, source } = answer
    await respond(files, outgoing, { status, headers, body, source }, question.url)
    // Not merged with what others have put there, which would make it one that is sent; a copy, since others may change it.
    context.res = undefined
    context.res = RESPONSE_ALREADY_SENT.clone()
    return undefined
  }
}
