/**
 * The repository held to its own rules: names, sizes, who imports whom, links, and that each promise has tests.
 * A rule reports every offender at once, as `file:line what`.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, dirname, join, posix } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..')
const files = repositoryFiles()
const sources = files.filter((file) => file.startsWith('src/') && file.endsWith('.ts'))
const typescript = files.filter((file) => file.endsWith('.ts'))
const markdown = files.filter((file) => file.endsWith('.md'))

/** From top to bottom: a file imports its own folder and those of later rows, never one beside it in the same row. */
const layers = [
  ['cli'],
  ['http'],
  ['fuse'],
  ['index.ts'],
  ['fs', 'archive', 'metrics'],
  ['pool'],
  ['files'],
  ['layout'],
  ['metadata', 'device'],
  ['platform'],
]
const everywhere = new Set(['diagnostics.ts', 'errors.ts', 'few-numbers.ts', 'units.ts'])
/** What `files` and `layout` may know of the folders below them: the contracts, not who keeps them. */
const contracts = ['src/metadata/metadata.ts', 'src/device/device.ts']

const SOURCE_LINES_MAX = 400
const promiseCount = 11

test('the tidy test sees the repository', () => {
  assert.ok(files.includes('package.json') && files.includes('test/tidy.test.ts'))
})

test('no file names a path of the machine it was written on', () => {
  const machinePath = new RegExp(`(?<![\\w.~-])/(?:${['work', 'root', 'home/\\w+'].join('|')})/`)
  report(eachLine(textFiles(), (line) => machinePath.exec(line)?.[0]))
})

test('no file names a package registry, and the lock file says only what, not where', () => {
  const registry = /https?:\/\/[^/\s'"]*(?:registry|npmjs|npm-proxy|artifactory|nexus)[^/\s'"]*/i
  report([
    ...eachLine(textFiles(), (line) => registry.exec(line)?.[0]),
    ...eachLine(['package-lock.json'], (line) => /"resolved": "[^"]*"/.exec(line)?.[0]),
  ])
})

test('the lock file has every platform of every optional dependency', () => {
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> }
  const missing = Object.entries(packages).flatMap(([path, locked]) =>
    Object.keys(locked.optionalDependencies ?? {})
      .filter((name) => !(`node_modules/${name}` in packages) && !(`${path}/node_modules/${name}` in packages))
      .map((name) => `package-lock.json: ${path} lacks ${name}, so npm ci fails elsewhere`),
  )
  report(missing)
})

test('what is left to do stands in an issue, not in a comment', () => {
  // The brackets keep this line from finding itself.
  const marker = /\b(?:TO[D]O|FIX[M]E|XX[X])\b/
  report(eachLine(textFiles(), (line) => marker.exec(line)?.[0]))
})

test('a file has a kebab-case name that says what is in it', () => {
  const kebab = /^(?:README\.md|[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+)+)$/
  const empty = /(?:^|[-./])(?:utils?|helpers?|misc|common|managers?|base)(?:[-./]|$)/
  const named = files.filter((file) => /^(?:src|test|bench|examples|scripts|docs|web)\//.test(file))
  report([
    ...named.filter(
      (file) =>
        !file
          .split('/')
          .slice(0, -1)
          .every((folder) => /^[a-z0-9-]+$/.test(folder)),
    ),
    ...named.filter((file) => !kebab.test(basename(file))),
    ...named.filter((file) => empty.test(file)).map((file) => `${file} is named after nothing`),
  ])
})

test('no class is a manager, a helper or a base', () => {
  report(
    eachLine(
      typescript,
      (line) => /\b(?:class|interface|type) (?:Base[A-Z]\w*|\w*(?:Manager|Helper|Util)s?)\b/.exec(line)?.[0],
    ),
  )
})

test(`a source file has at most ${SOURCE_LINES_MAX} lines`, () => {
  report(
    sources
      .map((file) => ({ file, lines: read(file).trimEnd().split('\n').length }))
      .filter(({ lines }) => lines > SOURCE_LINES_MAX)
      .map(({ file, lines }) => `${file} has ${lines} lines`),
  )
})

test('only src/platform imports koffi, only src/metadata imports node:sqlite', () => {
  const homes: Record<string, string> = { koffi: 'src/platform/', 'node:sqlite': 'src/metadata/' }
  report(
    sources.flatMap((file) =>
      importsOf(file)
        .filter(({ target }) => target in homes && !file.startsWith(homes[target]))
        .map(({ target, line }) => `${file}:${line} imports ${target}`),
    ),
  )
})

test('imports go down through the folders, never up or sideways', () => {
  report(sources.flatMap((file) => importsOf(file).flatMap((imported) => offence(file, imported) ?? [])))
})

test('every relative link of the documents leads somewhere', () => {
  const offenders: string[] = []
  for (const file of markdown) {
    for (const { text, line } of proseLines(file)) {
      for (const [, link] of text.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)) {
        if (/^[a-z][a-z0-9+.-]*:/i.test(link)) continue
        const [path, anchor] = link.split('#', 2)
        const target = path === '' ? file : posix.join(dirname(file), decodeURIComponent(path))
        if (!existsSync(join(root, target))) offenders.push(`${file}:${line} ${link} leads nowhere`)
        else if (anchor && target.endsWith('.md') && !anchorsOf(target).has(anchor)) {
          offenders.push(`${file}:${line} ${target} has no heading #${anchor}`)
        }
      }
    }
  }
  report(offenders)
})

test('every promise of the design is quoted by a test', () => {
  const quoted = new Set<number>()
  for (const file of typescript.filter((path) => path.startsWith('test/') && path !== 'test/tidy.test.ts')) {
    for (const [, numbers] of read(file).matchAll(
      /\bpromises?\s+(\d+(?:(?:,\s*|\s*–\s*|\s+and\s+|,\s+and\s+)\d+)*)/gi,
    )) {
      for (const number of numbers.match(/\d+/g) ?? []) quoted.add(Number(number))
    }
  }
  const missing = Array.from({ length: promiseCount }, (_, index) => index + 1).filter((number) => !quoted.has(number))
  report(missing.map((number) => `promise ${number} is quoted by no test`))
})

interface LockedPackage {
  optionalDependencies?: Record<string, string>
}

interface Import {
  target: string
  line: number
}

function report(offenders: string[]): void {
  assert.ok(offenders.length === 0, `\n  ${offenders.join('\n  ')}\n`)
}

/** Tracked files and those about to be; where git is absent, as in an unpacked archive, all that is not made by us. */
function repositoryFiles(): string[] {
  const git = spawnSync(
    'git',
    ['-c', 'safe.directory=*', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    { cwd: root, encoding: 'utf8' },
  )
  const found =
    git.status === 0
      ? git.stdout.split('\0').filter((file) => file !== '' && existsSync(join(root, file)))
      : globSync(['*', '{.ci,bin,src,test,bench,examples,scripts,docs,web}/**/*.*', 'bin/*', '.ci/*'], { cwd: root })
  return [...new Set(found)].toSorted()
}

function textFiles(): string[] {
  return files.filter((file) => /\.(?:ts|js|json|md|sh|yml|css|html|sql|txt)$|^bin\/|^\.ci\/|^\.npmrc$/.test(file))
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** Offenders as `file:line what`, for each line in which `offends` finds something. */
function eachLine(paths: string[], offends: (line: string) => string | undefined): string[] {
  return paths.flatMap((file) =>
    read(file)
      .split('\n')
      .flatMap((line, index) => {
        const found = offends(line)
        return found === undefined ? [] : [`${file}:${index + 1} ${found.trim()}`]
      }),
  )
}

function importsOf(file: string): Import[] {
  const text = read(file)
  const statement =
    /^(?:import|export)\b[^'"`;]*?\bfrom\s*['"](?<from>[^'"]+)['"]|^import\s*['"](?<bare>[^'"]+)['"]|\bimport\(\s*['"](?<dynamic>[^'"]+)['"]/gm
  return [...text.matchAll(statement)].map((match) => {
    const { from, bare, dynamic } = match.groups ?? {}
    return {
      target: from ?? bare ?? dynamic ?? '',
      line: text.slice(0, match.index).split('\n').length,
    }
  })
}

/** What is wrong with `file` importing this, if anything. */
function offence(file: string, { target, line }: Import): string | undefined {
  if (!target.startsWith('.')) return undefined
  const path = posix.join(dirname(file), target)
  const [from, to] = [folderOf(file), folderOf(path)]
  if (from === to || everywhere.has(to)) return undefined
  const [above, below] = [from, to].map((folder) => layers.findIndex((row) => row.includes(folder)))
  if (below === -1) return `${file}:${line} imports ${path}, which is in no layer`
  if (above >= below || above === -1) return `${file}:${line} imports ${path}, up or sideways`
  const mustBeContract = ['files', 'layout'].includes(from) && ['metadata', 'device'].includes(to)
  if (mustBeContract && !contracts.includes(path)) {
    return `${file}:${line} imports ${path}: below it may know only ${contracts.join(' and ')}`
  }
  return undefined
}

/** `layout` for src/layout/pin-table.ts, `errors.ts` for src/errors.ts. */
function folderOf(file: string): string {
  return file.split('/')[1]
}

/** The lines of a document outside fenced code. */
function proseLines(file: string): { text: string; line: number }[] {
  let isCode = false
  return read(file)
    .split('\n')
    .map((text, index) => ({ text, line: index + 1 }))
    .filter(({ text }) => {
      if (/^\s*(?:```|~~~)/.test(text)) {
        isCode = !isCode
        return false
      }
      return !isCode
    })
}

/** The anchors of a document's headings, as forges make them. */
function anchorsOf(file: string): Set<string> {
  const anchors = new Set<string>()
  for (const { text } of proseLines(file)) {
    const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(text)?.[1]
    if (heading === undefined) continue
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
    const slug = plain.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(/\s/g, '-')
    let anchor = slug
    for (let twin = 1; anchors.has(anchor); twin++) anchor = `${slug}-${twin}`
    anchors.add(anchor)
  }
  return anchors
}
