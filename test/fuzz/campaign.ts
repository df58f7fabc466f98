/**
 * A campaign of damaged pools: seeds in a row, in child processes that use many pools each. A child that dies or hangs is a finding of
 * the seed it was at; the next one goes on behind it.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import '../support/compile-cache.ts'
import type { Word } from './child.ts'

export interface CampaignOptions {
  readonly seed: number
  readonly images: number
  /** Called after each pool, with how many are done. */
  readonly onProgress?: (done: number) => void
  readonly onFinding?: (finding: string) => void
  /** Ends it after the pool that is under way, or in the middle of it. */
  readonly signal?: AbortSignal
  /** Goes wrong at the second seed: see child.ts. */
  readonly planted?: 'crash' | 'hang' | 'exit' | 'mistake' | undefined
  /** How long one pool may take; default 30,000. */
  readonly hangMs?: number | undefined
}

export interface CampaignResult {
  readonly done: number
  readonly findings: readonly string[]
  /** How many of the pools were refused with which code, or served. */
  readonly outcomes: Readonly<Record<string, number>>
}

/** A child uses so many, then it is another one's turn: what it does not give back is not the question here. */
const IMAGES_PER_CHILD = 400

export async function fuzz(options: CampaignOptions): Promise<CampaignResult> {
  const { seed, images, onProgress, onFinding, signal: end, planted = '', hangMs = 30_000 } = options
  const findings: string[] = []
  const found = (finding: string): void => {
    findings.push(finding)
    onFinding?.(finding)
  }
  const isOver = (): boolean => end?.aborted === true
  const outcomes: Record<string, number> = {}
  let done = 0
  const place = mkdtempSync(join('/dev/shm', 'holdfast-fuzz-'))
  try {
    while (done < images && !isOver()) {
      const first = seed + done
      const last = Math.min(first + IMAGES_PER_CHILD, seed + images)
      let at = first
      let what = ''
      const child = fork(new URL('child.ts', import.meta.url), [String(first), String(last), place, planted], {
        execArgv: ['--disable-warning=ExperimentalWarning'],
        env: { ...process.env, TMPDIR: place },
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      })
      let stderr = ''
      child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr = `${stderr}${text}`.slice(-4000)))
      let watchdog = setTimeout(() => child.kill('SIGKILL'), hangMs)
      child.on('message', (word: Word) => {
        clearTimeout(watchdog)
        watchdog = setTimeout(() => child.kill('SIGKILL'), hangMs)
        if (word.kind === 'begun') {
          at = word.seed
          what = word.what
          return
        }
        outcomes[word.outcome] = (outcomes[word.outcome] ?? 0) + 1
        for (const finding of word.findings) found(`seed ${at} (${what}): ${finding}`)
        at++
        done = at - seed
        onProgress?.(done)
      })
      const onEnd = (): void => void child.kill('SIGKILL')
      end?.addEventListener('abort', onEnd)
      const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
      clearTimeout(watchdog)
      end?.removeEventListener('abort', onEnd)
      if (isOver()) break
      if (code === 0 && done === last - seed) continue
      const how = signal === 'SIGKILL' ? `nothing for ${hangMs / 1000} s` : `ended with ${signal ?? code}`
      found(`seed ${at} (${what}): ${how}\n${stderr}`)
      done = at + 1 - seed
    }
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
  return { done, findings, outcomes }
}
