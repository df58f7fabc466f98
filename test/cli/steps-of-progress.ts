/** Shows three steps; the first is over within a second. */
import { setTimeout as pause } from 'node:timers/promises'
import { StepProgress } from '../../src/cli/step-progress.ts'

using progress = new StepProgress('fsck', true)
progress.show('first', 0, 3)
await pause(1100)
progress.show('second', 1, 3)
progress.show('third', 2, 3)
