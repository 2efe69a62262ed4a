//! The example as a program, with OpenBao as the authority.
#![expect(
    clippy::unwrap_used,
    reason = "a counterpart that answers something else fails the test"
)]

use std::{io, path::Path, process::Command, sync::Arc};

use portcullis_testing::counterpart::{Counterpart, RunningCounterpart};
use portcullis_tests::{folder::TestFolder, patience, servers};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

const ROOT: &str = "root-token-of-a-test";

/// The authority and the agent, which run until this is dropped.
struct Example {
    folder: TestFolder,
    port: u16,
    bao: RunningCounterpart,
    _running: RunningCounterpart,
}

impl Example {
    async fn start() -> Self {
        let folder = TestFolder::new();
        folder.make();
        let bao = servers::openbao(ROOT).start().await;
        authority(&bao, &["make", &folder.path().to_string_lossy()]);
        let running = Counterpart::new(env!("CARGO_BIN_EXE_example-mtls-agent"))
            .add_args(["--folder", &folder.path().to_string_lossy()])
            .with_ready_line("listening at ")
            .start()
            .await;
        let line = running.ready_line();
        let port = line.trim_end_matches('/').rsplit(':').next().unwrap();
        Self {
            port: port.parse().unwrap(),
            folder,
            bao,
            _running: running,
        }
    }

    fn revoke(&self, name: &str) {
        authority(
            &self.bao,
            &["revoke", &self.folder.path().to_string_lossy(), name],
        );
    }

    /// What the agent says to somebody with the certificate in a file.
    async fn ask(&self, name: Option<&str>) -> io::Result<String> {
        let config = client(self.folder.path(), name);
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let connector = TlsConnector::from(Arc::new(config));
        let server = "localhost".try_into().unwrap();
        let mut stream = connector.connect(server, stream).await?;
        let request = format!(
            "GET /whoami HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
            self.port
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        match answer.is_empty() {
            true => Err(io::ErrorKind::UnexpectedEof.into()),
            false => Ok(answer),
        }
    }
}

/// Runs the script that stands beside the example.
fn authority(bao: &RunningCounterpart, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("authority.sh");
    let output = Command::new("sh")
        .arg(script)
        .args(arguments)
        .env("BAO", servers::bao())
        .env("BAO_ADDR", format!("http://127.0.0.1:{}", bao.port()))
        .env("BAO_TOKEN", ROOT)
        .output()
        .unwrap();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{problem}");
}

fn client(folder: &Path, name: Option<&str>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(folder.join("authority.pem")).unwrap();
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let Some(name) = name else {
        return builder.with_no_client_auth();
    };
    let file = folder.join(format!("{name}.pem"));
    let chain = CertificateDer::pem_file_iter(&file).unwrap();
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(&file).unwrap();
    builder.with_client_auth_cert(chain, key).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_are_known_until_they_are_revoked() {
    let example = Example::start().await;
    for name in ["agent-a", "agent-b"] {
        let answer = example.ask(Some(name)).await.unwrap();
        let id = format!(
            "spiffe://acme.example/agents/{}",
            name.trim_start_matches("agent-")
        );
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(
            answer.ends_with(&format!("{id} of spiffe://acme.example")),
            "{answer}"
        );
    }
    let job = example.ask(Some("job")).await.unwrap();
    assert!(job.starts_with("HTTP/1.1 401 "), "{job}");
    assert!(example.ask(None).await.is_err());

    example.revoke("agent-b");
    patience::until("the revoked agent is refused", async || {
        example.ask(Some("agent-b")).await.is_err()
    })
    .await;
    assert!(example.ask(Some("agent-a")).await.is_ok());
}
