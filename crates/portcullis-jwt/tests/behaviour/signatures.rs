//! Signatures and the keys that check them, one defect at a time. Each has a control that differs
//! in the defect only.

use portcullis_core::EvidenceKind;
use portcullis_jwt::{Algorithm, Issuer, Jwt, reason};
use serde_json::json;

use crate::support::{
    AUDIENCE, Answer, ISSUER, answer,
    clock::ManualClock,
    evidence,
    idp::{fixed, fixed_with, site},
    now,
    signer::{Signer, b64, claims_with, jwks},
};

fn signers() -> [Signer; 5] {
    [
        Signer::es256("ec"),
        Signer::es384("ec384"),
        Signer::eddsa("ed"),
        Signer::rsa("rs", "RS256"),
        Signer::rsa("ps", "PS256"),
    ]
}

#[tokio::test]
async fn one_issuer_signs_with_every_algorithm_it_has_keys_for() {
    let signers = signers();
    let auth = fixed(&signers);
    for signer in &signers {
        let found = evidence(&auth, &signer.token(), now()).await;
        assert_eq!(found.issuer(), ISSUER);
        assert_eq!(found.subject(), "alice");
        assert_eq!(found.kind(), EvidenceKind::User);
    }
    let fully_specified = Signer::eddsa("ed").for_alg("Ed25519");
    let auth = fixed([&fully_specified]);
    assert_eq!(
        answer(&auth, &fully_specified.token(), now()).await,
        Answer::Accepted
    );
}

#[tokio::test]
async fn no_algorithm_lets_a_token_do_without_a_signature() {
    let signer = Signer::rsa("a", "RS256");
    let auth = fixed([&signer]);
    for alg in [
        "none", "None", "NONE", "nOnE", "none ", "", "HS256", "HS512",
    ] {
        let header = json!({"typ": "at+jwt", "alg": alg, "kid": "a"});
        for signature in ["", "AAAA"] {
            let token = format!(
                "{}.{}.{signature}",
                b64(header.to_string()),
                b64(claims_with(json!({})).to_string())
            );
            let expected = Answer::Rejected(reason::ALG);
            assert_eq!(answer(&auth, &token, now()).await, expected, "{alg}");
        }
    }
}

#[tokio::test]
async fn a_signature_is_of_this_token_by_this_key() {
    for signer in signers() {
        let auth = fixed([&signer]);
        let token = signer.token();
        assert_eq!(answer(&auth, &token, now()).await, Answer::Accepted);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let expected = Answer::Rejected(reason::SIGNATURE);
        let bytes = signer.signature(signed.as_bytes());
        let mut flipped = bytes.clone();
        flipped[3] ^= 1;
        let (_, of_another) = signer
            .token_with(json!({"sub": "bob"}))
            .rsplit_once('.')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let other = Signer::es256("x").signature(signed.as_bytes());
        for bad in [
            String::new(),
            b64(&bytes[..bytes.len() - 1]),
            b64([&bytes[..], &[0]].concat()),
            b64(flipped),
            b64(vec![0; bytes.len()]),
            b64(vec![0xff; bytes.len()]),
            of_another,
            b64(other),
        ] {
            let forged = format!("{signed}.{bad}");
            assert_eq!(
                answer(&auth, &forged, now()).await,
                expected,
                "{} {bad}",
                signer.alg
            );
        }
        let payload = claims_with(json!({"sub": "mallory"})).to_string();
        let (header, _) = signed.split_once('.').unwrap();
        let forged = format!("{header}.{}.{signature}", b64(payload));
        assert_eq!(
            answer(&auth, &forged, now()).await,
            expected,
            "{}",
            signer.alg
        );
    }
}

#[tokio::test]
async fn ecdsa_signatures_have_one_form() {
    let signer = Signer::es256("a");
    let auth = fixed([&signer]);
    let token = signer.token();
    let (signed, _) = token.rsplit_once('.').unwrap();
    // n, the order of P-256.
    let n = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let fixed_form = signer.signature(signed.as_bytes());
    let integer = |bytes: &[u8]| [&[2, 33, 0], bytes].concat();
    let (r, s) = fixed_form.split_at(32);
    let der = [&[0x30, 70][..], &integer(r), &integer(s)].concat();
    for bad in [
        [n, n].concat(),
        [n, [0; 32]].concat(),
        [[0; 32], n].concat(),
        [r, &n].concat(),
        [r, &[0; 32]].concat(),
        der,
    ] {
        let token = format!("{signed}.{}", b64(bad));
        let expected = Answer::Rejected(reason::SIGNATURE);
        assert_eq!(answer(&auth, &token, now()).await, expected);
    }
}

#[tokio::test]
async fn ed25519_signatures_have_one_form() {
    let signer = Signer::eddsa("a");
    let auth = fixed([&signer]);
    let token = signer.token();
    let (signed, _) = token.rsplit_once('.').unwrap();
    let mut bytes = signer.signature(signed.as_bytes());
    // S + L is the same number modulo L, and not canonical (RFC 8032 §5.1.7).
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, add) in bytes[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    let token = format!("{signed}.{}", b64(bytes));
    assert_eq!(
        answer(&auth, &token, now()).await,
        Answer::Rejected(reason::SIGNATURE)
    );
}

#[tokio::test]
async fn a_key_has_one_algorithm() {
    let signer = Signer::rsa("a", "RS256");
    let auth = fixed([&signer]);
    for alg in ["PS256", "RS512"] {
        // Signed as its header says, and signed as the key is for.
        let token = signer.for_alg(alg).token();
        let mut header = signer.header();
        header["alg"] = json!(alg);
        let mislabelled = signer.sign(&header, &claims_with(json!({})));
        let expected = Answer::Rejected(reason::KEY_ALG);
        assert_eq!(answer(&auth, &mislabelled, now()).await, expected, "{alg}");
        assert_eq!(
            answer(&auth, &token, now()).await,
            Answer::Rejected(reason::KEY_ALG),
            "{alg}"
        );
    }
    assert_eq!(
        answer(&auth, &signer.token(), now()).await,
        Answer::Accepted
    );
}

#[tokio::test]
async fn an_algorithm_off_the_list_is_refused() {
    let (rs, ps) = (Signer::rsa("rs", "RS256"), Signer::rsa("ps", "PS256"));
    let issuer = Issuer::new(ISSUER).with_algorithms([Algorithm::Ps256]);
    let auth = fixed_with(issuer, [&rs, &ps]);
    assert_eq!(answer(&auth, &ps.token(), now()).await, Answer::Accepted);
    assert_eq!(
        answer(&auth, &rs.token(), now()).await,
        Answer::Rejected(reason::ALG)
    );
}

#[tokio::test]
async fn without_a_key_id_there_has_to_be_one_candidate() {
    let (a, b, ec) = (Signer::eddsa("a"), Signer::eddsa("b"), Signer::es256("ec"));
    let token = |signer: &Signer| {
        let header = json!({"typ": "at+jwt", "alg": signer.alg});
        signer.sign(&header, &claims_with(json!({})))
    };
    let auth = fixed([&a, &ec]);
    assert_eq!(answer(&auth, &token(&a), now()).await, Answer::Accepted);
    assert_eq!(answer(&auth, &token(&ec), now()).await, Answer::Accepted);
    let auth = fixed([&a, &b]);
    let expected = Answer::Rejected(reason::KID_MISSING);
    assert_eq!(answer(&auth, &token(&a), now()).await, expected);
    let expected = Answer::Rejected(reason::KID_UNKNOWN);
    assert_eq!(answer(&auth, &token(&ec), now()).await, expected);
}

#[tokio::test]
async fn a_lone_key_is_not_for_every_key_id() {
    let signer = Signer::eddsa("a");
    let auth = fixed([&signer]);
    for kid in ["b", "../../dev/null", "' OR '1'='1", "A", "a "] {
        let token = signer.renamed(kid).token();
        let expected = Answer::Rejected(reason::KID_UNKNOWN);
        assert_eq!(answer(&auth, &token, now()).await, expected, "{kid}");
    }
}

#[tokio::test]
async fn keys_of_one_issuer_never_check_tokens_of_another() {
    let (ours, theirs) = (Signer::eddsa("same"), Signer::eddsa("same"));
    let other = "https://other.example";
    let auth = Jwt::new(Issuer::new(ISSUER).with_static_keys(jwks([&ours])))
        .add_issuer(Issuer::new(other).with_static_keys(jwks([&theirs])))
        .with_audience(AUDIENCE)
        .build(&site(&ManualClock::new()))
        .unwrap();
    let token = |signer: &Signer, iss| signer.token_with(json!({"iss": iss}));
    assert_eq!(
        answer(&auth, &token(&ours, ISSUER), now()).await,
        Answer::Accepted
    );
    let found = evidence(&auth, &token(&theirs, other), now()).await;
    assert_eq!((found.issuer(), found.subject()), (other, "alice"));
    let expected = Answer::Rejected(reason::SIGNATURE);
    assert_eq!(
        answer(&auth, &token(&theirs, ISSUER), now()).await,
        expected
    );
    assert_eq!(answer(&auth, &token(&ours, other), now()).await, expected);
}
