/** Whole contents of files, as the caller gives them and wants them: looked at before the file is opened, which may empty it. */
import { invalidValue, wrongType } from '../errors.ts'
import type { File } from './file.ts'

/** The bytes of `data`, of a string as UTF-8. TypeError for all else. */
export function contentOf(data: NodeJS.ArrayBufferView | string): NodeJS.ArrayBufferView {
  if (typeof data === 'string') return Buffer.from(data)
  if (!ArrayBuffer.isView(data)) throw wrongType('data', 'of type string or an ArrayBufferView', data)
  return data
}

/** TypeError unless it is undefined, or an encoding. */
export function checkEncoding(encoding: BufferEncoding | undefined): void {
  if (encoding === undefined || Buffer.isEncoding(encoding)) return
  throw invalidValue('encoding', 'must be an encoding of Buffer, such as utf8', encoding)
}

/** All of a file, by copy. */
export async function wholeOf(file: File): Promise<Buffer> {
  const data = Buffer.allocUnsafe((await file.stat()).size)
  return data.subarray(0, (await file.read(data, { position: 0 })).bytesRead)
}
