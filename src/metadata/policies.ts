/** The policies that a pool and its files can have, in words that metadata, programs and the command line share. */
export const BUSY_POLICIES = ['fail', 'wait', 'sequester'] as const
export const DAX_MODES = ['always', 'never'] as const

export type BusyPolicy = (typeof BUSY_POLICIES)[number]
export type DaxMode = (typeof DAX_MODES)[number]
