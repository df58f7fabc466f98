/**
 * PUT and DELETE, where `write` allows them.
 *
 * PUT writes a file without a name and gives it one when the body is complete: readers see the old file or the new one, and
 * of an upload that breaks off nothing is left. Preconditions are looked at before the body is taken, and again at the end:
 * If-None-Match: * by making the name, which fails when it is there; If-Match just before the name is taken over, one
 * request of this front end after the other. (A change by another process between this look and the rename is lost.)
 */
import { randomBytes } from 'node:crypto'
import { posix } from 'node:path'
import { codeOf } from '../../errors.ts'
import type { File } from '../../pool/file.ts'
import type { Pool } from '../../pool/pool.ts'
import type { Stat } from '../../pool/stat.ts'
import { Turns } from '../../pool/turns.ts'
import type { Answer, Question } from './answer.ts'
import type { Settings } from './options.ts'
import { failedPrecondition } from './preconditions.ts'
import { refusal } from './refusal.ts'
import { requestPath } from './request-path.ts'
import { validatorsOf } from './validators.ts'

const PERMISSION_BITS = 0o7777

export class Writing {
  readonly #pool: Pool
  readonly #settings: Settings
  readonly #maxBytes: number
  readonly #turns = new Turns()

  constructor(pool: Pool, settings: Settings, maxBytes: number) {
    this.#pool = pool
    this.#settings = settings
    this.#maxBytes = maxBytes
  }

  /** Errors of the pool are thrown. */
  async answer(question: Question): Promise<Answer> {
    const target = requestPath(question.url, this.#settings)
    if (typeof target === 'number') return refusal(target === 404 ? 403 : target)
    const { path, hasSlash } = target
    const now = await this.#statOf(path === '' ? '/' : path)
    if (hasSlash || now?.isFile() === false) return refusal(409, {}, 'A file is needed, and this is a directory')
    const failed = this.#failed(question, now)
    if (failed !== undefined) return refusal(failed)
    return question.method === 'PUT' ? this.#put(question, path, now) : this.#delete(question, path)
  }

  #failed(question: Question, now: Stat | undefined): number | undefined {
    const validators =
      now === undefined ? { etag: undefined, lastModified: undefined } : validatorsOf(now, this.#settings)
    return failedPrecondition(question, validators, now !== undefined)
  }

  async #statOf(path: string): Promise<Stat | undefined> {
    try {
      return await this.#pool.stat(path)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  async #delete(question: Question, path: string): Promise<Answer> {
    return this.#turns.take(this, undefined, async () => {
      const failed = this.#failed(question, await this.#statOf(path))
      if (failed !== undefined) return refusal(failed)
      await this.#pool.unlink(path)
      return { status: 204, headers: new Map(), body: [], source: undefined }
    })
  }

  async #put(question: Question, path: string, replaced: Stat | undefined): Promise<Answer> {
    const announced = question.header('content-length')
    const length = announced === undefined ? undefined : Number(announced)
    if (length !== undefined && length > this.#maxBytes) return refusal(413)
    if (question.header('content-range') !== undefined) return refusal(400, {}, 'A part of a file cannot be put')
    if (question.header('content-encoding') !== undefined) return refusal(415, {}, 'Send the bytes as they are')
    const directory = posix.dirname(path)
    const mode = replaced === undefined ? undefined : replaced.mode & PERMISSION_BITS
    let file: File
    try {
      file = await this.#pool.openUnnamed(directory, { mode })
    } catch (error) {
      const isAbsent = ['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')
      if (isAbsent) return refusal(409, {}, 'There is no such directory')
      throw error
    }
    try {
      if (replaced?.busy !== undefined || replaced?.dax !== undefined)
        await file.configure({ busy: replaced.busy, dax: replaced.dax })
      if (!(await this.#fill(file, question, length))) return refusal(413)
      return await this.#turns.take(this, undefined, () => this.#name(file, question, path))
    } finally {
      await file.close()
    }
  }

  /** False: there is more than may be. */
  async #fill(file: File, { body }: Question, length: number | undefined): Promise<boolean> {
    // In one piece, where there is room; or ENOSPC before the body is read.
    if (length !== undefined && length > 0) await file.allocate(0, length, { keepSize: true })
    let done = 0
    for await (const piece of body ?? []) {
      if (done + piece.length > this.#maxBytes) return false
      for (let at = 0; at < piece.length;) {
        const { bytesWritten } = await file.write(piece, { offset: at, position: done + at })
        at += bytesWritten
      }
      done += piece.length
    }
    return true
  }

  /** The file is complete. */
  async #name(file: File, question: Question, path: string): Promise<Answer> {
    const now = await this.#statOf(path)
    const failed = this.#failed(question, now)
    if (failed !== undefined) return refusal(failed)
    let isNew = now === undefined
    if (isNew) {
      try {
        await file.link(path)
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') throw error
        // Another process was quicker.
        if (question.header('if-none-match') === '*') return refusal(412)
        isNew = false
      }
    }
    if (!isNew) await this.#replace(file, path)
    const { etag } = validatorsOf(await file.stat(), this.#settings)
    const headers = new Map(etag === undefined ? [] : [['etag', etag]])
    if (isNew) headers.set('content-length', '0')
    return { status: isNew ? 201 : 204, headers, body: [], source: undefined }
  }

  async #replace(file: File, path: string): Promise<void> {
    // What is replaced goes only when the new one is durable.
    await file.sync()
    const temporary = posix.join(posix.dirname(path), `.holdfast-${randomBytes(6).toString('hex')}`)
    await file.link(temporary)
    try {
      await this.#pool.rename(temporary, path)
    } catch (error) {
      await this.#pool.unlink(temporary, { busy: 'sequester' })
      throw error
    }
  }
}
