/** Handlers: which files a handler serves, so that a shortcut leads to the same ones. */
import type { Files } from './files.ts'

const served = new WeakMap<object, Files>()

export function handlerOf<H extends object>(files: Files, handler: H): H {
  served.set(handler, files)
  return handler
}

export const filesOf = (handler: object): Files | undefined => served.get(handler)
