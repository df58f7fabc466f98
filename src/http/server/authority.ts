/** Who may change something: who shows the token, in a server that has one. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

export const newToken = (): string => randomBytes(24).toString('base64url')

const READING: readonly string[] = ['GET', 'HEAD', 'OPTIONS']

/** Methods that change nothing need nothing. */
export const isReading = (method: string): boolean => READING.includes(method)

/** Whether the header shows the token. Takes as long for a wrong one as for the right one. */
export function showsToken(authorization: string | undefined, token: string): boolean {
  const shown = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  return shown !== undefined && timingSafeEqual(digest(shown), digest(token))
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
