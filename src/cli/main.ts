#!/usr/bin/env node
/** The program `holdfast`. */

// Before anything is loaded whose syntax an older one does not know.
if (Number(process.versions.node.split('.')[0]) < 24) {
  process.stderr.write(`holdfast: this is Node.js ${process.versions.node}; it takes 24 or later\n`)
  process.exit(1)
}

// Before anything loads node:sqlite, which warns that it is new; other warnings are ours, or worth to be seen.
process.removeAllListeners('warning')
process.on('warning', ({ name, message }) => {
  if (name === 'ExperimentalWarning') return
  const isJson = process.argv.includes('--json')
  process.stderr.write(isJson ? `${JSON.stringify({ warning: { message } })}\n` : `holdfast: warning: ${message}\n`)
})

const { runProgram } = await import('./program.ts')
await runProgram(process.argv.slice(2))
