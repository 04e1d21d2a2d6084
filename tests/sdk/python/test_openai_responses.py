"""The OpenAI SDK on Responses."""

import asyncio
import base64
import json
import time

import openai
import pytest

TOOLS = [
    {
        "type": "function",
        "name": "multiply",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
        "strict": True,
    }
]


def client_of(gateway, key="sdk-client-key", retries=0):
    return openai.OpenAI(api_key=key, base_url=f"{gateway.url}/v1", max_retries=retries, timeout=30)


@pytest.fixture(scope="session")
def client(gateway):
    return client_of(gateway)


def create(client, model, **more):
    return client.responses.create(model=model, input="Hello", **more)


def text_of(events):
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


def calls_of(response):
    return [(item.name, json.loads(item.arguments)) for item in response.output if item.type == "function_call"]


def test_a_response(client, mock):
    response = create(client, "gpt-mock-text", instructions="Be brief.")
    assert response.output_text == "The current exchange rate is **1 USD = 0.92 EUR**."
    assert response.status == "completed"
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    seen = mock.request(response._request_id)
    assert (seen["path"], seen["key"]) == ("/v1/responses", "upstream-gpt-1")
    assert seen["body"] == {"model": "gpt-mock-text", "input": "Hello", "instructions": "Be brief."}


def test_a_stream(client):
    events = list(create(client, "gpt-mock-text", stream=True))
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    assert text_of(events) == events[-1].response.output_text == "2+2 = 4"


def test_an_async_response_and_stream(gateway):
    async def run():
        async with openai.AsyncOpenAI(api_key="sdk-client-key", base_url=f"{gateway.url}/v1", max_retries=0) as client:
            whole, stream = await asyncio.gather(
                create(client, "gpt-mock-text"), create(client, "gpt-mock-text", stream=True)
            )
            return whole, [event async for event in stream]

    whole, events = asyncio.run(run())
    assert whole.output_text.startswith("The current exchange rate")
    assert text_of(events) == "2+2 = 4"


def test_the_stream_helper(client):
    with client.responses.stream(model="gpt-mock-text", input="Hello") as stream:
        text = text_of(stream)
        assert text == stream.get_final_response().output_text == "2+2 = 4"


def test_a_tool_call(client):
    response = create(client, "gpt-mock-tool", tools=TOOLS)
    assert calls_of(response) == [("lookup_refund_policy", {"order_id": "order-123"})]


def test_parallel_tool_calls(client):
    response = create(client, "gpt-mock-parallel", tools=TOOLS)
    assert [arguments["loc_name"] for _, arguments in calls_of(response)] == ["Londos", "London"]


@pytest.mark.parametrize("scenario", ["tool", "parallel"])
def test_streamed_tool_calls(client, scenario):
    with client.responses.stream(model=f"gpt-mock-{scenario}", input="Hello", tools=TOOLS) as stream:
        deltas = "".join(event.delta for event in stream if event.type == "response.function_call_arguments.delta")
        response = stream.get_final_response()
    assert deltas == "".join(item.arguments for item in response.output if item.type == "function_call")
    multiply = [("multiply", {"a": 1231, "b": 2331})]
    locations = [("get_location", {"loc_name": "Londos"}), ("get_location", {"loc_name": "London"})]
    assert calls_of(response) == {"tool": multiply, "parallel": locations}[scenario]


def test_the_result_of_a_tool_goes_back(client, mock):
    calls = [item.model_dump(exclude_unset=True) for item in create(client, "gpt-mock-tool", tools=TOOLS).output]
    result = {"type": "function_call_output", "call_id": calls[0]["call_id"], "output": "within 30 days"}
    response = client.responses.create(model="gpt-mock-text", input=[*calls, result], tools=TOOLS)
    assert mock.request(response._request_id)["body"]["input"] == [*calls, result]


def test_an_image_arrives(client, mock, png):
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    content = [{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": url}]
    response = client.responses.create(model="gpt-mock-text", input=[{"role": "user", "content": content}])
    arrived = mock.request(response._request_id)["body"]["input"][0]["content"][1]["image_url"]
    assert base64.b64decode(arrived.partition(",")[2]) == png


def test_structured_output(client):
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "population": {"type": "integer"}}}
    text = {"format": {"type": "json_schema", "name": "city", "schema": schema}}
    city = {"city": "Paris", "population": 2102650}
    assert json.loads(create(client, "gpt-mock-structured", text=text).output_text) == city
    assert json.loads(text_of(create(client, "gpt-mock-structured", text=text, stream=True))) == city


def test_counted_tokens(client):
    counted = client.responses.input_tokens.count(model="gpt-mock-text", input="Hello")
    assert counted.input_tokens == 42


def test_an_alias_is_what_the_client_sees(client, mock):
    response = create(client, "team-gpt")
    assert response.model == "team-gpt"
    assert mock.request(response._request_id)["body"]["model"] == "gpt-mock-text"
    events = list(create(client, "team-gpt", stream=True))
    assert {event.response.model for event in events if hasattr(event, "response")} == {"team-gpt"}


@pytest.mark.parametrize(
    ("key", "model", "error", "status", "code"),
    [
        ("wrong-key", "gpt-mock-text", openai.AuthenticationError, 401, "invalid_api_key"),
        ("sdk-limited-key", "gpt-mock-text", openai.PermissionDeniedError, 403, "model_not_allowed"),
        # The Responses API itself answers 400 for a model that it does not know.
        ("sdk-client-key", "no-such-model", openai.BadRequestError, 400, "model_not_found"),
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
        (400, openai.BadRequestError, "Invalid 'temperature'"),
        (404, openai.NotFoundError, "The requested model 'gpt-5.2-proo' does not exist"),
        (413, openai.APIStatusError, "scripted error 413"),
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
        (429, openai.RateLimitError, 429),
        (500, openai.InternalServerError, 503),
    ],
)
def test_trouble_on_every_key(own_gateway, mock, status, error, told):
    with pytest.raises(error) as raised:
        create(client_of(own_gateway), f"gpt-mock-error-{status}", stream=True)
    assert raised.value.status_code == told
    assert len(mock.requests(raised.value.request_id)) == 2


@pytest.mark.parametrize("trouble", ["401", "429", "500", "cut", "error-event"])
def test_failover_is_invisible(own_gateway, mock, trouble):
    raw = client_of(own_gateway).responses.with_raw_response.create(
        model=f"gpt-mock-first-key-{trouble}", input="Hello", stream=True
    )
    assert text_of(raw.parse()) == "2+2 = 4"
    tries = [request["key"] for request in mock.requests(raw.headers["x-request-id"])]
    assert tries == ["upstream-gpt-1", "upstream-gpt-2"]


@pytest.mark.parametrize("helper", [False, True])
@pytest.mark.parametrize("scenario", ["cut", "error-event"])
def test_a_stream_that_fails_after_content_raises(own_gateway, scenario, helper):
    client = client_of(own_gateway)
    text = ""
    with pytest.raises(openai.APIError) as raised:
        if helper:
            with client.responses.stream(model=f"gpt-mock-{scenario}", input="Hello") as stream:
                for event in stream:
                    text += text_of([event])
        else:
            for event in create(client, f"gpt-mock-{scenario}", stream=True):
                text += text_of([event])
    assert text.startswith("2+2")
    words = {"cut": "cut off before its end", "error-event": "scripted error event"}
    assert words[scenario] in str(raised.value)


def test_the_sdk_waits_as_long_as_the_gateway_says(own_gateway, model):
    started = time.monotonic()
    raw = client_of(own_gateway, retries=1).responses.with_raw_response.create(
        model=model("gpt", "once-429"), input="Hello"
    )
    assert raw.parse().status == "completed"
    assert raw.retries_taken == 1
    assert 0.9 < time.monotonic() - started < 5


def test_keep_alives_are_tolerated(client, gateway):
    raw = client.responses.with_raw_response.create(model="gpt-mock-slow", input="Hello", stream=True)
    assert text_of(raw.parse()) == "2+2 = 4"
    assert gateway.keep_alives(raw.headers["x-request-id"]) >= 2
