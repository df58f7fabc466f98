/** What every operation on files works on: the door and its parts, open inodes, policies, a way to make space. */
import type { Door } from '../layout/breaking.ts'
import type { TableMarks } from '../layout/change-marks.ts'
import { changeHolders } from '../layout/changes-under-way.ts'
import { breakInTheWayOf, hasBreak } from '../layout/claims.ts'
import { Slot } from '../layout/format.ts'
import { spaceHolders } from '../layout/held-back.ts'
import { describeHolders, listHolders } from '../layout/holders.ts'
import type { Limits } from '../layout/waiting.ts'
import { BUSY_POLICIES } from '../metadata/metadata.ts'
import type { BusyPolicy, Inode, PoolProperties } from '../metadata/metadata.ts'
import type { Holder } from '../errors.ts'
import { checkBytes, checkChoice, codeOf, openForReading, systemError, wrongType } from '../errors.ts'
import type { InodeNumber } from '../units.ts'
import type { CopyMemory } from './copy-windows.ts'
import type { Known } from './known.ts'
import type { KnownPaths } from './known-paths.ts'
import type { OpenInodes } from './open-inodes.ts'
import type { RunViews } from './run-views.ts'

export interface FileSystem extends Door {
  readonly properties: PoolProperties
  /** Nothing may be changed, and nothing published: see layout/observer.ts. */
  readonly isReadOnly: boolean
  /** Permission bits that new files and directories do not get, as the process had it when it opened the pool. */
  readonly umask: number
  readonly marks: TableMarks
  readonly known: Known
  readonly knownPaths: KnownPaths
  readonly openInodes: OpenInodes
  readonly runViews: RunViews
  readonly copyMemory: CopyMemory
  /** A promise of the event loop's next turn when this one has lasted long: awaited between pieces of work. */
  turnIfDue(): Promise<void> | undefined
  /** Turns busy extents and idle lost files into free space; whether there was any. */
  makeSpace(): Promise<boolean>
  /** The same for what frees space itself: when nothing else is left, the host's reserve is given back. */
  makeSpaceToFree(): Promise<boolean>
  /** Says that extents became busy: a reclaim pass follows soon. */
  freed(): void
}

/** Whatever waits takes these (promise 4). */
export interface WaitOptions {
  /** Milliseconds; default 45,000, the lease-break-time of Linux. */
  timeoutMs?: number | undefined
  /** Aborts the wait; rejects with its reason; nothing has changed then. */
  signal?: AbortSignal | undefined
}

export interface BusyOptions extends WaitOptions {
  /** What to do about pinned blocks; default: the file's policy, else the pool's. */
  busy?: BusyPolicy | undefined
}

export const DEFAULT_TIMEOUT_MS = 45_000

/** EROFS in a pool that is open for reading only. */
export function mustBeWritable({ isReadOnly }: Pick<FileSystem, 'isReadOnly'>, syscall: string, path?: string): void {
  if (isReadOnly) throw openForReading(syscall, path)
}

/** Checks wait options and fixes their deadline. Throws the signal's reason when it has aborted already. */
export function limitsOf(fs: Pick<FileSystem, 'table'>, options: WaitOptions = {}): Limits {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options
  if (timeoutMs !== Infinity) checkBytes('timeoutMs', timeoutMs)
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw wrongType('signal', 'an AbortSignal', signal)
  signal?.throwIfAborted()
  return { deadlineMs: fs.table.clock.steadyMs() + timeoutMs, signal }
}

/** The policy for a change: the call's, else the file's, else the pool's. */
export function busyPolicyOf(
  fs: Pick<FileSystem, 'properties'>,
  inode: Inode | undefined,
  options: BusyOptions = {},
): BusyPolicy {
  if (options.busy !== undefined) return checkChoice('busy', options.busy, BUSY_POLICIES)
  return inode?.busy ?? fs.properties.busy
}

/** Resolves when no break is in the way of a claim of this kind on bytes of the inode. Breaks of the dead are taken out. */
export async function untilUnbroken(
  fs: FileSystem,
  claim: { kind: number; ino: InodeNumber; offset: number; length: number },
  limits: Limits,
  syscall: string,
  path: string | undefined,
): Promise<void> {
  const { table } = fs
  const least = breakInTheWayOf(claim.kind)
  const isBroken = (): boolean => hasBreak(table, claim.ino, claim.offset, claim.length, least)
  await fs.waiting.until(
    () => {
      if (!isBroken()) return true
      for (const { slot } of table.breaks(claim.ino, 0, Infinity, least)) table.reapIfDead(slot)
      return isBroken() ? undefined : true
    },
    limits,
    () => {
      const changes = changeHolders(fs, claim.ino, claim.offset, claim.offset + claim.length)
      // Who keeps the change waiting, and whose it is: that process may be stopped, and nobody else be in its way.
      const holders = [...listHolders(table, fs.witness, claim.ino), ...changes.filter(isInTheWay)]
      const dead = [...table.breaks(claim.ino, 0, Infinity, least)].find(({ slot }) => table.reapIfDead(slot))
      const what =
        dead === undefined
          ? `a layout change of the range is under way and waits itself (${describeHolders(holders)}); try again`
          : `process ${table.slot(dead.slot).load(Slot.pid)} died in a layout change of the file; have somebody who may write open the pool, which ends it, and try again`
      return systemError('ETIMEDOUT', what, { syscall, path, holders })
    },
  )
}

/** Who only watches keeps nobody from anything. */
const isInTheWay = ({ state }: Holder): boolean => state !== 'watching'

/** How often space is made for one allocation: others may take what one pass made. */
const SPACE_TRIES = 4

/** Runs an allocation; when space is short, again after making some. ENOSPC then carries who holds space back. */
export async function withSpace<T>(
  fs: FileSystem,
  syscall: string,
  path: string | undefined,
  allocate: () => Promise<T>,
  makeSpace = (): Promise<boolean> => fs.makeSpace(),
): Promise<T> {
  let cause: unknown
  for (let tries = 0; tries < SPACE_TRIES; tries++) {
    try {
      return await allocate()
    } catch (error) {
      if (codeOf(error) !== 'ENOSPC') throw error
      cause = error
    }
    if (!(await makeSpace())) break
  }
  const holders = await spaceHolders(fs)
  const held = holders.length === 0 ? '' : `; space is held back (${describeHolders(holders)})`
  const what = `no space left in the pool or on its host${held}; remove files, or make a larger pool`
  throw systemError('ENOSPC', what, { syscall, path, holders, cause })
}
