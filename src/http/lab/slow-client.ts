/** A client that takes its time: windows of a file go from their blocks to a TCP connection, one after the other. */
import { once } from 'node:events'
import type { AddressInfo, Server, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { File } from '../../pool/file.ts'
import type { Pin } from '../../pool/pin.ts'
import type { Check } from './lab-events.ts'
import type { Transfer } from './transfer.ts'
import { EARLY_WINDOWS, hashOf, PAUSE_MS, pinWindows, shortHash } from './transfer.ts'

export class SlowClient implements Transfer {
  readonly #pins: Pin[]
  readonly #content: Uint8Array
  readonly #server: Server
  readonly #out: Socket
  readonly #client: Socket
  readonly #received: Buffer[] = []
  movedBytes = 0
  #arrived = Promise.withResolvers<void>()
  #sent = 0

  private constructor(pins: Pin[], content: Uint8Array, sockets: { server: Server; out: Socket; client: Socket }) {
    this.#pins = pins
    this.#content = content
    this.#server = sockets.server
    this.#out = sockets.out
    this.#client = sockets.client
    // A broken connection rejects the write that meets it; the event would end the process besides.
    this.#out.on('error', () => undefined)
    this.#client.on('error', () => undefined)
    this.#client.on('data', (bytes) => {
      this.#received.push(bytes)
      this.movedBytes += bytes.length
      this.#arrived.resolve()
    })
  }

  /** Pins the file, which holds `content`, and connects. */
  static async prepare(file: File, content: Uint8Array): Promise<SlowClient> {
    const pins = await pinWindows(file, 'read')
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
    const [out] = (await once(server, 'connection')) as [Socket]
    return new SlowClient(pins, content, { server, out, client })
  }

  async begin(): Promise<void> {
    for (const pin of this.#pins.slice(0, EARLY_WINDOWS)) await this.#send(pin)
  }

  async finish(): Promise<void> {
    for (const pin of this.#pins.slice(EARLY_WINDOWS)) await this.#send(pin)
  }

  release(): void {
    for (const pin of this.#pins) if (pin.isHeld) pin.release()
  }

  checks(): Check[] {
    const got = Buffer.concat(this.#received)
    const isRight = hashOf(got) === hashOf(this.#content)
    const text = `the client got ${got.length} bytes, sha256 ${shortHash(got)}…; the file was ${shortHash(this.#content)}…`
    return [{ text, isRight }]
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.release()
    this.#client.destroy()
    this.#out.destroy()
    this.#server.close()
    return Promise.resolve()
  }

  async #send(pin: Pin): Promise<void> {
    this.#sent += await pin.writeTo(this.#out)
    while (this.movedBytes < this.#sent) {
      await this.#arrived.promise
      this.#arrived = Promise.withResolvers<void>()
    }
    await sleep(PAUSE_MS)
    pin.release()
  }
}
