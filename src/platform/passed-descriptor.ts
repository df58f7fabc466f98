/**
 * Descriptors that another process passes through a socket: socketpair(2), recvmsg(2) with SCM_RIGHTS. Node.js can pass
 * sockets of its own only. Callers: mounting through fusermount3.
 */
import { closeSync } from 'node:fs'

import { systemError } from '../errors.ts'
import { addressOf, callFailed, libc, retryInterrupted } from './libc.ts'

const AF_UNIX = 1
const SOCK_STREAM = 1
const SOL_SOCKET = 1
const SCM_RIGHTS = 1
const MSG_DONTWAIT = 0x40
const MSG_CMSG_CLOEXEC = 0x4000_0000

/** struct iovec: pointer, length. */
const IOVEC_BYTES = 16
/** struct msghdr of 64 bit machines. */
const Message = { iovec: 16, iovecCount: 24, control: 32, controlBytes: 40, bytes: 56 } as const
/** struct cmsghdr (u64 length, i32 level, i32 type) and one descriptor, padded. */
const Control = { level: 8, type: 12, descriptor: 16, bytes: 24 } as const
const ONE_DESCRIPTOR_BYTES = 20

/** Two ends of a socket. Child processes inherit neither, unless they are given it. */
export class DescriptorSocket implements Disposable {
  /** For the receiver. */
  readonly #ours: number
  /** For the sender: pass it to a child process. */
  readonly theirs: number

  constructor() {
    const fds = Buffer.alloc(8)
    const SOCK_CLOEXEC = 0o2_000_000
    if (libc().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) === -1) {
      throw callFailed('no pair of sockets could be made', { syscall: 'socketpair' })
    }
    this.#ours = fds.readInt32LE(0)
    this.theirs = fds.readInt32LE(4)
  }

  /** The descriptor that was passed; it is the caller's to close. Does not wait: EAGAIN when nothing was sent. */
  receive(): number {
    const byte = Buffer.alloc(1)
    const iovec = Buffer.alloc(IOVEC_BYTES)
    iovec.writeBigUInt64LE(addressOf(byte), 0)
    iovec.writeBigUInt64LE(1n, 8)
    const control = Buffer.alloc(Control.bytes)
    const message = Buffer.alloc(Message.bytes)
    message.writeBigUInt64LE(addressOf(iovec), Message.iovec)
    message.writeBigUInt64LE(1n, Message.iovecCount)
    message.writeBigUInt64LE(addressOf(control), Message.control)
    message.writeBigUInt64LE(BigInt(control.length), Message.controlBytes)
    const flags = MSG_DONTWAIT | MSG_CMSG_CLOEXEC
    if (retryInterrupted(() => libc().recvmsg(this.#ours, message, flags)) === -1) {
      throw callFailed('no descriptor was passed', { syscall: 'recvmsg' })
    }
    const isDescriptor =
      message.readBigUInt64LE(Message.controlBytes) >= BigInt(ONE_DESCRIPTOR_BYTES) &&
      control.readInt32LE(Control.level) === SOL_SOCKET &&
      control.readInt32LE(Control.type) === SCM_RIGHTS
    if (!isDescriptor) throw systemError('EBADMSG', 'what was passed is no descriptor', { syscall: 'recvmsg' })
    return control.readInt32LE(Control.descriptor)
  }

  [Symbol.dispose](): void {
    closeSync(this.#ours)
    closeSync(this.theirs)
  }
}
