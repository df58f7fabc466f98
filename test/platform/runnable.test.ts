import assert from 'node:assert/strict'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'

import { runnableThreads } from '../../src/platform/runnable.ts'

test('who asks runs', () => {
  const count = runnableThreads()
  assert(count !== undefined && Number.isSafeInteger(count) && count >= 1, String(count))
})

test('threads that have something to do are counted, whether they have a CPU or not', async (t) => {
  const busy = Array.from({ length: availableParallelism() + 2 }, () => new Worker('for (;;);', { eval: true }))
  t.after(() => Promise.all(busy.map((worker) => worker.terminate())))
  await Promise.all(busy.map((worker) => once(worker, 'online')))
  // One that is just being started may not run yet.
  for (const end = performance.now() + 10_000; (runnableThreads() ?? 0) < busy.length; await pause(10))
    assert(performance.now() < end, `${runnableThreads()} of ${busy.length}`)
})
