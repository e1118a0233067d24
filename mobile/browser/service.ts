import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A real `ecert serve` in a process of its own, over an empty database. */
export class Service {
  private constructor(
    private readonly words: string[],
    /** As a browser names it: WebAuthn and proofs want a name, not a number. */
    readonly base: string,
    private readonly folder: string,
    private process: ChildProcess,
  ) {}

  static async start(flags: string[] = []): Promise<Service> {
    const port = await freePort();
    const base = `http://localhost:${port}`;
    const folder = mkdtempSync(join(tmpdir(), 'ecert-browser-'));
    const place = ['--listen', `127.0.0.1:${port}`, '--public-url', base, '--data-dir', folder];
    const service = new Service(['serve', ...place, ...flags], base, folder, serve(['serve', ...place, ...flags]));
    await service.#untilReady();
    return service;
  }

  /** Runs a command of the binary on the same data; what it prints. */
  command(...words: string[]): string {
    return execFileSync(binary(), [...words, '--data-dir', this.folder], { encoding: 'utf8' });
  }

  /** Stops serving; what it knows stays. */
  async halt(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill('SIGTERM');
    await ended;
  }

  /** Serves again, at the same address. */
  async resume(): Promise<void> {
    this.process = serve(this.words);
    await this.#untilReady();
  }

  async stop(): Promise<void> {
    if (this.process.exitCode === null) await this.halt();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #untilReady(): Promise<void> {
    for (let tries = 0; tries < 300; tries += 1) {
      if (this.process.exitCode !== null) throw new Error('the service ended before it served');
      const ready = await fetch(`${this.base}/readyz`).then((answer) => answer.ok, () => false);
      if (ready) return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error('the service did not get ready within a minute');
  }
}

export function needed(name: string, what: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} must name ${what}; \`cargo xtask test\` sets it`);
  return value;
}

function serve(words: string[]): ChildProcess {
  return spawn(binary(), words, { env: { ...process.env, ECERT_LOG: 'error' }, stdio: ['ignore', 'ignore', 'inherit'] });
}

const binary = () => needed('ECERT_BINARY', 'the binary `ecert`');

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
