/**
 * A round: one kind of change under one policy, made by the second process while a client downloads one file from pinned
 * blocks and a device fills pinned blocks of another.
 *
 *   1 put both files, pin them, fill the rest of the pool
 *   2 begin the I/O: the client pauses, the device reads over and over
 *   3 the second process changes both files; on when it has answered or, under `wait`, is seen waiting
 *   4 let new files take what has become free, then let the I/O go on and end; look where the late data is
 *   5 end the pins, stop the filler, verify all by hash, remove all, compare the pool's numbers with those before
 */
import { open } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../../errors.ts'
import type { File, Pool, PoolStats } from '../../index.ts'
import type { ChangeReport, ChangeRequest } from './breaker.ts'
import { Capture } from './capture.ts'
import { nowMs } from './child-program.ts'
import type { Received } from './client.ts'
import { portionsOf } from './content.ts'
import type { SendPiece } from './download.ts'
import { Download } from './download.ts'
import type { NewFile } from './filler.ts'
import type { LateData } from './late-data.ts'
import { findLateData } from './late-data.ts'
import type { ByteRange, ChangeKind, Policy, Scene } from './scene.ts'
import { CAPTURE, OLD_CAPTURE, VIDEO } from './scene.ts'
import type { Stage } from './stage.ts'

const TIMEOUT_MS = 20_000
const LOOK_AGAIN_MS = 1

/** What was seen. Times in ms, of one clock for all processes. */
export interface Observed {
  readonly kind: ChangeKind
  readonly policy: Policy
  /** Of the download and of the capture. */
  readonly changes: readonly ChangeReport[]
  /** Per path: when the last pin in the way of the change began to end. */
  readonly lastPinMs: Readonly<Record<string, number>>
  readonly received: Received
  /** Bytes of the download that were sent after the change had answered, or was seen waiting. */
  readonly sentAfterBytes: number
  /** Bytes of new files that were written after the change and before the I/O went on: what nobody had pinned. */
  readonly reusedBytes: number
  readonly isDirect: boolean
  readonly late: LateData
  readonly newFiles: readonly NewFile[]
}

/** Steps 1 to 4, and the end of the pins. */
export async function playRound(stage: Stage, kind: ChangeKind, policy: Policy, name: string): Promise<Observed> {
  const { scene, pool, client, breaker, filler } = stage
  await putFiles(stage, policy)
  const cuts = [VIDEO, CAPTURE].map((path) => requestOf(scene, kind, path))
  const lastPinMs: Record<string, number> = {}
  const video = await pool.open(VIDEO, 'r')
  const captured = await pool.open(CAPTURE, 'r+')
  await using capture = await Capture.prepare(captured, scene, stage.diskPath)
  const pieces = await pinDownload(video, stage, (end) => {
    if (end.start < cuts[0].end && cuts[0].start < end.end) lastPinMs[VIDEO] = nowMs()
  })
  // Pins outlive the file: nothing but them keeps the blocks from going.
  await video.close()
  await captured.close()
  const filledBefore = await filler.call('start', name)

  using download = new Download(client, scene.videoBytes)
  await Promise.all([download.begin(pieces), capture.begin(client, stage.pipePath)])
  const changing = breaker.call('change', cuts)
  let isAnswered = false
  const answered = changing.finally(() => (isAnswered = true))
  await (policy === 'wait' ? Promise.race([answered, untilWaiting(pool, cuts, () => isAnswered)]) : answered)
  // What was given up wrongly has a new owner now, whom the rest of the I/O would hit.
  const reusedBytes = (await filler.call('full', undefined)) - filledBefore
  const sentBefore = download.sentBytes

  const downloading = download.finish()
  downloading.catch(() => undefined)
  await capture.finish(client)
  const late = await findLateData(stage, policy)
  lastPinMs[CAPTURE] = capture.release()
  const received = await downloading
  const changes = await changing
  const newFiles = await filler.call('stop', undefined)
  const sentAfterBytes = scene.videoBytes - sentBefore
  const { isDirect } = capture
  return { kind, policy, changes, lastPinMs, received, sentAfterBytes, reusedBytes, isDirect, late, newFiles }
}

function requestOf(scene: Scene, kind: ChangeKind, path: string): ChangeRequest {
  const { start, end } = scene.cut(kind, path)
  return { kind, path, start, end, timeoutMs: TIMEOUT_MS }
}

async function putFiles({ pool, scene, videoPath }: Stage, policy: Policy): Promise<void> {
  {
    await using source = await open(videoPath, 'r')
    await using file = await pool.open(VIDEO, 'wx')
    const portion = Buffer.alloc(1 << 20)
    for (let bytesRead = -1; bytesRead !== 0;) {
      ;({ bytesRead } = await source.read(portion, 0, portion.length, null))
      await file.write(portion, 0, bytesRead)
    }
  }
  {
    await using file = await pool.open(CAPTURE, 'wx')
    for (const portion of portionsOf(OLD_CAPTURE, scene.captureBytes)) await file.write(portion)
  }
  for (const path of [VIDEO, CAPTURE]) {
    await pool.configure(path, policy === 'dax never' ? { dax: 'never' } : { busy: policy })
  }
}

/** Pins the whole file, window by window; each window is sent, and its pin then ends. */
async function pinDownload(file: File, { scene }: Stage, onEnd: (window: ByteRange) => void): Promise<SendPiece[]> {
  const pieces: SendPiece[] = []
  for (const window of scene.downloadWindows()) {
    const pin = await file.pin({ offset: window.start, length: window.end - window.start, mode: 'read' })
    pieces.push(async (socket) => {
      try {
        return await pin.writeTo(socket)
      } finally {
        onEnd(window)
        pin.release()
      }
    })
  }
  return pieces
}

/**
 * Until changes of all the files wait: then a new pin in their range would queue behind them (promise 3). Or until one
 * has been made without waiting, which the verdict is about.
 */
async function untilWaiting(pool: Pool, cuts: readonly ChangeRequest[], isOver: () => boolean): Promise<void> {
  try {
    for (const { path, start } of cuts) {
      await using file = await pool.open(path, 'r')
      while (!isOver() && !wouldQueue(file, start)) await delay(LOOK_AGAIN_MS)
    }
  } catch (error) {
    const code = codeOf(error)
    if (code !== 'ENOENT' && code !== 'ERANGE') throw error
  }
}

function wouldQueue(file: File, offset: number): boolean {
  try {
    file.pinSync({ offset, length: 1, mode: 'read' }).release()
    return false
  } catch (error) {
    if (codeOf(error) === 'EAGAIN') return true
    throw error
  }
}

const SETTLE_TIMEOUT_MS = 5000

/** Removes what the round left and takes the pool's numbers when nothing is busy any more, or does not become so. */
export async function cleanUp({ pool }: Stage, before: PoolStats): Promise<PoolStats> {
  for (const name of await pool.readdir('/')) if (name !== 'lost+found') await pool.unlink(`/${name}`)
  for (const deadline = nowMs() + SETTLE_TIMEOUT_MS; ;) {
    await pool.lostAndFound.reclaim()
    const after = await pool.stats()
    if (after.freeBytes === before.freeBytes || nowMs() > deadline) return after
    await delay(LOOK_AGAIN_MS)
  }
}
