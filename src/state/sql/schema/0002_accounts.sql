CREATE TABLE change_counts (
    topic {name} NOT NULL PRIMARY KEY,
    version {int} NOT NULL
){table};

INSERT INTO change_counts (topic, version) VALUES ('accounts', 0);

INSERT INTO change_counts (topic, version) VALUES ('proxies', 0);

CREATE TABLE accounts (
    name {name} NOT NULL PRIMARY KEY,
    version {int} NOT NULL,
    document {text} NOT NULL,
    created_at {int} NOT NULL,
    changed_at {int} NOT NULL
){table};

CREATE TABLE audit (
    id {serial},
    happened_at {int} NOT NULL,
    actor {name} NOT NULL,
    address {name} NOT NULL,
    what {name} NOT NULL,
    subject {name} NOT NULL,
    changed_keys {text} NOT NULL,
    old_version {int},
    new_version {int}
){table};

CREATE INDEX audit_happened_at ON audit (happened_at);
