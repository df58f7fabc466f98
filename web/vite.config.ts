import { defineConfig } from 'vite'

/** Relative addresses: the page works wherever it is served. Nothing inline: the server's policy refuses that. */
export default defineConfig({
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: { outDir: 'dist', emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false } },
})
