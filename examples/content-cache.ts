/**
 * A cache before a slow origin: what is asked for is fetched once, served from its blocks, and the entries that were not asked for
 * longest go when there is no room. That they are being sent to somebody does not matter.
 *
 *   node examples/content-cache.ts
 *
 * In a program of yours the imports read `from 'holdfast'` and `from 'holdfast/http'`.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { middleware } from '../src/http/index.ts'
import type { Pool } from '../src/index.ts'
import { createPool } from '../src/index.ts'

const ENTRY_BYTES = 12 << 20
const POOL_BYTES = 64 << 20
const SPARE_BYTES = 2 << 20

/** Stands for the origin. */
const fetchFrom = (key: string): Promise<Buffer> => Promise.resolve(Buffer.alloc(ENTRY_BYTES, key))

/** Entries are files of /entries; which was used last is known here, oldest first. */
class Cache {
  readonly #pool: Pool
  readonly #used = new Set<string>()
  readonly #filling = new Map<string, Promise<void>>()

  constructor(pool: Pool) {
    this.#pool = pool
  }

  get keys(): string[] {
    return [...this.#used]
  }

  /** Resolves when the entry is there. Who asks for it meanwhile waits for the same. */
  async have(key: string): Promise<void> {
    if (this.#used.delete(key)) {
      this.#used.add(key)
      return
    }
    const filling = this.#filling.get(key) ?? this.#fill(key).finally(() => this.#filling.delete(key))
    this.#filling.set(key, filling)
    await filling
  }

  async #fill(key: string): Promise<void> {
    const content = await fetchFrom(key)
    await this.#makeRoom(content.length)
    await this.#pool.writeFile(`/new-${key}`, content)
    await this.#pool.rename(`/new-${key}`, `/entries/${key}`)
    this.#used.add(key)
  }

  async #makeRoom(bytes: number): Promise<void> {
    for (const key of this.#used) {
      if ((await this.#pool.stats()).availableBytes >= bytes + SPARE_BYTES) return
      this.#used.delete(key)
      await this.#pool.unlink(`/entries/${key}`)
    }
  }
}

const directory = await mkdtemp(join(tmpdir(), 'holdfast-example-'))
try {
  await using pool = await createPool(join(directory, 'pool'), { sizeBytes: POOL_BYTES })
  await pool.mkdir('/entries')
  const cache = new Cache(pool)
  const files = middleware(pool, { root: '/entries' })
  const server = createServer((request, response) => {
    void cache.have((request.url ?? '/').slice(1)).then(() => files(request, response))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const ask = async (key: string): Promise<IncomingMessage> => {
    const [response] = (await once(get(`http://127.0.0.1:${port}/${key}`, { agent: false }), 'response')) as [
      IncomingMessage,
    ]
    return response
  }

  // A client that reads nothing for now.
  const slow = await ask('a')
  for (const key of ['b', 'c', 'b', 'd', 'e', 'f'])
    assert.equal((await buffer(await ask(key)))[ENTRY_BYTES - 1], key.charCodeAt(0))
  console.log(`kept: ${cache.keys.join(' ')}`)
  assert.ok(!cache.keys.includes('a'))
  assert.ok((await buffer(slow)).equals(Buffer.alloc(ENTRY_BYTES, 'a')))
  console.log('a went while it was sent to a slow client, who got all of it')
  server.close()
} finally {
  await rm(directory, { recursive: true, force: true })
}
