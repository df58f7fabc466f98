/**
 * Thread bound: what pools, files and pins carry so that they cannot be posted to another thread. A structured clone would
 * silently be an object with nothing behind it. A symbol cannot be cloned, and its text is the error's: DataCloneError.
 */
export const STAYS_IN_ITS_THREAD = Symbol(
  'a pool, file or pin stays in its thread: open the pool there, and the file by its path',
)
