/** `holdfast/archive`: a whole pool as one stream, and back. */
export { dumpPool, type DumpOptions, type DumpTally } from './dump.ts'
export { loadPool, type LoadOptions, type Loaded } from './load.ts'
