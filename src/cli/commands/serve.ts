/** `holdfast serve`: a pool over HTTP, with the inspector. */
import { once } from 'node:events'
import type { Command } from 'commander'
import { InvalidArgumentError, Option } from 'commander'
import type { Mount } from '../../fuse/index.ts'
import type { Log } from '../../http/server/logging.ts'
import type { Serving } from '../../http/server/serve.ts'
import type { Pool } from '../../index.ts'
import type { Interrupted } from '../interruption.ts'
import { toJson, write } from '../output.ts'
import { facts } from '../table.ts'
import type { Outcome, Run } from '../verb.ts'
import { does, poolVerb } from '../verb.ts'
import { withPoolToRead } from '../with-pool.ts'

/** How long responses under way have when the server ends. */
const GRACE_MS = 10_000

interface Flags {
  port: number
  host: string
  public?: boolean
  write?: boolean
  mount?: string
}

export function serveVerb(): Command {
  const command = poolVerb('serve', 'Serve a pool over HTTP, with the inspector, until Ctrl-C.', {
    more:
      'Files are under /, the inspector under /_/, metrics for Prometheus at /_/metrics. Only this machine gets there, unless ' +
      '--host says otherwise. Nothing can be changed without --write, and then only by who has the token that is printed: the ' +
      'inspector has it from its address, others send "authorization: Bearer TOKEN".\n\n' +
      'Each request is logged to standard error: in words on a terminal, else a JSON object a line. Ctrl-C or SIGTERM ends ' +
      `it when the responses under way have ended, after ${GRACE_MS / 1000} s at most; then the exit code is 0. A second one ends it at once.`,
    examples: [
      'serve /data/pool',
      'serve /data/pool --port 0 --write',
      'serve /data/pool --host 0.0.0.0 --public',
      'serve /data/pool --mount /mnt',
    ],
  })
    .addOption(new Option('--port <PORT>', '0: any that is free').argParser(parsePort).default(8080))
    .option('--host <HOST>', 'address or name of this machine to listen on', '127.0.0.1')
    .option('--public', 'other machines may get there')
    .option('--write', 'allow changes, with the token')
    .option('--mount <DIR>', 'mount the pool there as well')
  return does(command, (run, poolPath: string, flags: Flags) =>
    withPoolToRead(run, poolPath, (pool) => serveUntilInterrupted(run, pool, flags)),
  )
}

function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError('A port is a number from 0 to 65535.')
  return port
}

async function serveUntilInterrupted(run: Run, pool: Pool, flags: Flags): Promise<Outcome> {
  const { newLog } = await import('../../http/server/logging.ts')
  const { newToken } = await import('../../http/server/authority.ts')
  const { inspectorPage } = await import('../inspector-page.ts')
  const { serve } = await import('../../http/server/serve.ts')
  const log = newLog(process.stderr.isTTY && !run.isJson)
  logWarnings(log)
  const token = flags.write === true && !pool.isReadOnly ? newToken() : undefined
  if (flags.write === true && token === undefined) log.warn('the pool may only be read here: --write does nothing')
  const page = await inspectorPage(run.signal)
  const { port, host, public: isPublic = false } = flags
  const serving = await serve(pool, { port, host, isPublic, token, page, log })
  let cut = 0
  try {
    const mounted = flags.mount === undefined ? undefined : await mountToo(pool, flags.mount, log)
    try {
      await write(process.stdout, announcement(run, pool, serving, token, mounted))
      if (!run.signal.aborted) await once(run.signal, 'abort')
      log.info({ why: (run.signal.reason as Interrupted).by }, 'ending')
    } finally {
      await mounted?.end()
    }
  } finally {
    cut = await serving.close(GRACE_MS)
  }
  if (cut === 0) return { json: undefined }
  log.warn(cut === 1 ? 'a response was cut off' : `${cut} responses were cut off`)
  return { json: undefined, exitCode: (run.signal.reason as Interrupted).exitCode }
}

/** Those of the process, such as of a wait that lasts, go where everything goes, in the same form. */
function logWarnings(log: Log): void {
  process.removeAllListeners('warning')
  process.on('warning', (warning: Error & { code?: string }) => {
    if (warning.name !== 'ExperimentalWarning') log.warn({ code: warning.code }, warning.message)
  })
}

function announcement(
  { isJson }: Run,
  pool: Pool,
  { url, port }: Serving,
  token: string | undefined,
  mounted: MountToo | undefined,
): string {
  const inspector = `${url}_/${token === undefined ? '' : `#token=${token}`}`
  const metrics = `${url}_/metrics`
  const { path } = pool
  if (isJson) return `${toJson({ pool: path, url, port, inspector, metrics, token, mount: mounted?.dir })}\n`
  return `${path} is served; Ctrl-C ends it\n${facts([
    ['files', url],
    ['inspector', inspector],
    ['metrics', metrics],
    ...(mounted === undefined ? [] : [['mounted on', mounted.dir] as const]),
  ])}`
}

interface MountToo {
  readonly dir: string
  end(): Promise<void>
}

/** While files on the mount are in use it leaves the directory, and ends with the last of them. */
async function mountToo(pool: Pool, dir: string, log: Log): Promise<MountToo> {
  const { mount } = await import('../../fuse/index.ts')
  const mounted: Mount = await mount(pool, dir)
  mounted.ended.catch((error: unknown) => log.error({ err: error }, 'the mount ended'))
  return {
    dir: mounted.dir,
    end: () =>
      mounted.unmount().catch(async (error: unknown) => {
        log.warn({ err: error }, 'the mount is in use; it is taken off the directory')
        await mounted.unmount({ lazy: true }).catch((second: unknown) => log.error({ err: second }, 'it stays'))
      }),
  }
}
