/** The verdict on a round: which promises were kept, which broke and how. All is compared by content, after the last I/O. */
import { codeOf } from '../../errors.ts'
import type { Pool, PoolStats } from '../../index.ts'
import type { ChangeReport } from './breaker.ts'
import { contentOf, hashOf } from './content.ts'
import type { Observed } from './round.ts'
import { cleanUp } from './round.ts'
import type { ChangeKind, Policy, Scene } from './scene.ts'
import { CAPTURE, DEVICE_CONTENT, OLD_CAPTURE, VIDEO, VIDEO_CONTENT } from './scene.ts'
import type { Stage } from './stage.ts'

/** A row of the table. Bytes, and times in ms. */
export interface Verdict {
  readonly change: ChangeKind
  readonly policy: Policy
  readonly answer: string
  /** The slower of the two changes. */
  readonly returnedAfterMs: number
  /** `wait`: the longer of the times from the last pin's end to the return. */
  readonly afterLastPinMs?: number | undefined
  /** Pins of both files' blocks when their changes had returned. */
  readonly pinsHeld: number
  readonly isDirect: boolean
  readonly client: { readonly bytes: number; readonly sentAfterBytes: number; readonly isIntact: boolean }
  readonly newFiles: {
    readonly count: number
    readonly bytes: number
    readonly reusedBytes: number
    readonly areUntouched: boolean
  }
  readonly lateData: { readonly where: string; readonly bytes: number; readonly isFound: boolean }
  readonly space: { readonly freeBefore: number; readonly freeAfter: number; readonly isBack: boolean }
  /** What broke; empty: every promise was kept. */
  readonly broken: readonly string[]
}

/** Step 5 of a round. */
export async function judge(stage: Stage, observed: Observed, before: PoolStats): Promise<Verdict> {
  const { pool, scene } = stage
  const { kind, policy, changes, received, late, newFiles } = observed
  const broken: string[] = []

  const isIntact = received.bytes === scene.videoBytes && received.hash === stage.videoHash
  if (!isIntact) broken.push(`the client got other bytes than the file had: ${received.error ?? 'the hash differs'}`)
  let areUntouched = true
  for (const { path, bytes, hash } of newFiles) {
    const data = await pool.readFile(path)
    if (data.length === bytes && hashOf(data) === hash) continue
    areUntouched = false
    broken.push(`the new file ${path} has other bytes than were written to it`)
  }
  if (!late.isWhole) broken.push(lateComplaint(late.where))
  for (const path of [VIDEO, CAPTURE]) broken.push(...(await contentComplaints(pool, scene, path, kind, policy)))
  const { answer, afterLastPinMs, complaints } = judgeAnswers(observed)
  broken.push(...complaints)

  const after = await cleanUp(stage, before)
  const isBack = after.freeBytes === before.freeBytes && after.busyBytes + after.sequesteredBytes + after.pins === 0
  if (!isBack) broken.push(`${before.freeBytes} bytes were free before the round, ${after.freeBytes} after it`)
  return {
    change: kind,
    policy,
    answer,
    returnedAfterMs: Math.max(...changes.map(({ startedMs, endedMs }) => endedMs - startedMs)),
    afterLastPinMs,
    pinsHeld: pinsOf(changes),
    isDirect: observed.isDirect,
    client: { bytes: received.bytes, sentAfterBytes: observed.sentAfterBytes, isIntact },
    newFiles: {
      count: newFiles.length,
      bytes: newFiles.reduce((sum, file) => sum + file.bytes, 0),
      reusedBytes: observed.reusedBytes,
      areUntouched,
    },
    lateData: { where: late.where, bytes: late.bytes, isFound: late.isWhole },
    space: { freeBefore: before.freeBytes, freeAfter: after.freeBytes, isBack },
    broken,
  }
}

const lateComplaint = (where: string): string =>
  where === 'nowhere' ? 'copies of a file went to lost+found' : `the device's late data is not whole in ${where}`

const pinsOf = (changes: readonly ChangeReport[]): number => changes.reduce((sum, change) => sum + change.pinsHeld, 0)

interface Answers {
  readonly answer: string
  readonly afterLastPinMs?: number
  readonly complaints: string[]
}

/** What the policy promises of the answer to a change of pinned blocks. */
function judgeAnswers({ policy, changes, lastPinMs }: Observed): Answers {
  const failures = changes.flatMap(({ failure }) => failure ?? [])
  const complaints = policy === 'fail' ? [] : failures.map(({ message }) => `the change failed: ${message}`)
  const pins = pinsOf(changes)
  switch (policy) {
    case 'fail': {
      const refused = failures.filter(({ code }) => code === 'EBUSY')
      const naming = refused.filter(({ holders = [] }) => holders.some(({ pid }) => pid === process.pid))
      if (refused.length < changes.length) complaints.push('a change of pinned blocks was not refused with EBUSY')
      else if (naming.length < changes.length) complaints.push('an EBUSY does not name the holder')
      return { answer: naming.length > 0 ? `EBUSY, pid ${process.pid}` : 'not refused', complaints }
    }
    case 'wait': {
      const afterwards = changes.map(({ path, endedMs }) => endedMs - lastPinMs[path])
      if (afterwards.some((ms) => ms < 0)) complaints.push('a change returned before the last pin had ended')
      const afterLastPinMs = Math.max(...afterwards)
      const answer = complaints.length === 0 ? `last pin + ${afterLastPinMs.toFixed(1)} ms` : 'did not wait'
      return { answer, afterLastPinMs, complaints }
    }
    case 'sequester':
      if (changes.some(({ pinsHeld }) => pinsHeld === 0)) complaints.push('a change returned only after the last pin')
      return { answer: `${pins} pins held`, complaints }
    case 'dax never':
      if (pins > 0) complaints.push('blocks were pinned although direct access is off')
      return { answer: 'pins are copies', complaints }
  }
}

async function contentComplaints(
  pool: Pool,
  scene: Scene,
  path: string,
  kind: ChangeKind,
  policy: Policy,
): Promise<string[]> {
  const expected = expectedContent(scene, path, kind, policy)
  try {
    const found = await pool.readFile(path)
    if (expected === undefined) return [`${path} is still there`]
    return found.equals(expected) ? [] : [`${path} does not hold what it has to after this change`]
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    return expected === undefined ? [] : [`${path} is gone`]
  }
}

/** What a file holds after the change; undefined: it is gone. */
function expectedContent(scene: Scene, path: string, kind: ChangeKind, policy: Policy): Buffer | undefined {
  const isChanged = policy !== 'fail'
  if (isChanged && kind === 'unlink') return undefined
  const size = scene.sizeOf(path)
  const cut = scene.cut(kind, path)
  const end = isChanged && kind === 'truncate' ? cut.start : size
  const content = path === VIDEO ? contentOf(VIDEO_CONTENT, 0, end) : captured(scene, end)
  if (!isChanged || kind !== 'punch') return content
  if (path === CAPTURE && policy === 'sequester') {
    // The cut's first block was split: the file keeps a copy from before the late data, which went to the old block.
    contentOf(OLD_CAPTURE, 0, cut.start).copy(content, scene.lateRange().start, scene.lateRange().start)
  }
  return content.fill(0, cut.start, cut.end)
}

const captured = (scene: Scene, end: number): Buffer => {
  const content = contentOf(OLD_CAPTURE, 0, end)
  contentOf(DEVICE_CONTENT, 0, Math.min(end, scene.pinnedCaptureBytes)).copy(content)
  return content
}
