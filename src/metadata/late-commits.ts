/** Committing late: part of the contract of metadata.ts, for a store that can. */

/** Who is told by the pin table that nobody else has the pool open (layout/solitude.ts). */
export interface Alone {
  /** True: until `end` nobody else reads or writes the store. Never waits. */
  begin(): boolean
  /** False: somebody has come, who waits for `end`. */
  readonly isStill: boolean
  end(): void
}

/** Changes that were carried out and not committed yet. */
export interface LateCommits {
  readonly isOpen: boolean
  /** It is time to commit them. */
  readonly isDue: boolean
  /** Commits them. When they can't be they are lost, and everything is EIO from then on. */
  commit(): void
}
