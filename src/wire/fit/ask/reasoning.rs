//! How much to think, in the terms of the target.
//!
//! What is left for an encoder: OpenAI and Gemini's newer models get an `effort`, Gemini's older ones
//! a `budget`. Anthropic: mode `Auto` is adaptive, `On` with a budget is enabled, `Off` is disabled,
//! `On` without a budget sends only the effort.

use super::{To, place};
use crate::chat::{
    Change, Effort, Expose, Fault, Format, Losses, Reasoning, ReasoningMode, Request,
};

/// The least that Anthropic takes as a budget, and what should be left for the answer.
const CLAUDE_MIN: i64 = 1024;

/// What the client wants, without the words of its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Off,
    Effort(Effort),
    Budget(i64),
    Auto,
}

/// Turns `request.reasoning` into what the target gets; `None`: nothing is sent. `sees`: the client is
/// to see reasoning.
pub(super) fn fit(
    request: &mut Request<'_>,
    to: To<'_>,
    sees: bool,
    losses: &mut Losses,
) -> Result<(), Fault> {
    if let Some(asked) = request.reasoning.take() {
        let mut fitting = Fitting {
            request,
            to,
            losses,
            sees,
        };
        let fitted = match to.format {
            Format::OpenAiChat => fitting.openai(&asked).filter(|all| all.effort.is_some()),
            Format::OpenAiResponses => fitting.openai(&asked),
            Format::Claude => fitting.claude(&asked)?,
            Format::Gemini => fitting.gemini(&asked),
        };
        request.reasoning = fitted;
    }
    if to.is(Format::Claude) {
        let claude = &to.profile.claude;
        let default = claude.default_max_tokens.min(claude.max_output);
        request.max_output_tokens.get_or_insert(default);
    }
    Ok(())
}

struct Fitting<'r, 'a, 'p, 'l> {
    request: &'r mut Request<'a>,
    to: To<'p>,
    losses: &'l mut Losses,
    sees: bool,
}

impl Fitting<'_, '_, '_, '_> {
    fn note(&mut self, change: Change) {
        self.losses
            .note(place::REASONING.at(self.request.origin), change);
    }

    const fn expose(&self) -> Expose {
        if self.sees {
            Expose::Auto
        } else {
            Expose::Nothing
        }
    }

    /// The nearest effort that is accepted.
    fn nearest(&mut self, efforts: &[Effort], wanted: Effort) -> Option<Effort> {
        let found = nearest(efforts, wanted)?;
        if found != wanted {
            self.note(Change::Clamped);
        }
        Some(found)
    }

    fn effort_of(&mut self, wish: Wish) -> Option<Effort> {
        match wish {
            Wish::Off => Some(Effort::None),
            Wish::Effort(effort) => Some(effort),
            Wish::Budget(budget) => {
                self.note(Change::Approximated);
                Some(effort(budget))
            }
            Wish::Auto => None,
        }
    }

    fn openai(&mut self, asked: &Reasoning) -> Option<Reasoning> {
        let efforts = &self.to.profile.chat.efforts;
        // A model without efforts does not reason: there is nothing to turn on or off.
        if efforts.is_empty() {
            return None;
        }
        let effort = self.effort_of(wish(asked, true));
        let effort = effort.and_then(|effort| self.nearest(efforts, effort));
        let shows = self.sees && self.to.profile.responses.summary;
        let expose = shows.then_some(Expose::Auto);
        (effort.is_some() || expose.is_some()).then_some(Reasoning {
            mode: ReasoningMode::On,
            effort,
            budget: None,
            expose,
        })
    }

    fn claude(&mut self, asked: &Reasoning) -> Result<Option<Reasoning>, Fault> {
        let claude = &self.to.profile.claude;
        let types = claude.thinking;
        let efforts = &claude.effort;
        let only_effort = |effort| Reasoning {
            mode: ReasoningMode::On,
            effort: Some(effort),
            budget: None,
            expose: None,
        };
        let wish = wish(asked, types.adaptive || !types.enabled);
        if wish == Wish::Off {
            if types.disabled {
                let highest = claude.effort_when_disabled_max.unwrap_or(Effort::Max);
                let kept = asked.effort.filter(|effort| *effort != Effort::None);
                let effort = kept.and_then(|effort| self.nearest(efforts, effort.min(highest)));
                return Ok(Some(Reasoning {
                    mode: ReasoningMode::Off,
                    effort,
                    budget: None,
                    expose: None,
                }));
            }
            if !efforts.is_empty() {
                self.note(Change::Clamped);
            }
            return Ok(efforts.first().copied().map(only_effort));
        }
        if types.adaptive {
            let effort = self.effort_of(wish);
            let effort = effort.and_then(|effort| self.nearest(efforts, effort));
            return Ok(Some(Reasoning {
                mode: ReasoningMode::Auto,
                effort,
                budget: None,
                expose: Some(self.expose()),
            }));
        }
        if types.enabled {
            return self.claude_budget(wish);
        }
        if let Wish::Effort(effort) = wish
            && !efforts.is_empty()
        {
            return Ok(self.nearest(efforts, effort).map(only_effort));
        }
        self.losses
            .dropped(place::REASONING.at(self.request.origin))?;
        Ok(None)
    }

    fn claude_budget(&mut self, wish: Wish) -> Result<Option<Reasoning>, Fault> {
        let claude = &self.to.profile.claude;
        let ceiling = i64::try_from(claude.max_output).unwrap_or(i64::MAX);
        let wanted = match wish {
            Wish::Budget(budget) => budget,
            Wish::Effort(effort) => {
                self.note(Change::Approximated);
                budget(effort, ceiling)
            }
            Wish::Off | Wish::Auto => budget(Effort::Medium, ceiling),
        };
        let wanted = wanted.max(CLAUDE_MIN);
        let limit = match self.request.max_output_tokens {
            // The client's limit is for both, thinking and answer.
            Some(limit) => i64::try_from(limit).unwrap_or(i64::MAX),
            None => {
                let default = i64::try_from(claude.default_max_tokens).unwrap_or(ceiling);
                let limit = default.max(wanted.saturating_add(CLAUDE_MIN)).min(ceiling);
                self.request.max_output_tokens = Some(limit.unsigned_abs());
                limit
            }
        };
        let most = limit - CLAUDE_MIN;
        if most < CLAUDE_MIN {
            self.losses
                .dropped(place::REASONING.at(self.request.origin))?;
            return Ok(None);
        }
        if wanted > most {
            self.note(Change::Clamped);
        }
        Ok(Some(Reasoning {
            mode: ReasoningMode::On,
            effort: None,
            budget: Some(wanted.min(most)),
            expose: Some(self.expose()),
        }))
    }

    fn gemini(&mut self, asked: &Reasoning) -> Option<Reasoning> {
        let gemini = &self.to.profile.gemini;
        let by_level = !gemini.levels.is_empty();
        let wish = wish(asked, by_level);
        let (effort, budget) = if by_level {
            let effort = self.effort_of(wish);
            let level = effort.and_then(|effort| self.nearest(&gemini.levels, effort));
            (level, None)
        } else if gemini.budget_max == 0 {
            return None;
        } else {
            (None, Some(self.gemini_budget(wish)))
        };
        let expose = if wish == Wish::Off {
            Expose::Nothing
        } else {
            self.expose()
        };
        let mode = if wish == Wish::Auto {
            ReasoningMode::Auto
        } else {
            ReasoningMode::On
        };
        Some(Reasoning {
            mode,
            effort,
            budget,
            expose: Some(expose),
        })
    }

    fn gemini_budget(&mut self, wish: Wish) -> i64 {
        let gemini = &self.to.profile.gemini;
        let wanted = match wish {
            Wish::Auto => return -1,
            Wish::Off if gemini.budget_zero => return 0,
            Wish::Off => 0,
            Wish::Budget(budget) => budget,
            Wish::Effort(effort) => {
                self.note(Change::Approximated);
                budget(effort, gemini.budget_max)
            }
        };
        let clamped = wanted.min(gemini.budget_max).max(gemini.budget_min.max(1));
        if clamped != wanted {
            self.note(Change::Clamped);
        }
        clamped
    }
}

/// What is asked for. Where a client says it in words and in tokens, `words` decides.
fn wish(asked: &Reasoning, words: bool) -> Wish {
    let is_off = asked.mode == ReasoningMode::Off
        || asked.effort == Some(Effort::None)
        || (asked.budget == Some(0) && asked.effort.is_none());
    if is_off {
        return Wish::Off;
    }
    let budget = asked.budget.filter(|budget| *budget > 0);
    match (asked.effort, budget) {
        (Some(effort), None) => Wish::Effort(effort),
        (Some(effort), Some(_)) if words => Wish::Effort(effort),
        (_, Some(budget)) => Wish::Budget(budget),
        (None, None) => Wish::Auto,
    }
}

/// The tokens that an effort stands for; `ceiling` is the most the model takes.
pub(super) const fn budget(effort: Effort, ceiling: i64) -> i64 {
    match effort {
        Effort::None => 0,
        Effort::Minimal => 512,
        Effort::Low => 2048,
        Effort::Medium => 8192,
        Effort::High => 24_576,
        Effort::XHigh => 32_768,
        Effort::Max => ceiling,
    }
}

/// The effort that so many tokens stand for.
pub(super) const fn effort(budget: i64) -> Effort {
    match budget {
        ..=0 => Effort::None,
        1..=1023 => Effort::Minimal,
        1024..=4095 => Effort::Low,
        4096..=16_383 => Effort::Medium,
        16_384..=32_767 => Effort::High,
        32_768.. => Effort::XHigh,
    }
}

/// The nearest of `accepted` (weakest first): never more than was asked, if there is any; and some
/// thinking does not become none.
pub(super) fn nearest(accepted: &[Effort], wanted: Effort) -> Option<Effort> {
    let fits = |effort: &&Effort| {
        **effort <= wanted && (**effort != Effort::None || wanted == Effort::None)
    };
    let lowest = || {
        let some = accepted.iter().find(|effort| **effort != Effort::None);
        some.or_else(|| accepted.first())
    };
    accepted.iter().rev().find(fits).or_else(lowest).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Effort::{High, Low, Max, Medium, Minimal, None as Never, XHigh};

    #[test]
    fn efforts_and_budgets_are_each_others_inverse() {
        for one in [Never, Minimal, Low, Medium, High, XHigh] {
            assert_eq!(effort(budget(one, 100_000)), one);
        }
        assert_eq!(effort(-1), Never);
        assert_eq!(budget(Max, 777), 777);
    }

    #[test]
    fn the_nearest_effort_is_never_more_than_asked_if_there_is_less() {
        let usual = [Low, Medium, High];
        assert_eq!(nearest(&usual, Minimal), Some(Low));
        assert_eq!(nearest(&usual, Never), Some(Low));
        assert_eq!(nearest(&usual, XHigh), Some(High));
        assert_eq!(nearest(&[Low, High], Medium), Some(Low));
        assert_eq!(nearest(&[Low, Medium, High, Max], XHigh), Some(High));
        assert_eq!(nearest(&[Never, Low], Minimal), Some(Low));
        assert_eq!(nearest(&[Never, Low], Never), Some(Never));
        assert_eq!(nearest(&[], Low), None);
    }
}
