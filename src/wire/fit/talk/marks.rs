//! Where prompt caches may end.

use crate::chat::{CacheMark, Content, Format, Request};
use crate::wire::Profile;

/// How many marks a prompt may have.
const MOST: usize = 4;

/// Keeps the marks that the target understands, in its own times to live. Nobody misses the others:
/// caching is automatic there.
pub(super) fn fit(request: &mut Request<'_>, target: Format, profile: &Profile) {
    let takes_marks = match target {
        Format::Claude => true,
        Format::OpenAiChat | Format::OpenAiResponses => profile.chat.cache_breakpoints,
        Format::Gemini => false,
    };
    if !takes_marks {
        request.caching.auto = None;
        each(request, |mark| *mark = None);
    } else if target == Format::Claude {
        lift(request);
        for_claude(request);
    } else {
        request.caching.auto = None;
        from_tools(request);
        each(request, |mark| *mark = mark.map(for_openai));
        last(request, MOST);
    }
    if matches!(target, Format::Claude | Format::Gemini) {
        request.caching.key = None;
        request.caching.options = None;
        request.caching.retention = None;
    }
}

/// All marks, in the order of the prompt.
fn each(request: &mut Request<'_>, mut change: impl FnMut(&mut Option<CacheMark>)) {
    for tool in &mut request.tools {
        change(&mut tool.cache);
    }
    for turn in request.instructions.iter_mut().chain(&mut request.turns) {
        for part in &mut turn.parts {
            if let Content::ToolResult(result) = &mut part.content {
                for inner in &mut result.content {
                    change(&mut inner.cache);
                }
            }
            change(&mut part.cache);
        }
    }
}

/// Keeps the last `most` marks.
fn last(request: &mut Request<'_>, most: usize) {
    let mut count = 0_usize;
    each(request, |mark| count += usize::from(mark.is_some()));
    let mut too_many = count.saturating_sub(most);
    each(request, |mark| {
        if too_many > 0 && mark.take().is_some() {
            too_many -= 1;
        }
    });
}

/// A mark inside a result is one on the result; reasoning has none.
fn lift(request: &mut Request<'_>) {
    for part in request.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        match &mut part.content {
            Content::ToolResult(result) => {
                for inner in &mut result.content {
                    let mark = inner.cache.take();
                    part.cache = part.cache.or(mark);
                }
            }
            Content::Reasoning(_) => part.cache = None,
            _ => {}
        }
    }
}

fn for_claude(request: &mut Request<'_>) {
    // The provider's own mark takes one of the four.
    let taken = usize::from(request.caching.auto.is_some());
    last(request, MOST - taken);
    let mut is_short = false;
    each(request, |mark| {
        let Some(ttl) = mark else {
            return;
        };
        *ttl = match ttl {
            // Those that live longer must come first.
            CacheMark::Minutes30 | CacheMark::Hour1 | CacheMark::Hours12 if is_short => {
                CacheMark::Minutes5
            }
            CacheMark::Minutes30 | CacheMark::Hour1 | CacheMark::Hours12 => CacheMark::Hour1,
            CacheMark::Default | CacheMark::Minutes5 => *ttl,
        };
        is_short |= *ttl != CacheMark::Hour1;
    });
}

const fn for_openai(mark: CacheMark) -> CacheMark {
    match mark {
        CacheMark::Default | CacheMark::Minutes5 => CacheMark::Default,
        CacheMark::Hour1 => CacheMark::Hours12,
        CacheMark::Minutes30 | CacheMark::Hours12 => mark,
    }
}

/// OpenAI's tools have no place for a mark; the instructions come right after them.
fn from_tools(request: &mut Request<'_>) {
    let mut mark = None;
    for tool in &mut request.tools {
        mark = tool.cache.take().or(mark);
    }
    let first = request.instructions.first_mut();
    if let Some(part) = first.and_then(|turn| turn.parts.first_mut()) {
        part.cache = part.cache.or(mark);
    }
}
