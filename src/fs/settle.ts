/** From promises to callbacks. */

export type Callback = (error: Error | null, ...values: never[]) => void

/**
 * Calls back when the promise settles, with the parts of its value; in a turn of its own, so that what the callback throws is
 * nobody's rejection.
 */
export function settle<T>(result: Promise<T>, callback: Callback, parts: (value: T) => unknown[]): void {
  result.then(
    (value) => process.nextTick(callback, null, ...(parts(value) as never[])),
    (error: Error) => process.nextTick(callback, error),
  )
}
