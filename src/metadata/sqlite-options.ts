/** What whoever opens meta.db tells the store: whom to ask, whom to tell. */
import type { Holder, SyncGuard } from '../errors.ts'
import type { ChangeMarks } from './metadata.ts'

export interface SqliteMetadataOptions {
  /** How long an operation waits for other writers when its patience does not say. Default 45,000. */
  readonly busyTimeoutMs?: number | undefined
  /** Called right before BEGIN and right after COMMIT or ROLLBACK: the pin table shows who is in a transaction. */
  readonly onTransaction?: ((isActive: boolean) => void) | undefined
  /** Asked when the wait for the lock runs out: who is in a transaction now. */
  readonly whoHoldsTransaction?: (() => Holder[]) | undefined
  /**
   * Called when an operation begins to wait for the lock, with what its wait would end with now. What it returns is asked
   * to look every few milliseconds, and told of the end.
   */
  readonly onWait?: ((operation: object, wouldEndWith: () => Error) => { look(): void; end(): void }) | undefined
  /** Failed syncs of others, and who is told of ours. Default: there are no others. */
  readonly syncGuard?: SyncGuard | undefined
  /** Told which inodes each transaction changes. */
  readonly marks?: ChangeMarks | undefined
  /** What would write is EROFS. Default false. */
  readonly readOnly?: boolean | undefined
  /** With `readOnly`: see sqlite-reader.ts. Without it a look at a store at rest is over only when `reopen` is called. */
  readonly openings?: (() => number) | undefined
  /** With `readOnly`: who has changed the store and not committed that yet. Reads wait for it; none is []. */
  readonly uncommitted?: (() => Holder[]) | undefined
  /** The host has no space for the log. True: some was given back, try once more. */
  readonly onNoSpace?: (() => boolean) | undefined
}
