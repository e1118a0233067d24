//! The part of the ONNX file format that the prepared models use, as protobuf messages.
//!
//! Invariant: nothing of a file is lost between reading and writing. Protobuf readers skip fields they do not know, so
//! [`decode_whole`] refuses a file that holds any such field instead of writing it back without it.
//!
//! Every field is optional or repeated, as in the format itself, so that a default written out is written out again.

use anyhow::{Context, Result, ensure};
use prost::Message;

/// Element types of a [`Tensor`], as numbered by the format.
pub(crate) mod element {
    pub(crate) const FLOAT: i32 = 1;
    pub(crate) const UINT8: i32 = 2;
    pub(crate) const INT8: i32 = 3;
    pub(crate) const INT64: i32 = 7;
}

/// Kinds of an [`Attribute`], as numbered by the format.
pub(crate) mod kind {
    pub(crate) const INT: i32 = 2;
    pub(crate) const STRING: i32 = 3;
    pub(crate) const INTS: i32 = 7;
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Model {
    #[prost(int64, optional, tag = "1")]
    pub(crate) ir_version: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub(crate) producer_name: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(crate) producer_version: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub(crate) domain: Option<String>,
    #[prost(int64, optional, tag = "5")]
    pub(crate) model_version: Option<i64>,
    #[prost(string, optional, tag = "6")]
    pub(crate) doc_string: Option<String>,
    #[prost(message, optional, tag = "7")]
    pub(crate) graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) opset_import: Vec<OperatorSet>,
    #[prost(message, repeated, tag = "14")]
    pub(crate) metadata_props: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OperatorSet {
    #[prost(string, optional, tag = "1")]
    pub(crate) domain: Option<String>,
    #[prost(int64, optional, tag = "2")]
    pub(crate) version: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Entry {
    #[prost(string, optional, tag = "1")]
    pub(crate) key: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(crate) value: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub(crate) node: Vec<Node>,
    #[prost(string, optional, tag = "2")]
    pub(crate) name: Option<String>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) initializer: Vec<Tensor>,
    #[prost(string, optional, tag = "10")]
    pub(crate) doc_string: Option<String>,
    #[prost(message, repeated, tag = "11")]
    pub(crate) input: Vec<Value>,
    #[prost(message, repeated, tag = "12")]
    pub(crate) output: Vec<Value>,
    #[prost(message, repeated, tag = "13")]
    pub(crate) value_info: Vec<Value>,
    #[prost(message, repeated, tag = "16")]
    pub(crate) metadata_props: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub(crate) input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) output: Vec<String>,
    #[prost(string, optional, tag = "3")]
    pub(crate) name: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub(crate) op_type: Option<String>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) attribute: Vec<Attribute>,
    #[prost(string, optional, tag = "6")]
    pub(crate) doc_string: Option<String>,
    #[prost(string, optional, tag = "7")]
    pub(crate) domain: Option<String>,
    #[prost(message, repeated, tag = "9")]
    pub(crate) metadata_props: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Attribute {
    #[prost(string, optional, tag = "1")]
    pub(crate) name: Option<String>,
    #[prost(float, optional, tag = "2")]
    pub(crate) f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    pub(crate) i: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(crate) s: Option<Vec<u8>>,
    #[prost(message, optional, tag = "5")]
    pub(crate) t: Option<Tensor>,
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub(crate) floats: Vec<f32>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub(crate) ints: Vec<i64>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub(crate) strings: Vec<Vec<u8>>,
    #[prost(string, optional, tag = "13")]
    pub(crate) doc_string: Option<String>,
    #[prost(int32, optional, tag = "20")]
    pub(crate) kind: Option<i32>,
    #[prost(string, optional, tag = "21")]
    pub(crate) ref_attr_name: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub(crate) dims: Vec<i64>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) data_type: Option<i32>,
    #[prost(float, repeated, tag = "4")]
    pub(crate) float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    pub(crate) int32_data: Vec<i32>,
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub(crate) string_data: Vec<Vec<u8>>,
    #[prost(int64, repeated, tag = "7")]
    pub(crate) int64_data: Vec<i64>,
    #[prost(string, optional, tag = "8")]
    pub(crate) name: Option<String>,
    #[prost(bytes = "vec", optional, tag = "9")]
    pub(crate) raw_data: Option<Vec<u8>>,
    #[prost(double, repeated, tag = "10")]
    pub(crate) double_data: Vec<f64>,
    #[prost(string, optional, tag = "12")]
    pub(crate) doc_string: Option<String>,
}

/// A named input, output or intermediate result with its type.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Value {
    #[prost(string, optional, tag = "1")]
    pub(crate) name: Option<String>,
    #[prost(message, optional, tag = "2")]
    pub(crate) r#type: Option<ValueType>,
    #[prost(string, optional, tag = "3")]
    pub(crate) doc_string: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ValueType {
    #[prost(message, optional, tag = "1")]
    pub(crate) tensor_type: Option<TensorType>,
    #[prost(string, optional, tag = "6")]
    pub(crate) denotation: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TensorType {
    #[prost(int32, optional, tag = "1")]
    pub(crate) elem_type: Option<i32>,
    #[prost(message, optional, tag = "2")]
    pub(crate) shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub(crate) dim: Vec<Dimension>,
}

/// A fixed size (`dim_value`) or a name for a size known only when the model runs (`dim_param`).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub(crate) dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub(crate) dim_param: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub(crate) denotation: Option<String>,
}

/// Reads a model and makes sure that writing it back would keep every byte of information.
///
/// # Errors
/// When the bytes are not a model, or hold a field that the messages above do not have.
pub(crate) fn decode_whole(bytes: &[u8]) -> Result<Model> {
    let model = Model::decode(bytes).context("this is not an ONNX file")?;
    // The same fields take the same number of bytes in whatever order they stand.
    let known = model.encoded_len();
    ensure!(
        known == bytes.len(),
        "the model holds fields this program does not know ({known} of {} bytes understood)",
        bytes.len()
    );
    Ok(model)
}

impl Tensor {
    /// A tensor of 32-bit floats; `values` in row-major order of `dims`.
    pub(crate) fn floats(name: &str, dims: Vec<i64>, values: &[f32]) -> Self {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self {
            dims,
            data_type: Some(element::FLOAT),
            name: Some(name.to_owned()),
            raw_data: Some(raw),
            ..Self::default()
        }
    }

    /// The sizes of the tensor.
    ///
    /// # Errors
    /// When a size is negative.
    pub(crate) fn shape(&self) -> Result<Vec<usize>> {
        self.dims.iter().map(|&dim| usize::try_from(dim).context("a tensor has a negative size")).collect()
    }

    /// The elements as 32-bit floats, in row-major order; 8-bit integers are converted, not scaled.
    ///
    /// # Errors
    /// When the tensor has another element type, or not as many elements as its shape says.
    pub(crate) fn as_f32(&self) -> Result<Vec<f32>> {
        let raw = self.raw_data.as_deref().unwrap_or_default();
        let values: Vec<f32> = match self.data_type.unwrap_or_default() {
            element::FLOAT if raw.is_empty() => self.float_data.clone(),
            element::FLOAT => raw.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect(),
            element::INT8 => raw.iter().map(|&byte| f32::from(byte.cast_signed())).collect(),
            element::UINT8 => raw.iter().map(|&byte| f32::from(byte)).collect(),
            other => anyhow::bail!("cannot read numbers of element type {other}"),
        };
        let expected: usize = self.shape()?.iter().product();
        ensure!(values.len() == expected, "a tensor of {expected} elements holds {}", values.len());
        Ok(values)
    }

    /// The elements of a tensor of 64-bit integers.
    ///
    /// # Errors
    /// When the tensor has another element type.
    pub(crate) fn as_i64(&self) -> Result<Vec<i64>> {
        ensure!(self.data_type == Some(element::INT64), "expected 64-bit integers");
        let raw = self.raw_data.as_deref().unwrap_or_default();
        if raw.is_empty() {
            return Ok(self.int64_data.clone());
        }
        Ok(raw.as_chunks().0.iter().map(|&eight| i64::from_le_bytes(eight)).collect())
    }
}

impl Attribute {
    pub(crate) fn int(name: &str, value: i64) -> Self {
        Self { name: Some(name.to_owned()), i: Some(value), kind: Some(kind::INT), ..Self::default() }
    }

    pub(crate) fn text(name: &str, value: &str) -> Self {
        let s = Some(value.as_bytes().to_vec());
        Self { name: Some(name.to_owned()), s, kind: Some(kind::STRING), ..Self::default() }
    }

    pub(crate) fn ints(name: &str, values: &[i64]) -> Self {
        Self { name: Some(name.to_owned()), ints: values.to_vec(), kind: Some(kind::INTS), ..Self::default() }
    }
}

impl Node {
    pub(crate) fn new(op: &str, input: [&str; 2], output: &str, attribute: Vec<Attribute>) -> Self {
        Self {
            input: input.into_iter().filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            output: vec![output.to_owned()],
            op_type: Some(op.to_owned()),
            attribute,
            ..Self::default()
        }
    }

    pub(crate) fn is(&self, op: &str) -> bool {
        self.op_type.as_deref() == Some(op)
    }

    /// An integer attribute, or `absent` where the node does not have it.
    pub(crate) fn int(&self, name: &str, absent: i64) -> i64 {
        let found = self.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(name));
        found.and_then(|attribute| attribute.i).unwrap_or(absent)
    }
}
