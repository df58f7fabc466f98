/**
 * Exercise: everything that a program may do with a pool, done to one that may be damaged. Each call may fail, with the code
 * of a system error; what else it throws is a finding. Then it is repaired, and must be sound, and serve.
 */
import { existsSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { join, posix } from 'node:path'
import type { File, Pool } from '../../src/index.ts'
import { openPool } from '../../src/index.ts'
import { codeOf, isSystemError } from '../../src/errors.ts'
import { fsck } from '../../src/pool/fsck.ts'

/** No path of the specimens is as deep, none of their directories has as many names. */
const MOST_NODES = 300
const LARGEST_READ = 1 << 20
/** Nobody else is there to wait for. */
const TIMEOUT_MS = 500
const DEVICE_BYTES_MOST = 8 << 20

const CODES = new Set([...Object.keys(constants.errno), 'EUCLEAN', 'ESTALE'])

export class Exercise {
  readonly findings: string[] = []
  /** For the count. */
  outcome = ''
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /** `isRepairedFirst`: nobody has worked with the damaged pool before fsck. */
  async run(isRepairedFirst: boolean): Promise<void> {
    await this.#withPool('readOnly', { readOnly: true }, (pool) => this.#look(pool))
    if (!isRepairedFirst) {
      await this.#withPool('opened', {}, async (pool) => {
        await this.#look(pool)
        await this.#change(pool)
      })
    }
    await this.#repair()
    const device = join(this.#path, 'device')
    const bytes = existsSync(device) ? statSync(device).size : 0
    if (bytes > DEVICE_BYTES_MOST) this.findings.push(`the device has ${bytes} bytes`)
  }

  /** What fsck calls repaired is sound, and serves everything. */
  async #repair(): Promise<void> {
    await this.#allowed('fsck -n', () => fsck(this.#path))
    const report = await this.#allowed('fsck', () => fsck(this.#path, { approve: async () => true }))
    if (report?.left.length !== 0) {
      this.outcome = 'not to be repaired'
      return
    }
    this.outcome = report.repairs.length > 0 ? 'repaired' : 'sound'
    try {
      const { findings } = await fsck(this.#path)
      if (findings.length > 0) this.findings.push(`fsck, repaired: ${JSON.stringify(findings)}`)
      await using pool = await openPool(this.#path)
      for await (const path of this.#paths(pool)) {
        const stat = await pool.lstat(path)
        if (stat.isDirectory()) await pool.readdir(path)
        if (stat.isSymbolicLink()) await pool.readlink(path)
        else for (const name of await pool.listXattrs(path)) await pool.getXattr(path, name)
        if (stat.isFile() && stat.size <= LARGEST_READ) await pool.readFile(path)
      }
      const found = await pool.check()
      if (found.length > 0) this.findings.push(`check, repaired: ${JSON.stringify(found)}`)
      await pool.writeFile('/repaired', 'and works').catch((error: unknown) => {
        if (codeOf(error) !== 'ENOSPC') throw error
      })
    } catch (error) {
      this.findings.push(
        `repaired (${report.repairs.join(', ')}): ${error instanceof Error ? error.stack : String(error)}`,
      )
    }
  }

  async #withPool(how: string, options: { readOnly?: boolean }, use: (pool: Pool) => Promise<void>): Promise<void> {
    const pool = await this.#allowed(`${how}: open`, () => openPool(this.#path, options))
    if (pool === undefined) return
    await use(pool)
    await this.#allowed(`${how}: close`, () => pool.close({ force: true }))
  }

  /** Undefined: it failed as it may. */
  async #allowed<T>(what: string, action: () => Promise<T>): Promise<T | undefined> {
    try {
      return await action()
    } catch (error) {
      this.#judge(what, error)
      return undefined
    }
  }

  #judge(what: string, error: unknown): void {
    const code = codeOf(error) ?? ''
    if (isSystemError(error) && CODES.has(code) && code !== 'ETIMEDOUT') return
    const stack = error instanceof Error ? error.stack : String(error)
    this.findings.push(`${what}: ${code} ${stack}`)
  }

  async #look(pool: Pool): Promise<void> {
    const { metadata } = pool.fileSystem
    await this.#allowed('stats', () => pool.stats())
    await this.#allowed('pins', () => pool.pins())
    await this.#allowed('leases', () => pool.leases())
    await this.#allowed('check', () => pool.check())
    await this.#allowed('tree', () => metadata.tree())
    await this.#allowed('lost+found', async () => {
      for (const { name } of await pool.lostAndFound.list()) await pool.lostAndFound.read(name)
    })
    for await (const path of this.#paths(pool)) {
      await this.#allowed(`why ${path}`, () => pool.why(path))
      await this.#allowed(`listXattrs ${path}`, async () => {
        for (const name of await pool.listXattrs(path)) await pool.getXattr(path, name)
      })
      await this.#allowed(`readlink ${path}`, () => pool.readlink(path))
      await this.#withFile(pool, path, 'r', async (file) => {
        const { size } = await file.stat()
        for (const position of [0, Math.floor(size / 2), Math.max(0, size - 5000)]) {
          const length = Math.min(LARGEST_READ, Math.max(0, size - position))
          await this.#allowed(`read ${path}`, () =>
            file.read(Buffer.alloc(length), { position, timeoutMs: TIMEOUT_MS }),
          )
        }
        await this.#allowed(`seek ${path}`, async () => file.seekHole(await file.seekData(0)))
        if (pool.isReadOnly || size === 0) return
        await this.#allowed(`pin ${path}`, async () => {
          using pin = await file.pin({
            offset: 0,
            length: Math.min(size, LARGEST_READ),
            mode: 'read',
            timeoutMs: TIMEOUT_MS,
          })
          // Each page is touched.
          for (const view of pin.buffers) for (let at = 0; at < view.length; at += 4096) void view[at]
        })
        await this.#allowed(`freeze ${path}`, async () => {
          using frozen = await file.freeze({ timeoutMs: TIMEOUT_MS })
          for (const { bytes } of frozen.data) void bytes.at(-1)
        })
      })
    }
  }

  /** All there are, and no more than a sound specimen could have. */
  async *#paths(pool: Pool): AsyncGenerator<string> {
    const waiting = ['/']
    for (let count = 0; waiting.length > 0 && count < MOST_NODES; count++) {
      const path = waiting.shift() ?? '/'
      yield path
      const stat = await this.#allowed(`lstat ${path}`, () => pool.lstat(path))
      if (stat?.isDirectory() !== true) continue
      const names = await this.#allowed(`readdir ${path}`, () => pool.readdir(path))
      waiting.push(...(names ?? []).slice(0, MOST_NODES).map((name) => posix.join(path, name)))
    }
  }

  async #withFile(pool: Pool, path: string, flags: string, use: (file: File) => Promise<void>): Promise<void> {
    const file = await this.#allowed(`open ${path}`, () => pool.open(path, flags, { timeoutMs: TIMEOUT_MS }))
    if (file === undefined) return
    await this.#allowed(`use ${path}`, () => use(file))
    await this.#allowed(`close ${path}`, () => file.close())
  }

  async #change(pool: Pool): Promise<void> {
    const limits = { timeoutMs: TIMEOUT_MS, busy: 'sequester' } as const
    const data = Buffer.alloc(9000, 7)
    const paths = await Array.fromAsync(this.#paths(pool))
    for (const path of paths) {
      await this.#withFile(pool, path, 'r+', async (file) => {
        const { size } = await file.stat()
        const steps: Record<string, () => Promise<unknown>> = {
          write: () => file.write(data, { position: 100, timeoutMs: TIMEOUT_MS }),
          append: () => file.write(data, { position: Math.min(size, 2 ** 40), timeoutMs: TIMEOUT_MS }),
          pin: async () => {
            using pin = await file.pin({ offset: 0, length: 5000, mode: 'write', timeoutMs: TIMEOUT_MS })
            for (const view of pin.buffers) view.fill(9)
            await file.truncate(4500, limits)
          },
          punch: () => file.punchHole(1000, 6000, limits),
          insert: () => file.insertRange(4096, 4096, limits),
          zero: () => file.zeroRange(3000, 3000, limits),
          collapse: () => file.collapseRange(0, 4096, limits),
          truncate: () => file.truncate(Math.floor(size / 2), limits),
          xattr: () => file.setXattr('user.fuzz', data.subarray(0, 3000)),
          chmod: () => file.chmod(0o600),
          sync: () => file.sync(),
        }
        for (const [name, step] of Object.entries(steps)) await this.#allowed(`${name} ${path}`, step)
      })
    }
    const steps: Record<string, () => Promise<unknown>> = {
      mkdir: () => pool.mkdir('/new/directory', { recursive: true }),
      writeFile: () => pool.writeFile('/new/file', data),
      link: () => pool.link('/new/file', '/new/link'),
      symlink: () => pool.symlink('file', '/new/symlink'),
      replace: () => pool.rename('/new/file', '/a', limits),
      reclaim: () => pool.lostAndFound.reclaim(),
      reap: () => pool.reap(),
      grow: () => pool.grow(2 << 20),
      sync: () => pool.sync(),
    }
    for (const [name, step] of Object.entries(steps)) await this.#allowed(name, step)
    for (const path of paths.toReversed()) {
      await this.#allowed(`unlink ${path}`, () => pool.unlink(path, limits))
      await this.#allowed(`rmdir ${path}`, () => pool.rmdir(path))
    }
    await this.#allowed('write again', () => pool.writeFile('/again', Buffer.alloc(300_000, 1)))
    await this.#allowed('check', () => pool.check())
  }
}
