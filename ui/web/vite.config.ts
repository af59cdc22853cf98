import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { mock } from './mock/plugin.mjs';

// `npm run dev` talks to a running server (TRANSECT_URL), `npm run mock` to a small imitation of one.
const server = process.env.TRANSECT_URL ?? 'http://127.0.0.1:8080';
const paths = ['/rest', '/accounts', '/check-login', '/sign-in?code', '/schema', '/media', '/objects'];
const proxy = Object.fromEntries(paths.map((path) => [path, { target: server, changeOrigin: false }]));

export default defineConfig({
  plugins: [svelte(), ...(process.env.MOCK ? [mock()] : [])],
  server: { host: '127.0.0.1', port: 5173, proxy: process.env.MOCK ? {} : proxy },
  build: { target: 'es2022', outDir: 'dist', assetsInlineLimit: 0 },
});
