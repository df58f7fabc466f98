/** Files: the core that all front ends share: from a question to an answer. Nothing it is asked makes it throw. */
import type { Pool } from '../../pool/pool.ts'
import type { Answer, Question } from './answer.ts'
import { answerRead } from './answer-read.ts'
import { Holds } from './holds.ts'
import type { FilesOptions, Settings } from './options.ts'
import { settingsOf } from './options.ts'
import { refusal, statusOf } from './refusal.ts'

export class Files {
  readonly settings: Settings
  readonly holds: Holds
  readonly #pool: Pool

  constructor(pool: Pool, options: FilesOptions | undefined) {
    this.#pool = pool
    this.settings = settingsOf(options)
    this.holds = new Holds(this.settings.hold)
  }

  /** undefined: nothing is there, or the method is none of ours: somebody else may answer. */
  async answer(question: Question): Promise<Answer | undefined> {
    try {
      if (question.method === 'GET' || question.method === 'HEAD')
        return await answerRead(this.#pool, this.settings, question)
      return undefined
    } catch (error) {
      const status = statusOf(error)
      if (status === 404) return undefined
      if (status >= 500) this.settings.onError(error, question.url)
      return refusal(status)
    }
  }

  /** What is said when nobody else answers. */
  nothing({ method }: Question): Answer {
    return method === 'GET' || method === 'HEAD' ? refusal(404) : refusal(405, { allow: this.allowed })
  }

  get allowed(): string {
    return this.settings.write === undefined ? 'GET, HEAD' : 'GET, HEAD, PUT, DELETE'
  }
}
