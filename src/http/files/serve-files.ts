/** Files for hono, and for whatever else speaks fetch through it. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { MiddlewareHandler } from 'hono'
import { ServerResponse } from 'node:http'
import type { Pool } from '../../pool/pool.ts'
import type { Answer } from './answer.ts'
import { isAsItCame } from './asked-target.ts'
import { Files } from './files.ts'
import { handlerOf } from './handlers.ts'
import { respond } from './middleware.ts'
import type { FilesOptions } from './options.ts'
import { webResponse } from './web-response.ts'

/**
 * A handler of hono, for `app.use(serveFiles(pool))` or `app.get('*', …)`. What is not there, and other methods, are left to
 * what comes behind it. On @hono/node-server it sends by itself, with the headers that were set before it; what a
 * middleware sets after `next()` does not reach those responses. Elsewhere the body is a stream of copies.
 */
export const serveFiles = (pool: Pool, options?: FilesOptions): MiddlewareHandler => serveThem(new Files(pool, options))

export function serveThem(files: Files): MiddlewareHandler {
  return handlerOf(files, async (context, next) => {
    const { raw } = context.req
    const { outgoing } = (context.env ?? {}) as { outgoing?: unknown }
    const isOfNode = outgoing instanceof ServerResponse
    const { pathname, search } = new URL(raw.url)
    const url = pathname + search
    const question = {
      method: raw.method,
      url,
      // With what `mount` has taken away.
      originalUrl: isOfNode ? outgoing.req.url : undefined,
      isAsItCame: isOfNode && isAsItCame(outgoing.req, url),
      get body() {
        return raw.body?.values({ preventCancel: true })
      },
      header: (name: string) => raw.headers.get(name) || undefined,
    }
    const answer = (isOfNode ? files.answerNow(question) : undefined) ?? (await files.answer(question, !isOfNode))
    if (answer === undefined) return next()
    // hono makes a Response of its own of what answers HEAD, so that one must be whole.
    if (answer.source === undefined || !isOfNode) return webResponse(answer, files.holds)
    await respond(files, outgoing, withHeaders(answer, context.body(null).headers), url)
    // Not merged with what others have put there, which would make it one that is sent; a copy, since others may change it.
    context.res = undefined
    context.res = RESPONSE_ALREADY_SENT.clone()
    return undefined
  })
}

/** With those that others have set, unless the answer has them anyway. */
function withHeaders(answer: Answer, others: Headers): Answer {
  if ([...others].every(([name, value]) => answer.headers.get(name) === value)) return answer
  const { status, body, source } = answer
  return { status, headers: new Map([...others, ...answer.headers]), body, source }
}
