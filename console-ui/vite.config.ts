import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// The server puts a fresh nonce in place of this word in index.html (baaskit/console/site.py).
const NONCE_PLACE = '__CSP_NONCE__'
const server = process.env.BAASKIT_URL ?? 'http://127.0.0.1:54321'

export default defineConfig({
  base: '/console/',
  plugins: [react(), tailwindcss()],
  html: { cspNonce: NONCE_PLACE },
  build: {
    outDir: '../baaskit/console/static',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    reportCompressedSize: true,
    license: { fileName: 'licenses.md' },
  },
  server: {
    // The admin API checks that Origin and Host agree, so the proxy speaks under the server's own name.
    proxy: Object.fromEntries(
      ['/admin', '/rest', '/auth', '/storage'].map((path) => [path, { target: server, changeOrigin: true, headers: { origin: server } }]),
    ),
  },
})
