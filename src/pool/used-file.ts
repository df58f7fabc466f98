/**
 * Uses a file and closes it. When both fail the caller is told of the first: `await using` would make a SuppressedError of
 * the two, which has no `code`.
 */
export async function usedFile<F extends { close(): Promise<void> }, T>(
  file: F,
  use: (file: F) => Promise<T>,
): Promise<T> {
  let result: T
  try {
    result = await use(file)
  } catch (error) {
    await file.close().catch(() => undefined)
    throw error
  }
  await file.close()
  return result
}
