/** A client that sends bytes as they are, and reads what comes. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { atEnd } from '../support/temporary-pool.ts'

const TURN_MS = 4

export class RawClient {
  readonly socket: Socket
  #received: Buffer[] = []
  #wakeAtEnd: () => void = () => undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => void this.#received.push(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => this.#wakeAtEnd())
  }

  /** Sends, and takes one response with Content-Length. */
  async ask(text: string): Promise<string> {
    this.socket.write(text, 'latin1')
    let bytes = Infinity
    while (this.#length < bytes && !this.socket.closed) {
      await new Promise<void>((resolve) => {
        this.socket.once('data', resolve)
        this.#wakeAtEnd = resolve
      })
      if (bytes === Infinity) bytes = lengthOf(Buffer.concat(this.#received).toString('latin1'))
    }
    const all = Buffer.concat(this.#received)
    this.#received = [all.subarray(bytes)]
    return all.toString('latin1', 0, bytes)
  }

  /** Sends, and takes all that comes until nothing does for so long, in so many turns as there are on a machine with time. */
  async exchange(bytes: Buffer, quietMs: number): Promise<Buffer> {
    this.socket.write(bytes)
    let length = 0
    for (let quiet = 0; quiet < quietMs && !this.socket.closed; quiet += TURN_MS) {
      await sleep(TURN_MS)
      if (length !== this.#length) quiet = 0
      length = this.#length
    }
    return Buffer.concat(this.#received.splice(0))
  }

  get #length(): number {
    return this.#received.reduce((sum, chunk) => sum + chunk.length, 0)
  }
}

/** Bytes of the response that begins the text; Infinity: that is not known yet. */
function lengthOf(text: string): number {
  const end = text.indexOf('\r\n\r\n') + 4
  const length = /^content-length: (?<bytes>\d+)/im.exec(text.slice(0, end))?.groups?.['bytes']
  return end > 3 && length !== undefined ? end + Number(length) : Infinity
}

export async function rawClient(t: TestContext, port: number): Promise<RawClient> {
  const socket = connect(port, '127.0.0.1')
  atEnd(t, () => socket.destroy())
  await once(socket, 'connect')
  return new RawClient(socket)
}
