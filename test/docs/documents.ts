/**
 * What the documents show as TypeScript, or as commands to be run (a block ```sh run), and how a reader runs it: one program
 * after the other, in a directory of their own.
 */
import { execFile } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'

export const root = join(import.meta.dirname, '..', '..')

export interface Snippet {
  /** Line of the document where it begins. */
  readonly line: number
  readonly language: 'ts' | 'sh'
  readonly code: string
  /** What the document says that it prints: a block ```text right behind it; undefined: nothing is said. */
  readonly prints: string | undefined
}

/** The documents whose snippets are whole programs. */
export const documents = (): string[] => globSync(['README.md', 'docs/guide/*.md'], { cwd: root }).toSorted()

export function snippetsOf(document: string): Snippet[] {
  const text = readFileSync(join(root, document), 'utf8')
  const blocks =
    /^```(?<language>ts|sh)(?: run|(?<=ts))\n(?<code>[\s\S]*?)^```\n(?:\s*```text\n(?<prints>[\s\S]*?)^```\n)?/gm
  return [...text.matchAll(blocks)].map((match) => ({
    line: text.slice(0, match.index).split('\n').length + 1,
    language: match.groups?.['language'] === 'sh' ? 'sh' : 'ts',
    code: match.groups?.['code'] ?? '',
    prints: match.groups?.['prints'],
  }))
}

/** What can be imported of the package, '.' and './fs', and the source of each. */
export function entries(): Record<string, string> {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, unknown>
  }
  return Object.fromEntries(
    Object.entries(exports).flatMap(([name, target]) =>
      typeof target === 'object' && target !== null && 'default' in target
        ? [[name, String(target.default).replace('./dist/', 'src/').replace(/\.js$/, '.ts')]]
        : [],
    ),
  )
}

/** An empty directory in which `import … from 'holdfast'` means these sources; removed after the test. */
export function readersDirectory(t: Pick<TestContext, 'after'>): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-docs-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const packageDirectory = join(directory, 'node_modules', 'holdfast')
  mkdirSync(packageDirectory, { recursive: true })
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
  // As the package has them, of the sources. Plain JavaScript: Node strips no types below node_modules.
  const exports: Record<string, string> = {}
  for (const [name, source] of Object.entries(entries())) {
    exports[name] = `./${source.replaceAll('/', '-')}.js`
    const url = JSON.stringify(pathToFileURL(join(root, source)).href)
    writeFileSync(join(packageDirectory, exports[name]), `export * from ${url}\n`)
  }
  writeFileSync(join(packageDirectory, 'package.json'), JSON.stringify({ type: 'module', exports }))
  // What a reader installs beside it.
  mkdirSync(join(directory, 'node_modules', '@hono'))
  for (const name of ['hono', '@hono/node-server'])
    symlinkSync(join(root, 'node_modules', name), join(directory, 'node_modules', name))
  return directory
}

const TIMEOUT_MS = 60_000

/** Runs a program of a document, or commands, for which `holdfast` is in the path; resolves with what it printed, rejects with all it said when it fails, warns or does not end. */
export function run(program: string, cwd: string): Promise<string> {
  const path = `${join(root, 'bin')}:${process.env['PATH']}`
  const env = { ...process.env, TMPDIR: cwd, PATH: path }
  const [command, ...words] = program.endsWith('.sh')
    ? ['sh', '-eu', program]
    : [process.execPath, '--disable-warning=ExperimentalWarning', program]
  const options = { cwd, env, timeout: TIMEOUT_MS, killSignal: 'SIGKILL' } as const
  return new Promise((resolve, reject) => {
    execFile(command, words, options, (error, stdout, stderr) => {
      if (error === null && stderr === '') resolve(stdout)
      else reject(new Error(`${program}: ${error?.signal ?? `exit status ${error?.code ?? 0}`}\n${stdout}${stderr}`))
    })
  })
}
