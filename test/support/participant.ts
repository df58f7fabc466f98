/**
 * Participants in real processes and worker threads. A test gives them functions to run; these travel as source text, so
 * they see nothing of the test but their arguments, and the pool, what was kept and a few helpers as `here`:
 *
 *     const other = await startProcess(t, pool)
 *     await other.run(async (here, path) => { here.kept.pin = await … }, '/file')
 *     await other.kill()
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { Worker } from 'node:worker_threads'
import type { Pool } from '../../src/index.ts'
import './compile-cache.ts'
import type { Answer, Here } from './participant-main.ts'

const MAIN = new URL('participant-main.ts', import.meta.url)

interface Channel {
  send(message: unknown): void
  stop(): Promise<void>
}

export class Participant {
  /** Process id; that of the test for a worker thread. */
  readonly pid: number
  readonly #channel: Channel
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>()
  readonly #hung = Promise.withResolvers<void>()
  #nextId = 0
  #isGone = false

  constructor(pid: number, channel: Channel) {
    this.pid = pid
    this.#channel = channel
    this.#hung.promise.catch(() => undefined)
  }

  /** Runs `action` over there; resolves with what it returns, rejects with what it throws (`code`, `holders` …). */
  run<A extends unknown[], R>(action: (here: Here, ...args: A) => R | Promise<R>, ...args: A): Promise<R> {
    const answer = Promise.withResolvers<unknown>()
    answer.promise.catch(() => undefined)
    if (this.#isGone) {
      answer.reject(new Error('the participant is gone'))
    } else {
      const id = this.#nextId++
      this.#pending.set(id, answer)
      this.#channel.send({ id, source: action.toString(), args })
    }
    return answer.promise as Promise<R>
  }

  /** Attaches it to another pool, after closing the one it had, by force. */
  async attach(pool: Pool): Promise<void> {
    await this.run((here, path) => here.attach(path), pool.path)
  }

  /** Resolves when `here.hang()` is reached over there. */
  hung(): Promise<void> {
    return this.#hung.promise
  }

  /** kill -9, or the end of the thread; resolves when it is gone. */
  async kill(): Promise<void> {
    this.gone()
    await this.#channel.stop()
  }

  /** For the functions below. */
  receive(message: Answer): void {
    if (message.id < 0) return this.#hung.resolve()
    const answer = this.#pending.get(message.id)
    this.#pending.delete(message.id)
    if (message.error === undefined) answer?.resolve(message.value)
    else answer?.reject(Object.assign(new Error(message.error.message), message.error))
  }

  /** For the functions below: nothing comes any more. */
  gone(): void {
    this.#isGone = true
    const reason = new Error('the participant is gone')
    for (const answer of this.#pending.values()) answer.reject(reason)
    this.#pending.clear()
    this.#hung.reject(reason)
  }
}

/**
 * A process; killed after the test. `through`: a command that runs Node.js, such as unshare(1), and its arguments; `pid` is
 * that of the command then.
 */
export async function startProcess(
  t: Pick<TestContext, 'after'>,
  pool?: Pool,
  { through = [] as readonly string[] } = {},
): Promise<Participant> {
  const [command = process.execPath, ...words] = through
  const child = fork(MAIN, {
    execPath: command,
    execArgv: through.length === 0 ? [] : [...words, process.execPath],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'],
  })
  const exit = once(child, 'exit')
  const participant = new Participant(child.pid ?? 0, {
    send: (message) => void child.send(message as object),
    stop: async () => {
      child.kill('SIGKILL')
      await exit
    },
  })
  child.on('message', (message) => participant.receive(message as Answer))
  // Not by IPC: who hangs does not come to send it.
  child.stdio[4]?.on('data', () => participant.receive({ id: -1 }))
  child.on('exit', () => participant.gone())
  t.after(() => participant.kill())
  if (pool !== undefined) await participant.attach(pool)
  return participant
}

/** A worker thread of this process; ended after the test. */
export async function startThread(t: Pick<TestContext, 'after'>, pool: Pool): Promise<Participant> {
  const worker = new Worker(MAIN)
  const participant = new Participant(process.pid, {
    send: (message) => worker.postMessage(message),
    stop: async () => void (await worker.terminate()),
  })
  worker.on('message', (message: Answer) => participant.receive(message))
  worker.on('exit', () => participant.gone())
  t.after(() => participant.kill())
  await participant.attach(pool)
  return participant
}
