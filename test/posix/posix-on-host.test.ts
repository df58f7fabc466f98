/** The suite on what the machine has: what fails here is wrong in the suite. HOLDFAST_POSIX_AT=/mnt/there runs it there too. */
import { directoryIn, temporaryDirectoryOf } from './host-directory.ts'
import { posixSuite } from './suite.ts'

const elsewhere = process.env['HOLDFAST_POSIX_AT']

posixSuite('the directory for temporary files', () => temporaryDirectoryOf('disk'))
posixSuite('tmpfs', () => temporaryDirectoryOf('tmpfs'))
if (elsewhere !== undefined) posixSuite(elsewhere, () => directoryIn(elsewhere))
