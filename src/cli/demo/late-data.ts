/** Late data: what the device wrote after the change, and where it can be read while the pins still hold the blocks. */
import type { LostFile, Pool } from '../../index.ts'
import { codeOf } from '../../errors.ts'
import { contentOf, hashOf } from './content.ts'
import type { Policy } from './scene.ts'
import { CAPTURE, DEVICE_CONTENT } from './scene.ts'
import type { Stage } from './stage.ts'

export interface LateData {
  /** Where it was looked for. 'nowhere': pins are copies, a change lets them go. */
  readonly where: 'file' | 'lost+found' | 'nowhere'
  /** Late bytes found there with the right hash. */
  readonly bytes: number
  /** Whether that is all of them. */
  readonly isWhole: boolean
}

/** Looks where the policy promises the data to be. */
export async function findLateData({ pool, scene }: Stage, policy: Policy): Promise<LateData> {
  const { start, end } = scene.lateRange()
  if (policy === 'dax never') {
    const pieces = await piecesOf(pool)
    return { where: 'nowhere', bytes: 0, isWhole: pieces.length === 0 }
  }
  if (policy === 'sequester') {
    let bytes = 0
    for (const piece of await piecesOf(pool)) {
      const data = await pool.lostAndFound.read(piece.name)
      if (hashOf(data) !== hashOf(contentOf(DEVICE_CONTENT, piece.offset, data.length))) continue
      bytes += Math.max(0, Math.min(end, piece.offset + data.length) - Math.max(start, piece.offset))
    }
    return { where: 'lost+found', bytes, isWhole: bytes === end - start }
  }
  const data = await dataOf(pool)
  const isWhole = hashOf(data.subarray(start, end)) === hashOf(contentOf(DEVICE_CONTENT, start, end - start))
  return { where: 'file', bytes: isWhole ? end - start : 0, isWhole }
}

async function piecesOf(pool: Pool): Promise<LostFile[]> {
  const files = await pool.lostAndFound.list()
  return files.filter((file) => file.originName === CAPTURE.slice(1))
}

async function dataOf(pool: Pool): Promise<Buffer> {
  try {
    return await pool.readFile(CAPTURE)
  } catch (error) {
    // Then the change did not wait, and the verdict says so.
    if (codeOf(error) === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}
