//! Secrets and how they are derived from the one installation key.
//!
//! A [`SecretString`] prints as `[REDACTED]` and does not serialize: a secret reaches a system only where an adapter
//! asks for it by `expose_secret`.

use super::name::{InstallationId, Uid};
use hmac::{Hmac, Mac};
pub use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Length of the installation key in bytes: the full strength of HMAC-SHA-256 (RFC 2104, section 3).
pub const INSTALLATION_KEY_BYTES: usize = 32;
/// Generation of every derived password; counted up by hand when a derivation must be replaced. What writes passwords and
/// what prints them must agree on it.
pub const PASSWORD_GENERATION: u32 = 1;

/// What a derived secret is for; the text keeps the derivations apart and is never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretPurpose {
    /// The PostgreSQL role's password.
    RolePassword,
    /// The same role's while its final backup is taken: nobody else has it.
    BackupPassword,
    /// Odoo's master password (`admin_passwd`), of which only a hash is stored.
    MasterPassword,
    /// The first administrator's password.
    AdminPassword,
}

impl SecretPurpose {
    fn label(self) -> &'static str {
        match self {
            Self::RolePassword => "innkeeper/v1/role-password",
            Self::BackupPassword => "innkeeper/v1/backup-password",
            Self::MasterPassword => "innkeeper/v1/master-password",
            Self::AdminPassword => "innkeeper/v1/admin-password",
        }
    }
}

/// The key from which an installation's secrets are derived; kept 0600 in `secrets/installation.key`.
#[derive(Clone)]
pub struct InstallationKey([u8; INSTALLATION_KEY_BYTES]);

impl std::fmt::Debug for InstallationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InstallationKey([REDACTED])")
    }
}

impl InstallationKey {
    /// Takes the key's bytes as read from its file.
    pub fn new(bytes: [u8; INSTALLATION_KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The installation's public name: the first 12 hexadecimal digits of the key's HMAC over a fixed text.
    pub fn id(&self) -> InstallationId {
        InstallationId(hex(&self.mac("innkeeper/v1/installation-id", &[]))[..12].to_owned())
    }

    /// The secret of one instance for one purpose. The same uid and generation give the same secret, so it needs no
    /// place of its own on disk; a new uid (a customer who comes after a purge) gives a new one.
    pub fn derive(&self, purpose: SecretPurpose, uid: Uid, generation: u32) -> SecretString {
        let mac = self.mac(purpose.label(), &[uid.0.as_bytes(), &generation.to_be_bytes()]);
        // 40 hexadecimal digits are 160 bits, and need no quoting in any file or protocol.
        SecretString::from(hex(&mac)[..40].to_owned())
    }

    /// A mark by which a stored secret is recognised without revealing it: safe to keep in comments and labels.
    pub fn mark(&self, secret: &SecretString) -> String {
        hex(&self.mac("innkeeper/v1/mark", &[secret.expose_secret().as_bytes()]))[..16].to_owned()
    }

    fn mac(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.0)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(label.as_bytes());
        for part in parts {
            mac.update(&[0]);
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A versioned digest of anything that serializes the same way each time: `v1:` and 32 hexadecimal digits.
///
/// Fields that are maps must be ordered maps. A new version of Innkeeper must give the same digest for the same wish,
/// or it would re-create every container: add a field only with `#[serde(skip_serializing_if)]` for its default.
pub fn digest(value: &impl serde::Serialize) -> String {
    let canonical = serde_json::to_vec(value).unwrap_or_else(|e| unreachable!("plain data serializes: {e}"));
    format!("v1:{}", &hex(&Sha256::digest(&canonical))[..32])
}
