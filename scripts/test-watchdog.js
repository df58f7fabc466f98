/**
 * Kills a test file that does not end: loaded by `npm test` into every process of `node --test`.
 *
 * --test-timeout ends a test that awaits too long, but neither one that blocks its thread (a loop, Atomics.wait, a futex)
 * nor a file whose tests are done and whose handles keep it alive. So the limit is kept by a thread of its own.
 */
import { writeSync } from 'node:fs'
import { isMainThread, Worker, workerData } from 'node:worker_threads'

const FILE_LIMIT_MS = 300_000

if (isMainThread) {
  // Set by `node --test` in the process of a file, not in the one that runs the files, which has no limit.
  if (process.env.NODE_TEST_CONTEXT !== undefined) {
    const limitMs = Number(process.env.HOLDFAST_TEST_FILE_LIMIT_MS ?? FILE_LIMIT_MS)
    new Worker(new URL(import.meta.url), {
      execArgv: [],
      workerData: { watchdog: { limitMs, file: process.argv[1] } },
    }).unref()
  }
} else {
  const watchdog = workerData?.watchdog
  // A worker that a test starts loads this file too, by --import, and is left alone.
  if (watchdog !== undefined) {
    setTimeout(() => {
      writeSync(
        2,
        `${watchdog.file}: killed, still running after ${watchdog.limitMs / 1000} s: blocked thread or open handle\n`,
      )
      process.kill(process.pid, 'SIGKILL')
    }, watchdog.limitMs)
  }
}
