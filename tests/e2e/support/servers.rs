//! Real servers, private to the tests: Redis, MariaDB and PostgreSQL, from the machine's packages.
//!
//! A [`Server`] of one's own can be killed, frozen and started again. Tests that only want a database
//! take one of [`database`], in a server that they share.

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use ai_proxy::state::sql::Dialect;
use nix::sys::signal::Signal;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::sync::OnceCell;

use super::process::{Invocation, Process};

/// The password of all of them.
pub const PASSWORD: &str = "server-canary-secret";
/// Their user.
const USER: &str = "gateway";
/// A port may be taken in the moment before the server has it.
const TRIES: usize = 3;
/// Begins the names of their folders.
const FOLDER: &str = "ai-proxy-server-";
/// The file in such a folder that says which process it is of.
const OWNER: &str = "owner";

/// Runs the rest as a user who is not root, where PostgreSQL is concerned, and lets it die with the test.
const PRELUDE: &str = r#"
set -eu
PATH="$PATH:/usr/sbin"
for one in /usr/lib/postgresql/*/bin; do PATH="$PATH:$one"; done
mkdir -p data
as=""
if [ "$(id -u)" = 0 ]; then
  chmod 711 .
  if [ "$1" = postgres ]; then
    chown postgres data
    chmod 700 data
    as="--reuid=postgres --regid=postgres --init-groups"
  fi
fi
port=$2
run() {
  exec setpriv $as --pdeathsig=KILL -- "$@"
}
"#;

const REDIS: &str = r#"
run redis-server --port "$port" --bind 127.0.0.1 --requirepass "$PASSWORD" --save '' --appendonly no --dir data
"#;

const MARIADB: &str = r#"
user=""
[ "$(id -u)" = 0 ] && user=--user=root
if [ ! -e data/mysql ]; then
  mariadb-install-db --no-defaults $user --datadir="$PWD/data" --skip-test-db --innodb-log-file-size=16M --auth-root-authentication-method=normal >install.log 2>&1 ||
    { cat install.log; exit 1; }
fi
umask 077
echo "CREATE USER IF NOT EXISTS 'gateway'@'%' IDENTIFIED BY '$PASSWORD';" >init.sql
echo "GRANT ALL ON *.* TO 'gateway'@'%';" >>init.sql
run mariadbd --no-defaults $user --datadir="$PWD/data" --init-file="$PWD/init.sql" --port="$port" --bind-address=127.0.0.1 \
  --socket=server.sock --skip-name-resolve --skip-log-bin --performance-schema=OFF --innodb-buffer-pool-size=32M \
  --innodb-log-file-size=16M --innodb-flush-log-at-trx-commit=2 --max-connections=200
"#;

const POSTGRES: &str = r#"
if [ ! -e data/PG_VERSION ]; then
  umask 022
  echo "$PASSWORD" >password
  setpriv $as -- initdb --pgdata=data --username=gateway --pwfile=password --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync >install.log 2>&1 ||
    { cat install.log; exit 1; }
fi
run postgres -D data -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off \
  -c shared_buffers=16MB -c max_connections=200
"#;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Redis.
    Redis,
    /// MariaDB, in the place of MySQL too.
    MariaDb,
    /// PostgreSQL.
    Postgres,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::MariaDb => "mariadb",
            Self::Postgres => "postgres",
        }
    }

    fn script(self) -> &'static str {
        match self {
            Self::Redis => REDIS,
            Self::MariaDb => MARIADB,
            Self::Postgres => POSTGRES,
        }
    }

    /// What it logs when clients may come.
    fn is_ready(self, line: &str) -> bool {
        match self {
            Self::Redis => line.contains("Ready to accept connections"),
            Self::MariaDb => line.contains("ready for connections"),
            Self::Postgres => line.contains("database system is ready to accept connections"),
        }
    }
}

/// A server with a port and data of its own.
pub struct Server {
    kind: Kind,
    port: u16,
    invocation: Invocation,
    process: Option<Process>,
}

impl Server {
    /// A new Redis.
    pub async fn redis() -> Self {
        Self::new(Kind::Redis).await
    }

    /// A new MariaDB.
    pub async fn mariadb() -> Self {
        Self::new(Kind::MariaDb).await
    }

    /// A new PostgreSQL.
    pub async fn postgres() -> Self {
        Self::new(Kind::Postgres).await
    }

    async fn new(kind: Kind) -> Self {
        for _ in 1..TRIES {
            let mut server = Self::prepared(kind);
            if server.try_start().await.is_ok() {
                return server;
            }
        }
        let mut server = Self::prepared(kind);
        server.start().await;
        server
    }

    fn prepared(kind: Kind) -> Self {
        let folder = tempfile::Builder::new().prefix(FOLDER).tempdir().unwrap();
        let port = free_port();
        let invocation = Invocation::in_folder(folder, [kind.word().to_owned(), port.to_string()])
            .file(OWNER, std::process::id().to_string())
            .env("PASSWORD", PASSWORD)
            .played_by(&format!("{PRELUDE}{}", kind.script()));
        Self {
            kind,
            port,
            invocation,
            process: None,
        }
    }

    /// Starts it again, with the data that it had, where it was.
    pub async fn start(&mut self) {
        if let Err(lines) = self.try_start().await {
            panic!(
                "{:?} does not start; scripts/setup.sh test installs it\n{lines}",
                self.kind
            );
        }
    }

    /// What it has said, when it does not start.
    async fn try_start(&mut self) -> Result<(), String> {
        assert!(self.process.is_none(), "it runs");
        let process = Process::start(&self.invocation);
        let kind = self.kind;
        let ready = process
            .find_line("to be ready", |line| kind.is_ready(line).then_some(()))
            .await;
        ready.ok_or_else(|| process.lines().join("\n"))?;
        self.process = Some(process);
        Ok(())
    }

    /// Ends it as a crash would.
    pub async fn kill(&mut self) {
        let process = self.process.take().expect("it runs");
        process.signal(Signal::SIGKILL);
        process.wait_exit().await;
    }

    /// It answers nobody and keeps its connections, until [`thaw`](Self::thaw).
    pub fn freeze(&self) {
        self.process
            .as_ref()
            .expect("it runs")
            .signal(Signal::SIGSTOP);
    }

    /// It goes on.
    pub fn thaw(&self) {
        self.process
            .as_ref()
            .expect("it runs")
            .signal(Signal::SIGCONT);
    }

    /// Where it is.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL, with the password; a database's names one that always is there.
    pub fn url(&self) -> String {
        let port = self.port;
        match self.kind {
            Kind::Redis => format!("redis://:{PASSWORD}@127.0.0.1:{port}"),
            Kind::MariaDb => format!("mysql://{USER}:{PASSWORD}@127.0.0.1:{port}/mysql"),
            Kind::Postgres => format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres"),
        }
    }

    /// A new database in it, as a URL. Not for Redis.
    pub async fn database(&self) -> String {
        created(&self.url()).await
    }
}

/// A new, empty database as a URL: in a file, or in a server that all tests of the run share. A server
/// that stands ready is named by `AI_PROXY_TEST_MYSQL` or `AI_PROXY_TEST_POSTGRES`, a URL whose user may
/// create databases.
pub async fn database(dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => {
            let folder = tempfile::Builder::new().prefix(FOLDER).tempdir().unwrap();
            std::fs::write(folder.path().join(OWNER), std::process::id().to_string()).unwrap();
            format!("sqlite:{}", folder.keep().join("test.db").display())
        }
        Dialect::MySql => {
            static SHARED: OnceCell<String> = OnceCell::const_new();
            created(shared(&SHARED, "AI_PROXY_TEST_MYSQL", Kind::MariaDb).await).await
        }
        Dialect::Postgres => {
            static SHARED: OnceCell<String> = OnceCell::const_new();
            created(shared(&SHARED, "AI_PROXY_TEST_POSTGRES", Kind::Postgres).await).await
        }
    }
}

/// The URL of the server that the tests share.
async fn shared<'a>(cell: &'a OnceCell<String>, variable: &str, kind: Kind) -> &'a str {
    let start = || async {
        if let Ok(url) = std::env::var(variable) {
            return url;
        }
        sweep(&std::env::temp_dir());
        let (started, url) = mpsc::channel();
        // It dies with the thread that has started it, and a test's thread ends with the test.
        #[allow(
            clippy::disallowed_methods,
            reason = "the process of the tests does not fork"
        )]
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let server = Server::new(kind).await;
                started.send(server.url()).unwrap();
                std::future::pending::<()>().await;
            });
        });
        tokio::task::spawn_blocking(move || url.recv())
            .await
            .unwrap()
            .expect("the shared server starts; its thread has said why not")
    };
    cell.get_or_init(start).await
}

/// A new database beside that of `url`.
async fn created(url: &str) -> String {
    let name = format!("t{:032x}", rand::random::<u128>());
    let statement = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    if url.starts_with("mysql") {
        let options: sqlx::mysql::MySqlConnectOptions = url.parse().unwrap();
        let mut connection = options.disable_statement_logging().connect().await.unwrap();
        connection.execute(statement).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
        let mut connection = options.disable_statement_logging().connect().await.unwrap();
        connection.execute(statement).await.unwrap();
        connection.close().await.unwrap();
    }
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

/// A port that nobody has now, below those that the kernel gives to others: also free when a server that was
/// killed comes back to it.
fn free_port() -> u16 {
    loop {
        let port = rand::random_range(20_000..32_000);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Removes what runs that are over have left behind: a process that is killed cannot.
fn sweep(folder: &Path) {
    let left = |path: &PathBuf| {
        let owner = std::fs::read_to_string(path.join(OWNER)).ok();
        owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists())
    };
    let entries = std::fs::read_dir(folder).unwrap().filter_map(Result::ok);
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(FOLDER))
        .map(|entry| entry.path())
        .filter(left)
        .for_each(|path| drop(std::fs::remove_dir_all(path)));
}
