/**
 * The model: a file system in plain memory that does what Linux does. Where the project does something else on purpose a
 * comment that begins with "Not as Linux" says why.
 */
import type { Expectation } from './expectations.ts'
import { bytes, code, value } from './expectations.ts'
import { TREE_OPERATIONS } from './model-names.ts'
import { OPEN_FILE_OPERATIONS } from './model-open-files.ts'
import type { Model, Performed } from './model-state.ts'
import { ModelError } from './model-tree.ts'
import type { Operation } from './operations.ts'

export { Model } from './model-state.ts'

const OPERATIONS = { ...TREE_OPERATIONS, ...OPEN_FILE_OPERATIONS }

/** Does an operation in the model; returns what may come of it anywhere else. */
export function perform(model: Model, operation: Operation): Expectation {
  const run = OPERATIONS[operation.op] as (on: Model, what: Operation) => Performed
  try {
    const performed = run(model, operation)
    if (typeof performed === 'function') return performed
    return Buffer.isBuffer(performed) ? bytes(performed) : value(performed)
  } catch (error) {
    if (error instanceof ModelError) return code(error.code)
    throw error
  }
}
