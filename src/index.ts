/** The public face of Holdfast. `createPool` and `openPool` are where everything begins. */
export { createPool, type CreatePoolOptions } from './pool/create-pool.ts'
export { openPool, type OpenPoolOptions } from './pool/open-pool.ts'
export type { Pool } from './pool/pool.ts'
export type { OpenOptions, RenameOptions } from './pool/pool-tree.ts'
export type { PoolStats } from './pool/pool-stats.ts'
export type { File, RangeOptions } from './pool/file.ts'
export type { Frozen, FrozenData } from './pool/frozen.ts'
export type { Lease, LeaseState, OnRecall, Recall } from './pool/lease.ts'
export type { LeaseOptions } from './pool/leased-file.ts'
export type { IoOptions, Pin } from './pool/pin.ts'
export type { ReadSource, WriteTarget } from './pool/pin-io.ts'
export type { PinOptions } from './pool/pin-options.ts'
export type { FileHold } from './pool/why.ts'
export type { LostAndFound, LostFile } from './pool/lost-and-found.ts'
export type { Stat } from './pool/stat.ts'
export type { Credentials } from './files/access.ts'
export type { PolicyChange, TimeLike } from './files/attributes.ts'
export type { NodeKind } from './files/names.ts'
export type { BusyOptions, WaitOptions } from './files/file-system.ts'
export type {
  BusyPolicy,
  DaxMode,
  DirectoryEntry,
  Finding,
  InodeKind,
  PoolProperties,
  XattrMode,
} from './metadata/metadata.ts'
export type { HoldfastError, Holder } from './errors.ts'
export type {
  BreakMessage,
  LeaseMessage,
  OperationMessage,
  ReapMessage,
  ReleaseMessage,
  ResponseLimitMessage,
  TransactionMessage,
  WaitMessage,
} from './diagnostics.ts'
