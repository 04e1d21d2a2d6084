//! A request of any format, translated to any other. The first two bytes say which.
#![no_main]

use std::sync::{Arc, LazyLock};

use ai_proxy::chat::{Format, OnLoss};
use ai_proxy::wire::Profile;
use ai_proxy::wire::json::Node;
use ai_proxy::wire::media::Media;
use ai_proxy::wire::translate::{Source, Target, request};
use libfuzzer_sys::fuzz_target;

static PROFILE: LazyLock<Arc<Profile>> = LazyLock::new(Arc::default);
static MEDIA: LazyLock<Media> = LazyLock::new(Media::default);

fuzz_target!(|input: &[u8]| {
    let [from, to, body @ ..] = input else { return };
    let (from, to) = (format(*from), format(*to));
    let source = Source {
        note: None,
        format: from,
        body,
        stream: body.len().is_multiple_of(2),
        media: &MEDIA,
    };
    let target = Target {
        format: to,
        model: "model",
        profile: &PROFILE,
    };
    if let Ok(translated) = request(source, target, OnLoss::Warn) {
        // What comes out is JSON, whatever went in.
        assert!(Node::parse(&translated.body, usize::MAX).is_ok());
    }
});

fn format(byte: u8) -> Format {
    Format::ALL[usize::from(byte) % 4]
}
