"""The Google Gen AI SDK on generateContent."""

import asyncio
import time

import pytest
from google import genai
from google.genai import errors, types

WEATHER = types.Tool(
    function_declarations=[
        {
            "name": "get_weather",
            "description": "The weather somewhere",
            "parameters": {"type": "OBJECT", "properties": {"location": {"type": "STRING"}}},
        }
    ]
)


def client_of(gateway, key="sdk-client-key", **http_options):
    return genai.Client(api_key=key, http_options={"base_url": gateway.url, "timeout": 30_000, **http_options})


@pytest.fixture(scope="session")
def client(gateway):
    return client_of(gateway)


@pytest.fixture
def own_client(own_gateway):
    return client_of(own_gateway)


def generate(client, model, contents="Hello", **config):
    return client.models.generate_content(model=model, contents=contents, config=config or None)


def stream(client, model, contents="Hello", **config):
    return client.models.generate_content_stream(model=model, contents=contents, config=config or None)


def text_of(chunks):
    return "".join(chunk.text or "" for chunk in chunks)


def request_id(answer):
    headers = getattr(answer, "sdk_http_response", answer)
    headers = getattr(headers, "headers", headers)
    return {name.lower(): value for name, value in headers.items()}["x-request-id"]


def test_an_answer_with_its_usage(client):
    answer = generate(client, "gemini-mock-text")
    assert answer.text.startswith("I received an image file.")
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.usage_metadata.prompt_token_count == 328
    assert answer.usage_metadata.thoughts_token_count == 241


def test_the_provider_sees_the_request_and_its_own_key(client, mock):
    answer = generate(client, "gemini-mock-text", system_instruction="Be brief.", temperature=0.5)
    seen = mock.request(request_id(answer))
    assert seen["path"] == "/v1/models/gemini-mock-text:generateContent"
    assert seen["key"] == "upstream-gemini-1"
    assert seen["body"]["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert seen["body"]["contents"] == [{"parts": [{"text": "Hello"}], "role": "user"}]
    assert seen["body"]["generationConfig"] == {"temperature": 0.5}


def test_headers_are_the_gateways(client):
    headers = generate(client, "gemini-mock-text").sdk_http_response.headers
    assert headers["x-request-id"].startswith("req_")
    assert "org-of-the-operator" not in headers.values()


def test_a_stream(client):
    chunks = list(stream(client, "gemini-mock-text"))
    assert text_of(chunks).startswith("Clementine was no ordinary calico.")
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP


def test_an_async_answer_and_stream(gateway):
    async def run():
        async with client_of(gateway).aio as client:
            whole = await client.models.generate_content(model="gemini-mock-text", contents="Hello")
            chunks = await client.models.generate_content_stream(model="gemini-mock-text", contents="Hello")
            return whole, [chunk async for chunk in chunks]

    whole, chunks = asyncio.run(run())
    assert whole.text.startswith("I received an image file.")
    assert text_of(chunks).startswith("Clementine")


def test_a_tool_call(client):
    [call] = generate(client, "gemini-mock-tool", tools=[WEATHER]).function_calls
    assert (call.name, call.args) == ("get_file", {})


def test_parallel_tool_calls(client):
    calls = generate(client, "gemini-mock-parallel", tools=[WEATHER]).function_calls
    assert [(call.name, call.args["location"]) for call in calls] == [
        ("get_weather", "Boston"),
        ("get_weather", "New Delhi"),
    ]


@pytest.mark.parametrize(
    ("scenario", "want"),
    [
        ("tool", [("weather", "San Francisco")]),
        ("parallel", [("get_weather", "Boston"), ("get_weather", "New Delhi")]),
    ],
)
def test_streamed_tool_calls(client, scenario, want):
    chunks = stream(client, f"gemini-mock-{scenario}", tools=[WEATHER])
    calls = [call for chunk in chunks for call in chunk.function_calls or []]
    assert [(call.name, call.args["location"]) for call in calls] == want


def test_the_result_of_a_tool_goes_back_with_its_signature(client, mock):
    called = generate(client, "gemini-mock-tool", tools=[WEATHER]).candidates[0].content
    result = types.Part.from_function_response(name="get_file", response={"result": "sunny"})
    contents = [types.Content(role="user", parts=[{"text": "Hello"}]), called, types.UserContent([result])]
    answer = generate(client, "gemini-mock-text", contents, tools=[WEATHER])
    _, call, result = mock.request(request_id(answer))["body"]["contents"]
    assert call["parts"][0]["functionCall"]["name"] == "get_file"
    assert call["parts"][0]["thoughtSignature"]
    assert result["parts"][0]["functionResponse"]["response"] == {"result": "sunny"}


def test_an_image_arrives(client, mock, png):
    contents = [types.Part.from_bytes(data=png, mime_type="image/png"), "What is this?"]
    answer = generate(client, "gemini-mock-text", contents)
    sent = types.Content.model_validate(mock.request(request_id(answer))["body"]["contents"][0])
    assert (sent.parts[0].inline_data.mime_type, sent.parts[0].inline_data.data) == ("image/png", png)


def test_structured_output(client):
    schema = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}, "population": {"type": "INTEGER"}}}
    config = {"response_mime_type": "application/json", "response_schema": schema}
    city = {"city": "Paris", "population": 2102650}
    assert generate(client, "gemini-mock-structured", **config).parsed == city
    assert text_of(stream(client, "gemini-mock-structured", **config)) == '{"city": "Paris", "population": 2102650}'


def test_the_beta_version_of_the_api(gateway, mock):
    client = client_of(gateway, api_version="v1beta")
    answer = generate(client, "gemini-mock-text")
    assert mock.request(request_id(answer))["path"] == "/v1beta/models/gemini-mock-text:generateContent"
    assert client.models.get(model="team-gemini").name == "models/team-gemini"


def test_counted_tokens(client):
    counted = client.models.count_tokens(model="gemini-mock-text", contents="Hello")
    assert counted.total_tokens == 42


def test_models(client):
    names = {model.name for model in client.models.list(config={"query_base": True})}
    assert names == {"models/team-gpt", "models/team-claude", "models/team-gemini"}
    one = client.models.get(model="team-gemini")
    assert one.name == "models/team-gemini"
    assert "generateContent" in one.supported_actions
    with pytest.raises(errors.ClientError) as raised:
        client.models.get(model="no-such-model")
    assert raised.value.code == 404


def test_an_alias_is_what_the_client_sees(client, mock):
    answer = generate(client, "team-gemini")
    assert answer.model_version == "team-gemini"
    assert mock.request(request_id(answer))["path"] == "/v1/models/gemini-mock-text:generateContent"
    assert {chunk.model_version for chunk in stream(client, "team-gemini")} == {"team-gemini"}


@pytest.mark.parametrize(
    ("key", "model", "code", "status"),
    [
        ("wrong-key", "gemini-mock-text", 401, "UNAUTHENTICATED"),
        ("sdk-limited-key", "gemini-mock-text", 403, "PERMISSION_DENIED"),
        ("sdk-client-key", "no-such-model", 404, "NOT_FOUND"),
    ],
)
@pytest.mark.parametrize("call", [generate, lambda *args: list(stream(*args))], ids=["whole", "stream"])
def test_what_the_gateway_refuses(gateway, key, model, code, status, call):
    with pytest.raises(errors.ClientError) as raised:
        call(client_of(gateway, key), model)
    assert (raised.value.code, raised.value.status) == (code, status)
    assert request_id(raised.value.response).startswith("req_")


@pytest.mark.parametrize(
    ("code", "words"),
    [(400, "temperature value of 1000"), (404, "gemini-3.6-flahs is not found"), (413, "scripted error 413")],
)
@pytest.mark.parametrize("call", [generate, lambda *args: list(stream(*args))], ids=["whole", "stream"])
def test_the_providers_words_about_the_clients_mistakes(client, mock, code, words, call):
    with pytest.raises(errors.ClientError, match=words) as raised:
        call(client, f"gemini-mock-error-{code}")
    assert raised.value.code == code
    assert mock.request(request_id(raised.value.response))["key"] == "upstream-gemini-1"


@pytest.mark.parametrize(
    ("upstream", "error", "code", "status"),
    [
        (401, errors.ServerError, 503, "UNAVAILABLE"),
        (403, errors.ServerError, 503, "UNAVAILABLE"),
        (429, errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
        (500, errors.ServerError, 503, "UNAVAILABLE"),
        (503, errors.ServerError, 503, "UNAVAILABLE"),
    ],
)
def test_trouble_on_every_key(own_client, mock, upstream, error, code, status):
    with pytest.raises(error) as raised:
        generate(own_client, f"gemini-mock-error-{upstream}")
    assert (raised.value.code, raised.value.status) == (code, status)
    tries = [request["key"] for request in mock.requests(request_id(raised.value.response))]
    assert tries == ["upstream-gemini-1", "upstream-gemini-2"]


@pytest.mark.parametrize("trouble", ["401", "403", "429", "500", "503"])
def test_failover_is_invisible(own_client, mock, trouble):
    answer = generate(own_client, f"gemini-mock-first-key-{trouble}")
    assert answer.text.startswith("I received")
    tries = [request["key"] for request in mock.requests(request_id(answer))]
    assert tries == ["upstream-gemini-1", "upstream-gemini-2"]


@pytest.mark.parametrize("trouble", ["429", "500", "error-event"])
def test_a_stream_that_fails_before_its_content_moves_on(own_client, mock, trouble):
    chunks = list(stream(own_client, f"gemini-mock-first-key-{trouble}"))
    assert text_of(chunks).startswith("Clementine")
    assert len(mock.requests(request_id(chunks[0]))) == 2


@pytest.mark.parametrize("scenario", ["cut", "error-event"])
def test_a_stream_that_fails_after_content_raises(own_client, scenario):
    text = ""
    with pytest.raises(errors.APIError) as raised:
        for chunk in stream(own_client, f"gemini-mock-{scenario}"):
            text += chunk.text or ""
    assert text.startswith("Clementine")
    words = {"cut": "cut off before its end", "error-event": "scripted error event"}
    assert words[scenario] in str(raised.value)
    assert raised.value.code == 500


def test_the_sdks_own_retry(own_gateway, model):
    # This SDK waits by a schedule of its own, whatever it is told.
    options = types.HttpRetryOptions(attempts=3, initial_delay=1.2, jitter=0.1)
    client = client_of(own_gateway, retry_options=options)
    started = time.monotonic()
    assert generate(client, model("gemini", "once-429")).text.startswith("I received")
    assert 0.9 < time.monotonic() - started < 8


def test_a_slow_stream_gets_no_keep_alives(client, gateway):
    chunks = list(stream(client, "gemini-mock-slow"))
    assert text_of(chunks).startswith("Clementine")
    assert gateway.keep_alives(request_id(chunks[0])) == 0
