// The Google Gen AI SDK on generateContent.

import { ApiError, GoogleGenAI } from '@google/genai';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { all, KEY, play, PNG, thrown } from './processes.mjs';

const stage = play();
const contents = 'Hello';
const tools = [{ functionDeclarations: [{ name: 'get_weather', parameters: { type: 'OBJECT', properties: {} } }] }];

const clientOf = (gateway, apiKey = KEY) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: gateway.url } });
const generate = (client, model, config, said = contents) =>
  client.models.generateContent({ model, contents: said, config });
const stream = async (client, model, config) =>
  all(await client.models.generateContentStream({ model, contents, config }));
const textOf = (chunks) => chunks.map((chunk) => chunk.text ?? '').join('');
const idOf = (answer) => answer.sdkHttpResponse.headers['x-request-id'];

test('an answer, with its usage and request id', async () => {
  const answer = await generate(clientOf(stage.gateway), 'gemini-mock-text', { systemInstruction: 'Be brief.' });
  assert.match(answer.text, /^I received an image file\./);
  assert.equal(answer.usageMetadata.thoughtsTokenCount, 241);
  const [seen] = await stage.mock.requests(idOf(answer));
  assert.equal(seen.key, 'upstream-gemini-1');
  assert.equal(seen.path, '/v1beta/models/gemini-mock-text:generateContent');
  assert.equal(seen.body.systemInstruction.parts[0].text, 'Be brief.');
});

test('a stream', async () => {
  const chunks = await stream(clientOf(stage.gateway), 'gemini-mock-text');
  assert.match(textOf(chunks), /^Clementine was no ordinary calico\./);
  assert.equal(chunks.at(-1).candidates[0].finishReason, 'STOP');
});

test('tool calls, whole and streamed', async () => {
  const client = clientOf(stage.gateway);
  const names = (answer) => (answer.functionCalls ?? []).map((call) => call.args.location ?? call.name);
  assert.deepEqual(names(await generate(client, 'gemini-mock-tool', { tools })), ['get_file']);
  assert.deepEqual(names(await generate(client, 'gemini-mock-parallel', { tools })), ['Boston', 'New Delhi']);
  assert.deepEqual((await stream(client, 'gemini-mock-tool', { tools })).flatMap(names), ['San Francisco']);
  assert.deepEqual((await stream(client, 'gemini-mock-parallel', { tools })).flatMap(names), ['Boston', 'New Delhi']);
});

test('an image arrives', async () => {
  const image = { inlineData: { data: PNG, mimeType: 'image/png' } };
  const answer = await generate(clientOf(stage.gateway), 'gemini-mock-text', {}, [image]);
  const [seen] = await stage.mock.requests(idOf(answer));
  assert.deepEqual(seen.body.contents[0].parts, [image]);
});

test('counted tokens', async () => {
  const counted = await clientOf(stage.gateway).models.countTokens({ model: 'gemini-mock-text', contents });
  assert.equal(counted.totalTokens, 42);
});

test('models, and one of them', async () => {
  const client = clientOf(stage.gateway);
  const names = (await all(await client.models.list())).map((model) => model.name).sort();
  assert.deepEqual(names, ['models/team-claude', 'models/team-gemini', 'models/team-gpt']);
  assert.equal((await client.models.get({ model: 'team-gemini' })).name, 'models/team-gemini');
});

test('an alias is what the client sees', async () => {
  const client = clientOf(stage.gateway);
  assert.equal((await generate(client, 'team-gemini')).modelVersion, 'team-gemini');
  const chunks = await stream(client, 'team-gemini');
  assert.deepEqual([...new Set(chunks.map((chunk) => chunk.modelVersion))], ['team-gemini']);
});

for (const [key, model, status, words] of [
  ['wrong-key', 'gemini-mock-text', 401, /UNAUTHENTICATED/],
  ['sdk-limited-key', 'gemini-mock-text', 403, /PERMISSION_DENIED/],
  [KEY, 'no-such-model', 404, /NOT_FOUND/],
  [KEY, 'gemini-mock-error-400', 400, /temperature value of 1000/],
  [KEY, 'gemini-mock-error-404', 404, /gemini-3.6-flahs is not found/],
]) {
  test(`${model} with ${key} throws ${status}`, async () => {
    for (const call of [generate, stream]) {
      const error = await thrown(() => call(clientOf(stage.gateway, key), model));
      assert.ok(error instanceof ApiError, `${error}`);
      assert.equal(error.status, status);
      assert.match(error.message, words);
    }
  });
}

for (const [status, told] of [
  [401, 503],
  [429, 429],
  [500, 503],
]) {
  test(`a ${status} of every key`, () =>
    stage.withOwnGateway(async (gateway) => {
      const error = await thrown(() => generate(clientOf(gateway), `gemini-mock-error-${status}`));
      assert.ok(error instanceof ApiError, `${error}`);
      assert.equal(error.status, told);
    }));
}

for (const trouble of ['401', '429', '500', 'error-event']) {
  test(`failover from ${trouble} is invisible`, () =>
    stage.withOwnGateway(async (gateway) => {
      const chunks = await stream(clientOf(gateway), `gemini-mock-first-key-${trouble}`);
      assert.match(textOf(chunks), /^Clementine/);
      assert.equal((await stage.mock.requests(idOf(chunks[0]))).length, 2);
    }));
}

for (const [scenario, words] of [
  ['cut', /cut off before its end/],
  ['error-event', /scripted error event/],
]) {
  test(`a stream that fails after content (${scenario}) throws`, () =>
    stage.withOwnGateway(async (gateway) => {
      const chunks = await clientOf(gateway).models.generateContentStream({ model: `gemini-mock-${scenario}`, contents });
      const seen = [];
      const error = await thrown(async () => {
        for await (const chunk of chunks) seen.push(chunk);
      });
      assert.match(textOf(seen), /^Clementine/);
      assert.match(error.message, words);
    }));
}

test('a slow stream', async () => {
  assert.match(textOf(await stream(clientOf(stage.gateway), 'gemini-mock-slow')), /^Clementine/);
});
