//! The ID token: a signature by one of the provider's keys, and claims that hold (OpenID Connect Core 1.0, section
//! 3.1.3.7). The time is an argument, and no secret of ours is ever taken for a key.

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{Jwk, PublicKeyUse},
};
use serde_json::{Map, Value};
use store::Micros;

use super::OidcError;

/// What clocks may be apart, in seconds.
const LEEWAY: i64 = 60;
/// Signatures by a public key; those by a shared secret, and none at all, are out of the question.
const ALGORITHMS: &[(Algorithm, &str)] = &[
    (Algorithm::RS256, "RS256"),
    (Algorithm::RS384, "RS384"),
    (Algorithm::RS512, "RS512"),
    (Algorithm::PS256, "PS256"),
    (Algorithm::PS384, "PS384"),
    (Algorithm::PS512, "PS512"),
    (Algorithm::ES256, "ES256"),
    (Algorithm::ES384, "ES384"),
    (Algorithm::EdDSA, "EdDSA"),
];

/// What a token must say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    /// What the provider says that it signs with.
    pub(super) algorithms: Option<&'a [String]>,
}

/// Which key a token names.
pub(super) fn key_id(token: &str) -> Result<Option<String>, OidcError> {
    decode_header(token).map(|header| header.kid).map_err(|_| OidcError::IdToken("is none"))
}

/// The claims of a token that holds.
pub(super) fn verify(
    token: &str,
    keys: &[Jwk],
    expected: &Expected<'_>,
    now: Micros,
) -> Result<Map<String, Value>, OidcError> {
    let header = decode_header(token).map_err(|_| OidcError::IdToken("is none"))?;
    let known = ALGORITHMS.iter().find(|(algorithm, _)| *algorithm == header.alg);
    let (algorithm, name) = known.ok_or(OidcError::IdToken("is signed in a way that is not taken"))?;
    if expected.algorithms.is_some_and(|all| !all.iter().any(|one| one == name)) {
        return Err(OidcError::IdToken("is signed in a way that the provider does not name"));
    }
    let mut validation = Validation::new(*algorithm);
    // The claims are judged below, by the time that is given.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let fits = |key: &&Jwk| {
        let named = header.kid.is_none() || key.common.key_id == header.kid;
        let signs = key.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
        let meant = key.common.key_algorithm.is_none_or(|algorithm| algorithm.to_string() == *name);
        named && signs && meant
    };
    let claims = keys
        .iter()
        .filter(fits)
        .filter_map(|key| DecodingKey::from_jwk(key).ok())
        .find_map(|key| decode::<Map<String, Value>>(token, &key, &validation).ok())
        .ok_or(OidcError::IdToken("is not signed by the provider"))?
        .claims;
    check(&claims, expected, now / 1_000_000).map_err(OidcError::IdToken)?;
    Ok(claims)
}

/// Whether the claims hold at that time, in seconds.
fn check(claims: &Map<String, Value>, expected: &Expected<'_>, now: i64) -> Result<(), &'static str> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    // NumericDate may have a fraction (RFC 7519, section 2).
    let time = |name: &str| {
        let value = claims.get(name)?;
        value.as_i64().or_else(|| value.as_f64().filter(|v| v.is_finite()).map(|v| v as i64))
    };
    if text("iss") != Some(expected.issuer) {
        return Err("is of another issuer");
    }
    let audience: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !audience.contains(&expected.client_id) {
        return Err("is for somebody else");
    }
    let authorized = text("azp");
    if authorized.is_some_and(|party| party != expected.client_id)
        || (audience.len() > 1 && authorized.is_none())
    {
        return Err("was given to somebody else");
    }
    if text("nonce") != Some(expected.nonce) {
        return Err("belongs to another login");
    }
    let expires = time("exp").ok_or("says no end")?;
    if now >= expires.saturating_add(LEEWAY) {
        return Err("has expired");
    }
    let issued = time("iat").ok_or("says no beginning")?;
    if issued > now.saturating_add(LEEWAY)
        || time("nbf").is_some_and(|begin| begin > now.saturating_add(LEEWAY))
    {
        return Err("is from the future");
    }
    match text("sub") {
        // Core, section 2: at most 255 ASCII characters.
        Some(sub)
            if !sub.is_empty() && sub.len() <= 255 && sub.bytes().all(|b| (0x20..0x7f).contains(&b)) =>
        {
            Ok(())
        }
        _ => Err("names nobody"),
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
    };
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn key() -> EncodingKey {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        EncodingKey::from_ec_der(document.unwrap().as_ref())
    }

    fn public(key: &EncodingKey, id: &str) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some(id.to_owned());
        jwk
    }

    fn claims() -> Value {
        json!({
            "iss": "https://id.example", "aud": "lazaret", "sub": "1", "nonce": "n", "exp": NOW + 300, "iat": NOW,
        })
    }

    fn expected() -> Expected<'static> {
        Expected { issuer: "https://id.example", client_id: "lazaret", nonce: "n", algorithms: None }
    }

    fn sign(key: &EncodingKey, claims: &Value, id: Option<&str>) -> String {
        let header = Header { kid: id.map(str::to_owned), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, key).unwrap()
    }

    fn outcome(token: &str, keys: &[Jwk], now: i64) -> Result<(), String> {
        verify(token, keys, &expected(), now * 1_000_000).map(|_| ()).map_err(|error| error.to_string())
    }

    #[test]
    fn claims_must_hold() {
        let key = key();
        let keys = [public(&key, "a")];
        let ours = json!(["other", "lazaret"]);
        let past = (NOW + 300 + LEEWAY, "has expired");
        for (name, value, now, wrong) in [
            ("iss", json!("https://id.example"), NOW, ""),
            ("iss", json!("https://id.example/"), NOW, "is of another issuer"),
            ("iss", json!("https://evil.example"), NOW, "is of another issuer"),
            ("aud", json!("lazaret2"), NOW, "is for somebody else"),
            ("aud", json!(["lazaret"]), NOW, ""),
            ("aud", ours, NOW, "was given to somebody else"),
            ("aud", Value::Null, NOW, "is for somebody else"),
            ("azp", json!("other"), NOW, "was given to somebody else"),
            ("azp", json!("lazaret"), NOW, ""),
            ("nonce", json!("m"), NOW, "belongs to another login"),
            ("nonce", Value::Null, NOW, "belongs to another login"),
            ("exp", Value::Null, NOW, "says no end"),
            ("exp", json!(NOW + 300), NOW + 300 + LEEWAY - 1, ""),
            ("exp", json!(NOW + 300), past.0, past.1),
            ("iat", json!(NOW + LEEWAY + 1), NOW, "is from the future"),
            ("iat", Value::Null, NOW, "says no beginning"),
            ("nbf", json!(NOW + 3600), NOW, "is from the future"),
            ("exp", json!(1.8e9 + 0.5), NOW, ""),
            ("sub", json!(""), NOW, "names nobody"),
            ("sub", json!("a".repeat(256)), NOW, "names nobody"),
            ("sub", json!("a\nb"), NOW, "names nobody"),
            ("sub", json!(7), NOW, "names nobody"),
        ] {
            let mut claims = claims();
            claims[name] = value;
            let said = outcome(&sign(&key, &claims, Some("a")), &keys, now);
            let expected =
                if wrong.is_empty() { Ok(()) } else { Err(format!("the login provider's ID token {wrong}")) };
            assert_eq!(said, expected, "{name} {}", claims[name]);
        }
    }

    #[test]
    fn only_the_providers_keys_count() {
        let (ours, other) = (key(), key());
        let token = sign(&ours, &claims(), Some("a"));
        assert_eq!(outcome(&token, &[public(&ours, "a")], NOW), Ok(()));
        assert_eq!(outcome(&token, &[public(&other, "b"), public(&ours, "a")], NOW), Ok(()));
        let unsigned = Err("the login provider's ID token is not signed by the provider".to_owned());
        assert_eq!(outcome(&token, &[public(&other, "a")], NOW), unsigned);
        assert_eq!(outcome(&token, &[public(&ours, "b")], NOW), unsigned);
        assert_eq!(outcome(&token, &[], NOW), unsigned);
        // Without an id any key may have signed.
        let token = sign(&ours, &claims(), None);
        assert_eq!(outcome(&token, &[public(&other, "b"), public(&ours, "a")], NOW), Ok(()));
        let mut encryption = public(&ours, "a");
        encryption.common.public_key_use = Some(PublicKeyUse::Encryption);
        assert_eq!(outcome(&token, &[encryption], NOW), unsigned);
    }

    #[test]
    fn what_is_changed_afterwards_does_not_hold() {
        let key = key();
        let keys = [public(&key, "a")];
        let token = sign(&key, &claims(), Some("a"));
        let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
        let mut forged = claims();
        forged["sub"] = json!("2");
        let body = URL_SAFE_NO_PAD.encode(forged.to_string());
        assert!(outcome(&format!("{header}.{body}.{signature}"), &keys, NOW).is_err());

        // Signed with nothing, or with the public key as a shared secret.
        let none = URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}");
        assert!(outcome(&format!("{none}.{body}."), &keys, NOW).is_err());
        let secret = serde_json::to_vec(&keys[0]).unwrap();
        let shared =
            encode(&Header::new(Algorithm::HS256), &claims(), &EncodingKey::from_secret(&secret)).unwrap();
        let said = outcome(&shared, &keys, NOW);
        assert_eq!(
            said,
            Err("the login provider's ID token is signed in a way that is not taken".to_owned())
        );
        for garbage in ["", "a.b.c", "....", "\u{e9}"] {
            assert!(outcome(garbage, &keys, NOW).is_err());
        }
    }

    #[test]
    fn the_provider_says_how_it_signs() {
        let key = key();
        let algorithms = ["RS256".to_owned()];
        let expected = Expected { algorithms: Some(&algorithms), ..expected() };
        let token = sign(&key, &claims(), Some("a"));
        assert!(verify(&token, &[public(&key, "a")], &expected, NOW * 1_000_000).is_err());
    }
}
