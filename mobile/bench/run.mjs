// Node runs no TypeScript by itself before version 22.
import { runnerImport } from 'vite';

const main = new URL('main.ts', import.meta.url).pathname;
const { module } = await runnerImport(main, { configFile: false, root: new URL('..', import.meta.url).pathname, logLevel: 'error' });
await module.main(process.argv.slice(2), () => import('lighthouse'));
process.exit();
