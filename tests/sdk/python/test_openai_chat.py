"""The OpenAI SDK on Chat Completions."""

import asyncio
import base64
import json
import time

import openai
import pytest

HELLO = [{"role": "user", "content": "Hello"}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_current_weather",
            "description": "The weather somewhere",
            "parameters": {"type": "object", "properties": {"location": {"type": "string"}}},
        },
    }
]


def client_of(gateway, key="sdk-client-key", retries=0):
    return openai.OpenAI(api_key=key, base_url=f"{gateway.url}/v1", max_retries=retries, timeout=30)


@pytest.fixture(scope="session")
def client(gateway):
    return client_of(gateway)


def create(client, model, **more):
    return client.chat.completions.create(model=model, messages=HELLO, **more)


def text_of(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_a_completion_with_its_usage(client):
    completion = create(client, "gpt-mock-text")
    assert completion.choices[0].message.content == "OK"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage.prompt_tokens == 4020
    assert completion.usage.prompt_tokens_details.cached_tokens == 4012


def test_the_provider_sees_the_request_and_its_own_key(client, mock):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "developer", "content": "In verse."}, *HELLO]
    completion = client.chat.completions.create(model="gpt-mock-text", messages=messages, temperature=0.5)
    seen = mock.request(completion._request_id)
    assert seen["key"] == "upstream-gpt-1"
    assert seen["body"] == {"model": "gpt-mock-text", "messages": messages, "temperature": 0.5}


def test_headers_are_the_gateways_and_say_nothing_about_the_operator(client):
    raw = client.chat.completions.with_raw_response.create(model="gpt-mock-text", messages=HELLO)
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.headers["x-aiproxy-upstream-request-id"] == "req_of_the_provider"
    assert "org-of-the-operator" not in raw.headers.values()
    assert raw.parse()._request_id == raw.headers["x-request-id"]


def test_a_clients_own_request_id_is_kept(client, mock):
    completion = create(client, "gpt-mock-text", extra_headers={"x-request-id": "my-id-1"})
    assert completion._request_id == "my-id-1"
    assert mock.request("my-id-1")["path"] == "/v1/chat/completions"


def test_a_stream(client):
    chunks = list(create(client, "gpt-mock-text", stream=True))
    assert text_of(chunks).startswith("Why did the OpenTelemetry developer")
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_an_async_completion_and_stream(gateway):
    async def run():
        async with openai.AsyncOpenAI(api_key="sdk-client-key", base_url=f"{gateway.url}/v1", max_retries=0) as client:
            whole, stream = await asyncio.gather(
                create(client, "gpt-mock-text"), create(client, "gpt-mock-text", stream=True)
            )
            return whole, [chunk async for chunk in stream]

    whole, chunks = asyncio.run(run())
    assert whole.choices[0].message.content == "OK"
    assert text_of(chunks).startswith("Why did")


def test_the_stream_helper(client):
    with client.chat.completions.stream(model="gpt-mock-text", messages=HELLO) as stream:
        kinds = {event.type for event in stream}
        completion = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert completion.choices[0].message.content.startswith("Why did")


def test_a_tool_call(client):
    [call] = create(client, "gpt-mock-tool", tools=TOOLS).choices[0].message.tool_calls
    assert call.function.name == "final_result"
    assert json.loads(call.function.arguments)["city"] == "Paris"


def test_parallel_tool_calls(client):
    calls = create(client, "gpt-mock-parallel", tools=TOOLS).choices[0].message.tool_calls
    assert [json.loads(call.function.arguments)["location"] for call in calls] == ["San Francisco", "Boston"]


@pytest.mark.parametrize("scenario", ["tool", "parallel"])
def test_streamed_tool_calls(client, scenario):
    with client.chat.completions.stream(model=f"gpt-mock-{scenario}", messages=HELLO, tools=TOOLS) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls
    got = [(call.function.name, json.loads(call.function.arguments)) for call in calls]
    weather = [("get_current_weather", {"location": "San Francisco"}), ("get_current_weather", {"location": "Boston"})]
    assert got == {"tool": [("multiply", {"a": 1231, "b": 2331})], "parallel": weather}[scenario]


def test_the_result_of_a_tool_goes_back(client, mock):
    [call] = create(client, "gpt-mock-tool", tools=TOOLS).choices[0].message.tool_calls
    messages = [
        *HELLO,
        {"role": "assistant", "tool_calls": [call.model_dump(exclude_unset=True)]},
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]
    completion = client.chat.completions.create(model="gpt-mock-text", messages=messages, tools=TOOLS)
    assert mock.request(completion._request_id)["body"]["messages"] == messages


def test_an_image_arrives(client, mock, png):
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    completion = client.chat.completions.create(
        model="gpt-mock-text", messages=[{"role": "user", "content": content}]
    )
    arrived = mock.request(completion._request_id)["body"]["messages"][0]["content"][1]["image_url"]["url"]
    assert base64.b64decode(arrived.partition(",")[2]) == png


def test_structured_output(client):
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "population": {"type": "integer"}}}
    format = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
    for more in ({}, {"stream": True}):
        answer = create(client, "gpt-mock-structured", response_format=format, **more)
        text = text_of(answer) if more else answer.choices[0].message.content
        assert json.loads(text) == {"city": "Paris", "population": 2102650}


def test_models(client):
    models = client.models.list().data
    assert {model.id for model in models} == {"team-gpt", "team-claude", "team-gemini"}
    one = client.models.retrieve("team-gpt")
    assert (one.id, one.object, one.owned_by) == ("team-gpt", "model", "openai")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")


def test_an_alias_is_what_the_client_sees(client, mock):
    completion = create(client, "team-gpt")
    assert completion.model == "team-gpt"
    seen = mock.request(completion._request_id)
    assert (seen["body"]["model"], seen["key"]) == ("gpt-mock-text", "upstream-gpt-team")
    assert {chunk.model for chunk in create(client, "team-gpt", stream=True)} == {"team-gpt"}


@pytest.mark.parametrize(
    ("key", "model", "error", "status", "code"),
    [
        ("wrong-key", "gpt-mock-text", openai.AuthenticationError, 401, "invalid_api_key"),
        ("sdk-limited-key", "gpt-mock-text", openai.PermissionDeniedError, 403, "model_not_allowed"),
        ("sdk-client-key", "no-such-model", openai.NotFoundError, 404, "model_not_found"),
        ("sdk-client-key", "", openai.BadRequestError, 400, "missing_model"),
    ],
)
def test_what_the_gateway_refuses(gateway, key, model, error, status, code):
    with pytest.raises(error) as raised:
        create(client_of(gateway, key), model)
    assert (raised.value.status_code, raised.value.code) == (status, code)
    assert raised.value.request_id.startswith("req_")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (400, openai.BadRequestError, "Unsupported parameter: 'max_tokens'"),
        (404, openai.NotFoundError, "The model `gpt-5.2-proo` does not exist"),
        (413, openai.APIStatusError, "scripted error 413"),
        (422, openai.UnprocessableEntityError, "scripted error 422"),
    ],
)
def test_the_providers_words_about_the_clients_mistakes(client, mock, status, error, words, stream):
    with pytest.raises(error, match=words) as raised:
        create(client, f"gpt-mock-error-{status}", stream=stream)
    assert raised.value.status_code == status
    assert mock.request(raised.value.request_id)["key"] == "upstream-gpt-1"


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (401, openai.InternalServerError, 503),
        (403, openai.InternalServerError, 503),
        (429, openai.RateLimitError, 429),
        (500, openai.InternalServerError, 503),
        (529, openai.InternalServerError, 503),
    ],
)
def test_trouble_on_every_key(own_gateway, mock, status, error, told):
    with pytest.raises(error) as raised:
        create(client_of(own_gateway), f"gpt-mock-error-{status}")
    assert raised.value.status_code == told
    tries = [request["key"] for request in mock.requests(raised.value.request_id)]
    assert tries == ["upstream-gpt-1", "upstream-gpt-2"]
    if status == 429:
        assert raised.value.response.headers["retry-after"] in ("6", "7")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("trouble", ["401", "403", "429", "500", "529"])
def test_failover_is_invisible(own_gateway, mock, trouble, stream):
    client = client_of(own_gateway)
    raw = client.chat.completions.with_raw_response.create(
        model=f"gpt-mock-first-key-{trouble}", messages=HELLO, stream=stream
    )
    answer = raw.parse()
    assert text_of(answer).startswith("Why") if stream else answer.choices[0].message.content == "OK"
    tries = [request["key"] for request in mock.requests(raw.headers["x-request-id"])]
    assert tries == ["upstream-gpt-1", "upstream-gpt-2"]


@pytest.mark.parametrize("trouble", ["cut", "error-event"])
def test_a_stream_that_fails_before_its_content_moves_on(own_gateway, mock, trouble):
    client = client_of(own_gateway)
    raw = client.chat.completions.with_raw_response.create(
        model=f"gpt-mock-first-key-{trouble}", messages=HELLO, stream=True
    )
    assert text_of(raw.parse()).startswith("Why did the OpenTelemetry developer")
    assert len(mock.requests(raw.headers["x-request-id"])) == 2


@pytest.mark.parametrize("scenario", ["cut", "error-event"])
def test_a_stream_that_fails_after_content_raises(own_gateway, scenario):
    stream = create(client_of(own_gateway), f"gpt-mock-{scenario}", stream=True)
    text = ""
    with pytest.raises(openai.APIError) as raised:
        for chunk in stream:
            text += text_of([chunk])
    assert text.startswith("Why did")
    words = {"cut": "cut off before its end", "error-event": "scripted error event"}
    assert words[scenario] in str(raised.value)


def test_the_sdk_waits_as_long_as_the_gateway_says(own_gateway, model):
    # Both keys are out of quota for a second; the SDK comes back by itself.
    client = client_of(own_gateway, retries=1)
    started = time.monotonic()
    raw = client.chat.completions.with_raw_response.create(model=model("gpt", "once-429"), messages=HELLO)
    assert raw.parse().choices[0].message.content == "OK"
    assert raw.retries_taken == 1
    assert 0.9 < time.monotonic() - started < 5


def test_keep_alives_are_tolerated(client, gateway):
    raw = client.chat.completions.with_raw_response.create(model="gpt-mock-slow", messages=HELLO, stream=True)
    assert text_of(raw.parse()).startswith("Why did")
    assert gateway.keep_alives(raw.headers["x-request-id"]) >= 2


def test_a_slow_whole_answer(client):
    assert create(client, "gpt-mock-slow").choices[0].message.content == "OK"
