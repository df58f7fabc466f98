/**
 * Processes that a test starts take the sources with their types stripped from a cache: a third of their start. For who
 * imports it, and whatever he starts; under `npm test` for the files of the suite, too.
 */
import { fileURLToPath } from 'node:url'

process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(new URL('../../node_modules/.cache/compile', import.meta.url))
