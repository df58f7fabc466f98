/**
 * The reference: everything that can be imported of the package, with its doc comments, made from the sources. `npm run docs` writes
 * docs/api.md, which is not kept in the repository, as it would be out of step with every change; the package has it as dist/api.md.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Comment, Span, Statement } from 'oxc-parser'
import { parseSync } from 'oxc-parser'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** A node of the tree, as far as it is looked at here. */
interface Node extends Span {
  readonly type: string
  readonly [property: string]: unknown
}

/** A source file, and what is declared in it at its top. */
class Source {
  readonly path: string
  readonly text: string
  readonly body: readonly Statement[]
  readonly #comments: readonly Comment[]

  constructor(path: string) {
    this.path = path
    this.text = readFileSync(join(ROOT, path), 'utf8')
    const { program, comments } = parseSync(path, this.text)
    this.body = program.body
    this.#comments = comments
  }

  textOf({ start, end }: Span): string {
    return this.text.slice(start, end)
  }

  /** The words of the doc comment right before a position. */
  docBefore(start: number): string {
    const comment = this.#comments.find(
      ({ type, value, end }) =>
        type === 'Block' && value.startsWith('*') && end <= start && /^\s*$/.test(this.text.slice(end, start)),
    )
    if (comment === undefined) return ''
    const lines = comment.value.slice(1).split('\n')
    return lines
      .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
      .join('\n')
      .trim()
  }

  /** The file that a relative import or export names. */
  beside(specifier: string): string {
    return posix.join(dirname(this.path), specifier)
  }
}

const sources = new Map<string, Source>()
function sourceAt(path: string): Source {
  const known = sources.get(path) ?? new Source(path)
  sources.set(path, known)
  return known
}

/** A declaration with the file that it is in, and where its doc comment ends. */
interface Declared {
  readonly name: string
  readonly source: Source
  readonly node: Node
  readonly docAt: number
}

/** The names that a module exports by listing them, in order, with where each comes from. */
function exportsOf(source: Source): Declared[] {
  return (source.body as unknown as Node[]).flatMap((statement): Declared[] => {
    if (statement.type !== 'ExportNamedDeclaration') return []
    if (statement['declaration'] !== null) return [declared(source, statement)]
    const from = statement['source'] as { value: string } | null
    const home = from === null ? source : sourceAt(source.beside(from.value))
    return (statement['specifiers'] as { local: { name: string } }[]).map(({ local }) => find(home, local.name))
  })
}

function declared(source: Source, statement: Node): Declared {
  const node = (statement['declaration'] ?? statement) as Node
  const named = node.type === 'VariableDeclaration' ? (node['declarations'] as Node[])[0] : node
  return { name: (named['id'] as { name: string }).name, source, node, docAt: statement.start }
}

const DECLARATIONS =
  /^(?:ClassDeclaration|FunctionDeclaration|TSDeclareFunction|TSInterfaceDeclaration|TSTypeAliasDeclaration|VariableDeclaration)$/

/** The declaration of a name in a file, or where that has it from. */
function find(source: Source, name: string): Declared {
  for (const statement of source.body as unknown as Node[]) {
    const inner = statement.type === 'ExportNamedDeclaration' ? (statement['declaration'] as Node | null) : statement
    if (inner !== null && DECLARATIONS.test(inner.type)) {
      const found = declared(source, statement)
      if (found.name === name) return found
    }
    const from = statement['source'] as { value: string } | null | undefined
    const specifiers = (statement['specifiers'] ?? []) as { local: { name: string } }[]
    if (from?.value.startsWith('.') === true && specifiers.some(({ local }) => local.name === name))
      return find(sourceAt(source.beside(from.value)), name)
  }
  throw new Error(`${source.path} declares no ${name}`)
}

/** A signature on one line where it fits, without a body. */
function tidy(text: string): string {
  const flat = text
    .replaceAll(/\/\*\*[\s\S]*?\*\//g, '')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/([([]) /g, '$1')
    .replaceAll(/,? ([)\]])/g, '$1')
    .trim()
  return flat.replace(/[;{]$/, '').trim()
}

/** A method or function up to its body. */
function headOf(source: Source, node: Node): string {
  const fn = (node['value'] ?? node) as Node
  const body = fn['body'] as Node | null
  return tidy(source.text.slice(node.start, body?.start ?? node.end))
    .replace(/^(?:async|override|public) /g, '')
    .replace(/^async /, '')
    .replace(/^(?:function )?\*? ?/, '')
}

/** How the comments of what is not for users begin. */
const NOT_PUBLIC = /^(?:For `|For pins:|For this project's own|Where the pool keeps)/

/** The public members of a class, those of the classes that it is made of last. */
function membersOf({ source, node }: Declared, known = new Set<string>()): string[] {
  /** Names that are declared before they are implemented. */
  const overloaded = new Set<string>()
  const own = new Set<string>()
  const members = ((node['body'] as Node)['body'] as Node[]).flatMap((member): string[] => {
    const key = member['key'] as Node | undefined
    const doc = source.docBefore(member.start)
    const isHidden =
      ['private', 'protected'].includes(String(member['accessibility'])) || key?.type === 'PrivateIdentifier'
    if (
      isHidden ||
      member['kind'] === 'constructor' ||
      member['static'] === true ||
      NOT_PUBLIC.test(doc) ||
      member.type === 'StaticBlock'
    )
      return []
    const name = source.textOf(key!)
    own.add(name)
    const hasBody = (member['value'] as Node | null)?.type !== 'TSEmptyBodyFunctionExpression'
    if (!hasBody) overloaded.add(name)
    if (known.has(name) || (hasBody && overloaded.has(name))) return []
    const isProperty = member.type === 'PropertyDefinition' || member.type === 'TSAbstractPropertyDefinition'
    const isGetter = member['kind'] === 'get'
    const head = isProperty ? tidy(source.textOf(member)).replace(/ = .*$/s, '') : headOf(source, member)
    if (head.startsWith('abstract ')) return []
    const shown = head.replace(/^(?:readonly|get) /, '').replace('()', isGetter ? '' : '()')
    return [`- ${inCode(shown)}${doc === '' ? '' : `\n${indented(doc)}`}`]
  })
  const base = node['superClass'] as { name?: string } | null
  return base?.name === undefined || base.name === 'Error'
    ? members
    : [...members, ...membersOf(find(source, base.name), known.union(own))]
}

const inCode = (text: string): string => (text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``)

const indented = (doc: string): string => doc.replaceAll(/^(?=.)/gm, '  ')

/** Fields of an interface. */
function fieldsOf(source: Source, body: readonly Node[]): string[] {
  return body.map((field) => {
    const doc = source.docBefore(field.start)
    return `- ${inCode(tidy(source.textOf(field)).replace(/^readonly /, ''))}${doc === '' ? '' : `: ${doc.replaceAll('\n', ' ')}`}`
  })
}

function sectionOf({ name, source, node, docAt }: Declared): string {
  const doc = source.docBefore(docAt)
  const parts = [`### ${name}`, ...(doc === '' ? [] : [doc])]
  if (node.type === 'ClassDeclaration') parts.push(membersOf({ name, source, node, docAt }).join('\n'))
  else if (node.type === 'TSInterfaceDeclaration') {
    const bases = (node['extends'] as Node[]).map((base) => `\`${source.textOf(base)}\``)
    if (bases.length > 0) parts.push(`Has all of ${bases.join(', ')}.`)
    parts.push(fieldsOf(source, (node['body'] as Node)['body'] as Node[]).join('\n'))
  } else if (node.type === 'FunctionDeclaration') parts.push(`\`\`\`\n${headOf(source, node)}\n\`\`\``)
  else parts.push(`\`\`\`\n${tidy(source.textOf(node))}\n\`\`\``)
  return parts.filter((part) => part !== '').join('\n\n')
}

/** The whole document. */
export function apiReference(): string {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    exports: Record<string, unknown>
  }
  const modules = Object.entries(exports).flatMap(([name, target]) =>
    typeof target === 'object' && target !== null && 'default' in target
      ? [[name.replace('.', 'holdfast'), String(target.default).replace('./dist/', 'src/').replace(/\.js$/, '.ts')]]
      : [],
  )
  const chapters = modules.map(([name, path]) => {
    const source = sourceAt(path)
    const doc = source.docBefore(source.body[0]?.start ?? 0)
    return [`## ${name}`, ...(doc === '' ? [] : [doc]), ...exportsOf(source).map(sectionOf)].join('\n\n')
  })
  const head = `# Reference\n\nMade from the doc comments by \`npm run docs\`. Sizes are in bytes, times in milliseconds, unless a name says otherwise. Errors are\nnamed by their codes.`
  return `${[head, ...chapters].join('\n\n')}\n`
}

if (import.meta.main) {
  const output = process.argv[2] ?? join(ROOT, 'docs', 'api.md')
  writeFileSync(output, apiReference())
  process.stdout.write(`${relative(process.cwd(), output)}\n`)
}
