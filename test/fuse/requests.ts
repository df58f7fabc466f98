/**
 * The kernel's side without a kernel: requests encoded as the kernel does, carried out on a real pool, replies taken apart.
 * One for each pool under test.
 */
import assert from 'node:assert/strict'
import { getSystemErrorName } from 'node:util'
import { systemError } from '../../src/errors.ts'
import { constants } from 'node:os'
import type { TestContext } from 'node:test'
import { createMounted, endMounted, operations, wantedFlags } from '../../src/fuse/operations.ts'
import type { MountOptions } from '../../src/fuse/options.ts'
import type { Mounted } from '../../src/fuse/request.ts'
import { SHORT_BYTES } from '../../src/fuse/request.ts'
import { Opcode } from '../../src/fuse/wire/opcodes.ts'
import type { Pool } from '../../src/index.ts'
import type { InodeNumber } from '../../src/units.ts'
import { atEnd } from '../support/temporary-pool.ts'

const { errno } = constants
const numbers: Readonly<Record<string, number>> = { ...errno, ESTALE: 116 }

/** A field of a struct: little endian, of so many bits. */
export type Field =
  | readonly ['u32' | 'u64' | 'i64', number | bigint]
  | readonly ['text', string]
  | readonly ['raw', Uint8Array]

export function struct(...fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.map(([kind, value]) => {
      if (kind === 'text') return Buffer.from(`${value}\0`)
      if (kind === 'raw') return Buffer.from(value)
      const bytes = Buffer.alloc(kind === 'u32' ? 4 : 8)
      if (kind === 'u32') bytes.writeUInt32LE(Number(value))
      else bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
      return bytes
    }),
  )
}

export const u32 = (value: number): Field => ['u32', value]
export const u64 = (value: number | bigint): Field => ['u64', value]
export const name = (value: string): Field => ['text', value]

export interface Caller {
  readonly uid?: number
  readonly gid?: number
  /** Default 1. */
  readonly pid?: number
  readonly signal?: AbortSignal
}

/** How something is asked for, where it matters. `flags` of open(2). */
interface Asked {
  readonly flags?: number
  readonly by?: Caller
}

/** What a reply to LOOKUP, or to whatever makes a name, says. */
export interface SeenEntry extends SeenAttributes {
  readonly nodeId: number
  readonly entryValidMs: number
}

export interface SeenAttributes {
  readonly ino: number
  readonly size: number
  readonly blocks: number
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
}

export class Requests {
  readonly mounted: Mounted
  #unique = 0n

  constructor(t: TestContext, pool: Pool, options: MountOptions = {}, negotiated = wantedFlags(options)) {
    this.mounted = createMounted({ pool, options, negotiated })
    atEnd(t, () => endMounted(this.mounted))
  }

  /** Carries a request out; what the kernel would get behind the header. Rejects with what the operation throws. */
  async ask(opcode: keyof typeof Opcode, nodeId: number, body: Buffer, by: Caller = {}): Promise<Buffer> {
    const operation = operations[Opcode[opcode]]
    assert.ok(operation !== undefined, `no operation for ${opcode}`)
    const { uid = 0, gid = 0, pid = 1, signal = new AbortController().signal } = by
    const request = {
      opcode: Opcode[opcode],
      unique: ++this.#unique,
      nodeId: nodeId as InodeNumber,
      uid,
      gid,
      pid,
      body,
      signal,
    }
    const reply = await operation(this.mounted, request)
    if (reply === undefined) return Buffer.alloc(0)
    if (reply.errno !== undefined)
      throw systemError(getSystemErrorName(reply.errno), 'by its number', { syscall: opcode })
    const encoded = Buffer.alloc(SHORT_BYTES)
    const whole = Buffer.concat([...reply.parts, encoded.subarray(0, reply.encode?.(encoded, 0) ?? 0)])
    reply.done?.()
    return whole
  }

  /** The same, when it is to fail: with a system error of that code. */
  async refuses(code: string, ...request: Parameters<Requests['ask']>): Promise<void> {
    await assert.rejects(this.ask(...request), (error: NodeJS.ErrnoException) => {
      assert.equal(error.code, code, error.stack)
      assert.equal(error.errno, -numbers[code], `${code} has a number`)
      return true
    })
  }

  async lookup(parent: number, text_: string): Promise<SeenEntry> {
    return entryOf(await this.ask('lookup', parent, struct(name(text_))))
  }

  /** The inode at a path of names. */
  async at(...path: readonly string[]): Promise<number> {
    let node = 1
    for (const each of path) node = (await this.lookup(node, each)).nodeId
    return node
  }

  async getattr(nodeId: number): Promise<SeenAttributes> {
    return attributesOf(await this.ask('getattr', nodeId, struct(u32(0), u32(0), u64(0))), 16)
  }

  async mkdir(parent: number, text_: string, mode = 0o755, by?: Caller): Promise<SeenEntry> {
    return entryOf(await this.ask('mkdir', parent, struct(u32(mode), u32(0), name(text_)), by))
  }

  /** A new file, open; `flags` as of open(2). */
  async create(parent: number, text_: string, { mode = 0o100_644, flags = 2, by }: Asked & { mode?: number } = {}) {
    const body = struct(u32(flags), u32(mode), u32(0), u32(0), name(text_))
    const bytes = await this.ask('create', parent, body, by)
    return { ...entryOf(bytes), handle: Number(bytes.readBigUInt64LE(128)), openFlags: bytes.readUInt32LE(136) }
  }

  async open(nodeId: number, flags = 2, by?: Caller): Promise<number> {
    return Number((await this.ask('open', nodeId, struct(u32(flags), u32(0)), by)).readBigUInt64LE(0))
  }

  async release(nodeId: number, handle: number): Promise<void> {
    await this.ask('release', nodeId, struct(u64(handle), u32(0), u32(0), u64(0)))
  }

  read(nodeId: number, handle: number, offset: number | bigint, size: number): Promise<Buffer> {
    return this.ask('read', nodeId, struct(u64(handle), u64(offset), u32(size), u32(0), u64(0), u32(0), u32(0)))
  }

  async write(
    nodeId: number,
    handle: number,
    offset: number | bigint,
    data: Uint8Array | string,
    { flags = 2, writeFlags = 0, by }: Asked & { writeFlags?: number } = {},
  ): Promise<number> {
    const bytes = Buffer.from(data as string)
    const head = [u64(handle), u64(offset), u32(bytes.length), u32(writeFlags), u64(0), u32(flags), u32(0)]
    return (await this.ask('write', nodeId, struct(...head, ['raw', bytes]), by)).readUInt32LE(0)
  }

  /** SETATTR; `valid` is the sum of the bits of what is set. */
  setattr(nodeId: number, set: SetFields, by?: Caller): Promise<SeenAttributes> {
    return this.ask('setattr', nodeId, setattrBody(set), by).then((bytes) => attributesOf(bytes, 16))
  }

  /** Names that one READDIR after the other gives, `size` bytes each. */
  async *entries(nodeId: number, size = 4096): AsyncGenerator<{ name: string; ino: number; next: number }> {
    const handle = Number((await this.ask('opendir', nodeId, struct(u32(0), u32(0)))).readBigUInt64LE(0))
    for (let offset = 0; ;) {
      const page = await this.readdir(nodeId, handle, offset, size)
      if (page.length === 0) break
      yield* page
      offset = page[page.length - 1].next
    }
    await this.ask('releasedir', nodeId, struct(u64(handle), u32(0), u32(0), u64(0)))
  }

  async readdir(nodeId: number, handle: number, offset: number, size = 4096) {
    const body = struct(u64(handle), u64(offset), u32(size), u32(0), u64(0), u32(0), u32(0))
    const bytes = await this.ask('readdir', nodeId, body)
    const page: { name: string; ino: number; next: number }[] = []
    for (let at = 0; at < bytes.length;) {
      const length = bytes.readUInt32LE(at + 16)
      page.push({
        ino: Number(bytes.readBigUInt64LE(at)),
        next: Number(bytes.readBigUInt64LE(at + 8)),
        name: bytes.toString('utf8', at + 24, at + 24 + length),
      })
      at += (24 + length + 7) & ~7
    }
    return page
  }
}

export interface SetFields {
  readonly valid: number
  readonly handle?: number
  readonly size?: number | bigint
  readonly atime?: readonly [seconds: number | bigint, nanoseconds: number]
  readonly mtime?: readonly [seconds: number | bigint, nanoseconds: number]
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
}

/** Bits of `valid`. */
export const Valid = {
  mode: 1,
  uid: 2,
  gid: 4,
  size: 8,
  atime: 16,
  mtime: 32,
  handle: 64,
  atimeNow: 128,
  mtimeNow: 256,
  killSetIds: 2048,
} as const

export function setattrBody({
  valid,
  handle = 0,
  size = 0,
  atime = [0, 0],
  mtime = [0, 0],
  ...set
}: SetFields): Buffer {
  const { mode = 0, uid = 0, gid = 0 } = set
  return struct(
    u32(valid),
    u32(0),
    u64(handle),
    u64(size),
    u64(0),
    ['i64', atime[0]],
    ['i64', mtime[0]],
    u64(0),
    u32(atime[1]),
    u32(mtime[1]),
    u32(0),
    u32(mode),
    u32(0),
    u32(uid),
    u32(gid),
    u32(0),
  )
}

const NS = 1_000_000_000n

export function attributesOf(bytes: Buffer, at: number): SeenAttributes {
  const time = (seconds: number, nanoseconds: number): bigint =>
    bytes.readBigInt64LE(at + seconds) * NS + BigInt(bytes.readUInt32LE(at + nanoseconds))
  return {
    ino: Number(bytes.readBigUInt64LE(at)),
    size: Number(bytes.readBigUInt64LE(at + 8)),
    blocks: Number(bytes.readBigUInt64LE(at + 16)),
    atimeNs: time(24, 48),
    mtimeNs: time(32, 52),
    ctimeNs: time(40, 56),
    mode: bytes.readUInt32LE(at + 60),
    nlink: bytes.readUInt32LE(at + 64),
    uid: bytes.readUInt32LE(at + 68),
    gid: bytes.readUInt32LE(at + 72),
    rdev: bytes.readUInt32LE(at + 76),
  }
}

export function entryOf(bytes: Buffer): SeenEntry {
  return {
    nodeId: Number(bytes.readBigUInt64LE(0)),
    entryValidMs: Number(bytes.readBigUInt64LE(16)) * 1000 + bytes.readUInt32LE(32) / 1e6,
    ...attributesOf(bytes, 40),
  }
}

/** A body of many bytes, for what takes more than one piece. */
export const pattern = (length: number, seed = 1): Buffer => {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + seed * 13 + (i >> 8)) & 0xff
  return bytes
}
