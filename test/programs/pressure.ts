import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import type { Check } from '../posix/subject.ts'
import { lacks, run } from './run.ts'

/** How often each stressor goes round: a fraction of a second. Who sets extended attributes on and on ends with his time. */
const STRESSORS: Record<string, number> = {
  access: 50,
  chmod: 100,
  chown: 100,
  'copy-file': 5,
  dentry: 500,
  dir: 100,
  dirdeep: 50,
  fcntl: 50,
  filename: 50,
  flock: 200,
  fstat: 100,
  getdent: 100,
  hdd: 100,
  lockf: 100,
  lockofd: 100,
  mknod: 20,
  open: 100,
  rename: 200,
  seek: 100,
  sendfile: 50,
  xattr: 5,
}

/** Programs made to find what is wrong with a file system. */
export function pressureCases(check: Check): void {
  for (const [what, words] of Object.entries({
    'through the cache': ['--direct=0', '--ioengine=psync'],
    'around the cache': ['--direct=1', '--ioengine=psync'],
    'through a mapping': ['--direct=0', '--ioengine=mmap'],
  })) {
    check(`fio reads what it wrote at random, ${what}`, async (at, t) => {
      if (lacks(t, 'fio')) return
      const report = await run(
        at.directory,
        'fio',
        '--name=verified',
        '--filename=file',
        '--rw=randwrite',
        '--size=8m',
        '--bsrange=4k-64k',
        '--bs_unaligned=0',
        '--blockalign=4k',
        '--verify=crc32c',
        '--verify_fatal=1',
        '--fsync=50',
        '--randseed=7',
        '--output-format=json',
        ...words,
      )
      const [job] = (JSON.parse(report.slice(report.indexOf('{'))) as { jobs: { error: number }[] }).jobs
      assert.equal(job.error, 0)
    })
  }

  check('the file stressors of stress-ng find nothing wrong', async (at, t) => {
    if (lacks(t, 'stress-ng')) return
    for (const [name, rounds] of Object.entries(STRESSORS)) {
      const words = [`--${name}`, '1', `--${name}-ops`, `${rounds}`, '--hdd-bytes', '4m', '--copy-file-bytes', '128m']
      const place = ['--temp-path', at.directory]
      await run(at.directory, 'stress-ng', ...words, ...place, '--verify', '--timeout', '2s', '--quiet')
    }
    assert.deepEqual(readdirSync(at.directory), [])
  })
}
