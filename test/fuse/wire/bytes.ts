/** Bytes as they are written in the tests of the wire format: hexadecimal, spaces between words. */
import assert from 'node:assert/strict'

export const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')

/** Compares in words of 8 bytes, so that a difference shows where it is. */
export function assertBytes(actual: Uint8Array, expected: string): void {
  const words = (whole: Buffer): string[] => whole.toString('hex').match(/.{1,16}/g) ?? []
  assert.deepEqual(words(Buffer.from(actual)), words(bytes(expected)))
}
