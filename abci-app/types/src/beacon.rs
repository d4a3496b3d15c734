//! The beacon: a value that each block's proposer moves on, and that nobody can choose.
//!
//! Who proposes a block proves with a key of its own what a *verifiable random function* (RFC 9381) gives for the value before it: one
//! key and one input have one output, which nobody can foretell without the key and everybody can check with the public one. The
//! function is ECVRF over ristretto255 with SHA-512 (<https://c2sp.org/vrf-r255>).
//!
//! ```text
//!   input  = hash(chain, height, value before)      proof, output = VRF(key, input)      value = hash(value before, output)
//! ```
//!
//! A proof can be written in more than one way, its output cannot: what is drawn hangs on the output alone.

use crate::consensus::ConsensusKey;
use crate::id::{fixed_bytes, hex_text, tagged_hash};
use crate::{Address, Digest};

fixed_bytes!(
    /// The public key of a validator's random function.
    BeaconKey,
    32
);
hex_text!(BeaconKey);

fixed_bytes!(
    /// A proof of what a key's random function gives for an input.
    BeaconProof,
    80
);
hex_text!(BeaconProof);

/// What a beacon's transaction starts with. No signed transaction does: there is no field of number 0.
const TX_TAG: &[u8; 8] = b"\0beacon1";

/// What a random function is asked for: for each purpose something that no other has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeaconInput([u8; 32]);

impl BeaconInput {
    /// Of the block at `height`, before which the beacon is at `value`.
    pub fn of_block(chain_id: &str, height: u64, value: &Digest) -> Self {
        let parts: [&[u8]; 3] = [chain_id.as_bytes(), &height.to_le_bytes(), &value.0];
        Self(tagged_hash("datanet/beacon-input/v1", &parts))
    }

    /// Of showing that `operator` has the key for its validator `validator`.
    pub fn of_possession(chain_id: &str, operator: &Address, validator: &ConsensusKey) -> Self {
        let parts: [&[u8]; 3] = [chain_id.as_bytes(), &operator.0, &validator.0];
        Self(tagged_hash("datanet/beacon-possession/v1", &parts))
    }
}

/// What a random function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeaconOutput([u8; 64]);

impl BeaconOutput {
    /// Where it moves the beacon from `value`.
    pub fn moves(&self, value: &Digest) -> Digest {
        Digest(tagged_hash("datanet/beacon/v1", &[&value.0, &self.0]))
    }
}

impl BeaconKey {
    /// Whether it is a key at all.
    pub fn is_valid(&self) -> bool {
        vrf_r255::PublicKey::from_bytes(self.0).is_some()
    }

    /// What this key's function gives for `input`, if `proof` proves it.
    pub fn verify(&self, input: &BeaconInput, proof: &BeaconProof) -> Option<BeaconOutput> {
        let key = vrf_r255::PublicKey::from_bytes(self.0)?;
        let proof = vrf_r255::Proof::from_bytes(proof.0)?;
        Option::from(key.verify(&input.0, &proof)).map(BeaconOutput)
    }
}

impl BeaconProof {
    /// As the first transaction of a block: 88 bytes.
    pub fn to_tx(&self) -> Vec<u8> {
        [TX_TAG.as_slice(), &self.0].concat()
    }

    /// The proof in such a transaction; none if `tx` is another.
    pub fn from_tx(tx: &[u8]) -> Option<Self> {
        Self::from_slice(tx.strip_prefix(TX_TAG)?).ok()
    }
}

/// Whether a transaction says that it is a beacon's: only who proposes a block has a use for one.
pub fn is_beacon_tx(tx: &[u8]) -> bool {
    tx.starts_with(TX_TAG)
}

/// The secret key of a validator's random function. It never prints itself.
#[derive(Clone)]
pub struct BeaconSecret(vrf_r255::SecretKey);

impl BeaconSecret {
    /// From 32 secret bytes.
    pub fn from_bytes(secret: &[u8; 32]) -> Self {
        let mut tries = 0u32;
        loop {
            let mut scalar = tagged_hash("datanet/beacon-secret/v1", &[secret, &tries.to_le_bytes()]);
            // Below 2^252, and so below the group's order. That it is zero, which is no key, nobody will see.
            scalar[31] &= 0x0f;
            if let Some(key) = Option::from(vrf_r255::SecretKey::from_bytes(scalar)) {
                return Self(key);
            }
            tries = tries.wrapping_add(1);
        }
    }

    /// The public key.
    pub fn key(&self) -> BeaconKey {
        BeaconKey(vrf_r255::PublicKey::from(self.0).to_bytes())
    }

    /// Proves what the function gives for `input`.
    pub fn prove(&self, input: &BeaconInput) -> BeaconProof {
        BeaconProof(self.0.prove(&input.0).to_bytes())
    }
}

impl std::fmt::Debug for BeaconSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BeaconSecret(public {})", self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SignedTx;
    use proptest::prelude::*;

    fn secret(seed: u8) -> BeaconSecret {
        BeaconSecret::from_bytes(&[seed; 32])
    }

    fn input(height: u64) -> BeaconInput {
        BeaconInput::of_block("test", height, &Digest([1; 32]))
    }

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        hex::decode(hex).unwrap().try_into().unwrap()
    }

    /// The vector of <https://c2sp.org/vrf-r255>.
    #[test]
    fn the_function_is_the_one_that_is_specified() {
        let secret: Option<_> =
            vrf_r255::SecretKey::from_bytes(bytes("3431c2b03533e280b23232e280b34e2c3132c2b03238e280b23131e280b34500"))
                .into();
        let secret: vrf_r255::SecretKey = secret.unwrap();
        let key = vrf_r255::PublicKey::from(secret);
        assert_eq!(key.to_bytes(), bytes("54136cd90d99fbd1d4e855d9556efea87ba0337f2a6ce22028d0f5726fcb854e"));
        let proof = secret.prove(b"c2sp.org/vrf-r255");
        let expected = "0a97d961262fb549b4175c5117860f42ae44a123f93c476c439eddd1c0cff9265c805525233e2284dbed45e593b8ee\
                        a31d5ca9734d72bcbba9738d5237f955f3b2422351149d1312503b6441a47c940c";
        assert_eq!(proof.to_bytes(), bytes(expected));
        let output: Option<[u8; 64]> = key.verify(b"c2sp.org/vrf-r255", &proof).into();
        let expected = "dd653f0879b48c3ef69e13551239bec4cbcc1c18fe8894de2e9e1c790e18273603bf1c6c25d7a797aeff3c43fd32b9\
                        74d3fcbd4bcce916007097922a3ea3a794";
        assert_eq!(output.unwrap(), bytes(expected));
    }

    #[test]
    fn a_proof_holds_for_its_key_and_input_only() {
        let (key, proof) = (secret(7).key(), secret(7).prove(&input(5)));
        let output = key.verify(&input(5), &proof).unwrap();
        assert_eq!(key.verify(&input(6), &proof), None);
        assert_eq!(key.verify(&BeaconInput::of_block("other", 5, &Digest([1; 32])), &proof), None);
        assert_eq!(key.verify(&BeaconInput::of_block("test", 5, &Digest([2; 32])), &proof), None);
        assert_eq!(secret(8).key().verify(&input(5), &proof), None);
        let other = secret(8).key().verify(&input(5), &secret(8).prove(&input(5))).unwrap();
        assert_ne!(output.moves(&Digest([1; 32])), other.moves(&Digest([1; 32])));
    }

    #[test]
    fn a_changed_byte_of_a_proof_is_refused() {
        let (key, proof) = (secret(7).key(), secret(7).prove(&input(5)));
        for at in 0..BeaconProof::LEN {
            for bit in [1, 0x80] {
                let mut changed = proof;
                changed.0[at] ^= bit;
                assert_eq!(key.verify(&input(5), &changed), None, "byte {at}");
            }
        }
    }

    #[test]
    fn what_is_no_key_or_proves_nothing_is_refused() {
        for bytes in [[0; 32], [0xff; 32]] {
            assert!(!BeaconKey(bytes).is_valid());
            assert_eq!(BeaconKey(bytes).verify(&input(1), &secret(1).prove(&input(1))), None);
        }
        assert!(secret(1).key().is_valid());
        assert_eq!(secret(1).key().verify(&input(1), &BeaconProof::ZERO), None);
    }

    #[test]
    fn keys_proofs_and_values_do_not_drift() {
        let (key, proof) = (secret(1).key(), secret(1).prove(&input(5)));
        let value = key.verify(&input(5), &proof).unwrap().moves(&Digest([1; 32]));
        insta::assert_snapshot!(format!("{key}\n{}\n{value}", hex::encode(proof.to_tx())));
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        let text = format!("{:?}", secret(7));
        assert!(text.contains(&secret(7).key().to_string()) && text.len() < 100, "{text}");
    }

    proptest! {
        #[test]
        fn a_beacons_transaction_is_none_that_somebody_signed(rest in prop::collection::vec(any::<u8>(), 0..300)) {
            let tx = [TX_TAG.as_slice(), &rest].concat();
            prop_assert!(is_beacon_tx(&tx) && SignedTx::verify(&tx, "test").is_err());
            prop_assert_eq!(BeaconProof::from_tx(&tx).is_some(), rest.len() == BeaconProof::LEN);
        }

        #[test]
        fn garbage_proves_nothing(key: [u8; 32], proof in prop::array::uniform32(any::<u8>()), rest: [u8; 32]) {
            let proof = BeaconProof::from_slice(&[&proof[..], &rest, &[0; 16]].concat()).unwrap();
            prop_assert_eq!(BeaconKey(key).verify(&input(1), &proof), None);
        }
    }
}
