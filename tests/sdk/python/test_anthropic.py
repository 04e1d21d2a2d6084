"""The Anthropic SDK on Messages."""

import asyncio
import base64
import time

import anthropic
import pytest

HELLO = [{"role": "user", "content": "Hello"}]
TOOLS = [
    {
        "name": "get_weather",
        "description": "The weather somewhere",
        "input_schema": {"type": "object", "properties": {"location": {"type": "string"}}},
    }
]


def client_of(gateway, key="sdk-client-key", retries=0):
    return anthropic.Anthropic(api_key=key, base_url=gateway.url, max_retries=retries, timeout=30)


@pytest.fixture(scope="session")
def client(gateway):
    return client_of(gateway)


def create(client, model, **more):
    return client.messages.create(model=model, max_tokens=100, messages=HELLO, **more)


def helper(client, model, **more):
    return client.messages.stream(model=model, max_tokens=100, messages=HELLO, **more)


def text_of(events):
    deltas = [event.delta for event in events if event.type == "content_block_delta"]
    return "".join(delta.text for delta in deltas if delta.type == "text_delta")


def calls_of(message):
    return [(block.name, block.input) for block in message.content if block.type == "tool_use"]


def test_a_message_with_its_usage(client):
    message = create(client, "claude-mock-text")
    assert message.content[0].text == "OK"
    assert message.stop_reason == "end_turn"
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (2, 1590)


def test_the_provider_sees_the_request_and_its_own_key(client, mock):
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    message = create(client, "claude-mock-text", system=system, extra_headers={"anthropic-beta": "some-beta"})
    seen = mock.request(message._request_id)
    assert seen["key"] == "upstream-claude-1"
    assert seen["body"] == {"model": "claude-mock-text", "max_tokens": 100, "messages": HELLO, "system": system}
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    assert headers["anthropic-version"] == client.default_headers["anthropic-version"]
    assert headers["anthropic-beta"] == "some-beta"


def test_a_bearer_token_is_as_good_as_a_key(gateway):
    client = anthropic.Anthropic(auth_token="sdk-client-key", api_key=None, base_url=gateway.url, max_retries=0)
    assert create(client, "claude-mock-text").content[0].text == "OK"


def test_headers_are_the_gateways_and_say_nothing_about_the_operator(client):
    raw = client.messages.with_raw_response.create(model="claude-mock-text", max_tokens=100, messages=HELLO)
    assert raw.headers["request-id"] == raw.headers["x-request-id"] == raw.parse()._request_id
    assert raw.headers["request-id"].startswith("req_")
    assert "org-of-the-operator" not in raw.headers.values()


def test_a_stream(client):
    events = list(create(client, "claude-mock-text", stream=True))
    assert (events[0].type, events[-1].type) == ("message_start", "message_stop")
    assert len(text_of(events)) > 100


def test_the_stream_helper(client):
    with helper(client, "claude-mock-text") as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert message.content[0].text == text
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 1


def test_an_async_message_and_stream(gateway):
    async def run():
        async with anthropic.AsyncAnthropic(
            api_key="sdk-client-key", base_url=gateway.url, max_retries=0
        ) as client:
            whole = await create(client, "claude-mock-text")
            async with helper(client, "claude-mock-text") as stream:
                return whole, "".join([text async for text in stream.text_stream])

    whole, text = asyncio.run(run())
    assert whole.content[0].text == "OK"
    assert len(text) > 100


def test_a_tool_call(client):
    message = create(client, "claude-mock-tool", tools=TOOLS)
    [(name, arguments)] = calls_of(message)
    assert (name, arguments["city"]) == ("final_result", "Paris")
    assert message.stop_reason == "tool_use"


def test_parallel_tool_calls(client):
    message = create(client, "claude-mock-parallel", tools=TOOLS)
    assert calls_of(message) == [("get_population", {"city": "London"}), ("get_area", {"city": "London"})]


@pytest.mark.parametrize(
    ("scenario", "names"), [("tool", ["updateIssueList"]), ("parallel", ["get_weather", "get_time"])]
)
def test_streamed_tool_calls(client, scenario, names):
    with helper(client, f"claude-mock-{scenario}", tools=TOOLS) as stream:
        message = stream.get_final_message()
    assert [name for name, _ in calls_of(message)] == names
    assert all(isinstance(arguments, dict) for _, arguments in calls_of(message))
    assert message.stop_reason == "tool_use"


def test_the_result_of_a_tool_goes_back(client, mock):
    called = create(client, "claude-mock-tool", tools=TOOLS)
    [block] = called.content
    messages = [
        *HELLO,
        {"role": "assistant", "content": [block.model_dump(exclude_unset=True)]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": block.id, "content": "sunny"}]},
    ]
    message = client.messages.create(model="claude-mock-text", max_tokens=100, messages=messages, tools=TOOLS)
    assert mock.request(message._request_id)["body"]["messages"] == messages


def test_an_image_arrives(client, mock, png):
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(png).decode()}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]
    message = client.messages.create(
        model="claude-mock-text", max_tokens=100, messages=[{"role": "user", "content": content}]
    )
    arrived = mock.request(message._request_id)["body"]["messages"][0]["content"][0]["source"]["data"]
    assert base64.b64decode(arrived) == png


def test_structured_output(client):
    city = '{"city": "Paris", "population": 2102650}'
    assert create(client, "claude-mock-structured").content[0].text == city
    with helper(client, "claude-mock-structured") as stream:
        assert stream.get_final_text() == city


def test_counted_tokens(client):
    assert client.messages.count_tokens(model="claude-mock-text", messages=HELLO).input_tokens == 42
    with pytest.raises(anthropic.BadRequestError, match="effort"):
        client.messages.count_tokens(model="claude-mock-error-400", messages=HELLO)


def test_models(client):
    assert {model.id for model in client.models.list()} == {"team-gpt", "team-claude", "team-gemini"}
    one = client.models.retrieve("team-claude")
    assert (one.id, one.type) == ("team-claude", "model")
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("no-such-model")


def test_an_alias_is_what_the_client_sees(client, mock):
    message = create(client, "team-claude")
    assert message.model == "team-claude"
    assert mock.request(message._request_id)["body"]["model"] == "claude-mock-text"
    with helper(client, "team-claude") as stream:
        assert stream.get_final_message().model == "team-claude"


@pytest.mark.parametrize(
    ("key", "model", "error", "status", "kind"),
    [
        ("wrong-key", "claude-mock-text", anthropic.AuthenticationError, 401, "authentication_error"),
        ("sdk-limited-key", "claude-mock-text", anthropic.PermissionDeniedError, 403, "permission_error"),
        ("sdk-client-key", "no-such-model", anthropic.NotFoundError, 404, "not_found_error"),
        ("sdk-client-key", "", anthropic.BadRequestError, 400, "invalid_request_error"),
    ],
)
def test_what_the_gateway_refuses(gateway, key, model, error, status, kind):
    with pytest.raises(error) as raised:
        create(client_of(gateway, key), model)
    assert raised.value.status_code == status
    assert raised.value.body["error"]["type"] == kind
    assert raised.value.body["request_id"] == raised.value.request_id
    assert raised.value.request_id.startswith("req_")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (400, anthropic.BadRequestError, "does not support effort level"),
        (404, anthropic.NotFoundError, "claude-does-not-exist"),
        (413, anthropic.APIStatusError, "scripted error 413"),
    ],
)
def test_the_providers_words_about_the_clients_mistakes(client, mock, status, error, words, stream):
    with pytest.raises(error, match=words) as raised:
        create(client, f"claude-mock-error-{status}", stream=stream)
    assert raised.value.status_code == status
    assert mock.request(raised.value.request_id)["key"] == "upstream-claude-1"


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (401, anthropic.InternalServerError, 529),
        (403, anthropic.InternalServerError, 529),
        (429, anthropic.RateLimitError, 429),
        (500, anthropic.InternalServerError, 529),
        (529, anthropic.InternalServerError, 529),
    ],
)
def test_trouble_on_every_key(own_gateway, mock, status, error, told):
    with pytest.raises(error) as raised:
        create(client_of(own_gateway), f"claude-mock-error-{status}")
    assert raised.value.status_code == told
    tries = [request["key"] for request in mock.requests(raised.value.request_id)]
    assert tries == ["upstream-claude-1", "upstream-claude-2"]
    if status == 429:
        assert raised.value.response.headers["retry-after"] in ("6", "7")


@pytest.mark.parametrize("trouble", ["401", "403", "429", "500", "529"])
def test_failover_is_invisible(own_gateway, mock, trouble):
    message = create(client_of(own_gateway), f"claude-mock-first-key-{trouble}")
    assert message.content[0].text == "OK"
    tries = [request["key"] for request in mock.requests(message._request_id)]
    assert tries == ["upstream-claude-1", "upstream-claude-2"]


@pytest.mark.parametrize("trouble", ["429", "500", "529", "cut", "error-event"])
def test_a_stream_that_fails_before_its_content_moves_on(own_gateway, mock, trouble):
    with helper(client_of(own_gateway), f"claude-mock-first-key-{trouble}") as stream:
        message = stream.get_final_message()
        assert message.stop_reason == "end_turn"
        assert len(mock.requests(stream.request_id)) == 2


@pytest.mark.parametrize("scenario", ["cut", "error-event"])
@pytest.mark.parametrize("with_helper", [False, True])
def test_a_stream_that_fails_after_content_raises(own_gateway, scenario, with_helper):
    client = client_of(own_gateway)
    text = ""
    with pytest.raises(anthropic.APIStatusError) as raised:
        if with_helper:
            with helper(client, f"claude-mock-{scenario}") as stream:
                for piece in stream.text_stream:
                    text += piece
        else:
            for event in create(client, f"claude-mock-{scenario}", stream=True):
                text += text_of([event])
    assert text
    words = {"cut": "cut off before its end", "error-event": "scripted error event"}
    assert words[scenario] in str(raised.value)


def test_the_sdk_waits_as_long_as_the_gateway_says(own_gateway, model):
    started = time.monotonic()
    client = client_of(own_gateway, retries=1)
    assert create(client, model("claude", "once-429")).content[0].text == "OK"
    assert 0.9 < time.monotonic() - started < 5


def test_keep_alives_are_tolerated(client, gateway):
    with helper(client, "claude-mock-slow") as stream:
        assert stream.get_final_message().stop_reason == "end_turn"
        assert gateway.keep_alives(stream.request_id) >= 2
