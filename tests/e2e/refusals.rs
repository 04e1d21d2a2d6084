//! Errors that are the client's own: relayed as the provider wrote them, never retried, never held
//! against an account. A model that a provider does not know is another provider's chance.

use crate::dialect::{Dialect, Mode, account};
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::keys::{UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

#[tokio::test]
async fn the_clients_own_errors_are_relayed_as_they_are() {
    for dialect in Dialect::ALL {
        let mut replies = Vec::new();
        for status in [400, 404, 413, 422] {
            let body =
                format!("{{ \"error\" : {{\"message\":\"no {status} é\" , \"extra\":1e3}}}}\n");
            let json = Reply::content_length_body(body.clone()).with_status(status);
            let json = json
                .header("content-type", "application/json")
                .header("x-theirs", "yes");
            replies.push((status, body.clone(), json.clone()));
            replies.push((status, body, json.chunked()));
            let page = format!("<html>{status}</html>");
            let html = Reply::content_length_body(page.clone()).with_status(status);
            replies.push((status, page, html.header("content-type", "text/html")));
            replies.push((status, String::new(), Reply::status(status)));
        }
        let script = replies
            .iter()
            .flat_map(|(_, _, reply)| [reply.clone(), reply.clone()]);
        let upstream = Upstream::script(script).exhausted_is_failure().await;
        let only = account("a", UPSTREAM_KEY_A, &upstream.url(), "");
        let gateway = Gateway::start(&dialect.config("request-retry: 3", &[only])).await;
        let mut client = Client::connect(gateway.addr()).await;
        let mut count = 0;
        for (status, body, _) in &replies {
            for mode in [Mode::Whole, Mode::Stream] {
                let request = dialect.request(&mut client, dialect.model(), mode);
                let response = request.send().await;
                let what = format!("{dialect:?} {mode:?}: {response:?}");
                assert_eq!(
                    (response.status, response.text()),
                    (*status, &**body),
                    "{what}"
                );
                assert!(response.complete, "{what}");
                assert!(response.header("x-request-id").is_some(), "{what}");
                assert_eq!(response.header("x-aiproxy-error"), None, "{what}");
                count += 1;
                assert_eq!(upstream.requests().len(), count, "{what}");
            }
        }
        // One account and all of this: it never rested, and the connection was kept throughout.
        assert_eq!(upstream.connections(), 1, "{dialect:?}");
    }
}

/// The provider's way to say that it does not have the model.
fn no_model(dialect: Dialect) -> Reply {
    match dialect {
        Dialect::Chat | Dialect::Responses => {
            let message = "The model `m` does not exist or you do not have access to it.";
            dialect.refusal(404, "model_not_found", message)
        }
        Dialect::Claude => dialect.refusal(404, "not_found_error", "model: m"),
        Dialect::Gemini => {
            let message = "models/m is not found for API version v1beta";
            dialect.refusal(404, "NOT_FOUND", message)
        }
    }
}

#[tokio::test]
async fn a_model_that_a_provider_does_not_know_is_asked_of_the_next_provider() {
    for dialect in Dialect::ALL {
        let ignorant = Upstream::always(no_model(dialect))
            .exhausted_is_failure()
            .await;
        let knowing = Upstream::always(dialect.answer(Mode::Stream)).await;
        let entries = [
            account(
                "a",
                UPSTREAM_KEY_A,
                &ignorant.url(),
                "models: [m], priority: 1",
            ),
            account(
                "b",
                UPSTREAM_KEY_B,
                &ignorant.url(),
                "models: [m], priority: 1",
            ),
            account("c", UPSTREAM_KEY_A, &knowing.url(), "models: [m]"),
        ];
        let gateway = Gateway::start(&dialect.config("request-retry: 0", &entries)).await;
        let mut client = Client::connect(gateway.addr()).await;
        let response = dialect.request(&mut client, "m", Mode::Stream).send().await;
        assert_eq!(
            response.text(),
            dialect.answer_text(Mode::Stream),
            "{response:?}"
        );
        assert_eq!(ignorant.requests().len(), 1, "its second key is not asked");
        assert_eq!(knowing.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_model_that_no_provider_knows_is_told_in_the_last_ones_words() {
    for dialect in Dialect::ALL {
        for providers in [1, 2] {
            let mut upstreams = Vec::new();
            let mut entries = Vec::new();
            for n in 0..providers {
                let upstream = Upstream::always(no_model(dialect)).await;
                let more = format!("models: [m], priority: {}", -n);
                entries.push(account(
                    &format!("p{n}"),
                    UPSTREAM_KEY_A,
                    &upstream.url(),
                    &more,
                ));
                upstreams.push(upstream);
            }
            let gateway = Gateway::start(&dialect.config("", &entries)).await;
            for round in 1..=2 {
                let mut client = Client::connect(gateway.addr()).await;
                let response = dialect.request(&mut client, "m", Mode::Whole).send().await;
                assert_eq!(response.status, 404, "{dialect:?}: {response:?}");
                let theirs = Upstream::always(no_model(dialect)).await;
                let mut direct = Client::connect(theirs.addr()).await;
                let words = direct.request("POST", "/").send().await;
                assert_eq!(response.body, words.body, "{dialect:?}");
                for upstream in &upstreams {
                    assert_eq!(
                        upstream.requests().len(),
                        round,
                        "asked once, and not resting"
                    );
                }
            }
        }
    }
}
