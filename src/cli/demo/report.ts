/** The report in words: one table, what broke, and what was seen. For a terminal of 100 columns. */
import { coloured } from '../output.ts'
import { formatSize } from '../sizes.ts'
import { table } from '../table.ts'
import type { Control } from './controls.ts'
import type { DemoReport } from './demo.ts'
import type { Verdict } from './verdict.ts'

const COLUMNS = [
  { title: 'CHANGE' },
  { title: 'POLICY' },
  { title: 'ms', align: 'right' },
  { title: 'RETURNED' },
  { title: 'CLIENT' },
  { title: 'NEW FILES' },
  { title: 'LATE DATA' },
  { title: 'SPACE' },
  { title: 'VERDICT' },
] as const

const NOT_ASKED = '-'

export function reportText(report: DemoReport): string {
  const rows = [...report.rounds.map(roundRow), ...report.controls.map((control) => controlRow(control, report))]
  const complaints = report.rounds.flatMap(({ change, policy, broken }) =>
    broken.map((what) => `${change}, ${policy}: ${what}\n`),
  )
  const findings = report.findings.map(({ message }) => `the pool is not sound: ${message}\n`)
  return `${table(COLUMNS, rows)}\n${[...complaints, ...findings].join('')}${closing(report)}\n`
}

const good = (text: string): string => coloured('green', text)
const bad = (text: string): string => coloured(['red', 'bold'], text)
const poor = (text: string): string => coloured('yellow', text)

function roundRow(round: Verdict): string[] {
  const { client, newFiles, lateData, space, broken } = round
  return [
    round.change,
    round.policy,
    round.returnedAfterMs.toFixed(1),
    round.answer,
    client.isIntact ? 'intact' : bad('CHANGED'),
    newFiles.areUntouched ? 'untouched' : bad('TOUCHED'),
    lateCell(lateData),
    space.isBack ? 'back' : bad('LOST'),
    broken.length === 0 ? good('kept') : bad('BROKEN'),
  ]
}

function lateCell({ where, isFound }: Verdict['lateData']): string {
  if (!isFound) return bad('MISSING')
  return where === 'nowhere' ? NOT_ASKED : where
}

function controlRow({ change, reader, returnedAfterMs, outcome, bytes }: Control, { sizeBytes }: DemoReport): string[] {
  const client = outcome === 'short' ? `${Math.floor((bytes / sizeBytes) * 100)}% of it` : outcome
  const verdict = outcome === 'intact' ? 'no harm' : poor('harmed')
  return [change, reader, returnedAfterMs.toFixed(1), 'done', client, NOT_ASKED, NOT_ASKED, NOT_ASKED, verdict]
}

function closing(report: DemoReport): string {
  const { rounds, controls, sizeBytes } = report
  const kept = rounds.filter(({ broken }) => broken.length === 0).length
  const intact = rounds.filter(({ client }) => client.isIntact).length
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
  const files = sum(rounds.map(({ newFiles }) => newFiles.count))
  const late = sum(rounds.map(({ lateData }) => lateData.bytes))
  // Copies are not aligned for it, or only by luck.
  const isDirect = rounds.every((round) => round.isDirect || round.policy === 'dax never')
  const reads = isDirect ? 'O_DIRECT reads' : `plain reads (${report.fileSystem} refuses O_DIRECT)`
  const seen = [
    `${kept} of ${rounds.length} rounds kept every promise: ${intact} downloads of ${formatSize(sizeBytes)} intact,`,
    `${files} new files compared, ${formatSize(late)} of late data found, which came by ${reads} and a pipe;`,
    `on ${report.fileSystem}, in ${report.seconds.toFixed(1)} s.`,
  ].join(' ')
  return `${wrapped(seen)}\n${wrapped(`Without Holdfast: ${controls.map(fate).join('; ')}.`)}`

  function fate({ change, reader, outcome, bytes }: Control): string {
    const what = reader === 'plain mmap' ? 'the process that read a mapped file' : 'the client of fs.createReadStream'
    switch (outcome) {
      case 'SIGBUS':
        return `${what} died of SIGBUS at the ${change}`
      case 'short':
        return `${what} got ${formatSize(bytes)} of ${formatSize(sizeBytes)} after the ${change}`
      case 'torn':
        return `${what} got a mixture of two files after the ${change}`
      case 'intact':
        return `${what} had luck at the ${change}`
    }
  }
}

const LINE = 100

function wrapped(text: string): string {
  const lines = ['']
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1]
    if (last.length + word.length >= LINE) lines.push(word)
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`
  }
  return lines.join('\n')
}
