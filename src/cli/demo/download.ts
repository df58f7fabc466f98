/**
 * A download: a TCP server for one client, which sends what it is given piece by piece. Behind half of it stands a gate,
 * so that the other half is read from its blocks after the change whatever the kernel buffers.
 */
import { once } from 'node:events'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer } from 'node:net'
import type { Client, Received } from './client.ts'

/** Sends one piece; resolves with its bytes when the kernel has taken them. */
export type SendPiece = (socket: Socket) => Promise<number>

/** The client pauses after each 32nd of the file. */
const PORTIONS = 32
const PAUSE_MS = 8

export class Download implements Disposable {
  /** What the kernel has taken so far. */
  sentBytes = 0
  readonly #client: Client
  readonly #totalBytes: number
  readonly #gate = Promise.withResolvers<void>()
  #sending: Promise<void> | undefined
  #server: Server | undefined

  constructor(client: Client, totalBytes: number) {
    this.#client = client
    this.#totalBytes = totalBytes
  }

  /** Starts; resolves when an eighth has arrived and the client has paused. */
  async begin(pieces: AsyncIterable<SendPiece> | Iterable<SendPiece>): Promise<void> {
    const server = createServer({ noDelay: true }).listen(0, '127.0.0.1')
    this.#server = server
    await once(server, 'listening')
    const connected = once(server, 'connection') as Promise<[Socket]>
    const begun = this.#client.call('begin', {
      port: (server.address() as AddressInfo).port,
      bytes: this.#totalBytes / 8,
    })
    this.#sending = connected.then(async ([socket]) => {
      await this.#send(socket, pieces)
    })
    // Met in finish(), or here when it fails early.
    this.#sending.catch(() => undefined)
    await Promise.race([begun, this.#sending.then(() => begun)])
  }

  /** Opens the gate and lets the client go on; resolves with what it got. */
  async finish(): Promise<Received> {
    this.#gate.resolve()
    const [received] = await Promise.all([
      this.#client.call('finish', { portionBytes: this.#totalBytes / PORTIONS, pauseMs: PAUSE_MS }),
      this.#sending,
    ])
    return received
  }

  /** Takes no more clients; a connection ends with its client. */
  [Symbol.dispose](): void {
    this.#server?.close()
  }

  async #send(socket: Socket, pieces: AsyncIterable<SendPiece> | Iterable<SendPiece>): Promise<void> {
    // A broken connection rejects the write that meets it; the event would end the process besides.
    socket.on('error', () => undefined)
    try {
      for await (const send of pieces) {
        if (this.sentBytes >= this.#totalBytes / 2) await this.#gate.promise
        this.sentBytes += await send(socket)
      }
    } finally {
      socket.end()
    }
  }
}
