//! How the next token is chosen, as far as the target lets anybody choose.

use super::To;
use super::place::{self, Names};
use crate::chat::{
    Change, Effort, Fault, Format, Json, Losses, Reasoning, ReasoningMode, Request, Sampling,
};

type Field = for<'s, 'a> fn(&'s mut Sampling<'a>) -> &'s mut Option<Json<'a>>;

const TEMPERATURE: (Field, Names) = (|all| &mut all.temperature, place::TEMPERATURE);
const TOP_P: (Field, Names) = (|all| &mut all.top_p, place::TOP_P);
const TOP_K: (Field, Names) = (|all| &mut all.top_k, place::TOP_K);
const PRESENCE: (Field, Names) = (|all| &mut all.presence_penalty, place::PRESENCE);
const FREQUENCY: (Field, Names) = (|all| &mut all.frequency_penalty, place::FREQUENCY);
const SEED: (Field, Names) = (|all| &mut all.seed, place::SEED);
const LOGIT_BIAS: (Field, Names) = (|all| &mut all.logit_bias, place::LOGIT_BIAS);

/// Drops and clamps what the target refuses. Reasoning is already what the target gets.
pub(super) fn fit(request: &mut Request<'_>, to: To<'_>, losses: &mut Losses) -> Result<(), Fault> {
    let mut all = Dropping { request, losses };
    match to.format {
        Format::OpenAiChat => {
            if !to.profile.chat.accepts_unknown {
                all.drop(TOP_K)?;
            }
            all.reasoning_model(to)?;
        }
        Format::OpenAiResponses => {
            for field in [TOP_K, PRESENCE, FREQUENCY, SEED, LOGIT_BIAS] {
                all.drop(field)?;
            }
            all.reasoning_model(to)?;
        }
        Format::Claude => {
            for field in [PRESENCE, FREQUENCY, SEED, LOGIT_BIAS] {
                all.drop(field)?;
            }
            all.logprobs()?;
            all.claude(to)?;
        }
        Format::Gemini => {
            all.drop(LOGIT_BIAS)?;
            all.gemini_seed();
        }
    }
    Ok(())
}

struct Dropping<'r, 'a, 'l> {
    request: &'r mut Request<'a>,
    losses: &'l mut Losses,
}

impl Dropping<'_, '_, '_> {
    fn drop(&mut self, (field, names): (Field, Names)) -> Result<(), Fault> {
        if field(&mut self.request.sampling).take().is_some() {
            self.losses.dropped(names.at(self.request.origin))?;
        }
        Ok(())
    }

    fn logprobs(&mut self) -> Result<(), Fault> {
        if self.request.logprobs.take().is_some() {
            self.losses
                .dropped(place::LOGPROBS.at(self.request.origin))?;
        }
        Ok(())
    }

    /// Gemini's seed has 32 bits: a longer one becomes another, always the same.
    fn gemini_seed(&mut self) {
        let Some(seed) = &mut self.request.sampling.seed else {
            return;
        };
        if seed.as_str().parse::<i32>().is_ok() {
            return;
        }
        let short = match seed.as_str().parse::<i128>() {
            Ok(number) => Some(number.rem_euclid(1 << 31)),
            Err(_) => seed
                .as_f64()
                .filter(|number| number.is_finite())
                .map(|number| {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "any number will do, if it is always the same"
                    )]
                    let whole = number as i64;
                    i128::from(whole).rem_euclid(1 << 31)
                }),
        };
        self.request.sampling.seed = short.map(|number| Json::trusted(number.to_string()));
        let place = place::SEED.at(self.request.origin);
        self.losses.note(place, Change::Approximated);
    }

    /// OpenAI's reasoning models choose for themselves, unless they are told not to reason.
    fn reasoning_model(&mut self, to: To<'_>) -> Result<(), Fault> {
        let chat = &to.profile.chat;
        if !chat.reasoning_model {
            return Ok(());
        }
        for field in [PRESENCE, FREQUENCY, LOGIT_BIAS] {
            self.drop(field)?;
        }
        let effort = self.request.reasoning.as_ref().and_then(|all| all.effort);
        if chat.sampling_without_effort && effort == Some(Effort::None) {
            return Ok(());
        }
        for field in [TEMPERATURE, TOP_P] {
            self.drop(field)?;
        }
        self.logprobs()
    }

    fn claude(&mut self, to: To<'_>) -> Result<(), Fault> {
        let claude = &to.profile.claude;
        // The version of the API that came after the first takes none of them.
        if !claude.sampling || claude.version.as_str() >= "2026-10-21" {
            for field in [TEMPERATURE, TOP_P, TOP_K] {
                self.drop(field)?;
            }
            return Ok(());
        }
        let origin = self.request.origin;
        let number = |json: &Option<Json<'_>>| json.as_ref().and_then(Json::as_f64);
        if number(&self.request.sampling.temperature).is_some_and(|value| value > 1.0) {
            self.request.sampling.temperature = Some(Json::trusted("1"));
            self.losses
                .note(place::TEMPERATURE.at(origin), Change::Clamped);
        }
        if thinks(self.request.reasoning.as_ref()) {
            if number(&self.request.sampling.temperature) != Some(1.0) {
                self.drop(TEMPERATURE)?;
            }
            if number(&self.request.sampling.top_p).is_none_or(|value| value < 0.95) {
                self.drop(TOP_P)?;
            }
            self.drop(TOP_K)?;
        }
        // Several models refuse both together.
        if self.request.sampling.temperature.is_some() {
            self.drop(TOP_P)?;
        }
        Ok(())
    }
}

/// Whether `thinking` is sent and not disabled.
pub(super) fn thinks(reasoning: Option<&Reasoning>) -> bool {
    reasoning.is_some_and(|reasoning| match reasoning.mode {
        ReasoningMode::On => reasoning.budget.is_some(),
        ReasoningMode::Auto => true,
        ReasoningMode::Off => false,
    })
}
