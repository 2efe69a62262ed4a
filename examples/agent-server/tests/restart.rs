//! What the agent keeps in each store is there after it was killed and started again.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
};

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use portcullis::{Clock as _, SystemClock};
use portcullis_testing::identity_provider::IdentityProvider;
use portcullis_tests::{folder::TestFolder, servers};

const RESOURCE: &str = "https://agent.example/";

/// The agent in a process of its own, which is killed with this.
struct Agent {
    process: Child,
    /// What it says is kept open, or it could not say more.
    _said: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Agent {
    fn start(issuer: &str, folder: &TestFolder, store: &str, at: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_example-agent-server"))
            .args(["--log", "warn", "--resource", RESOURCE, "--issuer", issuer])
            .args(["--store", store, "--at", at, "--keys"])
            .arg(folder.path().join("keys"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let lines = said.by_ref().lines();
        let address = lines.map_while(Result::ok).find_map(|line| {
            let address = line.strip_prefix("an agent behind a gate, at http://")?;
            address.trim_end_matches('/').parse().ok()
        });
        Self {
            process,
            _said: said,
            address: address.unwrap(),
        }
    }

    async fn post(&self, path: &str, token: &str) -> (u16, String) {
        let stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let io = TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::post(path)
            .header("host", self.address.to_string())
            .header("authorization", format!("Bearer {token}"))
            .body(Empty::<Bytes>::new())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).trim().to_owned())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

async fn survives(store: &str, at: &str) {
    let (issuer, folder) = (IdentityProvider::new().serve().await, TestFolder::new());
    folder.make();
    let at = at.replace("{folder}", &folder.path().display().to_string());
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| {
        issuer
            .token(name)
            .with_audience(RESOURCE)
            .with_claim("auth_time", SystemClock::new().now().unix_seconds())
            .mint()
    });
    let start = || Agent::start(issuer.issuer(), &folder, store, &at);

    let agent = start();
    for count in ["1", "2"] {
        for token in [&alice, &bob, &carol] {
            let (status, said) = agent.post("/visits", token).await;
            assert_eq!((status, &*said), (200, count));
        }
    }
    assert_eq!(agent.post("/logout", &bob).await.0, 204);
    // What she asks for ends this as well.
    assert_eq!(agent.post("/logout/everywhere", &carol).await.0, 401);
    drop(agent);

    for count in ["3", "4"] {
        let agent = start();
        // Her session goes on; his is over, and she is locked out.
        assert_eq!(agent.post("/visits", &alice).await, (200, count.to_owned()));
        assert_eq!(agent.post("/visits", &bob).await.0, 401);
        assert_eq!(agent.post("/visits", &carol).await.0, 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_file() {
    survives("redb", "{folder}/sessions.redb").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_redis() {
    let redis = servers::redis().start().await;
    let at = format!("unix://{}/redis.sock", redis.home().display());
    survives("redis", &at).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_postgres() {
    let folder = TestFolder::new();
    folder.make();
    let running = servers::postgres(folder.path())
        .add_args(["-h", ""])
        .start()
        .await;
    let at = format!(
        "postgres://postgres@/postgres?host={}",
        folder.path().display()
    );
    survives("postgres", &at).await;
    drop(running);
}
