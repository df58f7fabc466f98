/** What the suite gets of a file system, and what a case of it gets of the suite. */
import assert from 'node:assert/strict'
import { lstatSync, readFileSync, writeFileSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** What not every file system can do; the suite skips what needs it. */
export type Ability = 'cleanTail' | 'zeroRange' | 'userXattrs' | 'directIo' | 'accessLists'

export interface Subject {
  /** Of the file system; empty or not, the suite works in directories of its own. */
  readonly directory: string
  /** The reason why, for each ability that it has not. */
  readonly lacks?: Partial<Record<Ability, string>>
  release?(): void | Promise<void>
}

/** A string is the reason why there is no such file system here. */
export type MakeSubject = () => Subject | string | Promise<Subject | string>

/** The directory of one case, empty at first and removed after it. */
export interface Place {
  readonly directory: string
  /** The path of a name in it. */
  path(name: string): string
  /** Writes a file and returns its path. */
  file(name: string, content?: string | Uint8Array, mode?: number): string
}

export interface Needs {
  /** Files of several users, and steps as another one. */
  readonly root?: boolean
  readonly ability?: Ability
}

/** Registers a case: a test of one sentence. */
export type Check = (sentence: string, run: (at: Place, t: TestContext) => void | Promise<void>, needs?: Needs) => void

export function placeIn(directory: string): Place {
  const path = (name: string): string => join(directory, name)
  return {
    directory,
    path,
    file(name, content = '', mode = 0o644) {
      writeFileSync(path(name), content, { mode })
      return path(name)
    },
  }
}

/** That `run` throws a system error with this code, or one of these. */
export function fails(codes: string | readonly string[], run: () => unknown): void {
  const expected = [codes].flat()
  assert.throws(run, (error: { code?: unknown; stack?: string }) => {
    assert.ok(expected.includes(String(error.code)), `${expected.join(' or ')} expected, got ${error.stack}`)
    return true
  })
}

export const textOf = (path: string): string => readFileSync(path, 'utf8')

/** lstat with nanoseconds. */
export const look = (path: string): BigIntStats => lstatSync(path, { bigint: true })

/** The permission bits, set-id and sticky bits of what is at `path`. */
export const modeOf = (path: string): number => lstatSync(path).mode & 0o7777
