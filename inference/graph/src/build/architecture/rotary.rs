//! Rotary positions: the angle by which each pair of a head's numbers turns from one token to the next.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::build::BuildError;
use crate::build::folder::json::from_value;

/// How positions become angles.
#[derive(Clone, Debug, PartialEq)]
pub struct Rotary {
    /// Base of the wavelengths, 1 to 1e12; 10,000 unless stated.
    pub theta: f64,
    /// How a longer context than the one trained on is reached.
    pub scaling: RotaryScaling,
}

/// The scalings of positions that are known.
#[derive(Clone, Debug, PartialEq)]
pub enum RotaryScaling {
    /// None.
    Default,
    /// All positions divided by a factor.
    Linear {
        /// The factor, at least 1.
        factor: f64,
    },
    /// Llama 3: long wavelengths divided by a factor, short ones kept, a smooth passage between.
    Llama3 {
        /// The factor, at least 1.
        factor: f64,
        /// Wavelengths over `original / low` are divided.
        low: f64,
        /// Wavelengths under `original / high` are kept.
        high: f64,
        /// Positions of the context that was trained on.
        original: f64,
    },
}

#[derive(Deserialize)]
struct RawScaling {
    rope_type: Option<String>,
    /// The older name of `rope_type`; many files have both.
    r#type: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
    partial_rotary_factor: Option<f64>,
}

impl RawScaling {
    fn kind(&self) -> Result<&str, BuildError> {
        match (self.rope_type.as_deref(), self.r#type.as_deref()) {
            (Some(new), Some(old)) if new != old => {
                Err(refused(&format!("rope_type is {new:?} and type is {old:?}; remove the one that is wrong")))
            }
            (Some(kind), _) | (None, Some(kind)) => Ok(kind),
            (None, None) => Ok("default"),
        }
    }
}

impl Default for Rotary {
    fn default() -> Self {
        Self { theta: 10_000.0, scaling: RotaryScaling::Default }
    }
}

impl Rotary {
    /// From the values of `rope_theta`, of `rope_scaling` and, as newer files have it, `rope_parameters`; where a file has
    /// both generations they must say the same.
    pub(super) fn of_config(
        theta: Option<f64>,
        scaling: Option<Value>,
        parameters: Option<Value>,
    ) -> Result<Self, BuildError> {
        let (Some(old), Some(new)) = (&scaling, &parameters) else {
            return Self::parse(theta, parameters.or(scaling));
        };
        let [old, new] = [old, new].map(|said| Self::parse(theta, Some(said.clone())));
        let (old, new) = (old?, new?);
        if old.scaling == new.scaling {
            return Ok(new);
        }
        Err(refused("rope_scaling and rope_parameters say different things; remove the one that is wrong"))
    }

    fn parse(theta: Option<f64>, scaling: Option<Value>) -> Result<Self, BuildError> {
        let Some(scaling) = scaling else { return Self::checked(theta, RotaryScaling::Default) };
        let raw = parse_scaling(scaling)?;
        if raw.partial_rotary_factor.is_some_and(|part| part != 1.0) {
            return Err(refused("partial_rotary_factor other than 1 is not supported"));
        }
        if let (Some(inner), Some(outer)) = (raw.rope_theta, theta)
            && inner != outer
        {
            let what = format!("rope_theta is {outer} and {inner} within; remove the one that is wrong");
            return Err(refused(&what));
        }
        let theta = raw.rope_theta.or(theta);
        let factor = || number("factor", raw.factor, 1.0);
        let scaling = match raw.kind()? {
            "default" => RotaryScaling::Default,
            "linear" => RotaryScaling::Linear { factor: factor()? },
            "llama3" => RotaryScaling::Llama3 {
                factor: factor()?,
                low: number("low_freq_factor", raw.low_freq_factor, 1e-6)?,
                high: number("high_freq_factor", raw.high_freq_factor, 1e-6)?,
                original: number("original_max_position_embeddings", raw.original_max_position_embeddings, 1.0)?,
            },
            other => return Err(refused(&format!("{other:?} is not supported; default, linear and llama3 are"))),
        };
        if matches!(scaling, RotaryScaling::Llama3 { low, high, .. } if low >= high) {
            return Err(refused("low_freq_factor must be less than high_freq_factor"));
        }
        Self::checked(theta, scaling)
    }

    fn checked(theta: Option<f64>, scaling: RotaryScaling) -> Result<Self, BuildError> {
        let theta = theta.unwrap_or(10_000.0);
        if !(1.0..=1e12).contains(&theta) {
            return Err(BuildError::Config(format!("rope_theta {theta} is outside 1 to 1e12")));
        }
        Ok(Self { theta, scaling })
    }

    /// The keys of `config.json` that say this, in the form that all readers know.
    pub(super) fn write(&self, config: &mut Map<String, Value>) {
        config.insert("rope_theta".to_owned(), self.theta.into());
        let scaling = match self.scaling {
            RotaryScaling::Default => Value::Null,
            RotaryScaling::Linear { factor } => serde_json::json!({ "rope_type": "linear", "factor": factor }),
            RotaryScaling::Llama3 { factor, low, high, original } => serde_json::json!({
                "rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high,
                "original_max_position_embeddings": original as u64
            }),
        };
        config.insert("rope_scaling".to_owned(), scaling);
    }

    /// Radians a token for each of the `head / 2` pairs.
    pub fn frequencies(&self, head: usize) -> Vec<f32> {
        let plain = (0..head / 2).map(|pair| self.theta.powf(-2.0 * pair as f64 / head as f64));
        plain.map(|frequency| self.scale(frequency) as f32).collect()
    }

    fn scale(&self, frequency: f64) -> f64 {
        match self.scaling {
            RotaryScaling::Default => frequency,
            RotaryScaling::Linear { factor } => frequency / factor,
            RotaryScaling::Llama3 { factor, low, high, original } => {
                let turns = original * frequency / (2.0 * std::f64::consts::PI);
                let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                (1.0 - kept) * frequency / factor + kept * frequency
            }
        }
    }
}

fn parse_scaling(scaling: Value) -> Result<RawScaling, BuildError> {
    from_value(&scaling).map_err(|what| refused(&what))
}

fn number(key: &str, value: Option<f64>, least: f64) -> Result<f64, BuildError> {
    let value = value.ok_or_else(|| refused(&format!("{key} is missing")))?;
    if (least..=1e9).contains(&value) {
        return Ok(value);
    }
    Err(refused(&format!("{key} {value} is outside {least} to 1e9")))
}

fn refused(reason: &str) -> BuildError {
    BuildError::Config(format!("rope_scaling: {reason}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_generations_of_files_say_the_same() {
        let old = Rotary::parse(Some(5e5), Some(json!({ "type": "linear", "factor": 2.0 }))).unwrap();
        let new =
            Rotary::parse(None, Some(json!({ "rope_type": "linear", "factor": 2.0, "rope_theta": 5e5 }))).unwrap();
        assert_eq!(old, new);
        assert_eq!(old.frequencies(4)[0], 0.5);
    }

    #[test]
    fn a_file_of_both_generations_must_say_the_same_twice() {
        let linear = |old: &str, new: &str| json!({ "type": old, "rope_type": new, "factor": 2.0 });
        let twice = Rotary::of_config(Some(1e4), Some(linear("linear", "linear")), None).unwrap();
        assert_eq!(twice.scaling, RotaryScaling::Linear { factor: 2.0 });
        let refused =
            |theta, scaling, parameters| Rotary::of_config(theta, scaling, parameters).unwrap_err().to_string();
        let kinds = refused(None, Some(linear("linear", "dynamic")), None);
        assert!(kinds.contains("\"dynamic\"") && kinds.contains("\"linear\""), "{kinds}");
        let new = json!({ "rope_type": "linear", "factor": 2.0, "rope_theta": 1e4 });
        assert_eq!(Rotary::of_config(None, Some(linear("linear", "linear")), Some(new.clone())).unwrap(), twice);
        assert_eq!(Rotary::of_config(Some(1e4), None, Some(new.clone())).unwrap(), twice);
        assert!(refused(Some(5e5), None, Some(new.clone())).contains("500000"));
        assert!(refused(None, Some(json!({ "type": "linear", "factor": 4.0 })), Some(new)).contains("rope_parameters"));
        let plain = json!({ "rope_type": "default", "rope_theta": 1e6 });
        assert_eq!(Rotary::of_config(None, None, Some(plain)).unwrap().theta, 1e6);
    }

    #[test]
    fn llama_3_keeps_short_wavelengths_and_stretches_long_ones() {
        let scaling = json!({ "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192 });
        let scaled = Rotary::parse(Some(5e5), Some(scaling)).unwrap().frequencies(64);
        let plain = Rotary::parse(Some(5e5), None).unwrap().frequencies(64);
        assert_eq!(scaled[0], plain[0]);
        assert_eq!(scaled[31], plain[31] / 8.0);
        assert!(scaled.windows(2).all(|pair| pair[0] > pair[1]));
    }

    #[test]
    fn other_scalings_and_absurd_numbers_are_refused() {
        for scaling in [
            json!({ "rope_type": "yarn", "factor": 2.0 }),
            json!({ "rope_type": "linear" }),
            json!({ "rope_type": "linear", "factor": 0.0 }),
            json!({ "rope_type": "default", "partial_rotary_factor": 0.5 }),
            json!(7),
        ] {
            assert!(Rotary::parse(None, Some(scaling.clone())).is_err(), "{scaling}");
        }
        assert!(Rotary::parse(Some(f64::INFINITY), None).is_err());
    }
}
