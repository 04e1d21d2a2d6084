-- One row per request. Numbers of tokens say where they come from: 0 none, 1 reported, 2 partial,
-- 3 estimated, 4 clamped. Times are microseconds since 1970 in UTC.
CREATE TABLE request_logs (
    id {id} NOT NULL PRIMARY KEY,
    time {int} NOT NULL,
    -- 1: the clock said what cannot be, and time is when the row was written.
    time_moved {int} NOT NULL,
    request_id {name} NOT NULL,
    client {name},
    account {name},
    provider {name},
    model_asked {name} NOT NULL,
    model_used {name},
    client_format {name},
    provider_format {name},
    streamed {int} NOT NULL,
    own_key {int} NOT NULL,
    status {int} NOT NULL,
    error {name},
    attempts {int} NOT NULL,
    input_tokens {int} NOT NULL,
    input_quality {int} NOT NULL,
    cache_read_tokens {int} NOT NULL,
    cache_read_quality {int} NOT NULL,
    cache_write_tokens {int} NOT NULL,
    cache_write_quality {int} NOT NULL,
    cache_write_long_tokens {int} NOT NULL,
    cache_write_long_quality {int} NOT NULL,
    output_tokens {int} NOT NULL,
    output_quality {int} NOT NULL,
    reasoning_tokens {int} NOT NULL,
    reasoning_quality {int} NOT NULL,
    web_searches {int} NOT NULL,
    -- Billionths of a dollar.
    cost_nano_dollars {int},
    price_version {name},
    latency_micros {int} NOT NULL,
    first_token_micros {int},
    bytes_in {int} NOT NULL,
    bytes_out {int} NOT NULL,
    tags {text} NOT NULL
){table};

CREATE INDEX request_logs_time ON request_logs (time);

-- Who used what: every combination that the sums are kept for. Its id is a hash of the rest; empty: none.
CREATE TABLE usage_series (
    id {id} NOT NULL PRIMARY KEY,
    account {name} NOT NULL,
    provider {name} NOT NULL,
    model {name} NOT NULL,
    client {name} NOT NULL,
    tags {text} NOT NULL
){table};

-- Sums of request_logs. start is the beginning of an hour in UTC, in seconds since 1970.
CREATE TABLE usage_hourly (
    start {int} NOT NULL,
    series {id} NOT NULL,
    requests {int} NOT NULL,
    errors {int} NOT NULL,
    attempts {int} NOT NULL,
    input_tokens {int} NOT NULL,
    cache_read_tokens {int} NOT NULL,
    cache_write_tokens {int} NOT NULL,
    cache_write_long_tokens {int} NOT NULL,
    output_tokens {int} NOT NULL,
    reasoning_tokens {int} NOT NULL,
    web_searches {int} NOT NULL,
    -- Of input_tokens and output_tokens: estimated; the last seen before an answer was cut.
    estimated_tokens {int} NOT NULL,
    partial_tokens {int} NOT NULL,
    cost_nano_dollars {int} NOT NULL,
    -- Requests with tokens and without a price.
    cost_unknown {int} NOT NULL,
    latency_micros {int} NOT NULL,
    -- Of streamed answers with content: how many, and how long until its first.
    first_tokens {int} NOT NULL,
    first_token_micros {int} NOT NULL,
    bytes_in {int} NOT NULL,
    bytes_out {int} NOT NULL,
    PRIMARY KEY (start, series)
){clustered};

-- The same by day.
CREATE TABLE usage_daily (
    start {int} NOT NULL,
    series {id} NOT NULL,
    requests {int} NOT NULL,
    errors {int} NOT NULL,
    attempts {int} NOT NULL,
    input_tokens {int} NOT NULL,
    cache_read_tokens {int} NOT NULL,
    cache_write_tokens {int} NOT NULL,
    cache_write_long_tokens {int} NOT NULL,
    output_tokens {int} NOT NULL,
    reasoning_tokens {int} NOT NULL,
    web_searches {int} NOT NULL,
    estimated_tokens {int} NOT NULL,
    partial_tokens {int} NOT NULL,
    cost_nano_dollars {int} NOT NULL,
    cost_unknown {int} NOT NULL,
    latency_micros {int} NOT NULL,
    first_tokens {int} NOT NULL,
    first_token_micros {int} NOT NULL,
    bytes_in {int} NOT NULL,
    bytes_out {int} NOT NULL,
    PRIMARY KEY (start, series)
){clustered};

-- A writer takes the rows of its days first, so that two writers of one day go one after the other.
CREATE TABLE usage_days (
    start {int} NOT NULL PRIMARY KEY,
    -- Batches that were written.
    batches {int} NOT NULL,
    -- 1: rows of request_logs were deleted by age, and the sums cannot be made from them again.
    thinned {int} NOT NULL
){table};
