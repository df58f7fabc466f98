/** An answer as a Response of fetch: its body is copied, piece by piece, as it is read. */
import type { Answer } from './answer.ts'
import { isOfSource } from './answer.ts'
import { Body } from './body.ts'
import type { Hold, Holds, Limit } from './holds.ts'

const PIECE_BYTES = 64 << 10
const WORDS: Readonly<Record<Limit, string>> = {
  time: 'The response took too long',
  'held-back': 'The response held too many blocks back that have left the file',
  space: 'The response held blocks back when space was wanted',
}

export function webResponse(answer: Answer, holds: Holds): Response {
  const init = { status: answer.status, headers: [...answer.headers] }
  if (answer.source === undefined) {
    const bytes = answer.body.flatMap((part) => (isOfSource(part) ? [] : [part]))
    return new Response(bytes.length === 0 ? null : Buffer.concat(bytes), init)
  }
  const body = new Body(answer)
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  const hold: Hold = {
    body,
    // A stream that nobody reads any more is silent.
    mayCopy: false,
    giveUp: (limit) =>
      controller?.error(new DOMException(WORDS[limit], limit === 'time' ? 'TimeoutError' : 'AbortError')),
  }
  const end = (): void => {
    body.end()
    holds.delete(hold)
  }
  const stream = new ReadableStream<Uint8Array>(
    {
      start: (own) => {
        controller = own
        holds.add(hold)
      },
      pull: (own) => {
        try {
          own.enqueue(body.take(PIECE_BYTES))
          if (body.left > 0) return
          own.close()
        } catch (error) {
          own.error(error)
        }
        end()
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  )
  return new Response(stream, init)
}
