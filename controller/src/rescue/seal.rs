//! Sealing secrets to the operators' offline key, and opening them with it: age, in its armoured form, so that
//! the `age` program opens them as well.

use age::x25519::{Identity, Recipient};
use model::Problem;
use runtime::offline::{PublicKey, SecretKey};
use zeroize::Zeroizing;

/// Seals a text.
pub fn seal(to: &PublicKey, text: &str) -> Result<String, Problem> {
    let failed = |why: String| {
        let advice = "Is `offline-key` what `lifeboat rescue key` printed?";
        Problem::new("LB1240", format!("nothing can be sealed to the offline key: {why}"), advice)
    };
    let recipient: Recipient = to.seal_to().parse().map_err(|why: &str| failed(why.to_string()))?;
    age::encrypt_and_armor(&recipient, text.as_bytes()).map_err(|error| failed(error.to_string()))
}

/// Opens what was sealed.
pub fn open(key: &SecretKey, sealed: &str) -> Result<Zeroizing<String>, Problem> {
    let failed = |why: String| {
        let advice =
            "Use the offline key whose public half the controllers' settings had when the bundle was made.";
        Problem::new("LB1241", format!("the offline key does not open the bundle: {why}"), advice)
    };
    let identity: Identity =
        key.identity().unwrap_or_default().parse().map_err(|why: &str| failed(why.to_string()))?;
    let bytes = age::decrypt(&identity, sealed.as_bytes()).map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| failed("it is no text".to_string()))?;
    Ok(Zeroizing::new(text))
}
