// Node's clients behind one face: a conversation that asks, and says back what it was answered.
//
// A client is {format, start(url, key, model, options)}; a conversation has `say(text)`, `give(results)` and
// `ask(streamed)`, which answers {text, calls: [{id, name, arguments}], stop, usage: [input, output]}.

import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { ChatAnthropic } from '@langchain/anthropic';
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, jsonSchema, Output, streamText, tool } from 'ai';
import OpenAI from 'openai';

/** `value` without the fields that helpers of SDKs add for their users. */
const wire = (value) =>
  JSON.parse(JSON.stringify(value, (name, inner) => (/^parsed(_arguments|_output)?$/.test(name) ? undefined : inner)));

function openaiChat(url, key, model, { tools, schema } = {}) {
  const client = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0 });
  const messages = [];
  const body = () => ({
    model,
    messages,
    ...(tools && {
      tools: tools.map((tool) => ({ type: 'function', function: { name: tool.name, parameters: tool.schema } })),
    }),
    ...(schema && { response_format: { type: 'json_schema', json_schema: { name: 'place', schema, strict: true } } }),
  });
  return {
    say: (content) => messages.push({ role: 'user', content }),
    give: (results) => {
      for (const [call, content] of results) messages.push({ role: 'tool', tool_call_id: call.id, content });
    },
    async ask(streamed) {
      const completion = streamed
        ? await client.chat.completions
            .stream({ ...body(), stream_options: { include_usage: true } })
            .finalChatCompletion()
        : await client.chat.completions.create(body());
      const { message, finish_reason: stop } = completion.choices[0];
      messages.push(wire(message));
      return {
        text: message.content ?? '',
        calls: (message.tool_calls ?? []).map((call) => ({
          id: call.id,
          name: call.function.name,
          arguments: JSON.parse(call.function.arguments),
        })),
        stop,
        usage: [completion.usage.prompt_tokens, completion.usage.completion_tokens],
      };
    },
  };
}

function openaiResponses(url, key, model, { tools, schema } = {}) {
  const client = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0 });
  const input = [];
  const body = () => ({
    model,
    input,
    store: false,
    ...(tools && {
      tools: tools.map((tool) => ({ type: 'function', name: tool.name, parameters: tool.schema, strict: false })),
    }),
    ...(schema && { text: { format: { type: 'json_schema', name: 'place', schema, strict: true } } }),
  });
  return {
    say: (content) => input.push({ role: 'user', content }),
    give: (results) => {
      for (const [call, output] of results) input.push({ type: 'function_call_output', call_id: call.id, output });
    },
    async ask(streamed) {
      const response = streamed
        ? await client.responses.stream(body()).finalResponse()
        : await client.responses.create(body());
      input.push(...wire(response.output));
      const parts = response.output.filter((item) => item.type === 'message').flatMap((item) => item.content);
      return {
        text: parts.map((part) => part.text ?? '').join(''),
        calls: response.output
          .filter((item) => item.type === 'function_call')
          .map((item) => ({ id: item.call_id, name: item.name, arguments: JSON.parse(item.arguments) })),
        stop: response.status,
        usage: [response.usage.input_tokens, response.usage.output_tokens],
      };
    },
  };
}

function anthropicMessages(url, key, model, { tools, schema } = {}) {
  const client = new Anthropic({ apiKey: key, authToken: null, baseURL: url, maxRetries: 0 });
  const messages = [];
  const body = () => ({
    model,
    max_tokens: 4000,
    messages,
    ...(tools && { tools: tools.map((tool) => ({ name: tool.name, input_schema: tool.schema })) }),
    ...(schema && { output_config: { format: { type: 'json_schema', schema } } }),
  });
  return {
    say: (content) => messages.push({ role: 'user', content }),
    give: (results) => {
      const content = results.map(([call, text]) => ({ type: 'tool_result', tool_use_id: call.id, content: text }));
      messages.push({ role: 'user', content });
    },
    async ask(streamed) {
      const message = streamed
        ? await client.messages.stream(body()).finalMessage()
        : await client.messages.create(body());
      messages.push({ role: 'assistant', content: wire(message.content) });
      return {
        text: message.content.map((block) => block.text ?? '').join(''),
        calls: message.content
          .filter((block) => block.type === 'tool_use')
          .map((block) => ({ id: block.id, name: block.name, arguments: block.input })),
        stop: message.stop_reason,
        usage: [message.usage.input_tokens, message.usage.output_tokens],
      };
    },
  };
}

function googleGenAi(url, key, model, { tools, schema } = {}) {
  const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } });
  const contents = [];
  const request = () => ({
    model,
    contents,
    config: {
      ...(tools && {
        tools: [
          {
            functionDeclarations: tools.map((tool) => ({
              name: tool.name,
              ...(Object.keys(tool.schema.properties).length && { parametersJsonSchema: tool.schema }),
            })),
          },
        ],
      }),
      ...(schema && { responseMimeType: 'application/json', responseJsonSchema: schema }),
    },
  });
  return {
    say: (text) => contents.push({ role: 'user', parts: [{ text }] }),
    give: (results) => {
      const parts = results.map(([call, output]) => ({
        functionResponse: { id: call.id, name: call.name, response: { output } },
      }));
      contents.push({ role: 'user', parts });
    },
    async ask(streamed) {
      const chunks = [];
      if (streamed) for await (const chunk of await client.models.generateContentStream(request())) chunks.push(chunk);
      else chunks.push(await client.models.generateContent(request()));
      const candidates = chunks.map((chunk) => chunk.candidates?.[0]).filter(Boolean);
      const parts = candidates
        .flatMap((candidate) => candidate.content?.parts ?? [])
        .filter((part) => part.text !== '' || part.thoughtSignature);
      contents.push({ role: 'model', parts });
      const usage = chunks.map((chunk) => chunk.usageMetadata).findLast(Boolean);
      const stop = candidates.map((candidate) => candidate.finishReason).findLast(Boolean);
      if (!stop) throw new Error('the stream had no end');
      return {
        text: parts.map((part) => (part.thought ? '' : part.text ?? '')).join(''),
        calls: parts
          .filter((part) => part.functionCall)
          .map(({ functionCall: call }) => ({ id: call.id, name: call.name, arguments: call.args ?? {} })),
        stop,
        usage: [usage.promptTokenCount, (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0)],
      };
    },
  };
}

/** The AI SDK of Vercel with the provider that `make` gives. */
const aiSdk =
  (make, providerOptions = {}) =>
  (url, key, name, { tools, schema } = {}) => {
    const messages = [];
    const request = () => ({
      model: make(url, key)(name),
      messages,
      maxRetries: 0,
      providerOptions,
      ...(tools && {
        tools: Object.fromEntries(
          tools.map((one) => [one.name, tool({ description: 'A tool.', inputSchema: jsonSchema(one.schema) })]),
        ),
      }),
      ...(schema && { output: Output.object({ schema: jsonSchema(schema) }) }),
    });
    return {
      say: (content) => messages.push({ role: 'user', content }),
      give: (results) => {
        const content = results.map(([call, value]) => ({
          type: 'tool-result',
          toolCallId: call.id,
          toolName: call.name,
          output: { type: 'text', value },
        }));
        messages.push({ role: 'tool', content });
      },
      async ask(streamed) {
        let failure;
        let result;
        if (streamed) {
          result = streamText({ ...request(), onError: ({ error }) => (failure ??= error) });
          await result.consumeStream({ onError: (error) => (failure ??= error) });
          if (failure) throw failure;
          if ((await result.finishReason) === 'other') throw new Error('the stream had no end');
        } else {
          result = await generateText(request());
        }
        messages.push(...(await result.response).messages);
        const usage = await result.totalUsage;
        return {
          text: await result.text,
          calls: (await result.toolCalls).map((call) => ({
            id: call.toolCallId,
            name: call.toolName,
            arguments: call.input,
          })),
          stop: await result.finishReason,
          usage: [usage.inputTokens, usage.outputTokens],
        };
      },
    };
  };

/** LangChain with the model that `make` gives. */
const langchain =
  (make) =>
  (url, key, name, { tools, schema } = {}) => {
    let model = make(url, key, name);
    if (tools) {
      model = model.bindTools(tools.map((one) => ({ name: one.name, description: 'A tool.', schema: one.schema })));
    }
    const messages = [];
    return {
      say: (text) => messages.push(new HumanMessage(text)),
      give: (results) => {
        for (const [call, content] of results) {
          messages.push(new ToolMessage({ content, tool_call_id: call.id, name: call.name }));
        }
      },
      async ask(streamed) {
        if (schema) {
          const structured = model.withStructuredOutput(schema, { name: 'place' });
          return { text: JSON.stringify(await structured.invoke(messages)), calls: [] };
        }
        let answer;
        if (streamed) {
          for await (const chunk of await model.stream(messages)) answer = answer ? answer.concat(chunk) : chunk;
        } else {
          answer = await model.invoke(messages);
        }
        messages.push(answer);
        const usage = answer.usage_metadata;
        return {
          text: answer.text,
          calls: (answer.tool_calls ?? []).map((call) => ({ id: call.id, name: call.name, arguments: call.args })),
          usage: [usage.input_tokens, usage.output_tokens],
        };
      },
    };
  };

const openAiProvider = (url, apiKey) => createOpenAI({ apiKey, baseURL: `${url}/v1` });

export const CLIENTS = {
  'openai chat': { format: 'chat', start: openaiChat, stops: { stop: 'stop', tools: 'tool_calls' } },
  'openai responses': { format: 'responses', start: openaiResponses, stops: { stop: 'completed', tools: 'completed' } },
  anthropic: { format: 'anthropic', start: anthropicMessages, stops: { stop: 'end_turn', tools: 'tool_use' } },
  genai: { format: 'gemini', start: googleGenAi, stops: { stop: 'STOP', tools: 'STOP' } },
  'ai chat': { format: 'chat', start: aiSdk((url, key) => openAiProvider(url, key).chat) },
  'ai responses': {
    format: 'responses',
    // With a store it would refer to what it was answered instead of sending it back.
    start: aiSdk((url, key) => openAiProvider(url, key).responses, { openai: { store: false } }),
  },
  'ai anthropic': {
    format: 'anthropic',
    start: aiSdk((url, apiKey) => createAnthropic({ apiKey, baseURL: `${url}/v1` })),
  },
  'ai google': {
    format: 'gemini',
    // It sends results as objects that hold the name once more.
    wraps: true,
    start: aiSdk((url, apiKey) => createGoogleGenerativeAI({ apiKey, baseURL: `${url}/v1beta` })),
  },
  'langchain chat': {
    format: 'chat',
    start: langchain(
      (url, apiKey, model) =>
        new ChatOpenAI({ model, apiKey, configuration: { baseURL: `${url}/v1` }, maxRetries: 0, useResponsesApi: false }),
    ),
  },
  'langchain responses': {
    format: 'responses',
    start: langchain(
      (url, apiKey, model) =>
        new ChatOpenAI({ model, apiKey, configuration: { baseURL: `${url}/v1` }, maxRetries: 0, useResponsesApi: true }),
    ),
  },
  'langchain anthropic': {
    format: 'anthropic',
    // It adds the usage of the first event to that of the last.
    miscounts: true,
    start: langchain(
      (url, apiKey, model) => new ChatAnthropic({ model, apiKey, anthropicApiUrl: url, maxRetries: 0, maxTokens: 4000 }),
    ),
  },
};
for (const [name, client] of Object.entries(CLIENTS)) {
  if (name.startsWith('ai ')) client.stops = { stop: 'stop', tools: 'tool-calls' };
}
