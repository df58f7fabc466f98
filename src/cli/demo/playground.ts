/**
 * Playground: the temporary directory of a demo and the processes that work in it. However the demo ends (done, failed,
 * interrupted, exit), the processes are ended by id and the directory goes, unless it is to be kept.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FileSystem } from '../../platform/file-system.ts'
import { fileSystemOf } from '../../platform/file-system.ts'
import { ChildProgram } from './child-program.ts'

/** Where there may be room; the first that pools can live on, with room enough, is taken. */
const PLACES = ['/var/tmp', '/dev/shm']

export class Playground implements AsyncDisposable {
  readonly path: string
  readonly fileSystem: FileSystem['type']
  readonly #isKept: boolean
  readonly #children = new Set<ChildProgram<never>>()
  readonly #onExit = (): void => this.#clear()

  constructor({ neededBytes, isKept }: { neededBytes: number; isKept: boolean }) {
    this.#isKept = isKept
    this.path = mkdtempSync(join(placeFor(neededBytes), 'holdfast-demo-'))
    process.once('exit', this.#onExit)
    this.fileSystem = fileSystemOf(this.path).type
  }

  /** Starts a module of this folder as a process. */
  start<C extends Record<string, (argument: never) => unknown>>(moduleUrl: string): ChildProgram<C> {
    const child = new ChildProgram<C>(moduleUrl, this.path)
    const known = child as unknown as ChildProgram<never>
    this.#children.add(known)
    void child.ended.then(() => this.#children.delete(known))
    return child
  }

  file(name: string): string {
    return join(this.path, name)
  }

  /** Ends the processes; resolves when they are gone. */
  async end(): Promise<void> {
    const endings = [...this.#children].map((child) => child.ended)
    for (const child of this.#children) child.kill()
    await Promise.all(endings)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
    this.#clear()
    process.off('exit', this.#onExit)
  }

  #clear(): void {
    for (const child of this.#children) child.kill()
    if (!this.#isKept) rmSync(this.path, { recursive: true, force: true })
  }
}

function placeFor(neededBytes: number): string {
  const fits = (path: string): boolean => {
    try {
      const { type, freeBytes } = fileSystemOf(path)
      return type !== 'other' && freeBytes >= neededBytes
    } catch {
      return false
    }
  }
  // None: the first, and making the pool says what is wrong with it.
  return [tmpdir(), ...PLACES].find(fits) ?? tmpdir()
}
