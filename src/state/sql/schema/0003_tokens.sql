-- Tokens of OAuth 2.0. What is secret of them is sealed; version counts refreshes and is the fence of those
-- who have lost the lock.
CREATE TABLE oauth_tokens (
  id {name} PRIMARY KEY,
  account {name} NOT NULL,
  version {int} NOT NULL,
  sealed {text},
  locked_by {name} NOT NULL,
  locked_until {int} NOT NULL
){table};
