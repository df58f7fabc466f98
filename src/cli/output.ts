/**
 * Standard output and error of the CLI.
 *
 * Colours only on a terminal, and not with NO_COLOR. Names and paths come from whoever made the files: what would move a
 * terminal's cursor is shown as `?` there, and passed on as it is into pipes and files.
 */
import { styleText } from 'node:util'

/** Writes and waits until the stream wants more. Rejects with EPIPE when its reader is gone. */
export function write(stream: NodeJS.WriteStream, text: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => (error === null || error === undefined ? resolve() : reject(error)))
  })
}

/** A name or path as it can be shown on this stream. */
export function shown(name: string, stream: NodeJS.WriteStream = process.stdout): string {
  return stream.isTTY ? name.replaceAll(/\p{Cc}/gu, '?') : name
}

export type Style = Parameters<typeof styleText>[0]

/** Text in a style, where the stream takes colours. */
export const coloured = (style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string =>
  styleText(style, text, { stream, validateStream: true })

/** Columns of a terminal; endless elsewhere, so that nothing is cut in a file. */
export const widthOf = (stream: NodeJS.WriteStream = process.stdout): number =>
  stream.isTTY ? stream.columns : Infinity

/** JSON in one line; times in nanoseconds, which are bigints, become strings. */
export const toJson = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part))
