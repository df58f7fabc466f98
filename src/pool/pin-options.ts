/** Pin options: what is asked of a pin, and whether that can be. */
import { checkBytes, checkChoice, outOfRange, systemError, wrongType } from '../errors.ts'
import type { WaitOptions } from '../files/file-system.ts'
import { BUSY_POLICIES } from '../metadata/metadata.ts'
import type { BusyPolicy } from '../metadata/metadata.ts'

export interface PinOptions extends WaitOptions {
  /** First byte; any. For O_DIRECT and for whole blocks: a multiple of 4096. */
  offset: number
  /** Bytes, at least 1; the range must be within the file. */
  length: number
  /** 'write' gives blocks to holes. A 'read' view must not be written to. */
  mode: 'read' | 'write'
  /**
   * Default true: the views have length 0 after release. False: cheaper, and the caller must not touch them after release;
   * pins of the same range may share one view.
   */
  revocable?: boolean | undefined
  /** The pin may stay for long: only under a layout lease of this file over the range, else EOPNOTSUPP. Always revocable. */
  longTerm?: boolean | undefined
  /**
   * The bytes do not change until release: who would write to them gets blocks of its own first (snapshots, at the price of
   * the blocks written meanwhile). For mode 'read'; waits for those who write to the blocks now. Not with `pinSync`.
   */
  stable?: boolean | undefined
  /** Of a stable pin, when blocks are pinned for writing: 'fail' → EBUSY, else it waits. Default: the file's policy. */
  busy?: BusyPolicy | undefined
}

/** TypeError, RangeError; EINVAL for what does not go together. */
export function checkPinOptions(options: PinOptions, path: string): void {
  const { offset, length, mode, longTerm, revocable, stable, busy } = options
  checkBytes('offset', offset)
  if (checkBytes('length', length) < 1) throw outOfRange('length', '>= 1', length)
  if (mode !== 'read' && mode !== 'write') checkChoice('mode', mode, ['read', 'write'])
  checkFlag('revocable', revocable)
  checkFlag('longTerm', longTerm)
  checkFlag('stable', stable)
  if (busy !== undefined) checkChoice('busy', busy, BUSY_POLICIES)
  if (stable === true && mode === 'write')
    throw systemError('EINVAL', "a stable pin is for reading; take one with mode 'read'", { syscall: 'pin', path })
  if (longTerm === true && revocable === false) {
    const what = 'long-term pins must be revocable, since their lease may be revoked'
    throw systemError('EINVAL', what, { syscall: 'pin', path })
  }
}

function checkFlag(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') throw wrongType(name, 'of type boolean', value)
}

/** EROFS. */
export function publishesNoPins(path: string): Error {
  const what =
    'a pool that is open for reading only publishes no pins, so nobody would leave the blocks alone; read() and sendTo() give copies, or open the pool without { readOnly: true }'
  return systemError('EROFS', what, { syscall: 'pin', path })
}
