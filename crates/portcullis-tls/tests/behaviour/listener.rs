//! Connections, with certificates and without.

use std::{
    io,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_core::{Clock, ConfigError, PeerCertificate, Secret, Sleep, SystemClock, Timestamp};
use portcullis_tls::{TlsHandle, TlsListener, TlsSettings};
use rustls::ClientConfig;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
};
use tokio_rustls::TlsConnector;

use crate::authority::{Authority, Pair, Wanted};

/// A server that says to each client what its thumbprint is.
struct Echo {
    address: SocketAddr,
    handle: TlsHandle,
}

impl Echo {
    async fn start(settings: TlsSettings) -> Self {
        let mut listener = TlsListener::bind("127.0.0.1:0", &settings).await.unwrap();
        let this = Self {
            address: listener.local_address(),
            handle: listener.handle(),
        };
        tokio::spawn(async move {
            loop {
                let (mut stream, remote) = listener.accept().await;
                tokio::spawn(async move {
                    let said = match remote.certificate() {
                        Some(certificate) => certificate.thumbprint().to_owned(),
                        None => "nobody".to_owned(),
                    };
                    // Whoever went away hears nothing.
                    let _ = stream.write_all(said.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        this
    }

    /// What a client hears.
    async fn ask(&self, config: &Arc<ClientConfig>) -> io::Result<String> {
        let stream = TcpStream::connect(self.address).await?;
        let connector = TlsConnector::from(Arc::clone(config));
        let name = "localhost".try_into().unwrap();
        let mut stream = connector.connect(name, stream).await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        match said.is_empty() {
            true => Err(io::ErrorKind::UnexpectedEof.into()),
            false => Ok(said),
        }
    }
}

fn client(authority: &Authority, serial: u64) -> Pair {
    authority.sign(&Wanted {
        uris: vec!["spiffe://acme.example/agents/a"],
        serial,
        ..Wanted::default()
    })
}

fn thumbprint(pair: &Pair) -> String {
    let certificate = PeerCertificate::from_der([&pair.der]).unwrap();
    certificate.thumbprint().to_owned()
}

#[tokio::test]
async fn a_client_is_known_by_its_certificate() {
    let authority = Authority::new("acme");
    let echo = Echo::start(authority.settings()).await;
    let alice = client(&authority, 2);
    let said = echo.ask(&authority.client(Some(&alice))).await.unwrap();
    assert_eq!(said, thumbprint(&alice));
}

#[tokio::test]
async fn nobody_connects_without_a_certificate_that_counts() {
    let authority = Authority::new("acme");
    let other = Authority::new("acme");
    let echo = Echo::start(authority.settings()).await;
    let expired = authority.sign(&Wanted {
        until: Some(2021),
        serial: 3,
        ..Wanted::default()
    });
    let early = authority.sign(&Wanted {
        from: Some(2080),
        serial: 4,
        ..Wanted::default()
    });
    for pair in [None, Some(client(&other, 2)), Some(expired), Some(early)] {
        assert!(echo.ask(&authority.client(pair.as_ref())).await.is_err());
    }
    let alice = client(&authority, 2);
    assert!(echo.ask(&authority.client(Some(&alice))).await.is_ok());
}

#[tokio::test]
async fn a_certificate_may_be_left_out_where_that_is_said() {
    let authority = Authority::new("acme");
    let echo = Echo::start(authority.settings().with_optional_client_certificates()).await;
    assert_eq!(echo.ask(&authority.client(None)).await.unwrap(), "nobody");
    let evil = client(&Authority::new("acme"), 2);
    assert!(echo.ask(&authority.client(Some(&evil))).await.is_err());
}

#[tokio::test]
async fn silent_clients_keep_nobody_out() {
    let authority = Authority::new("acme");
    let echo = Echo::start(authority.settings()).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(echo.address).await.unwrap());
    }
    let alice = client(&authority, 2);
    let said = echo.ask(&authority.client(Some(&alice))).await.unwrap();
    assert_eq!(said, thumbprint(&alice));
    drop(silent);
}

/// More than there is room for, and none of them has its time over: the oldest go.
#[tokio::test]
async fn silent_clients_keep_nobody_waiting() {
    let authority = Authority::new("acme");
    let settings = authority
        .settings()
        .with_max_handshakes(NonZeroUsize::new(4).unwrap())
        .with_clock(Told(watch::Sender::new(false)));
    let echo = Echo::start(settings).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(echo.address).await.unwrap());
    }
    let alice = client(&authority, 2);
    let said = echo.ask(&authority.client(Some(&alice))).await.unwrap();
    assert_eq!(said, thumbprint(&alice));
    // The first have been hung up on.
    let mut rest = Vec::new();
    let _ = silent[0].read_to_end(&mut rest).await;
    assert_eq!(rest, b"");
}

/// A clock on which it is late when that is said.
#[derive(Clone, Debug)]
struct Told(watch::Sender<bool>);

impl Clock for Told {
    fn now(&self) -> Timestamp {
        SystemClock::new().now()
    }

    fn instant(&self) -> Instant {
        SystemClock::new().instant()
    }

    fn sleep_until(&self, _deadline: Instant) -> Sleep {
        let mut is_late = self.0.subscribe();
        Sleep::new(async move {
            // The sender lives as long as the clock.
            let _ = is_late.wait_for(|is_late| *is_late).await;
        })
    }
}

/// With room for one handshake, the next client waits for the silent one's time to be over.
#[tokio::test]
async fn a_handshake_has_its_time() {
    let authority = Authority::new("acme");
    let clock = Told(watch::Sender::new(false));
    let settings = authority
        .settings()
        .with_max_handshakes(NonZeroUsize::MIN)
        .with_clock(clock.clone());
    let echo = Echo::start(settings).await;
    let mut silent = TcpStream::connect(echo.address).await.unwrap();
    // A part of a handshake is none.
    silent.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
    clock.0.send_replace(true);
    let mut rest = Vec::new();
    // It is hung up on.
    let _ = silent.read_to_end(&mut rest).await;
    assert_eq!(rest, b"");
    clock.0.send_replace(false);
    let alice = client(&authority, 2);
    assert!(echo.ask(&authority.client(Some(&alice))).await.is_ok());
}

#[tokio::test]
async fn what_is_revoked_is_refused_from_the_next_list_on() {
    let authority = Authority::new("acme");
    let (alice, bob) = (client(&authority, 2), client(&authority, 3));
    let settings = |revoked: &[u64], until| {
        authority
            .settings()
            .with_revocation_lists(authority.revoke(revoked, until))
    };
    let echo = Echo::start(settings(&[9], 2090)).await;
    let (of_alice, of_bob) = (authority.client(Some(&alice)), authority.client(Some(&bob)));
    assert!(echo.ask(&of_alice).await.is_ok());
    assert!(echo.ask(&of_bob).await.is_ok());
    // The same client configuration has the sessions of before, which are not resumed.
    echo.handle.rotate(&settings(&[9, 2], 2090)).unwrap();
    assert!(echo.ask(&of_alice).await.is_err());
    assert!(echo.ask(&of_bob).await.is_ok());
    // A list that is out of date says nothing of anybody.
    echo.handle.rotate(&settings(&[], 2022)).unwrap();
    assert!(echo.ask(&of_bob).await.is_err());
}

/// Of two lists of one authority, one would not be looked at.
#[tokio::test]
async fn an_authority_has_one_list() {
    let (authority, other) = (Authority::new("acme"), Authority::new("other"));
    let settings = |lists: String| authority.settings().with_revocation_lists(lists);
    let both = authority.revoke(&[9], 2090) + &authority.revoke(&[9, 2], 2090);
    let echo = Echo::start(settings(authority.revoke(&[9], 2090))).await;
    let errors = echo.handle.rotate(&settings(both)).unwrap_err();
    assert!(
        errors.to_string().starts_with("`with_revocation_lists`"),
        "{errors}"
    );
    let of_two = authority.revoke(&[9], 2090) + &other.revoke(&[2], 2090);
    assert!(echo.handle.rotate(&settings(of_two)).is_ok());
}

#[tokio::test]
async fn a_list_of_another_authority_lets_nobody_in() {
    let authority = Authority::new("acme");
    let other = Authority::new("other");
    let settings = authority
        .settings()
        .with_revocation_lists(other.revoke(&[9], 2090));
    let echo = Echo::start(settings).await;
    let alice = client(&authority, 2);
    assert!(echo.ask(&authority.client(Some(&alice))).await.is_err());
}

#[tokio::test]
async fn certificate_and_authorities_are_exchanged_while_it_runs() {
    let old = Authority::new("old");
    let new = Authority::new("new");
    let echo = Echo::start(old.settings()).await;
    let (before, after) = (client(&old, 2), client(&new, 2));
    assert!(echo.ask(&old.client(Some(&before))).await.is_ok());
    assert!(echo.ask(&new.client(Some(&after))).await.is_err());
    echo.handle.rotate(&new.settings()).unwrap();
    assert!(echo.ask(&old.client(Some(&before))).await.is_err());
    assert!(echo.ask(&new.client(Some(&after))).await.is_ok());
    // What cannot work changes nothing.
    let broken = TlsSettings::new("no chain", Secret::from("no key"));
    assert!(echo.handle.rotate(&broken).is_err());
    assert!(echo.ask(&new.client(Some(&after))).await.is_ok());
}

#[tokio::test]
async fn mistakes_are_named() {
    let authority = Authority::new("acme");
    let server = authority.sign(&Wanted::default());
    let other = authority.sign(&Wanted::default());
    let good = || TlsSettings::new(&*server.pem, Secret::from(&*server.key));
    for (settings, expected) in [
        (
            TlsSettings::new("", Secret::from("")),
            &["TlsSettings::new", "TlsSettings::new"][..],
        ),
        (
            TlsSettings::new(&*server.pem, Secret::from(&*other.key)),
            &["TlsSettings::new"],
        ),
        (
            good().with_client_authorities("none"),
            &["with_client_authorities"],
        ),
        (
            good()
                .with_client_authorities(&*authority.pem)
                .with_revocation_lists("none"),
            &["with_revocation_lists"],
        ),
        (
            good().with_optional_client_certificates(),
            &["with_optional_client_certificates"],
        ),
        (
            good().with_revocation_lists(authority.revoke(&[1], 2090)),
            &["with_revocation_lists"],
        ),
        (
            good().with_handshake_timeout(Duration::ZERO),
            &["with_handshake_timeout"],
        ),
        (
            good().with_handshake_timeout(Duration::from_secs(61)),
            &["with_handshake_timeout"],
        ),
    ] {
        let shown = format!("{settings:?}");
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let errors = TlsListener::new(socket, &settings).unwrap_err();
        let found: Vec<_> = errors.iter().map(ConfigError::setting).collect();
        assert_eq!(found, expected);
        // Neither a key nor a part of one.
        for text in [shown, errors.to_string()] {
            assert!(
                !text.contains("PRIVATE") && !text.contains("BEGIN"),
                "{text}"
            );
        }
    }
}
