"""The four official SDKs behind one face: a conversation that asks, and says back what it was answered.

Each sends what a user of that SDK would send, history included, and reads answers the way the SDK offers them.
"""

import base64
import json
from dataclasses import dataclass, field

import anthropic
import openai
from google import genai
from google.genai import types
from openai.lib.streaming.chat import ChatCompletionStreamState


@dataclass
class Call:
    id: str
    name: str
    arguments: dict


@dataclass
class Reply:
    """An answer, in the client's words."""

    text: str = ""
    calls: list = field(default_factory=list)
    stop: str | None = None
    # Totals: input, cached, written, output, reasoning.
    usage: tuple | None = None
    thoughts: str = ""
    refusal: str = ""
    # The URLs of citations or of search results.
    urls: list = field(default_factory=list)
    others: list = field(default_factory=list)
    model: str = ""
    raw: object = None


@dataclass
class Options:
    """What is asked for besides the messages."""

    tools: tuple = ()
    force: str | None = None
    schema: dict | None = None
    stop: str | None = None
    n: int | None = None
    thinking: bool = False
    search: bool = False
    system: str | None = None
    temperature: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None


@dataclass
class Tool:
    name: str
    schema: dict
    description: str = "A tool of the tests."


class Conversation:
    """`say` and `give` add to the history, `ask` sends it and adds what was answered."""

    def __init__(self, url, key, model, **options):
        self.model = model
        self.options = Options(**options)
        self.history = []
        self.connect(url, key)

    def ask(self, stream=False):
        return self.streamed() if stream else self.whole()

    def data_url(self, mime, data):
        return f"data:{mime};base64,{base64.b64encode(data).decode()}"


class Chat(Conversation):
    name = "chat"
    errors = openai.APIError
    stops = {"stop": "stop", "tools": "tool_calls", "length": "length", "refusal": "stop", "sequence": "stop"}

    def connect(self, url, key):
        self.client = openai.OpenAI(api_key=key, base_url=f"{url}/v1", max_retries=0, timeout=30)

    def say(self, text, media=()):
        parts = []
        for mime, data in media:
            url = self.data_url(mime, data)
            if mime.startswith("image/"):
                parts.append({"type": "image_url", "image_url": {"url": url}})
            else:
                parts.append({"type": "file", "file": {"filename": "paper.pdf", "file_data": url}})
        content = [*parts, {"type": "text", "text": text}] if parts else text
        self.history.append({"role": "user", "content": content})

    def give(self, results):
        for call, text in results:
            self.history.append({"role": "tool", "tool_call_id": call.id, "content": text})

    def body(self):
        options, body = self.options, {"model": self.model, "messages": list(self.history)}
        if options.system:
            body["messages"].insert(0, {"role": "system", "content": options.system})
        if options.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {"name": tool.name, "description": tool.description, "parameters": tool.schema},
                }
                for tool in options.tools
            ]
        if options.force:
            body["tool_choice"] = {"type": "function", "function": {"name": options.force}}
        if options.schema:
            format = {"name": "place", "schema": options.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": format}
        if options.stop:
            body["stop"] = [options.stop]
        if options.n:
            body["n"] = options.n
        if options.thinking and not self.model.startswith("gpt-4"):
            body["reasoning_effort"] = "high"
        if options.search:
            body["web_search_options"] = {}
        if options.temperature is not None:
            body["temperature"] = options.temperature
        if options.max_tokens:
            body["max_completion_tokens"] = options.max_tokens
        return body

    def whole(self):
        return self.read(self.client.chat.completions.create(**self.body()))

    def streamed(self):
        state = ChatCompletionStreamState()
        stream = self.client.chat.completions.create(
            **self.body(), stream=True, stream_options={"include_usage": True}
        )
        for chunk in stream:
            state.handle_chunk(chunk)
        # The final completion would raise where an answer was cut short by its limit.
        return self.read(state.current_completion_snapshot)

    def read(self, completion):
        replies = [self.read_choice(choice) for choice in completion.choices]
        reply, usage = replies[0], completion.usage
        prompt, output = usage.prompt_tokens_details, usage.completion_tokens_details
        written = getattr(prompt, "cache_write_tokens", None) or 0
        cached, reasoning = prompt.cached_tokens or 0, output.reasoning_tokens or 0
        reply.usage = (usage.prompt_tokens, cached, written, usage.completion_tokens, reasoning)
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        reply.others = replies[1:]
        reply.model, reply.raw = completion.model, completion
        message = completion.choices[0].message.model_dump(exclude_unset=True)
        message.pop("parsed", None)
        for call in message.get("tool_calls") or []:
            call.pop("index", None)
            call["function"].pop("parsed_arguments", None)
        self.history.append({name: value for name, value in message.items() if value is not None or name == "content"})
        return reply

    def read_choice(self, choice):
        message = choice.message
        annotations = getattr(message, "annotations", None) or []
        annotations = [one if isinstance(one, dict) else one.model_dump() for one in annotations]
        return Reply(
            text=message.content or "",
            calls=[
                Call(call.id, call.function.name, json.loads(call.function.arguments))
                for call in message.tool_calls or []
            ],
            stop=choice.finish_reason,
            thoughts=getattr(message, "reasoning_content", None) or "",
            refusal=message.refusal or "",
            urls=[one["url_citation"]["url"] for one in annotations],
        )


class Responses(Conversation):
    name = "responses"
    errors = openai.APIError
    stops = {
        "stop": "completed",
        "tools": "completed",
        "length": "max_output_tokens",
        "refusal": "completed",
        "sequence": "completed",
    }
    counts = True

    def connect(self, url, key):
        self.client = openai.OpenAI(api_key=key, base_url=f"{url}/v1", max_retries=0, timeout=30)

    def say(self, text, media=()):
        parts = []
        for mime, data in media:
            url = self.data_url(mime, data)
            if mime.startswith("image/"):
                parts.append({"type": "input_image", "image_url": url, "detail": "auto"})
            else:
                parts.append({"type": "input_file", "filename": "paper.pdf", "file_data": url})
        content = [*parts, {"type": "input_text", "text": text}] if parts else text
        self.history.append({"role": "user", "content": content})

    def give(self, results):
        for call, output in results:
            if isinstance(output, tuple):
                output = [{"type": "input_image", "image_url": self.data_url(*output), "detail": "auto"}]
            self.history.append({"type": "function_call_output", "call_id": call.id, "output": output})

    def body(self):
        options, body = self.options, {"model": self.model, "input": list(self.history), "store": False}
        if options.system:
            body["instructions"] = options.system
        if options.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.schema,
                    "strict": False,
                }
                for tool in options.tools
            ]
        if options.force:
            body["tool_choice"] = {"type": "function", "name": options.force}
        if options.schema:
            body["text"] = {"format": {"type": "json_schema", "name": "place", "schema": options.schema, "strict": True}}
        if options.thinking and not self.model.startswith("gpt-4"):
            body["reasoning"] = {"effort": "high", "summary": "auto"}
            body["include"] = ["reasoning.encrypted_content"]
        if options.search:
            body["tools"] = [*body.get("tools", []), {"type": "web_search"}]
        if options.temperature is not None:
            body["temperature"] = options.temperature
        if options.max_tokens:
            body["max_output_tokens"] = options.max_tokens
        return body

    def whole(self):
        return self.read(self.client.responses.create(**self.body()))

    def streamed(self):
        # The helper drops answers that were cut short by their limit, so they are taken from the last event.
        final = None
        seen = ""
        with self.client.responses.stream(**self.body()) as stream:
            for event in stream:
                if event.type == "response.output_text.delta":
                    seen += event.delta
                if event.type in ("response.completed", "response.incomplete"):
                    final = event.response
                if event.type == "response.failed":
                    raise openai.APIError(event.response.error.message, stream._response.request, body=None)
        assert final is not None, "the stream had no end"
        reply = self.read(final)
        assert seen == reply.text
        return reply

    def read(self, response):
        reply = Reply(stop=response.status, model=response.model, raw=response)
        if response.incomplete_details:
            reply.stop = response.incomplete_details.reason
        for item in response.output:
            if item.type == "message":
                for part in item.content:
                    if part.type == "refusal":
                        reply.refusal += part.refusal
                        continue
                    reply.text += part.text
                    reply.urls += [one.url for one in part.annotations if one.type == "url_citation"]
            elif item.type == "function_call":
                reply.calls.append(Call(item.call_id, item.name, json.loads(item.arguments)))
            elif item.type == "reasoning":
                reply.thoughts += "".join(part.text for part in item.summary)
        usage = response.usage
        details = usage.input_tokens_details
        written = getattr(details, "cache_write_tokens", None) or 0
        reasoning = usage.output_tokens_details.reasoning_tokens
        reply.usage = (usage.input_tokens, details.cached_tokens, written, usage.output_tokens, reasoning)
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens
        for item in response.output:
            item = item.model_dump(exclude_unset=True)
            item.pop("parsed_arguments", None)
            for part in item.get("content") or []:
                part.pop("parsed", None)
            self.history.append(item)
        return reply

    def count(self):
        body = {name: value for name, value in self.body().items() if name in ("model", "input", "tools", "instructions")}
        return self.client.responses.input_tokens.count(**body).input_tokens


class Messages(Conversation):
    name = "anthropic"
    errors = anthropic.APIError
    stops = {
        "stop": "end_turn",
        "tools": "tool_use",
        "length": "max_tokens",
        "refusal": "refusal",
        "sequence": "stop_sequence",
    }
    counts = True

    def connect(self, url, key):
        self.client = anthropic.Anthropic(api_key=key, base_url=url, max_retries=0, timeout=30)

    def say(self, text, media=()):
        parts = []
        for mime, data in media:
            source = {"type": "base64", "media_type": mime, "data": base64.b64encode(data).decode()}
            parts.append({"type": "image" if mime.startswith("image/") else "document", "source": source})
        content = [*parts, {"type": "text", "text": text}] if parts else text
        self.history.append({"role": "user", "content": content})

    def give(self, results):
        content = []
        for call, output in results:
            if isinstance(output, tuple):
                mime, data = output
                source = {"type": "base64", "media_type": mime, "data": base64.b64encode(data).decode()}
                output = [{"type": "image", "source": source}]
            content.append({"type": "tool_result", "tool_use_id": call.id, "content": output})
        self.history.append({"role": "user", "content": content})

    def body(self):
        options = self.options
        body = {"model": self.model, "messages": list(self.history), "max_tokens": options.max_tokens or 8000}
        if options.system:
            body["system"] = options.system
        if options.tools:
            body["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": tool.schema}
                for tool in options.tools
            ]
        if options.force:
            body["tool_choice"] = {"type": "tool", "name": options.force}
        if options.schema:
            body["output_config"] = {"format": {"type": "json_schema", "schema": options.schema}}
        if options.stop:
            body["stop_sequences"] = [options.stop]
        if options.thinking and "4-5" in self.model:
            body["thinking"] = {"type": "enabled", "budget_tokens": 2048}
        elif options.thinking and not self.model.startswith("gpt-4"):
            body["thinking"] = {"type": "adaptive", "display": "summarized"}
            body["output_config"] = {**body.get("output_config", {}), "effort": "high"}
        if options.search:
            body["tools"] = [*body.get("tools", []), {"type": "web_search_20250305", "name": "web_search"}]
        if options.temperature is not None:
            body["extra_body"] = {"temperature": options.temperature}
        return body

    def whole(self):
        return self.read(self.client.messages.create(**self.body()))

    def streamed(self):
        with self.client.messages.stream(**self.body()) as stream:
            return self.read(stream.get_final_message())

    def read(self, message):
        assert message.stop_reason is not None, "the stream had no end"
        reply = Reply(stop=message.stop_reason, model=message.model, raw=message)
        for block in message.content:
            if block.type == "text":
                reply.text += block.text
                reply.urls += [one.url for one in block.citations or [] if one.type == "web_search_result_location"]
            elif block.type == "tool_use":
                reply.calls.append(Call(block.id, block.name, block.input))
            elif block.type == "thinking":
                reply.thoughts += block.thinking
            elif block.type == "web_search_tool_result":
                reply.urls += [found.url for found in block.content]
        if reply.stop == "refusal":
            details = getattr(message, "stop_details", None)
            reply.refusal = reply.text or getattr(details, "explanation", None) or ""
        usage = message.usage
        cached, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        details = getattr(usage, "output_tokens_details", None)
        reasoning = getattr(details, "thinking_tokens", 0) if details else 0
        reply.usage = (usage.input_tokens + cached + written, cached, written, usage.output_tokens, reasoning)
        self.history.append({"role": "assistant", "content": message.content})
        return reply

    def count(self):
        names = ("model", "messages", "tools", "system")
        return self.client.messages.count_tokens(
            **{name: value for name, value in self.body().items() if name in names}
        ).input_tokens


class Gemini(Conversation):
    name = "gemini"
    errors = genai.errors.APIError
    stops = {"stop": "STOP", "tools": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY", "sequence": "STOP"}
    counts = True

    def connect(self, url, key):
        self.client = genai.Client(api_key=key, http_options={"base_url": url, "timeout": 30_000})

    def say(self, text, media=()):
        parts = [types.Part.from_bytes(data=data, mime_type=mime) for mime, data in media]
        self.history.append(types.Content(role="user", parts=[*parts, types.Part(text=text)]))

    def give(self, results):
        parts = []
        for call, output in results:
            response = types.FunctionResponse(id=call.id, name=call.name, response={"output": output})
            if isinstance(output, tuple):
                mime, data = output
                blob = types.FunctionResponseBlob(mime_type=mime, data=data)
                response.response = {"output": "see the image"}
                response.parts = [types.FunctionResponsePart(inline_data=blob)]
            parts.append(types.Part(function_response=response))
        self.history.append(types.Content(role="user", parts=parts))

    def config(self):
        options, config = self.options, {}
        tools = []
        if options.system:
            config["system_instruction"] = options.system
        if options.tools:
            declarations = [
                {
                    "name": tool.name,
                    "description": tool.description,
                    **({"parameters_json_schema": tool.schema} if tool.schema.get("properties") else {}),
                }
                for tool in options.tools
            ]
            tools.append({"function_declarations": declarations})
        if options.search:
            tools.append({"google_search": {}})
        if tools:
            config["tools"] = tools
        if options.force:
            choice = {"mode": "ANY", "allowed_function_names": [options.force]}
            config["tool_config"] = {"function_calling_config": choice}
        if options.schema:
            config |= {"response_mime_type": "application/json", "response_json_schema": options.schema}
        if options.stop:
            config["stop_sequences"] = [options.stop]
        if options.n:
            config["candidate_count"] = options.n
        if options.thinking and "2.5" in self.model:
            config["thinking_config"] = {"thinking_budget": 2048, "include_thoughts": True}
        elif options.thinking and not self.model.startswith("gpt-4"):
            config["thinking_config"] = {"thinking_level": "HIGH", "include_thoughts": True}
        if options.temperature is not None:
            config["temperature"] = options.temperature
        if options.top_k:
            config["top_k"] = options.top_k
        if options.max_tokens:
            config["max_output_tokens"] = options.max_tokens
        config["automatic_function_calling"] = {"disable": True}
        return config

    def request(self):
        return {"model": self.model, "contents": list(self.history), "config": self.config()}

    def whole(self):
        return self.read([self.client.models.generate_content(**self.request())])

    def streamed(self):
        return self.read(list(self.client.models.generate_content_stream(**self.request())))

    def read(self, chunks):
        parts, finishes, urls = {}, {}, []
        usage = None
        for chunk in chunks:
            usage = chunk.usage_metadata or usage
            for candidate in chunk.candidates or []:
                index = candidate.index or 0
                if candidate.content:
                    parts.setdefault(index, []).extend(candidate.content.parts or [])
                finishes[index] = candidate.finish_reason or finishes.get(index)
                grounding = candidate.grounding_metadata
                urls += [one.web.uri for one in (grounding.grounding_chunks or [])] if grounding else []
        replies = [self.read_parts(parts.get(index, [])) for index in sorted(finishes)]
        for index, reply in enumerate(replies):
            reply.stop = finishes[index].value if finishes[index] else None
        reply = replies[0]
        assert reply.stop is not None, "the stream had no end"
        reply.others, reply.urls, reply.model, reply.raw = replies[1:], urls, chunks[-1].model_version, chunks
        # A provider always says it; who cuts a stream short may not know.
        if usage:
            input, thoughts = usage.prompt_token_count or 0, usage.thoughts_token_count or 0
            output = (usage.candidates_token_count or 0) + thoughts
            reply.usage = (input, usage.cached_content_token_count or 0, 0, output, thoughts)
            assert usage.total_token_count == input + output
        # What is empty and unsigned says nothing.
        kept = [part for part in parts.get(0, []) if part.text != "" or part.thought_signature]
        if kept:
            self.history.append(types.Content(role="model", parts=kept))
        return reply

    def read_parts(self, parts):
        return Reply(
            text="".join(part.text for part in parts if part.text and not part.thought),
            calls=[
                Call(part.function_call.id, part.function_call.name, part.function_call.args)
                for part in parts
                if part.function_call
            ],
            thoughts="".join(part.text for part in parts if part.text and part.thought),
        )

    def count(self):
        return self.client.models.count_tokens(model=self.model, contents=list(self.history)).total_tokens


CLIENTS = {client.name: client for client in (Chat, Responses, Messages, Gemini)}
