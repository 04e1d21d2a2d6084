// The OpenAI SDK on Responses.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { all, KEY, play, PNG, thrown } from './processes.mjs';

const stage = play();
const input = 'Hello';
const tools = [{ type: 'function', name: 'multiply', parameters: { type: 'object', properties: {} }, strict: false }];

const clientOf = (gateway, apiKey = KEY, maxRetries = 0) =>
  new OpenAI({ apiKey, baseURL: `${gateway.url}/v1`, maxRetries });
const create = (client, model, more = {}) => client.responses.create({ model, input, ...more });
const textOf = (events) =>
  events.map((event) => (event.type === 'response.output_text.delta' ? event.delta : '')).join('');
const callsOf = (response) =>
  response.output.filter((item) => item.type === 'function_call').map((item) => JSON.parse(item.arguments));

test('a response, with its request id', async () => {
  const response = await create(clientOf(stage.gateway), 'gpt-mock-text', { instructions: 'Be brief.' });
  assert.equal(response.output_text, 'The current exchange rate is **1 USD = 0.92 EUR**.');
  const [seen] = await stage.mock.requests(response._request_id);
  assert.equal(seen.key, 'upstream-gpt-1');
  assert.deepEqual(seen.body, { model: 'gpt-mock-text', input, instructions: 'Be brief.' });
});

test('a stream', async () => {
  const events = await all(await create(clientOf(stage.gateway), 'gpt-mock-text', { stream: true }));
  assert.equal(textOf(events), '2+2 = 4');
  assert.equal(events.at(-1).type, 'response.completed');
});

test('the stream helper', async () => {
  const stream = clientOf(stage.gateway).responses.stream({ model: 'gpt-mock-text', input });
  assert.equal((await stream.finalResponse()).output_text, '2+2 = 4');
});

test('a tool call and parallel ones', async () => {
  const one = await create(clientOf(stage.gateway), 'gpt-mock-tool', { tools });
  assert.deepEqual(callsOf(one), [{ order_id: 'order-123' }]);
  const two = await create(clientOf(stage.gateway), 'gpt-mock-parallel', { tools });
  assert.deepEqual(callsOf(two), [{ loc_name: 'Londos' }, { loc_name: 'London' }]);
});

test('streamed tool calls', async () => {
  const calls = async (scenario) =>
    callsOf(
      await clientOf(stage.gateway).responses.stream({ model: `gpt-mock-${scenario}`, input, tools }).finalResponse(),
    );
  assert.deepEqual(await calls('tool'), [{ a: 1231, b: 2331 }]);
  assert.deepEqual(await calls('parallel'), [{ loc_name: 'Londos' }, { loc_name: 'London' }]);
});

test('an image arrives', async () => {
  const image_url = `data:image/png;base64,${PNG}`;
  const response = await clientOf(stage.gateway).responses.create({
    model: 'gpt-mock-text',
    input: [{ role: 'user', content: [{ type: 'input_image', image_url, detail: 'auto' }] }],
  });
  const [seen] = await stage.mock.requests(response._request_id);
  assert.equal(seen.body.input[0].content[0].image_url, image_url);
});

test('counted tokens', async () => {
  const counted = await clientOf(stage.gateway).responses.inputTokens.count({ model: 'gpt-mock-text', input });
  assert.equal(counted.input_tokens, 42);
});

test('an alias is what the client sees', async () => {
  const response = await create(clientOf(stage.gateway), 'team-gpt');
  assert.equal(response.model, 'team-gpt');
});

for (const [key, model, kind, status] of [
  ['wrong-key', 'gpt-mock-text', OpenAI.AuthenticationError, 401],
  [KEY, 'no-such-model', OpenAI.BadRequestError, 400],
  [KEY, 'gpt-mock-error-400', OpenAI.BadRequestError, 400],
  [KEY, 'gpt-mock-error-404', OpenAI.NotFoundError, 404],
]) {
  test(`${model} with ${key} throws ${kind.name}`, async () => {
    const error = await thrown(() => create(clientOf(stage.gateway, key), model));
    assert.ok(error instanceof kind, `${error}`);
    assert.equal(error.status, status);
    assert.match(error.requestID, /^req_/);
  });
}

for (const trouble of ['401', '429', '500', 'cut', 'error-event']) {
  test(`failover from ${trouble} is invisible`, () =>
    stage.withOwnGateway(async (gateway) => {
      const model = `gpt-mock-first-key-${trouble}`;
      const { data, request_id } = await create(clientOf(gateway), model, { stream: true }).withResponse();
      assert.equal(textOf(await all(data)), '2+2 = 4');
      assert.equal((await stage.mock.requests(request_id)).length, 2);
    }));
}

for (const [scenario, words] of [
  ['cut', /cut off before its end/],
  ['error-event', /scripted error event/],
]) {
  test(`a stream that fails after content (${scenario}) throws`, () =>
    stage.withOwnGateway(async (gateway) => {
      const stream = await create(clientOf(gateway), `gpt-mock-${scenario}`, { stream: true });
      const seen = [];
      const error = await thrown(async () => {
        for await (const event of stream) seen.push(event);
      });
      assert.match(textOf(seen), /^2\+2/);
      assert.ok(error instanceof OpenAI.APIError, `${error}`);
      assert.match(error.message, words);
    }));
}

test('the SDK waits as long as the gateway says', () =>
  stage.withOwnGateway(async (gateway) => {
    const started = Date.now();
    await create(clientOf(gateway, KEY, 1), 'gpt-mock-once-429.responses');
    const took = Date.now() - started;
    assert.ok(took > 900 && took < 5000, `${took} ms`);
  }));

test('keep-alives are tolerated', async () => {
  const stream = clientOf(stage.gateway).responses.stream({ model: 'gpt-mock-slow', input });
  assert.equal((await stream.finalResponse()).output_text, '2+2 = 4');
});
