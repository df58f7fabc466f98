import { deviceConformance } from './conformance.ts'
import { temporaryFileDevice } from './temporary-file-device.ts'

deviceConformance('FileDevice on tmpfs', temporaryFileDevice('/dev/shm'))
