/**
 * The world outside, as a process: a slow client, which downloads over TCP and pauses its socket, so that the sender has
 * to wait, and a slow device at the other end of a named pipe, which sends its last bytes when it is told to.
 */
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import type { ChildProgram } from './child-program.ts'
import { serveCalls } from './child-program.ts'
import { contentOf, newHash } from './content.ts'
import type { Playground } from './playground.ts'

export interface Received {
  readonly bytes: number
  readonly hash: string
  /** How the connection ended, when it did not end well. */
  readonly error?: string | undefined
}

interface Speed {
  readonly portionBytes: number
  readonly pauseMs: number
}

class SlowDownload {
  readonly #socket: Socket
  readonly #hash = newHash()
  readonly #end: Promise<string | undefined>
  #bytes = 0
  #pauseAt: number
  #onPause: () => void = () => undefined

  /** Downloads the first `bytes` at once, then pauses. */
  constructor(port: number, bytes: number) {
    this.#pauseAt = bytes
    this.#socket = connect({ port, host: '127.0.0.1' })
    this.#socket.on('data', (chunk) => {
      this.#hash.update(chunk)
      this.#bytes += chunk.length
      if (this.#bytes < this.#pauseAt) return
      this.#socket.pause()
      this.#onPause()
    })
    this.#end = new Promise((resolve) => {
      this.#socket.once('end', () => resolve(undefined))
      this.#socket.once('error', (error) => resolve(error.message))
      this.#socket.once('close', () => resolve('the connection was cut'))
    })
  }

  /** Resolves when the client has paused, or when there was no more. */
  async begun(): Promise<void> {
    await Promise.race([this.#end, new Promise<void>((resolve) => (this.#onPause = resolve))])
  }

  /** The rest, with a pause after each portion. */
  async finish({ portionBytes, pauseMs }: Speed): Promise<Received> {
    const proceed = (): void => {
      this.#pauseAt = this.#bytes + portionBytes
      this.#socket.resume()
    }
    this.#onPause = () => void setTimeout(proceed, pauseMs)
    proceed()
    const error = await this.#end
    this.#socket.destroy()
    return { bytes: this.#bytes, hash: this.#hash.digest('hex'), error }
  }
}

let download: SlowDownload | undefined
let device: { pipe: FileHandle; rest: Buffer } | undefined

const calls = {
  /** Resolves when `bytes` have arrived and the client has paused. */
  begin: async ({ port, bytes }: { port: number; bytes: number }): Promise<void> => {
    download = new SlowDownload(port, bytes)
    await download.begun()
  },
  finish: async (speed: Speed): Promise<Received> => {
    if (download === undefined) throw new Error('the download has not begun')
    return download.finish(speed)
  },
  /** Sends the first half of a piece of content into the pipe. */
  sendHalf: async (piece: { pipe: string; name: string; offset: number; length: number }): Promise<void> => {
    const data = contentOf(piece.name, piece.offset, piece.length)
    const half = data.length / 2
    device = { pipe: await open(piece.pipe, 'w'), rest: data.subarray(half) }
    await device.pipe.writeFile(data.subarray(0, half))
  },
  sendRest: async (_: undefined): Promise<void> => {
    await device?.pipe.writeFile(device.rest)
    await device?.pipe.close()
  },
}

export type Client = ChildProgram<typeof calls>

export const startClient = (playground: Playground): Client => playground.start<typeof calls>(import.meta.url)

serveCalls(import.meta.url, calls)
