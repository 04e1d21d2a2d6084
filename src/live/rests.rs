//! Rests of accounts, told to the instances that share a Redis.
//!
//! Whoever puts an account to rest says for how long and writes it down; the others let it rest as long,
//! counted from when they hear it, and an instance that begins reads what stands. Only lengths of time
//! are exchanged, and the only clock that counts them is that of Redis: clocks of instances may differ.

use std::collections::HashSet;
use std::time::Duration;

use futures::future::join_all;
use redis::Script;
use tokio::time::Instant;

use crate::account::AccountId;
use crate::account::book::Book;
use crate::account::health::{Cause, Tiding, What};
use crate::state::redis::{Heard, NotDone, Redis, Trouble};

/// The channel, and the key of what stands.
const NAME: &str = "rests";
/// How long Redis may take.
const DEADLINE: Duration = Duration::from_millis(500);
/// News that are told in one go.
const BATCH: usize = 128;
/// What stands is read so often, in case that something was not heard.
const AGAIN: Duration = Duration::from_secs(30);
/// Told again after a failure.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest model name that is told.
const MODEL: usize = 512;

/// Notes in the hash `KEYS[1]` that `ARGV[2]` rests for `ARGV[3]` ms with the words `ARGV[4]`, unless it rests
/// longer, then says `ARGV[1]` on the channel `KEYS[2]`.
const REST: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local till = now + ARGV[3]
local old = redis.call('HGET', KEYS[1], ARGV[2])
if not old or (tonumber(string.match(old, '^%d+')) or 0) < till then
  redis.call('HSET', KEYS[1], ARGV[2], string.format('%.0f', till) .. ' ' .. ARGV[4])
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return redis.call('PUBLISH', KEYS[2], ARGV[1])";

/// Forgets `ARGV[2]` in the hash `KEYS[1]`, then says `ARGV[1]` on the channel `KEYS[2]`.
const WELL: &str = "
redis.call('HDEL', KEYS[1], ARGV[2])
return redis.call('PUBLISH', KEYS[2], ARGV[1])";

/// What stands in the hash `KEYS[1]`: who, how many ms are left, and the words. Forgets what is over.
const STANDING: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local all, out = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local till, words = string.match(all[i + 1], '^(%d+) (.*)$')
  local left = (tonumber(till) or 0) - now
  if left > 0 then
    out[#out + 1] = all[i]
    out[#out + 1] = string.format('%.0f', left) .. ' ' .. words
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return out";

/// Tells the others what begins here, and takes what begins there. Never ends.
pub(super) async fn share(book: &Book, redis: &Redis) {
    tokio::join!(tell(book, redis), hear(book, redis));
}

async fn tell(book: &Book, redis: &Redis) {
    let Some(others) = book.others() else {
        return;
    };
    let scripts = (Script::new(REST), Script::new(WELL));
    loop {
        let news = others.news.take(BATCH).await;
        let told = news.iter().map(|one| say(redis, &scripts, one));
        let told = join_all(told).await;
        let Some(error) = told.iter().find_map(|told| told.as_ref().err()) else {
            continue;
        };
        redis.complain("rests of accounts are not shared", error);
        // What it refuses it would refuse again.
        let passes = |told: &Result<(), NotDone>| match told {
            Ok(()) => false,
            Err(error) => matches!(error.trouble, Trouble::Away | Trouble::Slow),
        };
        let mut untold: Vec<Tiding> = news
            .into_iter()
            .zip(&told)
            .filter(|(_, told)| passes(told))
            .map(|(news, _)| news)
            .collect();
        if !untold.is_empty() {
            tokio::time::sleep(PAUSE).await;
            untold.extend(others.news.take_now(usize::MAX));
            others.news.put_back(condensed(untold));
        }
    }
}

/// `news` without what is over, and only the last about each account and model.
fn condensed(news: Vec<Tiding>) -> Vec<Tiding> {
    let now = Instant::now();
    let is_over = |what: What| matches!(what, What::Rests { until, .. } if until <= now);
    let mut known = HashSet::new();
    let mut last: Vec<Tiding> = news
        .into_iter()
        .rev()
        .filter(|news| known.insert((news.account, news.model.clone())) && !is_over(news.what))
        .collect();
    last.reverse();
    last
}

async fn say(redis: &Redis, (rest, well): &(Script, Script), news: &Tiding) -> Result<(), NotDone> {
    let who = who(news.account, news.model.as_deref());
    if who.len() > MODEL {
        return Ok(());
    }
    let from = redis.instance();
    let key = redis.key(NAME);
    let mut call;
    match news.what {
        What::Rests {
            until,
            cause,
            failures,
        } => {
            let left = until.saturating_duration_since(Instant::now()).as_millis();
            if left == 0 {
                return Ok(());
            }
            let words = words(cause, failures);
            call = rest.key(&key);
            call.key(&key)
                .arg(format!("{from:016x} {left} {words} {who}"))
                .arg(&who)
                .arg(left as u64)
                .arg(words);
        }
        What::Well => {
            call = well.key(&key);
            call.key(&key)
                .arg(format!("{from:016x} 0 - 0 {who}"))
                .arg(&who);
        }
    }
    redis.run_script(&call, DEADLINE).await
}

async fn hear(book: &Book, redis: &Redis) {
    let standing = Script::new(STANDING);
    let mut listener = redis.listen(NAME);
    loop {
        match tokio::time::timeout(AGAIN, listener.next()).await {
            Ok(Heard::Message(message)) => take(book, redis, &message),
            anew => {
                if anew.is_ok()
                    && let Some(others) = book.others()
                {
                    others.news.put_back(book.standing(Instant::now()));
                }
                read(book, redis, &standing).await;
            }
        }
    }
}

/// Takes what stands.
async fn read(book: &Book, redis: &Redis, standing: &Script) {
    let key = redis.key(NAME);
    let call = standing.key(&key);
    match redis
        .run_script::<Vec<(String, String)>>(&call, DEADLINE)
        .await
    {
        Ok(all) => {
            for (who, words) in all {
                if let Some(news) = read_news(&format!("{words} {who}"), Instant::now()) {
                    apply(book, &news);
                }
            }
        }
        Err(error) => redis.complain("rests of accounts cannot be read", &error),
    }
}

fn take(book: &Book, redis: &Redis, message: &[u8]) {
    let read = std::str::from_utf8(message).ok().and_then(|text| {
        let (from, news) = text.split_once(' ')?;
        let from = u64::from_str_radix(from, 16).ok()?;
        Some((from, read_news(news, Instant::now())?))
    });
    match read {
        Some((from, news)) => {
            if from != redis.instance() {
                apply(book, &news);
            }
        }
        None => {
            let error = redis.found(Trouble::Strange, "a message that no instance sends");
            redis.complain("not heard", &error);
        }
    }
}

fn apply(book: &Book, news: &Tiding) {
    // What no config here has would only take room.
    if let Some(health) = book.known(news.account) {
        health.hear(news.model.as_deref(), news.what, Instant::now());
    }
}

/// An account, and the model on it.
fn who(account: AccountId, model: Option<&str>) -> String {
    match model {
        None => format!("{:016x}", account.0),
        Some(model) => format!("{:016x} {model}", account.0),
    }
}

fn words(cause: Cause, failures: u32) -> String {
    let cause = match cause {
        Cause::Limit => "limit",
        Cause::Trouble => "trouble",
    };
    format!("{cause} {failures}")
}

/// `LEFT CAUSE FAILURES ACCOUNT [MODEL]`, said at `now`; a model may have spaces in its name.
fn read_news(text: &str, now: Instant) -> Option<Tiding> {
    let mut parts = text.splitn(5, ' ');
    let left: u64 = parts.next()?.parse().ok()?;
    let cause = parts.next()?;
    let failures = parts.next()?.parse().ok()?;
    let account = AccountId(u64::from_str_radix(parts.next()?, 16).ok()?);
    let model = parts.next();
    let until = now.checked_add(Duration::from_millis(left))?;
    let rests = |cause| What::Rests {
        until,
        cause,
        failures,
    };
    let what = match cause {
        "limit" => rests(Cause::Limit),
        "trouble" => rests(Cause::Trouble),
        "-" => What::Well,
        _ => return None,
    };
    Some(Tiding {
        account,
        model: model.filter(|model| model.len() <= MODEL).map(Into::into),
        what,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let now = Instant::now();
        for model in [None, Some("m"), Some("a model: with all")] {
            let who = who(AccountId(u64::MAX - 7), model);
            let words = words(Cause::Limit, 3);
            let news = read_news(&format!("1500 {words} {who}"), now).unwrap();
            assert_eq!(news.account, AccountId(u64::MAX - 7));
            assert_eq!(news.model.as_deref(), model);
            let rests = What::Rests {
                until: now + Duration::from_millis(1_500),
                cause: Cause::Limit,
                failures: 3,
            };
            assert_eq!(news.what, rests);
            let well = read_news(&format!("0 - 0 {who}"), now).unwrap();
            assert_eq!(well.what, What::Well);
        }
    }

    #[test]
    fn what_no_instance_says_is_not_understood() {
        let now = Instant::now();
        for text in [
            "",
            "1",
            "x limit 1 ab",
            "1 limit -1 ab",
            "1 why 1 ab",
            "1 limit 1 xyz",
            "1 limit 1",
        ] {
            assert_eq!(read_news(text, now), None, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_last_word_is_told_later_and_nothing_that_is_over() {
        let begin = Instant::now();
        let news = |model: &str, rests: Option<u64>| Tiding {
            account: AccountId(1),
            model: Some(model.into()),
            what: match rests {
                Some(seconds) => What::Rests {
                    until: begin + Duration::from_secs(seconds),
                    cause: Cause::Limit,
                    failures: 1,
                },
                None => What::Well,
            },
        };
        tokio::time::advance(Duration::from_secs(10)).await;
        let all = vec![
            news("long", Some(99)),
            news("short", Some(5)),
            news("long", Some(100)),
            news("well", Some(100)),
            news("well", None),
        ];
        let want = [news("long", Some(100)), news("well", None)];
        assert_eq!(condensed(all), want);
    }
}
