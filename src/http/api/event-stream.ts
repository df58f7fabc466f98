/** Server-sent events: what a generator yields, with a heartbeat while it yields nothing. */
import type { Context } from 'hono'
import type { SSEMessage } from 'hono/streaming'
import { streamSSE } from 'hono/streaming'

/** Proxies and browsers take a silent connection for a dead one. */
const HEARTBEAT_MS = 10_000

/** Answers with the events of `make`, whose signal is aborted when the reader goes. `retryMs`: when a lost reader comes again. */
export function eventStream(
  context: Context,
  make: (signal: AbortSignal) => AsyncIterable<SSEMessage>,
  retryMs = 1000,
): Response {
  context.header('cache-control', 'no-store')
  return streamSSE(context, async (stream) => {
    const gone = new AbortController()
    stream.onAbort(() => gone.abort())
    const heartbeat = setInterval(() => void stream.write(': here\n\n').catch(() => undefined), HEARTBEAT_MS).unref()
    try {
      await stream.write(`retry: ${retryMs}\n\n`)
      for await (const message of make(gone.signal)) {
        if (gone.signal.aborted) break
        await stream.writeSSE(message)
      }
    } finally {
      clearInterval(heartbeat)
      gone.abort()
    }
  })
}
