/** Whole contents: what `readFile`, `writeFile` and `appendFile` do with an open file, from where its descriptor is. */
import type { Stat } from '../pool/stat.ts'
import { outOfRange, wrongType } from '../errors.ts'
import { isView } from './arguments.ts'
import { codedError, mustNotBeAborted } from './node-words.ts'
import type { OpenNode } from './open-node.ts'

/** Text, bytes, or some of either one after the other: an iterable, a stream. */
export type Content =
  | string
  | NodeJS.ArrayBufferView
  | Iterable<string | NodeJS.ArrayBufferView>
  | AsyncIterable<string | NodeJS.ArrayBufferView>

/** Bytes of the largest file that `readFile` takes, as in node:fs. */
const LARGEST = 2 ** 31 - 1
/** Bytes that are asked for of what has no size. */
const FIRST_BYTES = 8192

/** Reads the rest. ERR_FS_FILE_TOO_LARGE. An abort ends it between reads, and while it waits. */
export async function readRest(node: OpenNode, signal: AbortSignal | undefined): Promise<Buffer> {
  mustNotBeAborted(signal)
  const stat: Stat = await node.stat()
  const size = stat.isFile() ? stat.size : 0
  if (size > LARGEST) throw tooLarge(size)
  const parts: Buffer[] = []
  // One that was empty may grow while it is read; what is no file says so itself.
  for (let left = size === 0 ? Infinity : size; left > 0;) {
    mustNotBeAborted(signal)
    const part = Buffer.allocUnsafeSlow(Math.min(left, size || FIRST_BYTES))
    const { bytesRead } = await node.read(part, { signal })
    if (bytesRead === 0) break
    parts.push(part.subarray(0, bytesRead))
    left -= bytesRead
  }
  mustNotBeAborted(signal)
  return parts.length === 1 ? parts[0] : Buffer.concat(parts)
}

const tooLarge = (size: number): Error =>
  Object.assign(outOfRange('size', `<= ${LARGEST}; read it in parts`, size), { code: 'ERR_FS_FILE_TOO_LARGE' })

/** Reads the rest into memory of the caller, or what its function gives for the size. */
export async function readRestInto(
  node: OpenNode,
  buffer: unknown,
  signal: AbortSignal | undefined,
): Promise<NodeJS.ArrayBufferView> {
  const whole = await readRest(node, signal)
  const target: unknown = typeof buffer === 'function' ? buffer(whole.length) : buffer
  if (!isView(target)) throw wrongType('options.buffer', 'an ArrayBufferView, or give one', target)
  const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength)
  if (bytes.length < whole.length)
    throw codedError('ERR_INVALID_ARG_VALUE', `options.buffer has ${bytes.length} bytes, the file ${whole.length}`)
  bytes.set(whole)
  return Buffer.from(target.buffer, target.byteOffset, whole.length)
}

/** What can be written; else a TypeError, before a file is opened for it. */
export function contentOf(data: unknown): Content {
  if (typeof data === 'string' || isView(data) || isIterable(data)) return data
  throw wrongType('data', 'of type string or an instance of Buffer, TypedArray, or DataView, or iterable', data)
}

const isIterable = (data: unknown): data is Iterable<string> =>
  typeof data === 'object' && data !== null && (Symbol.iterator in data || Symbol.asyncIterator in data)

/** Writes all of it. */
export async function writeContent(
  node: OpenNode,
  content: Content,
  encoding: BufferEncoding | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  mustNotBeAborted(signal)
  if (typeof content === 'string' || isView(content)) {
    await writeAll(node, bytesOf(content, encoding), signal)
    return
  }
  for await (const part of content) {
    mustNotBeAborted(signal)
    await writeAll(node, bytesOf(part, encoding), signal)
  }
  mustNotBeAborted(signal)
}

const bytesOf = (
  part: string | NodeJS.ArrayBufferView,
  encoding: BufferEncoding | undefined,
): NodeJS.ArrayBufferView => (isView(part) ? part : Buffer.from(part, encoding))

async function writeAll(node: OpenNode, bytes: NodeJS.ArrayBufferView, signal: AbortSignal | undefined): Promise<void> {
  let done = 0
  // Also when there is nothing to write: whether it may is said then too.
  do {
    mustNotBeAborted(signal)
    done += (await node.write(bytes, { offset: done, signal })).bytesWritten
  } while (done < bytes.byteLength)
}
