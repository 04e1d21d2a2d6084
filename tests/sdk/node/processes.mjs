// The scripted provider and the gateway, as child processes.

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';

const SDK = dirname(dirname(fileURLToPath(import.meta.url)));
const ROOT = dirname(dirname(SDK));
const BINARY = resolve(process.env.AI_PROXY_BIN ?? join(ROOT, 'target/debug/ai-proxy'));
/** How long a process may take to start. */
const PATIENCE = 30_000;

/** The first line of `stream` that `pattern` matches. */
function line(stream, pattern, what) {
  return new Promise((found, failed) => {
    const seen = [];
    const timer = setTimeout(() => failed(new Error(`${what} took too long:\n${seen.join('\n')}`)), PATIENCE);
    const lines = createInterface({ input: stream });
    lines.on('line', (text) => {
      seen.push(text);
      const match = text.match(pattern);
      if (match) {
        clearTimeout(timer);
        found(match[1]);
      }
    });
    lines.on('close', () => {
      clearTimeout(timer);
      failed(new Error(`${what} ended:\n${seen.join('\n')}`));
    });
  });
}

/** Starts a provider; it ends when its stdin closes, whatever becomes of the tests. */
async function startMock(command = [join(SDK, 'mock.py')]) {
  const child = spawn(process.env.PYTHON ?? 'python3', command, { cwd: SDK, stdio: ['pipe', 'pipe', 'inherit'] });
  const url = `http://127.0.0.1:${await line(child.stdout, /^(\d+)$/, 'the provider')}`;
  return {
    url,
    /** What arrived under this request id: one entry for each try. */
    requests: async (id) => (await fetch(`${url}/mock/requests/${id}`)).json(),
    /** What arrived at the strict provider with this text in its body. */
    withText: async (text) => (await fetch(`${url}/__requests?text=${text}`)).json(),
    stop: () => child.stdin.end(),
  };
}

/** Starts the real binary in a directory of its own. */
async function startGateway(mock, configFile = 'config.yaml') {
  const directory = await mkdtemp(join(tmpdir(), 'ai-proxy-sdk-'));
  const config = await readFile(join(SDK, configFile), 'utf8');
  await writeFile(join(directory, 'config.yaml'), config.replaceAll(/MOCK|STRICT/g, mock.url));
  await writeFile(
    join(directory, 'pingora.yaml'),
    `version: 1\nthreads: 2\npid_file: ${directory}/pid\nupgrade_sock: ${directory}/upgrade.sock\n`,
  );
  const child = spawn(BINARY, ['run', '--config', 'config.yaml', '--conf', 'pingora.yaml'], {
    cwd: directory,
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise((done) => child.on('exit', done));
  // However the tests end, no gateway stays behind.
  const kill = () => child.kill('SIGKILL');
  process.on('exit', kill);
  const url = await line(child.stderr, /listening on (http:\S+)/, 'the gateway');
  return {
    url,
    stop: async () => {
      kill();
      await ended;
      process.off('exit', kill);
      await rm(directory, { recursive: true });
    },
  };
}

/** A provider and a gateway for all tests of a file, and more gateways for those that make keys rest. */
export const play = () => playWith('config.yaml');

/** The same with the strict provider. */
export const playStrict = () => playWith('strict.yaml', ['-m', 'strict']);

function playWith(configFile, command) {
  const stage = {
    /** Calls `test` with a gateway of its own. */
    async withOwnGateway(test) {
      const gateway = await startGateway(stage.mock, configFile);
      try {
        return await test(gateway);
      } finally {
        await gateway.stop();
      }
    },
  };
  before(async () => {
    stage.mock = await startMock(command);
    stage.gateway = await startGateway(stage.mock, configFile);
  });
  after(async () => {
    await stage.gateway?.stop();
    stage.mock?.stop();
  });
  return stage;
}

export const KEY = 'sdk-client-key';

/** The smallest PNG, in base64. */
export const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';

/** What `tool` throws. */
export async function thrown(what) {
  try {
    await what();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

/** All that an async iterable yields. */
export async function all(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}
