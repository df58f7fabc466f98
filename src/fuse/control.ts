/**
 * What a server tells the process that started it, through a socket that both have: one line of JSON, when the file system
 * can be used or could not be mounted. The starter answers with a line, that it knows. After that the socket only tells each
 * that the other one lives.
 */
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { HoldfastError } from '../errors.ts'
import { systemError } from '../errors.ts'

/** The descriptor of the socket in the server. */
export const CONTROL_FD = 3

export type ServerNews = { readonly ready: true } | { readonly error: PlainError }

/** An error as JSON. */
interface PlainError {
  readonly message: string
  readonly stack?: string | undefined
  readonly code?: string | undefined
  readonly errno?: number | undefined
  readonly syscall?: string | undefined
  readonly path?: string | undefined
}

export function tell(socket: Socket, news: ServerNews): void {
  socket.write(`${JSON.stringify(news)}\n`)
}

/** From now on the mount is there, whatever becomes of who started it. */
export function acknowledge(socket: Socket): void {
  socket.write('\n')
}

export function plainError(error: unknown): PlainError {
  if (!(error instanceof Error)) return { message: String(error) }
  const { message, stack, code, errno, syscall, path } = error as Partial<HoldfastError> & Error
  return { message, stack, code, errno, syscall, path }
}

/** Resolves when the server says that it is ready; rejects with what it says, or when it is gone before. */
export async function untilReady(socket: Socket, dir: string): Promise<void> {
  const lines = createInterface({ input: socket })
  try {
    for await (const line of lines) {
      const news = JSON.parse(line) as ServerNews
      if ('ready' in news) return
      throw Object.assign(new Error(news.error.message), news.error)
    }
  } finally {
    lines.close()
  }
  throw systemError('EIO', 'the process that serves the mount ended before it had begun', {
    syscall: 'mount',
    path: dir,
  })
}
