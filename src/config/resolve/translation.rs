//! Translation between formats.

use crate::chat::OnLoss;
use crate::config::file;
use crate::config::{RateLimitHeaders, Translation};

/// What the file says about it.
pub(super) fn translation(file: &file::Translation) -> Translation {
    Translation {
        on_loss: match file.on_loss {
            file::OnLoss::Warn => OnLoss::Warn,
            file::OnLoss::Reject => OnLoss::Reject,
            file::OnLoss::Quiet => OnLoss::Quiet,
        },
        loss_comments: file.loss_comments,
        repair_retry: file.repair_retry,
        rate_limit_headers: match file.rate_limit_headers {
            file::RateLimitHeaders::Auto => RateLimitHeaders::Auto,
            file::RateLimitHeaders::On => RateLimitHeaders::On,
            file::RateLimitHeaders::Off => RateLimitHeaders::Off,
        },
    }
}
