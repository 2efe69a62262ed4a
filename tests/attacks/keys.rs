//! Keys that no honest issuer publishes, with tokens that are truly signed by them.
//!
//! Made once with a number library and kept as text: the tokens are dated to the start of the
//! virtual clock. Nothing else uses these keys.

/// A key set entry, and a token whose signature it confirms.
pub(crate) struct Weak {
    pub(crate) name: &'static str,
    pub(crate) jwk: &'static str,
    pub(crate) token: &'static str,
}

pub(crate) const WEAK: [Weak; 3] = [
    Weak {
        name: "rsa with exponent 3",
        jwk: r#"{"kty":"RSA","kid":"e3","alg":"RS256","use":"sig","n":"q_Ll-UY8j58u977tmLNZEPzL7lINHnPHbTXdYx9ZkUrd-q2qYsj6vV_o8DfeKQ_Xw9LZtG7pIERD80M_odf3_p5_WhpNfrpxC_KaXIcRDTKCHsyp-GoyUIexkRoEiSF0p9tJsSeEgBqEAo5ETm1gHC3XOexZJFzw2kPcGt4CYDO3ok03A45sU15HtKRtBwiW7IMkvFfPZbfJm5OSS1kz-lLH1GIhPxyFQQtpm98xtSHMDiaIp8cxfVk5giU8wa5ByF12xq8pA5eisXfDQS3RNa6AlgG6s_bv5Ok4_dNfx08WgvywFVI9lwRH0GQBILBwk7JI2U4RhBW8iue9HDwtnw","e":"Aw"}"#,
        token: "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImUzIn0.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIiwiYXVkIjoiaHR0cHM6Ly9hZ2VudC5leGFtcGxlLyIsInN1YiI6ImFsaWNlIiwiY2xpZW50X2lkIjoiYXBwIiwiaWF0IjoxNzY3MjI1NjAwLCJleHAiOjE3NjcyMjU5MDAsInNjb3BlIjoibm90ZXMucmVhZCJ9.SxUh9wq3LMsgJMKmLVzynqbh4qhvlJ0UU3d9JdojYJMQEUAL0qXOFqi-tAgTtlszmV2l7XUVf5-R3BQoecc76VK4ZAb4Y1_rMoQUVYMc0ldE87A7F_gG-xJA2AbnCOjv2uhGNPrWIqhAKA884KFRaDaAQQ_E6CtXknP3DBgdUv12kIDI5l9dgnYJ4Yz0s_gZNmNgx-IdMQtGQLyu4-JHZ5E8R5xW--WTx8vOEFuUyb1JugbnmXy4yGRwZaYzNXDjFRUpP3sDi8S3U7BBIBJwv0LhUFZRkDabCeGWZgYgm5b545u1IsEgqZL0t85ejzE0pOcCeiSgR3Hgbk-YUt1qpw",
    },
    Weak {
        name: "rsa modulus of roca",
        jwk: r#"{"kty":"RSA","kid":"roca","alg":"RS256","use":"sig","n":"sgnFZYs2haE6suUp696bv2OxbNwqbG3xmGLo1nKqH_KrVDofcnfrGSBwYyv7rPhl6I6kbqRw6V0RkrHM18c8TWrRYUVKr3Q7k7Z5VMu5ItuZMJmZoijKsYxbPE5-77dV1P05dXgY6xhO9C0uqtCuDgbCX4hDAzsbXKzb0maiBCihyXVmX4Hu7KERI0xQXFOSbAwR917Xj5CNjQggLXFHosBXzttEsnujowqevwHdEG6uoFQEyzNzhc-l2DGUn-0U5bGv3bKkvfLUg3-rj3tVnT8ayiOFj83DgjkNQ-xQm5ZH4gPf_j42D69m3mFclWqCNm9MsRTBPDKIt_lPhR770w","e":"AQAB"}"#,
        token: "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6InJvY2EifQ.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIiwiYXVkIjoiaHR0cHM6Ly9hZ2VudC5leGFtcGxlLyIsInN1YiI6ImFsaWNlIiwiY2xpZW50X2lkIjoiYXBwIiwiaWF0IjoxNzY3MjI1NjAwLCJleHAiOjE3NjcyMjU5MDAsInNjb3BlIjoibm90ZXMucmVhZCJ9.r5rxE57AXybu3i5CS-iohUxM_WxTTcfXjdkt-WuSSwzi5LYFM61S3cpQK3xJGjYY9Dsli_qXeLjmLtvgjP5qVgICbWG0rC93PBNVsZwJNv8SVKCIQqqTbtWi0TJ2jMbMZ9Y8Ja9qekuvCF1fLa7TsCBK1pkt5oJbmwARtKBekNXaVc4JHU1Hr3nxZeQ_JTwEw1iRJ2VT3iy4rgnfwPmn8sd5kUbuiGy-3a-yEZ3AZtTToYBQxxvWyTGV0zshj-MJCdbVxoBM9_btEBvyh_8nKYCRi_31ItE15h0rujldSzOD8AvyJyiW9QGn2z8BMXl0yzPdkl23bze9PRFV6qQ7mg",
    },
    Weak {
        name: "rsa of 1024 bits",
        jwk: r#"{"kty":"RSA","kid":"rsa1024","alg":"RS256","use":"sig","n":"5eZ94jPsdc2vR-sf2ShazY4T2UN0fqYe7LwPZOxtTVYzijW1aOE3fpqqVzF0m9fS8H1fQmbLZvxBjOA1FWG6R3JQeI_q5voQ1L86QS1ipymM3LXMWCGkBhAUpKasiJvSaPasFRHzNd-tUAJ-a0yHxzLSlqSrGZPdOfVueXfTb70","e":"AQAB"}"#,
        token: "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6InJzYTEwMjQifQ.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIiwiYXVkIjoiaHR0cHM6Ly9hZ2VudC5leGFtcGxlLyIsInN1YiI6ImFsaWNlIiwiY2xpZW50X2lkIjoiYXBwIiwiaWF0IjoxNzY3MjI1NjAwLCJleHAiOjE3NjcyMjU5MDAsInNjb3BlIjoibm90ZXMucmVhZCJ9.SxgImBa2JB8SNL4FbmZfY2jJsKm-x5Wq2l_m3oc-yM3g8rfV6JPMk-AnBKpTSMNC5qu6nAP_aY2l-4pZjYI9Jmwru4UIlG7GK-In2f-oLN1kzO7vKLvAh9xTGFF9UEVYbtyXFvLphVGlAanZ-fjDgSYX6J_C5xS5ml1JI85UbcI",
    },
];
