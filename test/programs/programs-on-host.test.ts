/** The programs on what the machine has: what fails here is wrong in the suite. */
import { temporaryDirectoryOf } from '../posix/host-directory.ts'
import { programsSuite } from './suite.ts'

programsSuite('the directory for temporary files', () => temporaryDirectoryOf('disk'))
