import { tmpdir } from 'node:os'

import { deviceConformance } from './conformance.ts'
import { temporaryFileDevice } from './temporary-file-device.ts'

deviceConformance('FileDevice in the directory for temporary files', temporaryFileDevice(tmpdir()))
