/** Answer: a response that is not sent yet: what to say, and what keeps its body as it is. */
import type { Head } from './head.ts'
import type { Source } from './source.ts'

/** Bytes of the source, from an offset of the file. */
export interface SourcePart {
  readonly offset: number
  readonly length: number
}

export type BodyPart = Uint8Array | SourcePart

/** Header fields, names in lower case. */
export interface Fields {
  readonly headers: ReadonlyMap<string, string>
  /** The same, as `writeHead` takes them. */
  readonly list: string[]
  /** As it was written last. */
  head: Head | undefined
}

export interface Answer {
  readonly status: number
  /** Names in lower case. With Content-Length, unless there can be none. */
  readonly headers: ReadonlyMap<string, string>
  /** The same, where many answers have them. */
  readonly fields?: Fields
  /** In order. */
  readonly body: readonly BodyPart[]
  /** Of the parts; whoever sends the answer, or does not, releases it. */
  readonly source: Source | undefined
}

export const isOfSource = (part: BodyPart): part is SourcePart => !(part instanceof Uint8Array)

/** What both Node's requests and those of fetch have. */
export interface Question {
  readonly method: string
  /** As it came: not decoded, with the query. */
  readonly url: string
  /** The path that redirects begin with, where a router took a part away; default `url`. */
  readonly originalUrl?: string | undefined
  /** `url` is what came over the connection, known of those that a shortcut has seen; default false. */
  readonly isAsItCame?: boolean
  /** undefined: there is none, or nothing in it. */
  header(name: string): string | undefined
  /** Read for PUT only; what is left of it is the front end's. */
  readonly body?: AsyncIterable<Uint8Array> | undefined
}
