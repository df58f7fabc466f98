/**
 * The programs on what the machine has: what fails here as well is wrong in the suite, or the machine's. Who looks for the
 * cause of a failure on a mount wants it, so it runs when it is asked for: HOLDFAST_PROGRAMS=host.
 */
import { test } from 'node:test'
import { temporaryDirectoryOf } from '../posix/host-directory.ts'
import { programsSuite } from './suite.ts'

if (process.env['HOLDFAST_PROGRAMS'] === 'host') {
  programsSuite('the directory for temporary files', () => temporaryDirectoryOf('disk'))
} else {
  test('programs on the directory for temporary files', { skip: 'HOLDFAST_PROGRAMS=host runs them' }, () => undefined)
}
