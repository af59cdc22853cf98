// Starts the real program on a data folder of its own and talks to it, for the tests in this folder.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);
const READY_MS = 60_000;
export const PASSWORD = 'an octopus has three hearts';

function program() {
  if (!process.env.TRANSECT_BIN) throw new Error('set TRANSECT_BIN to the transect program that is to be tested');
  return process.env.TRANSECT_BIN;
}

export class Station {
  static async make() {
    const station = new Station();
    station.folder = await mkdtemp(join(tmpdir(), 'transect-web-'));
    await station.start();
    await station.command(['user', 'create', 'ada', '--admin', '--password-stdin'], PASSWORD);
    station.token = (await station.command(['user', 'token', 'ada'])).trim();
    return station;
  }

  /** Starts the program; on the same port as before if it ran before. */
  async start() {
    const log = await open(join(this.folder, 'log'), 'a');
    const options = ['serve', '--data', join(this.folder, 'data'), '--listen', `127.0.0.1:${this.port ?? 0}`, '--s3-listen', '127.0.0.1:0'];
    this.process = spawn(program(), options, { stdio: ['ignore', 'pipe', log.fd] });
    const timer = setTimeout(() => this.process.kill('SIGKILL'), READY_MS);
    const [line] = await Promise.race([
      once(createInterface(this.process.stdout), 'line'),
      once(this.process, 'exit').then(([code, signal]) => {
        throw new Error(`the station ended before it was ready (${code ?? signal}); see ${this.folder}/log`);
      }),
    ]);
    clearTimeout(timer);
    await log.close();
    this.url = line.replace(/^ready /, '').replace(/\/$/, '');
    this.port = new URL(this.url).port;
  }

  /** Asks it to end; returns the exit code. */
  async stop() {
    const ended = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    const [code] = await ended;
    return code;
  }

  async remove() {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const ended = once(this.process, 'exit');
      this.process.kill('SIGKILL');
      await ended;
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  async command(words, input = '') {
    const child = run(program(), [...words, '--data', join(this.folder, 'data')], { maxBuffer: 2 ** 24 });
    child.child.stdin.end(input);
    return (await child).stdout;
  }

  /** One call of the API; throws unless it went well. */
  async api(method, path, body) {
    const headers = { Authorization: `Token ${this.token}`, 'Content-Type': 'application/json' };
    const answer = await fetch(this.url + path, { method, headers, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }
}

/** Makes one clip of the corpus and returns its path and entry. */
export async function makeClip(folder, name) {
  const script = new URL('../fixtures/corpus.py', import.meta.url).pathname;
  await run('python3', [script, folder, '--only', name]);
  const { default: fs } = await import('node:fs');
  const { clips } = JSON.parse(fs.readFileSync(join(folder, 'corpus.json'), 'utf8'));
  const clip = clips.find((entry) => entry.name === name);
  return { ...clip, path: join(folder, clip.path) };
}
