/**
 * Child programs: the other processes of the demo, each a module of this folder that is started as a program of its own
 * and answers calls. Both halves of the conversation are here.
 *
 * Invariants
 *   1. A child ends when its parent does, however that dies: the channel closes.
 *   2. Ctrl-C in a terminal reaches the children too; they leave it to the parent, which ends them by id.
 *   3. A call to a child that ends is answered, with an error that says how it ended.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Holder } from '../../errors.ts'
import { codeOf } from '../../errors.ts'

/** What a child can be asked: plain JSON in, plain JSON out. */
type Calls = Record<string, (argument: never) => unknown>

interface Question {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly failure?: Failure
}

/** An error in plain JSON. */
export interface Failure {
  readonly message: string
  readonly code?: string | undefined
  readonly holders?: readonly Holder[] | undefined
}

export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Milliseconds of a clock that all processes of this machine share. */
export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6

export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: String(error) }
  return { message: error.message, code: codeOf(error), holders: (error as { holders?: Holder[] }).holders }
}

/** The child's half: answers calls when the module is the program that was started, and does nothing when it is imported. */
export function serveCalls(moduleUrl: string, calls: Calls): void {
  if (process.argv[1] !== fileURLToPath(moduleUrl)) return
  process.on('SIGINT', () => undefined)
  process.on('disconnect', () => process.exit(0))
  process.on('message', (question: Question) => {
    void answer(calls, question).then((message) => process.send?.(message))
  })
}

async function answer(calls: Calls, { id, name, argument }: Question): Promise<Answer> {
  try {
    return { id, value: await calls[name](argument as never) }
  } catch (error) {
    return { id, failure: failureOf(error) }
  }
}

/** A shell that keeps a child killed by SIGBUS from leaving a core file, and becomes the child. */
const WITHOUT_CORE_FILE = ['-c', 'ulimit -c 0; exec "$0" "$@"']

/** The parent's half. */
export class ChildProgram<C extends Calls> {
  /** Resolves when the process is gone. */
  readonly ended: Promise<Ending>
  readonly #process: ChildProcess
  readonly #open = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  #nextId = 0
  #ending: string | undefined

  /** Starts a module; `cwd` is where it works. */
  constructor(moduleUrl: string, cwd: string) {
    const path = fileURLToPath(moduleUrl)
    this.#process = spawn('sh', [...WITHOUT_CORE_FILE, process.execPath, ...process.execArgv, path], {
      cwd,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.ended = new Promise((resolve) => {
      this.#process.once('error', (error) => {
        this.#fail(`${path} could not be started: ${error.message}`)
        resolve({ code: null, signal: null })
      })
      this.#process.once('exit', (code, signal) => {
        this.#fail(`${path} ended: ${signal ?? `exit code ${code}`}`)
        resolve({ code, signal })
      })
    })
    this.#process.on('message', (message) => this.#take(message as Answer))
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Asks; rejects with the child's error (`code`, `holders`), or when it ends first. */
  call<K extends keyof C & string>(name: K, argument: Parameters<C[K]>[0]): Promise<Awaited<ReturnType<C[K]>>> {
    if (this.#ending !== undefined) return Promise.reject(new Error(this.#ending))
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve, reject })
      this.#process.send({ id, name, argument } satisfies Question, (error) => {
        if (error !== null) this.#settle(id)?.reject(error)
      })
    })
  }

  /** Ends the process at once, by its id. */
  kill(): void {
    if (this.#ending === undefined) this.#process.kill('SIGKILL')
  }

  #take({ id, value, failure }: Answer): void {
    const call = this.#settle(id)
    if (failure === undefined) call?.resolve(value as never)
    else call?.reject(Object.assign(new Error(failure.message), failure))
  }

  #settle(id: number): { resolve: (value: never) => void; reject: (error: Error) => void } | undefined {
    const call = this.#open.get(id)
    this.#open.delete(id)
    return call
  }

  #fail(ending: string): void {
    this.#ending = ending
    for (const id of [...this.#open.keys()]) this.#settle(id)?.reject(new Error(ending))
  }
}
