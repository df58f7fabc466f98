/** What the documents show as TypeScript, and how a reader runs it: one program after the other, in a directory of their own. */
import { execFile } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'

export const root = join(import.meta.dirname, '..', '..')

export interface Snippet {
  /** Line of the document where it begins. */
  readonly line: number
  readonly code: string
  /** What the document says that it prints: a block ```text right behind it; undefined: nothing is said. */
  readonly prints: string | undefined
}

/** The documents whose snippets are whole programs. */
export const documents = (): string[] => globSync(['README.md', 'docs/guide/*.md'], { cwd: root }).toSorted()

export function snippetsOf(document: string): Snippet[] {
  const text = readFileSync(join(root, document), 'utf8')
  const blocks = /^```ts\n(?<code>[\s\S]*?)^```\n(?:\s*```text\n(?<prints>[\s\S]*?)^```\n)?/gm
  return [...text.matchAll(blocks)].map((match) => ({
    line: text.slice(0, match.index).split('\n').length + 1,
    code: match.groups?.['code'] ?? '',
    prints: match.groups?.['prints'],
  }))
}

/** An empty directory in which `import … from 'holdfast'` means these sources; removed after the test. */
export function readersDirectory(t: Pick<TestContext, 'after'>): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-docs-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const packageDirectory = join(directory, 'node_modules', 'holdfast')
  mkdirSync(packageDirectory, { recursive: true })
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
  writeFileSync(
    join(packageDirectory, 'package.json'),
    '{ "type": "module", "exports": { ".": "./index.js", "./fuse": "./fuse.js" } }',
  )
  // Plain JavaScript: Node strips no types below node_modules.
  for (const [name, source] of Object.entries({ index: 'index.ts', fuse: 'fuse/index.ts' })) {
    const sources = pathToFileURL(join(root, 'src', source)).href
    writeFileSync(join(packageDirectory, `${name}.js`), `export * from ${JSON.stringify(sources)}\n`)
  }
  return directory
}

const TIMEOUT_MS = 60_000

/** Runs a program of a document; resolves with what it printed, rejects with all it said when it fails, warns or does not end. */
export function run(program: string, cwd: string): Promise<string> {
  const env = { ...process.env, TMPDIR: cwd }
  const options = { cwd, env, timeout: TIMEOUT_MS, killSignal: 'SIGKILL' } as const
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--disable-warning=ExperimentalWarning', program], options, (error, stdout, stderr) => {
      if (error === null && stderr === '') resolve(stdout)
      else reject(new Error(`${program}: ${error?.signal ?? `exit status ${error?.code ?? 0}`}\n${stdout}${stderr}`))
    })
  })
}
