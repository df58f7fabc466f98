/** Files: the core that all front ends share: from a question to an answer. Nothing it is asked makes it throw. */
import { codeOf } from '../../errors.ts'
import type { Pool } from '../../pool/pool.ts'
import type { Answer, Question } from './answer.ts'
import { answerRead, answerRecent } from './answer-read.ts'
import { Writing } from './answer-write.ts'
import { Holds } from './holds.ts'
import type { FilesOptions, Settings } from './options.ts'
import { settingsOf } from './options.ts'
import type { WholeFile } from './recent-files.ts'
import { RecentFiles } from './recent-files.ts'
import { refusal, statusOf } from './refusal.ts'

const READS: readonly string[] = ['GET', 'HEAD']

export class Files {
  readonly settings: Settings
  readonly holds: Holds
  readonly #pool: Pool
  readonly #recent: RecentFiles
  readonly #writing: Writing | undefined

  constructor(pool: Pool, options: FilesOptions | undefined, always?: Settings['always']) {
    this.#pool = pool
    this.settings = settingsOf(options, always)
    this.holds = new Holds(pool, this.settings.hold)
    this.#recent = new RecentFiles(pool)
    const { write } = this.settings
    this.#writing = write === undefined ? undefined : new Writing(pool, this.settings, write.maxBytes)
  }

  /** At once, for what was asked for a moment ago; undefined: ask {@link answer}. */
  answerNow(question: Question): Answer | undefined {
    try {
      if (question.method !== 'GET' && question.method !== 'HEAD') return undefined
      return answerRecent(this.settings, question, this.#recent)
    } catch (error) {
      return this.#failure(error, question)
    }
  }

  /**
   * undefined: nothing is there, or the method is none of ours: somebody else may answer. `isAlone`: what is pinned is kept
   * for nobody else, so that all is over with the answer.
   */
  async answer(question: Question, isAlone = false): Promise<Answer | undefined> {
    try {
      if (question.method === 'GET' || question.method === 'HEAD')
        return await answerRead(this.#pool, this.settings, question, isAlone ? undefined : this.#recent)
      const isWrite = question.method === 'PUT' || question.method === 'DELETE'
      return isWrite ? await this.#writing?.answer(question) : undefined
    } catch (error) {
      return this.#failure(error, question)
    }
  }

  /** All of a file that a shortcut may send now: as it is, with the head of a plain response. */
  wholeNow(target: string, keepAliveTimeout: number): WholeFile | undefined {
    try {
      return this.#recent.whole(target, keepAliveTimeout)
    } catch {
      // Who asks again is told.
      return undefined
    }
  }

  #failure(error: unknown, question: Question): Answer | undefined {
    const status = statusOf(error)
    if (status === 404) return undefined
    // A client that went away while it sent is told of what nobody reads.
    if (codeOf(error) === 'ECONNRESET') return refusal(400)
    if (status >= 500) this.settings.onError(error, question.url)
    return refusal(status)
  }

  /** What is said when nobody else answers. */
  nothing({ method }: Question): Answer {
    const allowed = this.settings.write === undefined ? READS : [...READS, 'PUT', 'DELETE']
    return allowed.includes(method) ? refusal(404) : refusal(405, { allow: allowed.join(', ') })
  }
}
