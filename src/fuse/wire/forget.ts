/** FORGET and BATCH_FORGET: the kernel gives lookups back. No reply. */
import { readU64 } from './integers.ts'

export interface Forgotten {
  readonly nodeId: number
  /** How many lookups are given back. */
  readonly lookups: number
}

/** FORGET, of the header's node. */
export const readForget = (body: Buffer): number => readU64(body, 0)

export function readBatchForget(body: Buffer): Forgotten[] {
  const count = body.readUInt32LE(0)
  return Array.from({ length: count }, (_, index) => {
    const at = 8 + index * 16
    return { nodeId: readU64(body, at), lookups: readU64(body, at + 8) }
  })
}
