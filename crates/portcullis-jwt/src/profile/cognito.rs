//! Amazon Cognito. See [`crate::provider::cognito`].

use portcullis_core::sabotaged;

use super::ProviderClaims;
use crate::{
    fault::{Fault, Step},
    json::Raw,
    reason,
};

pub(super) fn problem_of(name: &str) -> Option<&'static str> {
    let is_pool = name
        .strip_prefix("https://cognito-idp.")
        .and_then(|rest| rest.split_once(".amazonaws.com/"))
        .is_some_and(|(region, pool)| {
            let is_region = |text: &str| {
                !text.is_empty()
                    && text
                        .bytes()
                        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            };
            is_region(region)
                && pool.split_once('_').is_some_and(|(start, id)| {
                    start == region
                        && !id.is_empty()
                        && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
                })
        });
    (!is_pool)
        .then_some("is not that of a user pool; give its id, such as `eu-central-1_a1B2c3D4e`")
}

pub(super) fn check_kind(own: &ProviderClaims<'_>) -> Result<(), Fault> {
    let purpose = own.token_use.and_then(Raw::text);
    if purpose.as_deref() == Some("access") || sabotaged!("jwt.token_use") {
        Ok(())
    } else {
        Err(Fault::new(Step::Type, reason::TOKEN_USE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Issuer;

    #[test]
    fn a_pool_is_named_by_its_id() {
        let problem = |pool: &str| {
            let issuer = Issuer::cognito(pool, ["c"]);
            let name = issuer.names().next().unwrap();
            problem_of(name)
        };
        for pool in ["eu-central-1_a1B2c3D4e", "us-gov-west-1_Abc123"] {
            assert_eq!(problem(pool), None, "{pool}");
        }
        for pool in [
            "",
            "_",
            "eu-central-1",
            "eu-central-1_",
            "_a1B2c3D4e",
            "EU-central-1_a1B2c3D4e",
            "eu-central-1_a1B2_c3D4e",
            "eu-central-1_a1B2c3D4e/",
            "evil.example/_a1B2c3D4e",
            "eu-central-1.amazonaws.com/_a",
            "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_a1B2c3D4e",
        ] {
            assert!(problem(pool).is_some(), "{pool}");
        }
    }
}
