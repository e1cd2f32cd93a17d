//! Turns a table into a typed value, checking it key by key on the way.
//!
//! Serde's derived code says of every struct which fields and of every choice which names it has, so the types of the
//! sections are the schema: there is no second list of keys to keep in step with them.

use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use std::cell::RefCell;
use std::fmt::Display;
use toml::Value;

/// What is wrong with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) key: String,
    pub(super) kind: FaultKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// The section has other keys.
    Key {
        known: &'static [&'static str],
    },
    Type {
        expected: &'static str,
        found: String,
    },
    Choice {
        value: String,
        known: &'static [&'static str],
    },
    Missing,
    /// Anything that a type's own code says.
    Other(String),
}

pub(super) const TEXT: &str = "text";
pub(super) const LIST: &str = "a list";
/// How a value that may be absent is written when it is.
pub(super) const NONE: &str = "none";

impl std::error::Error for Fault {}

impl Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {:?}", self.key, self.kind)
    }
}

impl de::Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self { key: String::new(), kind: FaultKind::Other(message.to_string()) }
    }
}

/// A key and its value, absent ones as [`NONE`], in the order in which the types declare them.
pub(super) type Entry = (String, Value);

/// Reads a value of type `T`, and lists every key of it.
pub(super) fn read<T: for<'de> de::Deserialize<'de>>(table: &Value) -> Result<(T, Vec<Entry>), Fault> {
    let seen = RefCell::new(Vec::new());
    let value = T::deserialize(Reader { value: Some(table), key: String::new(), seen: &seen })?;
    Ok((value, seen.into_inner()))
}

struct Reader<'a> {
    value: Option<&'a Value>,
    key: String,
    seen: &'a RefCell<Vec<Entry>>,
}

impl<'a> Reader<'a> {
    fn below(&self, name: &str, value: Option<&'a Value>) -> Self {
        let key = if self.key.is_empty() { name.to_string() } else { format!("{}.{name}", self.key) };
        Self { value, key, seen: self.seen }
    }

    fn fault(&self, kind: FaultKind) -> Fault {
        Fault { key: self.key.clone(), kind }
    }

    fn value(&self) -> Result<&'a Value, Fault> {
        self.value.ok_or_else(|| self.fault(FaultKind::Missing))
    }

    fn mismatch(&self, expected: &'static str) -> Fault {
        match self.value {
            Some(value) => self.fault(FaultKind::Type { expected, found: describe(value) }),
            None => self.fault(FaultKind::Missing),
        }
    }

    fn see(&self) {
        let value = self.value.cloned().unwrap_or_else(|| NONE.into());
        self.seen.borrow_mut().push((self.key.clone(), value));
    }

    /// Gives a visitor a whole number; one that does not fit its type is a mismatch too.
    fn whole_number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        const EXPECTED: &str = "a whole number, 0 or more";
        let number = match self.value()? {
            Value::Integer(number) => u64::try_from(*number).ok(),
            // `1e3` is how some people write a thousand.
            Value::Float(number) if number.fract() == 0.0 && (0.0..9e15).contains(number) => Some(*number as u64),
            _ => None,
        };
        let number = number.ok_or_else(|| self.mismatch(EXPECTED))?;
        self.see();
        visitor.visit_u64(number).map_err(|_: Fault| self.mismatch(EXPECTED))
    }

    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let number = match self.value()? {
            Value::Integer(number) => *number as f64,
            Value::Float(number) if number.is_finite() => *number,
            _ => return Err(self.mismatch("a finite number")),
        };
        self.see();
        visitor.visit_f64(number)
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let text = self.value()?.as_str().ok_or_else(|| self.mismatch(TEXT))?;
        self.see();
        visitor
            .visit_str(text)
            .map_err(|fault: Fault| if fault.key.is_empty() { self.fault(fault.kind) } else { fault })
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::String(text) => format!("the text {text:?}"),
        Value::Table(_) => "a section".into(),
        Value::Array(_) => "a list".into(),
        other => other.to_string(),
    }
}

macro_rules! forward {
    ($($method:ident)* => $target:ident) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            self.$target(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    forward!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 => whole_number);
    forward!(deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 => whole_number);
    forward!(deserialize_f32 deserialize_f64 => number);
    forward!(deserialize_str deserialize_string deserialize_char deserialize_identifier => text);
    forward!(deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_map => deserialize_any);

    /// For types that say nothing about themselves.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let value = self.value()?.clone();
        self.see();
        value.deserialize_any(visitor).map_err(|error| self.fault(FaultKind::Other(error.to_string())))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let value = self.value()?.as_bool().ok_or_else(|| self.mismatch("true or false"))?;
        self.see();
        visitor.visit_bool(value)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            None => {
                self.see();
                visitor.visit_none()
            }
            Some(Value::String(text)) if text == NONE => {
                self.see();
                visitor.visit_none()
            }
            Some(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_any(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let list = self.value()?.as_array().ok_or_else(|| self.mismatch(LIST))?;
        self.see();
        // The list has been seen as a whole; its elements are no keys.
        let elements = RefCell::new(Vec::new());
        let elements = list.iter().map(|value| Reader { value: Some(value), key: self.key.clone(), seen: &elements });
        visitor.visit_seq(Elements(elements))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let table = self.value()?.as_table().ok_or_else(|| self.mismatch("a section"))?;
        if let Some(unknown) = table.keys().find(|key| !fields.contains(&key.as_str())) {
            return Err(self.below(unknown, None).fault(FaultKind::Key { known: fields }));
        }
        let readers = fields.iter().map(|field| self.below(field, table.get(*field))).collect::<Vec<_>>();
        visitor.visit_map(Fields { rest: fields.iter().zip(readers), current: None })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let name = self.value()?.as_str().ok_or_else(|| self.mismatch("one of the names of a choice"))?;
        if !variants.contains(&name) {
            return Err(self.fault(FaultKind::Choice { value: name.to_string(), known: variants }));
        }
        self.see();
        visitor.visit_enum(Choice(name))
    }
}

struct Fields<'a, I> {
    rest: I,
    current: Option<Reader<'a>>,
}

impl<'a, 'de, I: Iterator<Item = (&'static &'static str, Reader<'a>)>> MapAccess<'de> for Fields<'a, I> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((field, reader)) = self.rest.next() else { return Ok(None) };
        self.current = Some(reader);
        seed.deserialize(de::value::StrDeserializer::new(field)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let reader = self.current.take().ok_or_else(|| de::Error::custom("a value without a key"))?;
        seed.deserialize(reader)
    }
}

struct Elements<I>(I);

impl<'a, 'de, I: Iterator<Item = Reader<'a>>> SeqAccess<'de> for Elements<I> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        self.0.next().map(|reader| seed.deserialize(reader)).transpose()
    }
}

/// A choice without any data of its own.
struct Choice<'a>(&'a str);

impl<'de> EnumAccess<'de> for Choice<'_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        Ok((seed.deserialize(de::value::StrDeserializer::<Fault>::new(self.0))?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Fault> {
        Err(de::Error::custom(format!("{} needs more than its name", self.0)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Fault> {
        Err(de::Error::custom(format!("{} needs more than its name", self.0)))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Fault> {
        Err(de::Error::custom(format!("{} needs more than its name", self.0)))
    }
}
