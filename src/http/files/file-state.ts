/**
 * File state: what a file is at an instant: its bytes, pinned, and the attributes that go with exactly those bytes.
 *
 * The attributes are looked at before the pin is taken and again when it is held. The same change count both times means
 * that no change was stored in between, so the pinned bytes are those of that count (a stable pin is granted at an instant
 * between the two looks). Else both are taken anew. A file that is changed all the time is sent without validators.
 */
import { codeOf } from '../../errors.ts'
import type { File } from '../../pool/file.ts'
import type { Stat } from '../../pool/stat.ts'
import { Source } from './source.ts'

const MOST_TRIES = 8

export interface FileState {
  readonly stat: Stat
  /** False: the attributes may be older than the bytes. */
  readonly isExact: boolean
  /** undefined: there are no bytes, or none were asked for. */
  readonly source: Source | undefined
}

/** Takes the state; `rangeOf` says which bytes are wanted of a file with these attributes. */
export async function stateOf(
  file: File,
  rangeOf: (stat: Stat) => { offset: number; length: number } | undefined,
  canPin: boolean,
): Promise<FileState> {
  for (let tries = 1; ; tries++) {
    const stat = await file.stat()
    const range = rangeOf(stat)
    if (range === undefined || range.length === 0) return { stat, isExact: true, source: undefined }
    let source: Source
    try {
      source = canPin ? await pinned(file, range) : await copied(file, range)
    } catch (error) {
      // Shorter than a moment ago.
      if (codeOf(error) === 'ERANGE' && tries < MOST_TRIES) continue
      throw error
    }
    try {
      const after = await file.stat()
      if (after.changeCount === stat.changeCount) return { stat, isExact: true, source }
      if (tries === MOST_TRIES) return { stat, isExact: false, source }
    } catch (error) {
      source.release()
      throw error
    }
    source.release()
  }
}

async function pinned(file: File, { offset, length }: { offset: number; length: number }): Promise<Source> {
  const pin = await file.pin({ offset, length, mode: 'read', stable: true, revocable: false, busy: 'wait' })
  return new Source(offset, pin.buffers, pin)
}

/** Of a file that changes meanwhile the two looks at its attributes differ, so this is no mixture. */
async function copied(file: File, { offset, length }: { offset: number; length: number }): Promise<Source> {
  const copy = Buffer.allocUnsafe(length)
  const { bytesRead } = await file.read(copy, { position: offset })
  if (bytesRead < length) throw Object.assign(new Error('the file got shorter'), { code: 'ERANGE' })
  return new Source(offset, [copy], undefined)
}
