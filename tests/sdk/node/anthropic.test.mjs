// The Anthropic SDK on Messages.

import Anthropic from '@anthropic-ai/sdk';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { all, KEY, play, PNG, thrown } from './processes.mjs';

const stage = play();
const messages = [{ role: 'user', content: 'Hello' }];
const tools = [{ name: 'get_weather', input_schema: { type: 'object', properties: {} } }];

const clientOf = (gateway, apiKey = KEY, maxRetries = 0) =>
  new Anthropic({ apiKey, authToken: null, baseURL: gateway.url, maxRetries });
const body = (model, more = {}) => ({ model, max_tokens: 100, messages, ...more });
const create = (client, model, more) => client.messages.create(body(model, more));
const textOf = (events) => events.map((event) => event.delta?.text ?? '').join('');
const callsOf = (message) =>
  message.content.filter((block) => block.type === 'tool_use').map((block) => [block.name, block.input]);

test('a message, with its usage and request id', async () => {
  const message = await create(clientOf(stage.gateway), 'claude-mock-text', { system: 'Be brief.' });
  assert.equal(message.content[0].text, 'OK');
  assert.equal(message.usage.cache_read_input_tokens, 1590);
  const [seen] = await stage.mock.requests(message._request_id);
  assert.equal(seen.key, 'upstream-claude-1');
  assert.deepEqual(seen.body, body('claude-mock-text', { system: 'Be brief.' }));
});

test('a stream', async () => {
  const events = await all(await create(clientOf(stage.gateway), 'claude-mock-text', { stream: true }));
  assert.equal(events.at(-1).type, 'message_stop');
  assert.ok(textOf(events).length > 100);
});

test('the stream helper', async () => {
  const message = await clientOf(stage.gateway).messages.stream(body('claude-mock-text')).finalMessage();
  assert.equal(message.stop_reason, 'end_turn');
  assert.ok(message.content[0].text.length > 100);
});

test('a tool call and parallel ones', async () => {
  const one = await create(clientOf(stage.gateway), 'claude-mock-tool', { tools });
  assert.equal(callsOf(one)[0][1].city, 'Paris');
  const two = await create(clientOf(stage.gateway), 'claude-mock-parallel', { tools });
  assert.deepEqual(callsOf(two), [['get_population', { city: 'London' }], ['get_area', { city: 'London' }]]);
});

test('streamed tool calls', async () => {
  const calls = async (scenario) =>
    callsOf(await clientOf(stage.gateway).messages.stream(body(`claude-mock-${scenario}`, { tools })).finalMessage());
  assert.deepEqual(await calls('tool'), [['updateIssueList', {}]]);
  assert.deepEqual((await calls('parallel')).map(([name]) => name), ['get_weather', 'get_time']);
});

test('an image arrives', async () => {
  const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } };
  const message = await create(clientOf(stage.gateway), 'claude-mock-text', {
    messages: [{ role: 'user', content: [image] }],
  });
  const [seen] = await stage.mock.requests(message._request_id);
  assert.deepEqual(seen.body.messages[0].content, [image]);
});

test('counted tokens', async () => {
  const counted = await clientOf(stage.gateway).messages.countTokens({ model: 'claude-mock-text', messages });
  assert.equal(counted.input_tokens, 42);
});

test('models, and one of them', async () => {
  const client = clientOf(stage.gateway);
  const ids = (await all(client.models.list())).map((model) => model.id).sort();
  assert.deepEqual(ids, ['team-claude', 'team-gemini', 'team-gpt']);
  assert.equal((await client.models.retrieve('team-claude')).type, 'model');
});

test('an alias is what the client sees', async () => {
  const client = clientOf(stage.gateway);
  assert.equal((await create(client, 'team-claude')).model, 'team-claude');
  assert.equal((await client.messages.stream(body('team-claude')).finalMessage()).model, 'team-claude');
});

for (const [key, model, kind, status, type] of [
  ['wrong-key', 'claude-mock-text', Anthropic.AuthenticationError, 401, 'authentication_error'],
  ['sdk-limited-key', 'claude-mock-text', Anthropic.PermissionDeniedError, 403, 'permission_error'],
  [KEY, 'no-such-model', Anthropic.NotFoundError, 404, 'not_found_error'],
  [KEY, 'claude-mock-error-400', Anthropic.BadRequestError, 400, 'invalid_request_error'],
  [KEY, 'claude-mock-error-404', Anthropic.NotFoundError, 404, 'not_found_error'],
  [KEY, 'claude-mock-error-413', Anthropic.APIError, 413, 'request_too_large'],
]) {
  test(`${model} with ${key} throws ${kind.name} ${status}`, async () => {
    const error = await thrown(() => create(clientOf(stage.gateway, key), model));
    assert.ok(error instanceof kind, `${error}`);
    assert.deepEqual([error.status, error.error.error.type], [status, type]);
    assert.match(error.requestID, /^req_/);
  });
}

for (const [status, kind, told] of [
  [401, Anthropic.InternalServerError, 529],
  [429, Anthropic.RateLimitError, 429],
  [529, Anthropic.InternalServerError, 529],
]) {
  test(`a ${status} of every key`, () =>
    stage.withOwnGateway(async (gateway) => {
      const error = await thrown(() => create(clientOf(gateway), `claude-mock-error-${status}`));
      assert.ok(error instanceof kind, `${error}`);
      assert.equal(error.status, told);
      assert.equal((await stage.mock.requests(error.requestID)).length, 2);
    }));
}

for (const trouble of ['401', '429', '529', 'cut', 'error-event']) {
  test(`failover from ${trouble} is invisible`, () =>
    stage.withOwnGateway(async (gateway) => {
      const stream = clientOf(gateway).messages.stream(body(`claude-mock-first-key-${trouble}`));
      assert.equal((await stream.finalMessage()).stop_reason, 'end_turn');
      assert.equal((await stage.mock.requests(stream.request_id)).length, 2);
    }));
}

for (const [scenario, words] of [
  ['cut', /cut off before its end/],
  ['error-event', /scripted error event/],
]) {
  test(`a stream that fails after content (${scenario}) throws`, () =>
    stage.withOwnGateway(async (gateway) => {
      const stream = await create(clientOf(gateway), `claude-mock-${scenario}`, { stream: true });
      const seen = [];
      const error = await thrown(async () => {
        for await (const event of stream) seen.push(event);
      });
      assert.ok(textOf(seen).length > 0);
      assert.ok(error instanceof Anthropic.APIError, `${error}`);
      assert.match(error.message, words);
    }));
}

test('the SDK waits as long as the gateway says', () =>
  stage.withOwnGateway(async (gateway) => {
    const started = Date.now();
    await create(clientOf(gateway, KEY, 1), 'claude-mock-once-429.messages');
    const took = Date.now() - started;
    assert.ok(took > 900 && took < 5000, `${took} ms`);
  }));

test('keep-alives are tolerated', async () => {
  const message = await clientOf(stage.gateway).messages.stream(body('claude-mock-slow')).finalMessage();
  assert.equal(message.stop_reason, 'end_turn');
});
