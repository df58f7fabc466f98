/**
 * send(2) on a connected socket, without waiting: the kernel copies what it has room for within the call, and keeps no
 * reference to the memory. libuv would keep one to what does not fit, until the peer has read. Callers: http.
 */
import { addressOf, callFailed, lastErrorCode, libc } from './libc.ts'

const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
const MSG_MORE = 0x8000

/** Characters of the longest text that `sendTextNow` takes. */
export const MOST_TEXT = 16 << 10

/**
 * Returns how many bytes were taken, 0 when there is no room now. `isMoreComing`: what follows at once may go in the same
 * packet. ECONNRESET, EPIPE. Price: 0.5 µs and the copy.
 */
export function sendNow(fd: number, bytes: Uint8Array, isMoreComing: boolean): number {
  const flags = flagsOf(isMoreComing)
  return untilTaken(() => libc().send(fd, bytes, bytes.length, flags))
}

/**
 * The same for text, of which each character is a byte (latin1), and bytes behind it, in one call; what was taken is counted
 * from the beginning of the text. Price: 1 µs and the copy.
 */
export function sendTextNow(fd: number, text: string, bytes: Uint8Array, isMoreComing: boolean): number {
  const { message, vectors } = messageOf(text)
  vectors[VECTOR.bytes] = addressOf(bytes)
  vectors[VECTOR.bytesLength] = BigInt(bytes.length)
  const flags = flagsOf(isMoreComing)
  return untilTaken(() => libc().sendmsg(fd, message, flags))
}

const flagsOf = (isMoreComing: boolean): number => MSG_DONTWAIT | MSG_NOSIGNAL | (isMoreComing ? MSG_MORE : 0)

function untilTaken(call: () => number): number {
  for (;;) {
    const sent = call()
    if (sent >= 0) return sent
    const code = lastErrorCode()
    if (code === 'EAGAIN') return 0
    if (code !== 'EINTR') throw callFailed('the connection took no more bytes', { syscall: 'send' })
  }
}

/** Words of two struct iovec. */
const VECTOR = { text: 0, textLength: 1, bytes: 2, bytesLength: 3 } as const
/** Words of struct msghdr. */
const MESSAGE = { vectors: 2, vectorCount: 3, words: 7 } as const

interface Message {
  /** struct msghdr, which points to the others. */
  readonly message: Uint8Array
  readonly vectors: BigUint64Array
  readonly memory: Buffer
  /** What is in the memory. */
  text: string
}

/** One for all calls of the thread: nothing else runs during a call. Kept, so that the memory stays where the words say. */
let made: Message | undefined

function messageOf(text: string): Message {
  made ??= makeMessage()
  // The same head goes out again and again.
  if (made.text === text) return made
  if (text.length > MOST_TEXT) throw new RangeError(`the text is longer than ${MOST_TEXT} characters`)
  made.memory.write(text, 'latin1')
  made.text = text
  made.vectors[VECTOR.textLength] = BigInt(text.length)
  return made
}

function makeMessage(): Message {
  const memory = Buffer.allocUnsafeSlow(MOST_TEXT)
  const vectors = new BigUint64Array(4)
  vectors[VECTOR.text] = addressOf(memory)
  const words = new BigUint64Array(MESSAGE.words)
  words[MESSAGE.vectors] = addressOf(new Uint8Array(vectors.buffer))
  words[MESSAGE.vectorCount] = 2n
  return { message: new Uint8Array(words.buffer), vectors, memory, text: '' }
}
