/**
 * Getting the kernel to mount, and to unmount: by mount(2) for who may, else through fusermount3, which is setuid and
 * allows users to mount on directories of their own.
 */
import type { StdioOptions } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { codeOf, systemError } from '../errors.ts'
import { makeNonBlocking } from '../platform/descriptor.ts'
import { MOUNT_FLAGS, mountFileSystem, unmountFileSystem } from '../platform/mount.ts'
import { DescriptorSocket } from '../platform/passed-descriptor.ts'
import { FILE_SYSTEM_TYPE, mountedAt } from './mount-point.ts'
import type { MountOptions } from './options.ts'
import { kernelFlagsOf } from './options.ts'

const DEVICE = '/dev/fuse'
const FUSERMOUNT = 'fusermount3'
/** What fusermount3 is told in _FUSE_COMMFD: the first after the usual three. */
const PASSING_FD = 3

export interface Attachment {
  /** Shown in /proc/mounts: the path of the pool. */
  readonly source: string
  readonly dir: string
  readonly options: MountOptions
}

/**
 * Mounts, and answers the descriptor of the device: non-blocking, not inherited, the caller's to close, which ends the
 * file system. ENOENT, EACCES: what is wrong with /dev/fuse; EPERM: what is needed to be allowed.
 */
export function attach(attachment: Attachment): number {
  const fd = openDevice()
  try {
    const { source, dir, options } = attachment
    let flags = 0
    // each a bit of its own
    for (const word of kernelFlagsOf(options)) flags += MOUNT_FLAGS[word]
    const data = [
      `fd=${fd}`,
      // the type bits of a directory; octal
      'rootmode=40000',
      `user_id=${process.getuid!()}`,
      `group_id=${process.getgid!()}`,
      ...fuseOptions(options),
    ].join(',')
    mountFileSystem({ source, target: dir, type: FILE_SYSTEM_TYPE, flags, data })
    return fd
  } catch (error) {
    closeSync(fd)
    if (codeOf(error) === 'EPERM') return attachAsUser(attachment)
    throw error
  }
}

/** Permissions are the kernel's to check, by the modes that it is told. */
const fuseOptions = ({ allowOther }: MountOptions): string[] =>
  allowOther === true ? ['default_permissions', 'allow_other'] : ['default_permissions']

function openDevice(): number {
  const detail = { syscall: 'open', path: DEVICE }
  try {
    return openSync(DEVICE, constants.O_RDWR | constants.O_NONBLOCK)
  } catch (error) {
    switch (codeOf(error)) {
      case 'ENOENT':
      case 'ENODEV':
      case 'ENXIO':
        throw systemError(
          'ENOENT',
          'this machine has no FUSE: load the kernel module (modprobe fuse), or give the container the device',
          { ...detail, cause: error },
        )
      case 'EACCES':
      case 'EPERM':
        throw systemError('EACCES', 'this user may not use FUSE; give the user, or the container, the device', {
          ...detail,
          cause: error,
        })
      default:
        throw error
    }
  }
}

function attachAsUser({ source, dir, options }: Attachment): number {
  using socket = new DescriptorSocket()
  const words = [
    // Which is so unless another is asked for, and which fusermount3 does not know.
    ...kernelFlagsOf(options).filter((word) => word !== 'relatime'),
    ...fuseOptions(options),
    `subtype=${FILE_SYSTEM_TYPE.slice('fuse.'.length)}`,
    `fsname=${source.replaceAll(/[\\,]/g, String.raw`\$&`)}`,
  ]
  const stdio: StdioOptions = ['ignore', 'ignore', 'pipe', socket.theirs]
  const env = { ...process.env, _FUSE_COMMFD: String(PASSING_FD) }
  const { error, status, stderr } = spawnSync(FUSERMOUNT, ['-o', words.join(','), '--', dir], {
    stdio,
    env,
    encoding: 'utf8',
  })
  if (error !== undefined) throw notStarted(error, { syscall: 'mount', path: dir })
  if (status !== 0) throw refusedByFusermount(stderr, { syscall: 'mount', path: dir })
  const fd = socket.receive()
  makeNonBlocking(fd)
  return fd
}

function notStarted(error: Error, detail: { syscall: string; path: string }): Error {
  if (codeOf(error) !== 'ENOENT') return error
  const what = `only root may ${detail.syscall} without ${FUSERMOUNT}, and it is not installed; it is in the package fuse3`
  return systemError('EPERM', what, detail)
}

/** It tells why in words only. */
function refusedByFusermount(stderr: string, detail: { syscall: string; path: string }): Error {
  const words = stderr.trim().replaceAll(/\s*\n\s*/g, '; ') || `${FUSERMOUNT} failed and said nothing`
  const code = /busy/i.test(words) ? 'EBUSY' : /not mounted|Invalid argument/.test(words) ? 'EINVAL' : 'EPERM'
  return systemError(code, words, detail)
}

/**
 * Unmounts. EBUSY: it is in use; `lazy` takes it off the tree at once, and it ends when nobody uses it any more. EINVAL:
 * nothing is mounted there. EPERM. The thread that serves the mount may call this, and must go on serving until it
 * resolves: the kernel may have something to write back.
 */
export async function detach(dir: string, { lazy }: { lazy: boolean }): Promise<void> {
  try {
    await unmountFileSystem(dir, { lazy })
  } catch (error) {
    if (codeOf(error) !== 'EPERM') throw error
    await detachAsUser(dir, lazy)
  }
}

async function detachAsUser(path: string, lazy: boolean): Promise<void> {
  const detail = { syscall: 'umount', path }
  const child = spawn(FUSERMOUNT, ['-u', ...(lazy ? ['-z'] : []), '--', path], { stdio: ['ignore', 'ignore', 'pipe'] })
  const [words, [status]] = await Promise.all([
    text(child.stderr),
    once(child, 'close').catch((error: Error) => Promise.reject(notStarted(error, detail))) as Promise<[number]>,
  ])
  if (status === 0) return
  // So it says of what it sees, too, when somebody else mounted it.
  if (!words.includes('not found in')) throw refusedByFusermount(words, detail)
  if (mountedAt(path) === undefined) throw systemError('EINVAL', 'nothing is mounted here', detail)
  throw systemError('EPERM', 'somebody else has mounted this; only who did, and root, may unmount it', detail)
}
