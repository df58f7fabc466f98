#!/usr/bin/env node
/** The program `holdfast`. */

// Before anything loads node:sqlite, which warns that it is new; other warnings are ours, or worth to be seen.
process.removeAllListeners('warning')
process.on('warning', ({ name, message }) => {
  if (name === 'ExperimentalWarning') return
  const isJson = process.argv.includes('--json')
  process.stderr.write(isJson ? `${JSON.stringify({ warning: { message } })}\n` : `holdfast: warning: ${message}\n`)
})

const { runProgram } = await import('./program.ts')
await runProgram(process.argv.slice(2))
