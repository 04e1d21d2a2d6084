// The OpenAI SDK on Chat Completions.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { all, KEY, play, PNG, thrown } from './processes.mjs';

const stage = play();
const messages = [{ role: 'user', content: 'Hello' }];
const tools = [
  { type: 'function', function: { name: 'multiply', parameters: { type: 'object', properties: {} } } },
];

const clientOf = (gateway, apiKey = KEY, maxRetries = 0) =>
  new OpenAI({ apiKey, baseURL: `${gateway.url}/v1`, maxRetries });
const create = (client, model, more = {}) => client.chat.completions.create({ model, messages, ...more });
const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');

test('a completion, with its usage and request id', async () => {
  const completion = await create(clientOf(stage.gateway), 'gpt-mock-text');
  assert.equal(completion.choices[0].message.content, 'OK');
  assert.equal(completion.usage.prompt_tokens_details.cached_tokens, 4012);
  const [seen] = await stage.mock.requests(completion._request_id);
  assert.equal(seen.key, 'upstream-gpt-1');
  assert.deepEqual(seen.body, { model: 'gpt-mock-text', messages });
});

test('a stream', async () => {
  const stream = await create(clientOf(stage.gateway), 'gpt-mock-text', { stream: true });
  assert.match(textOf(await all(stream)), /^Why did the OpenTelemetry developer/);
});

test('the stream helper', async () => {
  const stream = clientOf(stage.gateway).chat.completions.stream({ model: 'gpt-mock-text', messages });
  assert.match(await stream.finalContent(), /^Why did the OpenTelemetry developer/);
});

test('a tool call and parallel ones', async () => {
  const one = await create(clientOf(stage.gateway), 'gpt-mock-tool', { tools });
  assert.equal(JSON.parse(one.choices[0].message.tool_calls[0].function.arguments).city, 'Paris');
  const two = await create(clientOf(stage.gateway), 'gpt-mock-parallel', { tools });
  assert.equal(two.choices[0].message.tool_calls.length, 2);
});

test('streamed tool calls', async () => {
  const calls = async (scenario) => {
    const stream = clientOf(stage.gateway).chat.completions.stream({ model: `gpt-mock-${scenario}`, messages, tools });
    const { choices } = await stream.finalChatCompletion();
    return choices[0].message.tool_calls.map((call) => JSON.parse(call.function.arguments));
  };
  assert.deepEqual(await calls('tool'), [{ a: 1231, b: 2331 }]);
  assert.deepEqual(await calls('parallel'), [{ location: 'San Francisco' }, { location: 'Boston' }]);
});

test('an image arrives', async () => {
  const url = `data:image/png;base64,${PNG}`;
  const content = [{ type: 'image_url', image_url: { url } }];
  const completion = await clientOf(stage.gateway).chat.completions.create({
    model: 'gpt-mock-text',
    messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content }],
  });
  const [seen] = await stage.mock.requests(completion._request_id);
  assert.equal(seen.body.messages[0].content, 'Be brief.');
  assert.equal(seen.body.messages[1].content[0].image_url.url, url);
});

test('structured output', async () => {
  const response_format = { type: 'json_schema', json_schema: { name: 'city', schema: { type: 'object' } } };
  const completion = await create(clientOf(stage.gateway), 'gpt-mock-structured', { response_format });
  assert.deepEqual(JSON.parse(completion.choices[0].message.content), { city: 'Paris', population: 2102650 });
});

test('models, and one of them', async () => {
  const client = clientOf(stage.gateway);
  const ids = (await all(client.models.list())).map((model) => model.id).sort();
  assert.deepEqual(ids, ['team-claude', 'team-gemini', 'team-gpt']);
  assert.equal((await client.models.retrieve('team-gpt')).owned_by, 'openai');
});

test('an alias is what the client sees', async () => {
  const client = clientOf(stage.gateway);
  const completion = await create(client, 'team-gpt');
  assert.equal(completion.model, 'team-gpt');
  assert.equal((await stage.mock.requests(completion._request_id))[0].body.model, 'gpt-mock-text');
  const chunks = await all(await create(client, 'team-gpt', { stream: true }));
  assert.deepEqual([...new Set(chunks.map((chunk) => chunk.model))], ['team-gpt']);
});

for (const [key, model, kind, status, code] of [
  ['wrong-key', 'gpt-mock-text', OpenAI.AuthenticationError, 401, 'invalid_api_key'],
  ['sdk-limited-key', 'gpt-mock-text', OpenAI.PermissionDeniedError, 403, 'model_not_allowed'],
  [KEY, 'no-such-model', OpenAI.NotFoundError, 404, 'model_not_found'],
]) {
  test(`the gateway refuses with ${status}`, async () => {
    const error = await thrown(() => create(clientOf(stage.gateway, key), model));
    assert.ok(error instanceof kind, `${error}`);
    assert.deepEqual([error.status, error.code], [status, code]);
    assert.match(error.requestID, /^req_/);
  });
}

for (const [status, kind, words] of [
  [400, OpenAI.BadRequestError, /Unsupported parameter: 'max_tokens'/],
  [404, OpenAI.NotFoundError, /The model `gpt-5.2-proo` does not exist/],
  [413, OpenAI.APIError, /scripted error 413/],
]) {
  test(`the provider's words about a ${status}`, async () => {
    const error = await thrown(() => create(clientOf(stage.gateway), `gpt-mock-error-${status}`));
    assert.ok(error instanceof kind, `${error}`);
    assert.equal(error.status, status);
    assert.match(error.message, words);
    assert.equal((await stage.mock.requests(error.requestID)).length, 1);
  });
}

for (const [status, kind, told] of [
  [401, OpenAI.InternalServerError, 503],
  [429, OpenAI.RateLimitError, 429],
  [500, OpenAI.InternalServerError, 503],
]) {
  test(`a ${status} of every key`, () =>
    stage.withOwnGateway(async (gateway) => {
      const error = await thrown(() => create(clientOf(gateway), `gpt-mock-error-${status}`));
      assert.ok(error instanceof kind, `${error}`);
      assert.equal(error.status, told);
      assert.equal((await stage.mock.requests(error.requestID)).length, 2);
      if (status === 429) assert.match(error.headers.get('retry-after'), /^[67]$/);
    }));
}

for (const trouble of ['401', '429', '500', 'cut', 'error-event']) {
  test(`failover from ${trouble} is invisible`, () =>
    stage.withOwnGateway(async (gateway) => {
      const model = `gpt-mock-first-key-${trouble}`;
      const { data, request_id } = await create(clientOf(gateway), model, { stream: true }).withResponse();
      assert.match(textOf(await all(data)), /^Why did the OpenTelemetry developer/);
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
        for await (const chunk of stream) seen.push(chunk);
      });
      assert.match(textOf(seen), /^Why did/);
      assert.ok(error instanceof OpenAI.APIError, `${error}`);
      assert.match(error.message, words);
    }));
}

test('the SDK waits as long as the gateway says', () =>
  stage.withOwnGateway(async (gateway) => {
    const started = Date.now();
    const completion = await create(clientOf(gateway, KEY, 1), 'gpt-mock-once-429.chat');
    assert.equal(completion.choices[0].message.content, 'OK');
    const took = Date.now() - started;
    assert.ok(took > 900 && took < 5000, `${took} ms`);
  }));

test('keep-alives are tolerated', async () => {
  const stream = await create(clientOf(stage.gateway), 'gpt-mock-slow', { stream: true });
  assert.match(textOf(await all(stream)), /^Why did/);
});
