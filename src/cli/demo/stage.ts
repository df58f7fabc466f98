/** The stage: what all rounds of a demo share. The pool, the host's files that content comes from, the other processes. */
import { open } from 'node:fs/promises'
import type { Pool } from '../../index.ts'
import { createPool } from '../../index.ts'
import { makeFifo } from '../../platform/fifo.ts'
import type { Breaker } from './breaker.ts'
import { startBreaker } from './breaker.ts'
import type { Client } from './client.ts'
import { startClient } from './client.ts'
import { hashOfContent, portionsOf } from './content.ts'
import type { Filler } from './filler.ts'
import { startFiller } from './filler.ts'
import type { Playground } from './playground.ts'
import type { Scene } from './scene.ts'
import { DEVICE_CONTENT, VIDEO_CONTENT } from './scene.ts'

export interface Stage {
  readonly scene: Scene
  readonly playground: Playground
  readonly pool: Pool
  readonly client: Client
  readonly breaker: Breaker
  readonly filler: Filler
  /** Files of the host: what is put into the pool, and what the device reads from. */
  readonly videoPath: string
  readonly videoHash: string
  readonly diskPath: string
  /** A named pipe. */
  readonly pipePath: string
  /** Says what is going on. */
  readonly say: (what: string) => void
}

/** Everything ends with the playground, but the pool: the caller closes it. */
export async function setStage(scene: Scene, playground: Playground, say: Stage['say']): Promise<Stage> {
  say('making files and a pool')
  const videoPath = playground.file('video.bin')
  const diskPath = playground.file('disk.bin')
  const pipePath = playground.file('pipe')
  await makeFile(videoPath, VIDEO_CONTENT, scene.videoBytes)
  await makeFile(diskPath, DEVICE_CONTENT, scene.captureBytes)
  makeFifo(pipePath, 0o600)
  const client = startClient(playground)
  const breaker = startBreaker(playground)
  const filler = startFiller(playground)
  const pool = await createPool(playground.file('pool'), { sizeBytes: scene.poolBytes })
  await Promise.all([breaker.call('openPool', pool.path), filler.call('openPool', pool.path)])
  const videoHash = hashOfContent(VIDEO_CONTENT, scene.videoBytes)
  return { scene, playground, pool, client, breaker, filler, videoPath, videoHash, diskPath, pipePath, say }
}

async function makeFile(path: string, name: string, bytes: number): Promise<void> {
  await using file = await open(path, 'wx')
  for (const portion of portionsOf(name, bytes)) await file.writeFile(portion)
  // So that O_DIRECT reads what is on the disk, not what waits for it.
  await file.sync()
}
