use std::time::Duration;

use portcullis_core::{EvidenceKind, ReasonCode, Timestamp};
use proptest::prelude::*;

use super::*;

const ISSUER: &str = "https://idp.example";
const MINIMAL: &str =
    r#""sub":"alice","client_id":"app","aud":"https://api.example","iat":1000,"exp":2000"#;

const TERMS: Terms<'_, '_> = Terms {
    issuer: ISSUER,
    clients: None,
    provided: None,
    role_prefix: None,
};

fn rules() -> Rules {
    Rules {
        audiences: vec!["https://api.example".into(), "urn:other".into()],
        leeway: Duration::from_secs(30),
        max_lifetime: Duration::from_secs(3600),
        max_age: None,
    }
}

fn judge(json: &str, kind: Kind, now: i64) -> Result<Evidence, ReasonCode> {
    let check = || {
        let claims = Claims::parse(json)?;
        claims.check_kind(kind)?;
        let window = claims.window(&rules())?;
        window.check(Timestamp::from_unix_seconds(now))?;
        window.check_lifetime(rules().max_lifetime)?;
        claims.check_audience(&rules())?;
        claims.evidence(&TERMS, kind, &window)
    };
    check().map_err(|fault: Fault| fault.reason)
}

/// The minimal claims, with members in place of those of the same name.
fn with(members: &str) -> String {
    let mut json =
        serde_json::from_str::<serde_json::Map<_, _>>(&format!("{{{MINIMAL}}}")).unwrap();
    let changed: serde_json::Map<_, _> = serde_json::from_str(&format!("{{{members}}}")).unwrap();
    json.extend(changed);
    serde_json::Value::Object(json).to_string()
}

fn without(name: &str) -> String {
    let mut json =
        serde_json::from_str::<serde_json::Map<_, _>>(&format!("{{{MINIMAL}}}")).unwrap();
    json.remove(name).unwrap();
    serde_json::Value::Object(json).to_string()
}

fn access_token(json: &str) -> Result<Evidence, ReasonCode> {
    judge(json, Kind::AccessToken, 1500)
}

/// The minimal claims with one raw member added: for values that no JSON library would write.
fn raw(member: &str) -> Result<Evidence, ReasonCode> {
    let name = member.split('"').nth(1).unwrap();
    let rest = without_if_there(name);
    access_token(&format!("{{{rest}{member}}}"))
}

fn without_if_there(name: &str) -> String {
    MINIMAL
        .split(',')
        .filter(|member| !member.starts_with(&format!("\"{name}\"")))
        .map(|member| format!("{member},"))
        .collect()
}

#[test]
fn turns_claims_into_evidence() {
    let json = with(
        r#""jti":"t1","sid":"s1","scope":"a b","acr":"gold","amr":["pwd","otp"],
        "auth_time":900,"nbf":1000,"cnf":{"jkt":"thumb","x5t#S256":"cert"},
        "act":{"sub":"agent","iss":"https://other.example","admin":true,"act":{"sub":"first"}},
        "roles":["admin"]"#,
    );
    let evidence = access_token(&json).unwrap();
    assert_eq!(evidence.kind(), EvidenceKind::User);
    assert_eq!((evidence.issuer(), evidence.subject()), (ISSUER, "alice"));
    assert_eq!(evidence.client(), Some("app"));
    assert_eq!(evidence.token_id(), Some("t1"));
    assert_eq!(evidence.session_id(), Some("s1"));
    assert_eq!(evidence.scopes().as_str(), "a b");
    assert_eq!(evidence.acr(), Some("gold"));
    assert_eq!(evidence.amr().collect::<Vec<_>>(), ["pwd", "otp"]);
    let seconds = Timestamp::from_unix_seconds;
    assert_eq!(evidence.auth_time(), Some(seconds(900)));
    assert_eq!(evidence.issued_at(), Some(seconds(1000)));
    assert_eq!(evidence.not_after(), Some(seconds(2030)));
    let confirmation = evidence.confirmation().unwrap();
    assert_eq!(confirmation.jwk_thumbprint(), Some("thumb"));
    assert_eq!(confirmation.certificate_thumbprint(), Some("cert"));
    assert!(!confirmation.has_unsupported_member());
    let actors: Vec<_> = evidence
        .actors()
        .iter()
        .map(|actor| (actor.subject(), actor.issuer()))
        .collect();
    assert_eq!(
        actors,
        [("agent", Some("https://other.example")), ("first", None)]
    );
}

#[test]
fn no_token_knows_of_a_later_authentication() {
    for (auth_time, expected) in [
        ("999", Ok(999)),
        ("1000", Ok(1000)),
        ("1030", Ok(1030)),
        ("1031", Err(reason::AUTH_TIME)),
        ("999000", Err(reason::AUTH_TIME)),
        ("9223372036854775807", Err(reason::AUTH_TIME)),
    ] {
        let evidence = raw(&format!(r#""auth_time":{auth_time}"#));
        let found = evidence.map(|evidence| evidence.auth_time().unwrap().unix_seconds());
        assert_eq!(found, expected, "{auth_time}");
    }
}

#[test]
fn a_client_on_its_own_behalf_is_told_from_a_user() {
    let evidence = access_token(&with(r#""sub":"app""#)).unwrap();
    assert_eq!(evidence.kind(), EvidenceKind::Client);
}

#[test]
fn only_the_clients_that_are_named_are_served() {
    let clients: [Box<str>; 2] = ["app".into(), "other".into()];
    let terms = Terms {
        clients: Some(&clients),
        ..TERMS
    };
    let held = |claims: &str, kind| {
        let claims = Claims::parse(claims).unwrap();
        let window = claims.window(&rules()).unwrap();
        let evidence = claims.evidence(&terms, kind, &window);
        evidence.map(drop).map_err(|fault| fault.reason)
    };
    for kind in [Kind::AccessToken, Kind::Unspecific] {
        assert_eq!(held(&with(""), kind), Ok(()));
        for client in ["App", "app ", "ap", "apps", ""] {
            let claims = with(&format!(r#""client_id":"{client}""#));
            assert_eq!(held(&claims, kind), Err(reason::CLIENT), "{client:?}");
        }
    }
    let legacy = without("client_id").replace('{', r#"{"azp":"other","#);
    assert_eq!(held(&legacy, Kind::Unspecific), Ok(()));
    let legacy = legacy.replace("other", "another");
    assert_eq!(held(&legacy, Kind::Unspecific), Err(reason::CLIENT));
}

#[test]
fn what_is_required_has_to_be_there() {
    for (name, reason) in [
        ("sub", reason::SUB),
        ("client_id", reason::CLIENT_ID),
        ("aud", reason::AUDIENCE),
        ("iat", reason::IAT),
        ("exp", reason::EXP),
    ] {
        assert_eq!(access_token(&without(name)), Err(reason), "{name}");
        for value in ["null", "{}", "true", "[[]]"] {
            assert_eq!(
                raw(&format!("\"{name}\":{value}")),
                Err(reason),
                "{name}: {value}"
            );
        }
    }
    assert_eq!(access_token("[]"), Err(reason::PAYLOAD));
    assert_eq!(raw(r#""sub":"""#), Err(reason::SUB));
    assert_eq!(raw(r#""sub":7"#), Err(reason::SUB));
    assert_eq!(raw(r#""client_id":"""#), Err(reason::CLAIM_TEXT));
}

#[test]
fn an_audience_is_one_exact_member() {
    for aud in [
        r#""https://api.example""#,
        r#""urn:other""#,
        r#"["https://api.example"]"#,
        r#"["https://evil.example","https://api.example"]"#,
        r#""https:\/\/api.example""#,
    ] {
        assert!(raw(&format!("\"aud\":{aud}")).is_ok(), "{aud}");
    }
    let many = format!("[{}\"https://api.example\"]", "\"x\",".repeat(64));
    let flood = format!("[{}\"https://api.example\"]", "\"x\",".repeat(100_000));
    for aud in [
        "[]",
        "\"\"",
        "7",
        "null",
        "{}",
        "\"*\"",
        r#""https://api.example/""#,
        r#""https://API.example""#,
        r#""https://api.exampl""#,
        r#""https://api.example.evil""#,
        r#"[["https://api.example"]]"#,
        r#"["https://api.example",7]"#,
        r#"{"https://api.example":1}"#,
        &many,
        &flood,
    ] {
        assert_eq!(
            raw(&format!("\"aud\":{aud}")),
            Err(reason::AUDIENCE),
            "{aud:.80}"
        );
    }
}

#[test]
fn a_time_of_the_wrong_type_is_not_an_absent_one() {
    for value in [
        "\"1500\"",
        "\"never\"",
        "null",
        "true",
        "-1",
        "1e400",
        "[]",
        "{}",
        "\"NaN\"",
    ] {
        assert_eq!(
            raw(&format!("\"exp\":{value}")),
            Err(reason::EXP),
            "{value}"
        );
        assert_eq!(
            raw(&format!("\"nbf\":{value}")),
            Err(reason::NBF),
            "{value}"
        );
        assert_eq!(
            raw(&format!("\"iat\":{value}")),
            Err(reason::IAT),
            "{value}"
        );
        let auth_time = raw(&format!("\"auth_time\":{value}"));
        assert_eq!(auth_time, Err(reason::CLAIM), "{value}");
    }
}

#[test]
fn absurd_times_are_refused_without_a_panic() {
    for (member, reason) in [
        (r#""exp":0"#, reason::EXPIRED),
        (r#""exp":9007199254740993"#, reason::LIFETIME),
        (r#""exp":9223372036854775807"#, reason::LIFETIME),
        (r#""exp":9223372036854775808"#, reason::LIFETIME),
        (r#""exp":1e300"#, reason::LIFETIME),
        (r#""exp":253402300799"#, reason::LIFETIME),
        (r#""iat":0,"exp":4000"#, reason::LIFETIME),
        (r#""iat":1530,"exp":1520"#, reason::LIFETIME),
        (r#""iat":9223372036854775808"#, reason::ISSUED_IN_FUTURE),
        (r#""nbf":1e300"#, reason::NOT_YET_VALID),
    ] {
        let json = with(member);
        assert_eq!(access_token(&json), Err(reason), "{member}");
    }
    assert!(raw(r#""exp":1800.75"#).is_ok());
    assert!(raw(r#""exp":1.8e3"#).is_ok());
}

#[test]
fn the_lifetime_is_capped_at_its_edge() {
    assert!(access_token(&with(r#""exp":4600"#)).is_ok());
    assert_eq!(
        access_token(&with(r#""exp":4600.001"#)),
        Err(reason::LIFETIME)
    );
    assert!(access_token(&with(r#""iat":1500,"exp":1500"#)).is_ok());
}

#[test]
fn optional_claims_are_of_their_type_or_refused() {
    for (member, reason) in [
        (r#""jti":7"#, reason::CLAIM),
        (r#""sid":[]"#, reason::CLAIM),
        (r#""acr":null"#, reason::CLAIM),
        (r#""amr":"pwd""#, reason::CLAIM),
        (r#""amr":[1]"#, reason::CLAIM),
        (r#""auth_time":"900""#, reason::CLAIM),
        (r#""scope":["a"]"#, reason::SCOPE),
        (r#""scope":"a\"b""#, reason::SCOPE),
        (r#""cnf":"x""#, reason::CNF),
        (r#""cnf":{"jkt":7}"#, reason::CNF),
        (r#""act":"agent""#, reason::ACT),
        (r#""act":{"iss":"x"}"#, reason::ACT),
        (r#""act":{"sub":7}"#, reason::ACT),
        (r#""act":{"sub":"a","act":null}"#, reason::ACT),
        (r#""jti":"""#, reason::CLAIM_TEXT),
        (r#""sub":"a\u0000b""#, reason::CLAIM_TEXT),
        (r#""client_id":"a\nb""#, reason::CLAIM_TEXT),
    ] {
        assert_eq!(access_token(&with(member)), Err(reason), "{member}");
    }
    let long = format!("\"sub\":\"{}\"", "s".repeat(2049));
    assert_eq!(access_token(&with(&long)), Err(reason::CLAIM_TEXT));
    assert_eq!(raw(r#""sub":"\ud800""#), Err(reason::SUB));
}

#[test]
fn a_binding_of_an_unknown_kind_is_kept_as_one_that_nothing_meets() {
    for cnf in ["{}", r#"{"jwk":{"kty":"EC"}}"#, r#"{"jkt":"x","kid":"y"}"#] {
        let evidence = access_token(&with(&format!("\"cnf\":{cnf}"))).unwrap();
        assert!(
            evidence.confirmation().unwrap().has_unsupported_member(),
            "{cnf}"
        );
    }
}

#[test]
fn no_member_comes_twice_also_not_in_bindings_and_actors() {
    for member in [
        r#""sub":"bob""#,
        r#""s\u0075b":"bob""#,
        r#""x":1,"x":2"#,
        r#""cnf":{"jkt":"a","jkt":"b"}"#,
        r#""act":{"sub":"a","sub":"b"}"#,
        r#""act":{"sub":"a","act":{"sub":"b","sub":"c"}}"#,
    ] {
        let json = format!("{{{MINIMAL},{member}}}");
        assert_eq!(access_token(&json), Err(reason::DUPLICATE), "{member}");
    }
}

#[test]
fn the_chain_of_actors_is_bounded() {
    let chain = |depth: usize| {
        let act = (0..depth).fold(String::new(), |inner, n| {
            let inner = if inner.is_empty() {
                inner
            } else {
                format!(",\"act\":{inner}")
            };
            format!("{{\"sub\":\"agent-{n}\"{inner}}}")
        });
        access_token(&format!("{{{MINIMAL},\"act\":{act}}}"))
    };
    let evidence = chain(8).unwrap();
    assert_eq!(evidence.actors().len(), 8);
    assert_eq!(evidence.actors()[0].subject(), "agent-7");
    assert_eq!(chain(9), Err(reason::ACT_DEPTH));
    assert_eq!(chain(100), Err(reason::ACT_DEPTH));
}

#[test]
fn a_legacy_token_has_to_look_like_an_access_token() {
    let legacy = |json: &str| judge(json, Kind::Unspecific, 1500);
    for member in [
        r#""nonce":"n""#,
        r#""at_hash":"h""#,
        r#""c_hash":"h""#,
        r#""events":{}"#,
    ] {
        assert_eq!(
            legacy(&with(member)),
            Err(reason::NOT_ACCESS_TOKEN),
            "{member}"
        );
        assert!(access_token(&with(member)).is_ok(), "{member}");
    }
    let json = without("client_id");
    assert_eq!(legacy(&json), Err(reason::CLIENT_ID));
    let json = json.replace('{', r#"{"azp":"app","scp":["a","b"],"#);
    let evidence = legacy(&json).unwrap();
    assert_eq!(evidence.client(), Some("app"));
    assert_eq!(evidence.scopes().as_str(), "a b");
    assert_eq!(access_token(&json), Err(reason::CLIENT_ID));
    assert!(
        access_token(&with(r#""scp":"a""#))
            .unwrap()
            .scopes()
            .is_empty()
    );
}

proptest! {
    #[test]
    fn any_payload_is_judged(text in ".{0,200}") {
        let _ = access_token(&text);
        let _ = judge(&text, Kind::Unspecific, 0);
    }

    #[test]
    fn the_edges_hold_for_any_moment(now in 900_i64..2100) {
        let expected = match now {
            ..970 => Err(reason::ISSUED_IN_FUTURE),
            970..2030 => Ok(()),
            _ => Err(reason::EXPIRED),
        };
        let judged = judge(&format!("{{{MINIMAL}}}"), Kind::AccessToken, now).map(|_| ());
        prop_assert_eq!(judged, expected);
    }
}
