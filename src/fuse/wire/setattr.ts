/** SETATTR: `fuse_setattr_in`, chmod, chown, truncate and utimensat in one. */
import { readTimeNs, readU64 } from './integers.ts'

const Valid = {
  mode: 1 << 0,
  uid: 1 << 1,
  gid: 1 << 2,
  size: 1 << 3,
  accessTime: 1 << 4,
  modificationTime: 1 << 5,
  handle: 1 << 6,
  accessTimeNow: 1 << 7,
  modificationTimeNow: 1 << 8,
  changeTime: 1 << 10,
  killSetIds: 1 << 11,
} as const

/** What is to be set; undefined: stays. */
export interface SetattrRequest {
  /** Of ftruncate and friends. */
  readonly handle: number | undefined
  /** Permission bits; type bits may come along. */
  readonly mode: number | undefined
  readonly uid: number | undefined
  readonly gid: number | undefined
  /** Bytes. */
  readonly size: number | undefined
  readonly atimeNs: bigint | 'now' | undefined
  readonly mtimeNs: bigint | 'now' | undefined
  readonly ctimeNs: bigint | undefined
  /** Take setuid and setgid off (only with `handleKillPrivilegesV2`). */
  readonly killsSetIds: boolean
}

export function readSetattr(body: Buffer): SetattrRequest {
  const valid = body.readUInt32LE(0)
  return {
    handle: valid & Valid.handle ? readU64(body, 8) : undefined,
    size: valid & Valid.size ? readU64(body, 16) : undefined,
    atimeNs: timeOf(body, valid, { given: Valid.accessTime, now: Valid.accessTimeNow, at: 32, nanosecondsAt: 56 }),
    mtimeNs: timeOf(body, valid, {
      given: Valid.modificationTime,
      now: Valid.modificationTimeNow,
      at: 40,
      nanosecondsAt: 60,
    }),
    ctimeNs: valid & Valid.changeTime ? readTimeNs(body, 48, 64) : undefined,
    mode: valid & Valid.mode ? body.readUInt32LE(68) : undefined,
    uid: valid & Valid.uid ? body.readUInt32LE(76) : undefined,
    gid: valid & Valid.gid ? body.readUInt32LE(80) : undefined,
    killsSetIds: (valid & Valid.killSetIds) !== 0,
  }
}

interface TimeField {
  readonly given: number
  readonly now: number
  readonly at: number
  readonly nanosecondsAt: number
}

/** The kernel sets `given` along with `now`. */
function timeOf(body: Buffer, valid: number, field: TimeField): bigint | 'now' | undefined {
  if ((valid & field.now) !== 0) return 'now'
  return (valid & field.given) === 0 ? undefined : readTimeNs(body, field.at, field.nanosecondsAt)
}
