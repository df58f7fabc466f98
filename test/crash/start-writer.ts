/** Starts writers (writer.ts) in processes of their own. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import '../support/compile-cache.ts'
import type { Promised } from './remains.ts'
import type { Word } from './writer.ts'

export interface Writer {
  /** kill -9; resolves when it is gone. */
  kill(): Promise<void>
  /** It ended by itself: how. */
  ended(): string | undefined
}

/** Resolves when it works. What it is promised from then on is in `promised`. */
export async function startWriter(path: string, promised: Promised): Promise<Writer> {
  const round = promised.count === 0 ? 1 : promised.nextRound
  const child = fork(new URL('writer.ts', import.meta.url), [path, promised.directory, String(round)], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const exit = once(child, 'exit')
  let isKilled = false
  child.on('message', (word: Word) => promised.take(word))
  await Promise.race([once(child, 'message'), exit])
  return {
    kill: async () => {
      isKilled = true
      child.kill('SIGKILL')
      await exit
    },
    ended: () =>
      isKilled || (child.exitCode === null && child.signalCode === null)
        ? undefined
        : `a writer ended with ${child.exitCode ?? child.signalCode}: ${stderr}`,
  }
}
