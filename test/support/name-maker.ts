/**
 * A worker thread that makes files, `0`, `1`, `2` …, one after the other, by synchronous calls, until it is told to stop or
 * the directory fails; each 50th is synced. `progress`: files made, files that are synced, 1 to stop.
 */
import { closeSync, fsyncSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { Worker, isMainThread, workerData } from 'node:worker_threads'

interface Progress {
  readonly directory: string
  readonly progress: Int32Array<SharedArrayBuffer>
}

const SYNCED_EACH = 50

export class NameMaker {
  readonly #progress = new Int32Array(new SharedArrayBuffer(12))
  readonly #exit: Promise<unknown>

  constructor(directory: string) {
    const data: Progress = { directory, progress: this.#progress }
    const worker = new Worker(new URL(import.meta.url), { workerData: data })
    this.#exit = new Promise((resolve, reject) => {
      worker.once('exit', resolve)
      worker.once('error', reject)
    })
  }

  /** Files 0 to made - 1: the call that made each of them has returned. */
  get made(): number {
    return Atomics.load(this.#progress, 0)
  }

  /** Files 0 to synced - 1: so has an fsync after that. */
  get synced(): number {
    return Atomics.load(this.#progress, 1)
  }

  async stop(): Promise<void> {
    Atomics.store(this.#progress, 2, 1)
    await this.#exit
  }
}

function makeNames({ directory, progress }: Progress): void {
  for (let made = 0; Atomics.load(progress, 2) === 0; made++) {
    try {
      const fd = openSync(join(directory, String(made)), 'wx')
      Atomics.store(progress, 0, made + 1)
      if ((made + 1) % SYNCED_EACH === 0) {
        fsyncSync(fd)
        Atomics.store(progress, 1, made + 1)
      }
      closeSync(fd)
    } catch {
      // Whoever serves the directory was killed.
      return
    }
  }
}

if (!isMainThread && (workerData as Partial<Progress> | undefined)?.progress !== undefined)
  makeNames(workerData as Progress)
