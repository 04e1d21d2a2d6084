//! The servers that other tests stand on.

use ai_proxy::state::sql::{Database, DatabaseUrl, Dialect, Trouble};

use crate::support::servers::{PASSWORD, Server, database};

async fn opened(url: &str) -> Database {
    let database = Database::new(DatabaseUrl::parse(url).unwrap());
    database.migrate().await.unwrap();
    database
}

#[tokio::test]
async fn every_database_takes_statements_and_gives_rows_back() {
    for dialect in Dialect::ALL {
        let database = opened(&database(dialect).await).await;
        database
            .execute(
                "CREATE TABLE rows_of_test (a BIGINT, b VARCHAR(20))",
                vec![],
            )
            .await
            .unwrap();
        let insert = "INSERT INTO rows_of_test (a, b) VALUES (?, ?)";
        let values = |text: Option<&str>| vec![i64::MAX.into(), text.into()];
        database.execute(insert, values(Some("ü"))).await.unwrap();
        let mut open = database.begin().await.unwrap();
        open.execute(insert, values(None)).await.unwrap();
        drop(open);
        let rows = database
            .rows("SELECT a, b FROM rows_of_test", vec![])
            .await
            .unwrap();
        assert_eq!(rows.len(), 1, "{dialect:?}");
        assert_eq!(rows[0].int(0).unwrap(), i64::MAX);
        assert_eq!(rows[0].maybe_text(1).unwrap().as_deref(), Some("ü"));
        let sum = format!("SELECT {} FROM rows_of_test", dialect.int("SUM(a)"));
        let rows = database.rows(&sum, vec![]).await.unwrap();
        assert_eq!(rows[0].int(0).unwrap(), i64::MAX);
    }
}

#[tokio::test]
async fn a_server_of_ones_own_can_be_killed_and_started_again() {
    for mut server in [Server::mariadb().await, Server::postgres().await] {
        let url = server.database().await;
        let database = opened(&url).await;
        database
            .execute("CREATE TABLE t (a BIGINT)", vec![])
            .await
            .unwrap();
        server.kill().await;
        let insert = "INSERT INTO t (a) VALUES (?)";
        let error = database.execute(insert, vec![1_i64.into()]).await;
        assert_eq!(error.unwrap_err().trouble, Trouble::Away);
        server.start().await;
        database.execute(insert, vec![2_i64.into()]).await.unwrap();
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_repeated() {
    for dialect in [Dialect::MySql, Dialect::Postgres] {
        let url = database(dialect)
            .await
            .replace(PASSWORD, "wrong-canary-secret");
        let database = Database::new(DatabaseUrl::parse(&url).unwrap());
        let error = database.open().await.unwrap_err();
        assert_eq!(error.trouble, Trouble::Refused, "{error}");
        assert!(!error.to_string().contains("canary-secret"), "{error}");
    }
}

#[tokio::test]
async fn redis_answers_those_who_know_its_password() {
    let mut server = Server::redis().await;
    let ask = async |url: String| {
        let client = redis::Client::open(url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("PING")
            .query_async::<String>(&mut connection)
            .await
    };
    assert_eq!(ask(server.url()).await.unwrap(), "PONG");
    let wrong = server.url().replace(PASSWORD, "wrong");
    assert!(ask(wrong).await.is_err());
    server.kill().await;
    assert!(ask(server.url()).await.is_err());
    server.start().await;
    assert_eq!(ask(server.url()).await.unwrap(), "PONG");
}
