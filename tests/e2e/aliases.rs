//! An alias changes the model's name, in both directions, and no other byte.

use crate::ask::{Ask, Bench};
use crate::support::client::{Client, Response};
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A};
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

const ALIAS: &str = "team/my \\\"best\\\" model";
/// `ALIAS` as it stands in a path.
const ALIAS_IN_PATH: &str = "team%2Fmy%20%22best%22%20model";
const ID: &str = "real-1.5";

/// How an answer is framed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Frame {
    Whole,
    Events,
    Array,
}

/// Every framing that a format has.
const FRAMES: [(Ask, Frame); 9] = [
    (Ask::Chat, Frame::Whole),
    (Ask::Chat, Frame::Events),
    (Ask::Responses, Frame::Whole),
    (Ask::Responses, Frame::Events),
    (Ask::Messages, Frame::Whole),
    (Ask::Messages, Frame::Events),
    (Ask::Gemini, Frame::Whole),
    (Ask::Gemini, Frame::Events),
    (Ask::Gemini, Frame::Array),
];

/// An answer in which `@` stands for the model's name, with decoys around it.
fn template(ask: Ask, frame: Frame) -> String {
    let chunk = "{ \"id\":\"c\", \"x\":{\"model\":\"real-1.5\"}, \"model\" :\"@\",\
        \"choices\":[{\"index\":0,\"delta\":{\"content\":\"model: \\\"real-1.5\\\"\"},\"finish_reason\":FIN}],\"n\":1.0 }";
    let part = "{ \"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\\\"modelVersion\\\": 1.0\"}]}FIN}],\n\
        \"usageMetadata\":{\"modelVersion\":\"real-1.5\"},\"modelVersion\" : \"@\" }";
    match (ask, frame) {
        (Ask::Chat, Frame::Whole) => "{ \"id\":\"c\",\n\t\"model\" : \"@\", \"choices\":[{\"index\":0,\
            \"message\":{\"role\":\"assistant\",\"content\":\"real-1.5 \\u00e9\",\"model\":\"real-1.5\"},\
            \"finish_reason\":\"stop\"}], \"usage\":{\"total_tokens\":1.0} }\n"
            .to_owned(),
        (Ask::Chat, _) => format!(
            ": hello\n\ndata: {}\n\ndata: {}\r\n\r\ndata: [DONE]\n\n",
            chunk.replace("FIN", "null"),
            chunk.replace("FIN", "\"stop\""),
        ),
        (Ask::Responses, Frame::Whole) => "{\"id\":\"resp_1\",\"object\":\"response\",\
            \"output\":[{\"type\":\"message\",\"model\":\"real-1.5\"}], \"model\": \"@\",\"status\":\"completed\"}"
            .to_owned(),
        (Ask::Responses, _) => {
            let event = |kind: &str| {
                format!(
                    "event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":1,\"model\":\"real-1.5\",\
                     \"response\":{{\"id\":\"resp_1\", \"tools\":[{{\"model\":\"real-1.5\"}}],\"model\" : \"@\",\
                     \"output\":[]}}}}\n\n"
                )
            };
            let delta = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\
                \"delta\":\"\\\"model\\\":\\\"real-1.5\\\"\"}\n\n";
            event("response.created") + delta + &event("response.completed")
        }
        (Ask::Messages, Frame::Whole) => "{\"id\":\"msg_1\",\"type\":\"message\",\"content\":[{\"type\":\"text\",\
            \"text\":\"real-1.5\"}],\"model\":\"@\",\"stop_reason\":\"end_turn\"}"
            .to_owned(),
        (Ask::Messages, _) => "event: message_start\r\ndata: {\"type\":\"message_start\",\"model\":\"real-1.5\",\
            \"message\":{\"id\":\"msg_1\",\"content\":[], \"model\" : \"@\",\"usage\":{}}}\r\n\r\n\
            event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
            \"delta\":{\"type\":\"text_delta\",\"text\":\"real-1.5\"}}\n\n\
            event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
            .to_owned(),
        (Ask::Gemini, Frame::Whole) => part.replace("FIN", ",\"finishReason\":\"STOP\""),
        (Ask::Gemini, Frame::Events) => format!(
            "data: {}\r\n\r\ndata: {}\r\n\r\n",
            part.replace('\n', "").replace("FIN", ""),
            part.replace('\n', "").replace("FIN", ",\"finishReason\":\"STOP\""),
        ),
        (Ask::Gemini, Frame::Array) => format!(
            "[{}\n,\r\n{}]\n",
            part.replace("FIN", ""),
            part.replace("FIN", ",\"finishReason\":\"STOP\"")
        ),
    }
}

fn reply(ask: Ask, frame: Frame, piece: usize) -> Reply {
    let body = template(ask, frame).replace('@', ID);
    match frame {
        Frame::Whole => Reply::content_length_body(body)
            .header("content-type", "application/json")
            .in_pieces_of(piece),
        Frame::Events => Reply::sse([body]).in_pieces_of(piece),
        Frame::Array => Reply::sse([body])
            .header("content-type", "application/json")
            .in_pieces_of(piece),
    }
}

async fn start(ask: Ask, upstream: &Upstream, settings: &str) -> Gateway {
    let (list, url) = (ask.list(), upstream.url());
    Gateway::start(&format!(
        "api-keys: [{CLIENT_KEY}]\n{settings}\n{list}: [{{api-key: {UPSTREAM_KEY_A}, base-url: '{url}', \
         models: [{{id: {ID}, alias: \"{ALIAS}\"}}]}}]\n"
    ))
    .await
}

/// Path and body of a request for `model` (as it stands in the one and in the other).
fn request(ask: Ask, frame: Frame, in_path: &str, in_body: &str) -> (String, String) {
    let path = match (ask, frame) {
        (Ask::Gemini, Frame::Events) => {
            format!("/v1beta/models/{in_path}:streamGenerateContent?alt=sse")
        }
        (Ask::Gemini, Frame::Array) => format!("/v1beta/models/{in_path}:streamGenerateContent"),
        _ => ask.path(in_path),
    };
    let mut body = ask.body(in_body);
    if frame == Frame::Events && ask != Ask::Gemini {
        body = body.replacen("{ ", "{ \"stream\" : true, ", 1);
    }
    (path, body)
}

async fn ask_for_alias(client: &mut Client, ask: Ask, frame: Frame) -> Response {
    let (path, body) = request(ask, frame, ALIAS_IN_PATH, ALIAS);
    client
        .request("POST", &path)
        .key(CLIENT_KEY)
        .body(body)
        .send()
        .await
}

#[tokio::test]
async fn an_alias_changes_the_models_name_and_nothing_else() {
    for (ask, frame) in FRAMES {
        for piece in [1, 1 << 20] {
            let upstream = Upstream::always(reply(ask, frame, piece)).await;
            let gateway = start(ask, &upstream, "").await;
            let mut client = Client::connect(gateway.addr()).await;
            let response = ask_for_alias(&mut client, ask, frame).await;
            assert!(response.status == 200 && response.complete, "{response:?}");
            let want = template(ask, frame).replace('@', ALIAS);
            assert_eq!(response.text(), want, "{ask:?} {frame:?} {piece}");

            let sent = upstream.request(0).await;
            let (path, body) = request(ask, frame, ID, ID);
            assert_eq!(
                (sent.target, sent.body),
                (path, body.into()),
                "{ask:?} {frame:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_keeps_the_providers_name_where_that_is_wished() {
    for (ask, frame) in FRAMES {
        let upstream = Upstream::always(reply(ask, frame, 7)).await;
        let gateway = start(ask, &upstream, "rewrite-model-in-response: false").await;
        let mut client = Client::connect(gateway.addr()).await;
        let response = ask_for_alias(&mut client, ask, frame).await;
        let want = template(ask, frame).replace('@', ID);
        assert_eq!(response.text(), want, "{ask:?} {frame:?}");
        assert_eq!(
            upstream.request(0).await.body,
            request(ask, frame, ID, ID).1
        );
    }
}

#[tokio::test]
async fn without_an_alias_every_byte_is_kept() {
    for (ask, frame) in FRAMES {
        let bench = Bench::with("", Upstream::always(reply(ask, frame, 7)).await).await;
        let (path, body) = request(ask, frame, ask.model(), ask.model());
        let mut client = bench.client().await;
        let sent = client
            .request("POST", &path)
            .key(CLIENT_KEY)
            .body(body.clone());
        let response = sent.send().await;
        assert_eq!(
            response.text(),
            template(ask, frame).replace('@', ID),
            "{ask:?} {frame:?}"
        );
        let sent = bench.upstream.request(0).await;
        assert_eq!((sent.target, sent.body), (path, body.into()));
    }
}

#[tokio::test]
async fn counting_gemini_tokens_names_the_model_twice() {
    let upstream = Upstream::always(Reply::json(200, serde_json::json!({"totalTokens": 1}))).await;
    let gateway = start(Ask::Gemini, &upstream, "").await;
    let body = |model: &str| {
        format!(
            "{{ \"generateContentRequest\" :{{\"contents\":[],\"model\" : \"models/{model}\" }} }}"
        )
    };
    let mut client = Client::connect(gateway.addr()).await;
    let path = format!("/v1beta/models/{ALIAS_IN_PATH}:countTokens");
    let request = client
        .request("POST", &path)
        .key(CLIENT_KEY)
        .body(body(ALIAS));
    assert_eq!(request.send().await.status, 200);
    assert_eq!(upstream.request(0).await.body, body(ID));
}
