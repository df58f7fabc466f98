/** Opening a host file for reads past the page cache, as a device would do them. */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { codeOf } from '../../errors.ts'
import type { Pin } from '../../pool/pin.ts'

/** O_DIRECT where a first read into the blocks goes well; tmpfs may refuse it. */
export async function openDirect(path: string, pin: Pin): Promise<{ disk: FileHandle; isDirect: boolean }> {
  let disk: FileHandle | undefined
  try {
    disk = await open(path, constants.O_RDONLY | constants.O_DIRECT)
    await pin.readFrom(disk, { position: pin.offset })
    return { disk, isDirect: true }
  } catch (error) {
    await disk?.close()
    if (codeOf(error) !== 'EINVAL') throw error
    return { disk: await open(path, 'r'), isDirect: false }
  }
}
