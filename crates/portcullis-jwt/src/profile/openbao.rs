//! OpenBao and Vault. See [`crate::provider::openbao`].

use url::Url;

/// The end of the issuer of identity tokens, with or without a namespace before it.
const END: &str = "/identity/oidc";

pub(super) fn problem_of(name: &str) -> Option<&'static str> {
    let is_issuer = Url::parse(name).is_ok_and(|url| {
        let path = url.path();
        path.starts_with("/v1/") && path.ends_with(END) && name.ends_with(END)
    });
    (!is_issuer).then_some(
        "is not that of identity tokens; give the `iss` of such a token, like \
         `https://bao.example:8200/v1/identity/oidc`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_issuer_of_identity_tokens_is_one() {
        for name in [
            "https://bao.example:8200/v1/identity/oidc",
            "https://bao.example/v1/team/identity/oidc",
        ] {
            assert_eq!(problem_of(name), None, "{name}");
        }
        for name in [
            "",
            "https://bao.example:8200",
            "https://bao.example:8200/v1/identity/oidc/",
            "https://bao.example:8200/v1/identity/oidc/provider/default",
            "https://bao.example:8200/v1/identity/oidc?a",
            "https://bao.example:8200/identity/oidc",
            "bao.example/v1/identity/oidc",
        ] {
            assert!(problem_of(name).is_some(), "{name}");
        }
    }
}
