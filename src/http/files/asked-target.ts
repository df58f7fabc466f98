/** The target of a request as it came, where a shortcut has seen it (shortcut.ts): on its way to us others may change `request.url`. */
import type { IncomingMessage } from 'node:http'

const ASKED = Symbol('asked')

type Asked = IncomingMessage & { [ASKED]?: string | undefined }

export function rememberTarget(request: IncomingMessage): void {
  const asked = request as Asked
  asked[ASKED] = request.url
}

export const isAsItCame = (request: IncomingMessage, url: string): boolean => (request as Asked)[ASKED] === url
