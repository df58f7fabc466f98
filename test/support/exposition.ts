/** The text that a scraper reads, taken apart, and held to its grammar: the exposition format 0.0.4 of Prometheus. */
import assert from 'node:assert/strict'

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const LABEL = String.raw`[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"`
const SAMPLE = new RegExp(String.raw`^(${NAME})(?:\{(${LABEL}(?:,${LABEL})*)?\})? (\S+)$`)
const COMMENT = new RegExp(`^# (?:HELP (${NAME}) \\S.*|TYPE (${NAME}) (counter|gauge|histogram|summary|untyped))$`)

/** Every sample. Fails on a line that is none, and on samples without type and help before them. */
export function samplesOf(text: string): Sample[] {
  assert.ok(text.endsWith('\n'), 'the last line ends')
  const helps = new Set<string>()
  const types = new Map<string, string>()
  return text.split('\n').flatMap((line): Sample[] => {
    if (line === '') return []
    if (line.startsWith('#')) {
      const [, help, typed, type] = COMMENT.exec(line) ?? assert.fail(`no comment: ${line}`)
      if (help !== undefined) helps.add(help)
      if (typed !== undefined) types.set(typed, type ?? '')
      return []
    }
    const [, name, labels = '', number] = SAMPLE.exec(line) ?? assert.fail(`no sample: ${line}`)
    const family = types.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, '')
    assert.ok(types.has(family) && helps.has(family), `${name} has no type or no help`)
    const value = Number(number.replace('+Inf', 'Infinity'))
    assert.ok(!Number.isNaN(value), line)
    const pairs = [...labels.matchAll(/([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, of]) => [key, of])
    return [{ name, labels: Object.fromEntries(pairs) as Record<string, string>, value }]
  })
}

/** The value of the one sample with these labels. */
export function valueOf(text: string, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const found = samplesOf(text).filter(
    (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  )
  assert.equal(found.length, 1, `${name}${JSON.stringify(labels)} is there ${found.length} times\n${text}`)
  return found[0].value
}
