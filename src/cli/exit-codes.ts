/** Exit codes. They are API, as error codes are. */
export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  /** Standard output was closed by its reader (`| head`): as a program that SIGPIPE ended. */
  brokenPipe: 141,
} as const

/** What a verb ends with when it does not do what was asked. An interruption is 128 + the signal's number. */
export interface FailureCodes {
  readonly failed: number
  readonly usage: number
  /** Instead of 128 + the signal's number. */
  readonly interrupted?: number
}

export const USUAL_CODES: FailureCodes = { failed: ExitCode.failed, usage: ExitCode.usage }

/** Those of fsck(8). */
export const FsckCode = { clean: 0, corrected: 1, errorsLeft: 4, failed: 8, usage: 16, interrupted: 32 } as const
