/** `holdfast/http`: files of a pool over HTTP, sent straight from their blocks. */
export { middleware, type FilesMiddleware } from './files/middleware.ts'
export { serveFiles } from './files/serve-files.ts'
export { shortcut } from './files/shortcut.ts'
export type { FilesOptions, HoldLimits, WriteLimits } from './files/options.ts'
