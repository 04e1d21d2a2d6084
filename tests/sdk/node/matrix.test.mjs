// Node's SDKs in all pairs of a client and a provider; first each with its own provider and no gateway.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { CLIENTS } from './clients.mjs';
import { KEY, playStrict, thrown } from './processes.mjs';

const stage = playStrict();
const MODELS = {
  anthropic: 'claude-opus-4-8',
  chat: 'gpt-4o',
  responses: 'gpt-5.2',
  gemini: 'gemini-3-pro-preview',
};
const HELLO = 'Hello from the other side, with "quotes" and a\nsecond line.';
const UNICODE = 'Grüße, 世界! 👩‍👩‍👧 𝄞 naïve – „Ende“';
const WEATHER = { city: 'São Paulo', days: 2, detail: { format: 'short', default: null } };
const string = { type: 'string' };
const GET_WEATHER = {
  name: 'get_weather',
  schema: {
    type: 'object',
    properties: {
      city: string,
      days: { type: 'integer' },
      detail: { type: 'object', properties: { format: string, default: string } },
    },
    required: ['city'],
  },
};
const GET_TIME = { name: 'get_time', schema: { type: 'object', properties: { zone: string }, required: ['zone'] } };
const PING = { name: 'ping', schema: { type: 'object', properties: {} } };
const PLACE = {
  type: 'object',
  properties: { city: string, population: { type: 'integer' } },
  required: ['city', 'population'],
  additionalProperties: false,
};

/** What a test is run with: where the client is pointed, and which provider answers. */
class Cell {
  constructor(client, upstream, at) {
    Object.assign(this, client, { upstream, at, token: randomUUID().slice(0, 12) });
  }

  talk(scenario, options) {
    const talk = this.start(this.at.url, this.at.key, MODELS[this.upstream], options);
    talk.say(`[[${scenario}]] ${this.token}`);
    return talk;
  }

  async ask(talk, streamed) {
    try {
      return await talk.ask(streamed);
    } finally {
      const refused = (await stage.mock.withText(this.token)).map((one) => one.refused).filter(Boolean);
      assert.deepEqual(refused, []);
    }
  }
}

/** What the provider quotes, given that this client said what a tool gave back. */
const quoted = (cell, results) =>
  'The tools said: ' +
  results
    .map(([name, content]) => `${name}: ${cell.wraps ? JSON.stringify({ name, content }) : content}`)
    .join('; ');

const nameless = (calls) => calls.map((call) => [call.name, call.arguments]);

const CHECKS = {
  async text(cell, streamed) {
    const reply = await cell.ask(cell.talk('text'), streamed);
    assert.equal(reply.text, HELLO);
    if (!cell.miscounts) assert.deepEqual(reply.usage, [25, 12]);
    assert.equal(reply.stop, cell.stops?.stop);
  },
  async unicode(cell, streamed) {
    assert.equal((await cell.ask(cell.talk('unicode'), streamed)).text, UNICODE);
  },
  async 'tool loop'(cell, streamed) {
    const talk = cell.talk('tools', { tools: [GET_WEATHER, GET_TIME] });
    const reply = await cell.ask(talk, streamed);
    assert.deepEqual(nameless(reply.calls), [['get_weather', WEATHER]]);
    assert.equal(reply.stop, cell.stops?.tools);
    talk.give([[reply.calls[0], '18 °C,\n"clear"']]);
    assert.equal((await cell.ask(talk, streamed)).text, quoted(cell, [['get_weather', '18 °C,\n"clear"']]));
    talk.say(`[[text]] ${cell.token}`);
    assert.equal((await cell.ask(talk, streamed)).text, HELLO);
  },
  async 'parallel tools'(cell, streamed) {
    const talk = cell.talk('parallel', { tools: [GET_WEATHER, GET_TIME] });
    const { calls } = await cell.ask(talk, streamed);
    assert.deepEqual(nameless(calls), [['get_weather', WEATHER], ['get_time', { zone: 'Europe/Paris' }]]);
    talk.give([[calls[0], 'sunny'], [calls[1], 'noon']]);
    const told = quoted(cell, [['get_weather', 'sunny'], ['get_time', 'noon']]);
    assert.equal((await cell.ask(talk, streamed)).text, told);
  },
  async 'no arguments'(cell, streamed) {
    const talk = cell.talk('noargs', { tools: [PING] });
    const { calls } = await cell.ask(talk, streamed);
    assert.deepEqual(nameless(calls), [['ping', {}]]);
    talk.give([[calls[0], 'pong']]);
    assert.equal((await cell.ask(talk, streamed)).text, quoted(cell, [['ping', 'pong']]));
  },
  async 'json schema'(cell, streamed) {
    const reply = await cell.ask(cell.talk('schema', { schema: PLACE }), streamed);
    assert.deepEqual(JSON.parse(reply.text), { city: 'Paris', population: 2102650 });
  },
  async 'an error'(cell, streamed) {
    const error = await thrown(() => cell.talk('error-400').ask(streamed));
    assert.equal(error.status ?? error.statusCode ?? error.code, 400, `${error}`);
    assert.match(`${error.message}`, /refused by the script/);
  },
};

for (const [name, client] of Object.entries(CLIENTS)) {
  for (const upstream of [undefined, ...Object.keys(MODELS)]) {
    describe(`${name} ${upstream ? `to ${upstream}` : 'without a gateway'}`, () => {
      const cell = () =>
        new Cell(
          client,
          upstream ?? client.format,
          upstream ? { url: stage.gateway.url, key: KEY } : { url: stage.mock.url, key: 'upstream-direct' },
        );
      for (const [title, check] of Object.entries(CHECKS)) {
        for (const streamed of [false, true]) {
          test(`${title}, ${streamed ? 'streamed' : 'whole'}`, () => check(cell(), streamed));
        }
      }
      for (const scenario of ['cut', 'error-event']) {
        test(`${scenario} is no end`, () =>
          stage.withOwnGateway(async (gateway) => {
            const own = cell();
            if (upstream) own.at = { url: gateway.url, key: KEY };
            await thrown(() => own.talk(scenario).ask(true));
          }));
      }
    });
  }
}
