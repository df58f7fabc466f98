/** The controls: the same without Holdfast, on plain files of the host. What happens is shown; nobody promised better. */
import { copyFileSync, createReadStream } from 'node:fs'
import { nowMs } from './child-program.ts'
import type { SendPiece } from './download.ts'
import { Download } from './download.ts'
import { startMappedReader } from './mapped-reader.ts'
import type { Stage } from './stage.ts'

export interface Control {
  readonly change: 'truncate' | 'overwrite'
  readonly reader: 'plain mmap' | 'fs stream'
  readonly returnedAfterMs: number
  /** What became of the reader. 'intact': the control shows nothing this time. */
  readonly outcome: 'SIGBUS' | 'short' | 'torn' | 'intact'
  /** What the client got; of a mapped file: nothing, the process is gone. */
  readonly bytes: number
}

export async function playControls(stage: Stage): Promise<Control[]> {
  stage.say('without Holdfast: a mapped file')
  const mapped = await truncateMapped(stage)
  stage.say('without Holdfast: a truncated stream')
  const truncated = await changeStreamed(stage, 'truncate')
  stage.say('without Holdfast: an overwritten stream')
  const overwritten = await changeStreamed(stage, 'overwrite')
  return [mapped, truncated, overwritten]
}

async function truncateMapped(stage: Stage): Promise<Control> {
  const path = copyOf(stage)
  const reader = startMappedReader(stage.playground)
  await reader.call('begin', path)
  const returnedAfterMs = await changeOnHost(stage, path, 'truncate')
  const hash = await reader.call('finish', undefined).catch(() => undefined)
  reader.kill()
  const { signal } = await reader.ended
  const isKilled = hash === undefined && signal === 'SIGBUS'
  const bytes = isKilled ? 0 : stage.scene.videoBytes
  const alive = hash === stage.videoHash ? 'intact' : 'torn'
  return { change: 'truncate', reader: 'plain mmap', returnedAfterMs, outcome: isKilled ? 'SIGBUS' : alive, bytes }
}

async function changeStreamed(stage: Stage, change: Control['change']): Promise<Control> {
  const { scene, client } = stage
  const path = copyOf(stage)
  using download = new Download(client, scene.videoBytes)
  await download.begin(piecesOf(path, scene.videoBytes / 16))
  const returnedAfterMs = await changeOnHost(stage, path, change)
  const { bytes, hash } = await download.finish()
  const whole = hash === stage.videoHash ? 'intact' : 'torn'
  const outcome = bytes < scene.videoBytes ? 'short' : whole
  return { change, reader: 'fs stream', returnedAfterMs, outcome, bytes }
}

function copyOf({ playground, videoPath }: Stage): string {
  const path = playground.file('control.bin')
  copyFileSync(videoPath, path)
  return path
}

async function* piecesOf(path: string, bytes: number): AsyncGenerator<SendPiece> {
  for await (const chunk of createReadStream(path, { highWaterMark: bytes })) {
    const piece = chunk as Buffer
    yield (socket) =>
      new Promise((resolve, reject) => {
        socket.write(piece, (error) => (error ? reject(error) : resolve(piece.length)))
      })
  }
}

/** By the second process; answers how long it took. */
async function changeOnHost({ breaker, scene }: Stage, path: string, change: Control['change']): Promise<number> {
  const startedMs = nowMs()
  if (change === 'truncate') await breaker.call('truncateOnHost', { path, length: scene.videoBytes / 4 })
  else await breaker.call('overwriteOnHost', { path, name: 'something else', length: scene.videoBytes })
  return nowMs() - startedMs
}
