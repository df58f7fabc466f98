/** Options that several verbs have. */
import type { Command } from 'commander'
import { Option } from 'commander'
import type { BusyOptions, BusyPolicy, WaitOptions } from '../index.ts'
import { parseDuration } from './durations.ts'
import type { Run } from './verb.ts'

export const BUSY_POLICIES: readonly BusyPolicy[] = ['fail', 'wait', 'sequester']

export const busyOption = (what: string): Option =>
  new Option('--busy <POLICY>', `what to do about pinned blocks${what}`).choices(BUSY_POLICIES)

export const timeoutOption = (): Option =>
  new Option('--timeout <TIME>', 'how long to wait at most (default: 45s)').argParser(parseDuration)

export interface BusyFlags {
  busy?: BusyPolicy
  /** Milliseconds. */
  timeout?: number
}

/** Adds --busy and --timeout. */
export const withBusyOptions = (command: Command, what = ''): Command =>
  command.addOption(busyOption(what)).addOption(timeoutOption())

export const waitOptions = (run: Run, { timeout }: { timeout?: number }): WaitOptions => ({
  timeoutMs: timeout,
  signal: run.signal,
})

export const busyOptions = (run: Run, flags: BusyFlags): BusyOptions => ({
  ...waitOptions(run, flags),
  busy: flags.busy,
})
