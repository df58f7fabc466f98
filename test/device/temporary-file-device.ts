/** File devices for tests, in a directory of their own that goes with them. */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { FileDevice } from '../../src/device/file-device.ts'
import { BLOCK_SIZE } from '../../src/units.ts'
import type { MakeDevice } from './conformance.ts'

export function temporaryFileDevice(parent: string): MakeDevice {
  return (blockCount) => {
    const directory = mkdtempSync(join(parent, 'holdfast-test-'))
    const path = join(directory, 'device')
    try {
      const device = FileDevice.create(path, blockCount)
      return {
        device,
        path,
        openAgain: () => FileDevice.open(path, device.blockCount),
        takenBlocks: () => Math.floor((statSync(path).blocks * 512) / BLOCK_SIZE),
        dispose: () => {
          device.close()
          rmSync(directory, { recursive: true })
        },
      }
    } catch (error) {
      rmSync(directory, { recursive: true })
      throw error
    }
  }
}
