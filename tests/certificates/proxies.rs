//! Envoy and Caddy in front, with what a client writes into their headers from outside.

use portcullis::{
    Stack,
    perimeter::{CertificateHeader, PerimeterLayer},
};
use portcullis_testing::{audit::RecordingAudit, counterpart::RunningCounterpart};
use portcullis_tests::{folder::TestFolder, servers, wire::Server};

use super::*;

/// The address of the proxy, and one of somebody who is not.
const PROXY: Ipv4Addr = Ipv4Addr::LOCALHOST;
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// An authority, its files, and an agent that trusts a header of a proxy on this machine.
struct Site {
    authority: Authority,
    folder: TestFolder,
    agent: Server,
}

impl Site {
    async fn new(header: CertificateHeader) -> Self {
        let authority = Authority::new("acme");
        let server = authority.sign(&Wanted {
            dns: vec!["localhost"],
            serial: 1,
            ..Wanted::default()
        });
        let folder = TestFolder::new();
        folder.make();
        for (name, text) in [
            ("authority.pem", &authority.pem),
            ("server.pem", &server.pem),
            ("server.key", &server.key),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let perimeter = PerimeterLayer::builder()
            .add_trusted_proxy("127.0.0.1/32")
            .with_certificate_header(header);
        let (gate, _) = Stack::builder()
            .with_audit(RecordingAudit::new())
            .with_resource("https://agent.example/")
            .with_perimeter(perimeter)
            .add_authenticator(agents())
            .build()
            .unwrap();
        let agent = Server::axum(gate.guard(router())).await.unwrap();
        Self {
            authority,
            folder,
            agent,
        }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    /// Envoy, which handles the header in this way.
    async fn envoy(&self, details: &str) -> RunningCounterpart {
        let yaml = format!(
            r#"
static_resources:
  listeners:
  - address:
      socket_address: {{ address: 127.0.0.1, port_value: {{port}} }}
    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: true
          common_tls_context:
            tls_certificates:
            - certificate_chain: {{ filename: "{}" }}
              private_key: {{ filename: "{}" }}
            validation_context:
              trusted_ca: {{ filename: "{}" }}
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: agent
          forward_client_cert_details: {details}
          set_current_client_cert_details: {{ subject: true, uri: true, dns: true, cert: true }}
          route_config:
            virtual_hosts:
            - name: agent
              domains: ["*"]
              routes:
              - match: {{ prefix: "/" }}
                route: {{ cluster: agent }}
          http_filters:
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: agent
    type: STATIC
    load_assignment:
      cluster_name: agent
      endpoints:
      - lb_endpoints:
        - endpoint:
            address:
              socket_address: {{ address: 127.0.0.1, port_value: {} }}
"#,
            self.file("server.pem"),
            self.file("server.key"),
            self.file("authority.pem"),
            self.agent.address().port(),
        );
        servers::envoy(&yaml).start().await
    }

    async fn caddy(&self) -> RunningCounterpart {
        let caddyfile = format!(
            r#"
{{
	admin off
	auto_https off
	persist_config off
	servers {{
		# Clients of this test say another host than in the handshake.
		strict_sni_host insecure_off
	}}
}}

https://:{{$PROXY_PORT}} {{
	tls "{}" "{}" {{
		client_auth {{
			mode require_and_verify
			trust_pool file "{}"
		}}
	}}
	reverse_proxy {} {{
		header_up Client-Cert ":{{http.request.tls.client.certificate_der_base64}}:"
	}}
}}
"#,
            self.file("server.pem"),
            self.file("server.key"),
            self.file("authority.pem"),
            self.agent.address(),
        );
        let file = self.file("Caddyfile");
        std::fs::write(&file, caddyfile).unwrap();
        servers::caddy(&file)
            .add_env("PROXY_PORT", "{port}")
            .start()
            .await
    }

    /// What a client with a certificate is told behind a proxy.
    async fn through(
        &self,
        proxy: &RunningCounterpart,
        uri: &'static str,
        headers: &[(&str, &str)],
    ) -> (u16, String) {
        let config = self.authority.client(Some(&pair(&self.authority, uri, 2)));
        let address = (PROXY, proxy.port()).into();
        ask(address, &config, headers).await.unwrap()
    }
}

fn spoofed(uri: &str) -> String {
    let hash = "0".repeat(64);
    format!("By=spiffe://evil.example;Hash={hash};URI={uri}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_envoy_a_client_is_its_own_certificate() {
    let site = Site::new(CertificateHeader::xfcc()).await;
    let root = spoofed("spiffe://acme.example/agents/root");
    let open = "By=\"spiffe://evil.example";
    for details in ["SANITIZE_SET", "APPEND_FORWARD"] {
        let envoy = site.envoy(details).await;
        for headers in [
            vec![],
            vec![("X-Forwarded-Client-Cert", &*root)],
            vec![("x_forwarded_client_cert", &*root)],
            vec![("Client-Cert", ":AAAA:")],
        ] {
            let said = site.through(&envoy, ID, &headers).await;
            // A proxy that leaves it there says more than it knows.
            let is_kept = details == "APPEND_FORWARD"
                && headers
                    .iter()
                    .any(|(name, _)| name.starts_with("X-Forwarded"));
            match is_kept {
                true => assert_eq!(said.0, 400, "{headers:?}"),
                false => assert_eq!(said, (200, ID.to_owned()), "{details} {headers:?}"),
            }
        }
        let job = "spiffe://acme.example/jobs/a";
        let headers = [("X-Forwarded-Client-Cert", &*root)];
        let (status, _) = site.through(&envoy, job, &headers).await;
        assert!([400, 401].contains(&status), "{details} {status}");
        assert_eq!(site.through(&envoy, job, &[]).await.0, 401, "{details}");
        // What cannot be read makes nobody root: it is replaced, or refused.
        let headers = [("X-Forwarded-Client-Cert", open)];
        let (status, said) = site.through(&envoy, ID, &headers).await;
        assert!(status == 400 || said == ID, "{details} {status} {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_caddy_a_client_is_its_own_certificate() {
    let site = Site::new(CertificateHeader::rfc9440()).await;
    let caddy = site.caddy().await;
    for headers in [
        vec![],
        vec![("Client-Cert", ":AAAA:")],
        vec![("Client-Cert", ":AAAA:"), ("Client-Cert", ":BBBB:")],
        vec![("client_cert", ":AAAA:")],
    ] {
        let said = site.through(&caddy, ID, &headers).await;
        assert_eq!(said, (200, ID.to_owned()), "{headers:?}");
    }
    let job = "spiffe://acme.example/jobs/a";
    assert_eq!(site.through(&caddy, job, &[]).await.0, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_the_proxy_a_header_is_nothing() {
    let site = Site::new(CertificateHeader::xfcc()).await;
    let header = spoofed(ID);
    let headers = [("X-Forwarded-Client-Cert", &*header)];
    let address = site.agent.address();
    // From where the proxy is, it counts: that is what trusting an address means.
    let said = ask_plainly(address, PROXY, &headers).await.unwrap();
    assert_eq!(said, (200, ID.to_owned()));
    let (status, _) = ask_plainly(address, STRANGER, &headers).await.unwrap();
    assert_eq!(status, 401);
}
