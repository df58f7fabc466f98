/** Steps as another user, in this process: its effective ids change and come back, so only synchronous steps. */
import assert from 'node:assert/strict'

export interface User {
  readonly uid: number
  readonly gid: number
  readonly groups?: readonly number[]
}

/** Three users that no rule connects, and one who is in the group of `alice`. */
export const alice: User = { uid: 61_001, gid: 61_001 }
export const bob: User = { uid: 61_002, gid: 61_002 }
export const carol: User = { uid: 61_003, gid: 61_003, groups: [61_001] }

/** For root only. What `run` throws is thrown, as root again. */
export function asUser<T>({ uid, gid, groups = [] }: User, run: () => T): T {
  assert.equal(process.geteuid!(), 0, 'one user at a time')
  const before = process.getgroups!()
  process.setgroups!([...groups])
  process.setegid!(gid)
  process.seteuid!(uid)
  try {
    const result = run()
    assert.ok(!(result instanceof Promise), 'steps of another user are synchronous')
    return result
  } finally {
    process.seteuid!(0)
    process.setegid!(0)
    process.setgroups!(before)
  }
}

/** Runs with another umask. */
export function withUmask<T>(mask: number, run: () => T): T {
  const before = process.umask(mask)
  try {
    return run()
  } finally {
    process.umask(before)
  }
}
