//! Which states of an encoder are looked at.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A state of an encoder, or all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layer {
    /// The input of the first block (0), or what the block of this number gives.
    Number(u16),
    /// What the encoder gives: the last block, after the final normalisation where there is one.
    #[default]
    Last,
    /// All states, whose weights are learned with the model on top.
    Weighted,
}

impl Layer {
    /// The place of the state among `states`, where it is one and there is such.
    pub fn of(self, states: usize) -> Option<usize> {
        let place = match self {
            Layer::Number(number) => usize::from(number),
            Layer::Last => states.checked_sub(1)?,
            Layer::Weighted => return None,
        };
        (place < states).then_some(place)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Layer::Number(number) => write!(f, "{number}"),
            Layer::Last => f.write_str("last"),
            Layer::Weighted => f.write_str("weighted"),
        }
    }
}

impl Serialize for Layer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Layer::Number(number) => serializer.serialize_u16(*number),
            word => serializer.collect_str(word),
        }
    }
}

impl<'de> Deserialize<'de> for Layer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Layer, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case")]
        enum Word {
            Last,
            Weighted,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u16),
            Word(Word),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Number(number) => Layer::Number(number),
            Written::Word(Word::Last) => Layer::Last,
            Written::Word(Word::Weighted) => Layer::Weighted,
        })
    }
}

impl JsonSchema for Layer {
    fn schema_name() -> Cow<'static, str> {
        "Layer".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": 255 },
            { "type": "string", "enum": ["last", "weighted"] },
        ] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_a_number_or_a_word() {
        for (layer, text) in [
            (Layer::Number(3), "3"),
            (Layer::Last, "\"last\""),
            (Layer::Weighted, "\"weighted\""),
        ] {
            assert_eq!(serde_json::to_string(&layer).unwrap(), text);
            assert_eq!(serde_json::from_str::<Layer>(text).unwrap(), layer);
        }
        for wrong in ["-1", "\"first\"", "1.5", "70000"] {
            assert!(serde_json::from_str::<Layer>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Layer::Number(2).of(3), Some(2));
        assert_eq!(Layer::Number(3).of(3), None);
        assert_eq!((Layer::Last.of(3), Layer::Last.of(0)), (Some(2), None));
    }
}
