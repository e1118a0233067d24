//! Turns a TensorFlow Lite file into an ONNX model: of the operators, those that MobileFaceNet has.
//!
//! TensorFlow Lite keeps pictures as height × width × channels, ONNX as channels × height × width; weights are laid out anew for
//! that. `PRelu` is spelt as `relu(x) + s·(x − |x|)` there, and becomes one node again. The file is only read; nothing of it is run.
//!
//! Field and operator numbers are those of TensorFlow's `schema.fbs` (version 3).

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result, bail, ensure};

use crate::flatbuffer::{List, Table};
use crate::onnx_graph::{
    Attribute, Dimension, Graph, Model, Node, OperatorSet, Shape, Tensor, TensorType, Value, ValueType,
    element,
};

/// The operators, by their numbers.
mod operator {
    pub(super) const ADD: i32 = 0;
    pub(super) const CONV: i32 = 3;
    pub(super) const DEPTHWISE_CONV: i32 = 4;
    pub(super) const MUL: i32 = 18;
    pub(super) const RELU: i32 = 19;
    pub(super) const RESHAPE: i32 = 22;
    pub(super) const SUB: i32 = 41;
    pub(super) const ABS: i32 = 101;
}

/// The input of the model that comes out: colours as they are in a picture, 0 to 255.
const INPUT: &str = "data";
/// What TensorFlow's model was fed: `(colour − 127.5) / 128`.
const SHIFT: f32 = 127.5;
const FACTOR: f32 = 1.0 / 128.0;

/// One operator of the file.
struct Operation<'a> {
    code: i32,
    inputs: Vec<i32>,
    output: i32,
    options: Option<Table<'a>>,
}

/// The file's one graph.
struct Source<'a> {
    tensors: List<'a>,
    buffers: List<'a>,
    operations: Vec<Operation<'a>>,
    /// By their outputs, the places of `operations`.
    producers: HashMap<i32, usize>,
}

/// The ONNX model of the TensorFlow Lite file `bytes`, for one picture at a time.
///
/// # Errors
/// When the file is damaged, or has an operator or a shape that is not known here.
pub(crate) fn to_onnx(bytes: &[u8]) -> Result<Model> {
    let root = Table::root(bytes).context("this is not a TensorFlow Lite file")?;
    let subgraphs = root.list(2)?;
    ensure!(subgraphs.len == 1, "expected one graph, found {}", subgraphs.len);
    let subgraph = subgraphs.table(0)?;
    let codes = root.list(1)?;
    let operators = subgraph.list(3)?;
    let operation = |index| Operation::read(operators.table(index)?, codes);
    let operations: Vec<Operation<'_>> = (0..operators.len).map(operation).collect::<Result<_>>()?;
    let producers =
        operations.iter().enumerate().map(|(place, operation)| (operation.output, place)).collect();
    let source = Source { tensors: subgraph.list(0)?, buffers: root.list(4)?, operations, producers };
    let (input, output) = (only(subgraph.list(1)?)?, only(subgraph.list(2)?)?);
    let graph = source.graph(input, output)?;
    let opset = OperatorSet { domain: Some(String::new()), version: Some(13) };
    Ok(Model { ir_version: Some(8), graph: Some(graph), opset_import: vec![opset], ..Model::default() })
}

fn only(list: List<'_>) -> Result<i32> {
    let [one] = list.ints()?[..] else { bail!("expected one input and one output") };
    Ok(one)
}

fn name(tensor: i32) -> String {
    format!("t{tensor}")
}

impl<'a> Operation<'a> {
    fn read(table: Table<'a>, codes: List<'_>) -> Result<Self> {
        let code = codes.table(usize::try_from(table.int(0, 0)?)?)?;
        // The first numbers were bytes; newer ones stand in a field of their own.
        let code = i32::from(code.byte(0)?).max(code.int(3, 0)?);
        Ok(Self {
            code,
            inputs: table.list(1)?.ints()?,
            output: only(table.list(2)?)?,
            options: table.table(4)?,
        })
    }

    /// No activation may be hidden in an operator: field `field` of its options.
    fn ensure_plain(&self, field: usize) -> Result<()> {
        let activation = self.options.map_or(Ok(0), |options| options.byte(field))?;
        ensure!(activation == 0, "operator {} has the activation {activation}", self.code);
        Ok(())
    }
}

impl Source<'_> {
    fn graph(&self, input: i32, output: i32) -> Result<Graph> {
        let mut graph = Graph { name: Some("tflite".to_owned()), ..Graph::default() };
        let [_, height, width, channels] = self.shape(input)?[..] else { bail!("expected a picture") };
        let [_, numbers] = self.shape(output)?[..] else { bail!("expected a row of numbers") };
        graph.input.push(value(INPUT, &[1, channels, height, width]));
        graph.output.push(value(&name(output), &[1, numbers]));
        for (at, number) in [("shift", SHIFT), ("factor", FACTOR)] {
            graph.initializer.push(Tensor::floats(at, vec![1], &[number]));
        }
        graph.node.push(Node::new("Sub", [INPUT, "shift"], "shifted", Vec::new()));
        graph.node.push(Node::new("Mul", ["shifted", "factor"], &name(input), Vec::new()));
        for operation in &self.operations {
            self.add(operation, &mut graph)?;
        }
        ensure_whole(&graph)?;
        Ok(graph)
    }

    /// Adds what an operator becomes. The parts of a `PRelu` are left to the sum that ends it.
    fn add(&self, operation: &Operation<'_>, graph: &mut Graph) -> Result<()> {
        let output = name(operation.output);
        match operation.code {
            operator::CONV | operator::DEPTHWISE_CONV => self.add_convolution(operation, graph)?,
            operator::ADD => {
                operation.ensure_plain(0)?;
                let [a, b] = operation.inputs[..] else { bail!("a sum of other than two") };
                if let Some((x, slope)) = self.prelu(a, b)? {
                    let slope_name = format!("{output}_slope");
                    let dims = vec![i64::try_from(slope.len())?, 1, 1];
                    graph.initializer.push(Tensor::floats(&slope_name, dims, &slope));
                    graph.node.push(Node::new("PRelu", [&name(x), &slope_name], &output, Vec::new()));
                } else {
                    graph.node.push(Node::new("Add", [&name(a), &name(b)], &output, Vec::new()));
                }
            }
            operator::RESHAPE => {
                let from = operation.inputs.first().context("a reshape of nothing")?;
                let sides = self.shape(*from)?;
                let long = sides.iter().skip(1).filter(|side| **side > 1).count();
                ensure!(long == 1, "a reshape that would mix height, width and channels");
                graph.node.push(Node::new("Flatten", [&name(*from), ""], &output, Vec::new()));
            }
            operator::RELU | operator::ABS | operator::SUB | operator::MUL => {}
            other => bail!("operator {other} is not known here"),
        }
        Ok(())
    }

    fn add_convolution(&self, operation: &Operation<'_>, graph: &mut Graph) -> Result<()> {
        let depthwise = operation.code == operator::DEPTHWISE_CONV;
        let options = operation.options.context("a convolution without options")?;
        operation.ensure_plain(if depthwise { 4 } else { 3 })?;
        let [input, weights, bias] = operation.inputs[..] else { bail!("a convolution without a bias") };
        let [outer, height, width, inner] = self.shape(weights)?[..] else {
            bail!("weights of other than 4 sizes")
        };
        let [strides, dilations] = [[2, 1], if depthwise { [6, 5] } else { [5, 4] }]
            .map(|fields| fields.map(|field| options.int(field, 1)));
        for dilation in dilations {
            ensure!(dilation? == 1, "a convolution with holes");
        }
        ensure!(!depthwise || outer == 1, "depthwise weights of another shape");
        let [channels, group] = if depthwise { [inner, inner] } else { [outer, 1] };
        let dims = vec![channels, if depthwise { 1 } else { inner }, height, width];
        let (stored, [outer, inner]) = (self.floats(weights)?, [outer, inner].map(usize::try_from));
        let area = usize::try_from(height * width)?;
        let laid_out = channels_first(&stored, outer?, area, inner?);
        let (weights, bias_name) =
            (format!("t{}_weights", operation.output), format!("t{}_bias", operation.output));
        graph.initializer.push(Tensor::floats(&weights, dims, &laid_out));
        graph.initializer.push(Tensor::floats(&bias_name, vec![channels], &self.floats(bias)?));
        let [down, along] = strides;
        let mut attributes = vec![
            Attribute::int("group", group),
            Attribute::ints("kernel_shape", &[height, width]),
            Attribute::ints("strides", &[down?.into(), along?.into()]),
        ];
        // Padding 0 keeps the size; 1 is none.
        if options.byte(0)? == 0 {
            attributes.push(Attribute::text("auto_pad", "SAME_UPPER"));
        }
        let mut node = Node::new("Conv", [&name(input), &weights], &name(operation.output), attributes);
        node.input.push(bias_name);
        graph.node.push(node);
        Ok(())
    }

    /// If the sum of `a` and `b` is `relu(x) + s·(x − |x|)`: x, and the slopes 2s.
    fn prelu(&self, a: i32, b: i32) -> Result<Option<(i32, Vec<f32>)>> {
        let Some(above) = self.made_by(a, operator::RELU) else { return Ok(None) };
        let Some(below) = self.made_by(b, operator::MUL) else { return Ok(None) };
        let ([x], [halves, difference]) = (&above.inputs[..], &below.inputs[..]) else { return Ok(None) };
        let Some(difference) = self.made_by(*difference, operator::SUB) else { return Ok(None) };
        let [from, size] = &difference.inputs[..] else { return Ok(None) };
        let size = self.made_by(*size, operator::ABS);
        if from != x || size.is_none_or(|size| size.inputs != [*x]) {
            return Ok(None);
        }
        below.ensure_plain(0)?;
        difference.ensure_plain(0)?;
        Ok(Some((*x, self.floats(*halves)?.iter().map(|half| 2.0 * half).collect())))
    }

    fn made_by(&self, tensor: i32, code: i32) -> Option<&Operation<'_>> {
        let operation = self.operations.get(*self.producers.get(&tensor)?)?;
        (operation.code == code).then_some(operation)
    }

    fn tensor(&self, tensor: i32) -> Result<Table<'_>> {
        self.tensors.table(usize::try_from(tensor)?)
    }

    fn shape(&self, tensor: i32) -> Result<Vec<i64>> {
        Ok(self.tensor(tensor)?.list(0)?.ints()?.into_iter().map(i64::from).collect())
    }

    /// The stored numbers of a tensor.
    fn floats(&self, tensor: i32) -> Result<Vec<f32>> {
        let table = self.tensor(tensor)?;
        ensure!(table.byte(1)? == 0, "tensor {tensor} has no 32-bit floats");
        let buffer = self.buffers.table(usize::try_from(table.int(2, 0)?)?)?;
        let (fours, rest) = buffer.list(0)?.bytes()?.as_chunks();
        let expected = usize::try_from(self.shape(tensor)?.iter().product::<i64>())?;
        ensure!(
            rest.is_empty() && fours.len() == expected,
            "tensor {tensor} has not the numbers of its shape"
        );
        Ok(fours.iter().map(|&four| f32::from_le_bytes(four)).collect())
    }
}

/// `outer × area × inner` laid out as `outer × inner × area`.
fn channels_first(stored: &[f32], outer: usize, area: usize, inner: usize) -> Vec<f32> {
    let places = (0..outer).flat_map(|o| (0..inner).flat_map(move |i| (0..area).map(move |a| (o, a, i))));
    places.filter_map(|(o, a, i)| stored.get((o * area + a) * inner + i).copied()).collect()
}

fn value(name: &str, dims: &[i64]) -> Value {
    let dim = dims.iter().map(|size| Dimension { dim_value: Some(*size), ..Dimension::default() }).collect();
    let tensor_type = TensorType { elem_type: Some(element::FLOAT), shape: Some(Shape { dim }) };
    let kind = ValueType { tensor_type: Some(tensor_type), denotation: None };
    Value { name: Some(name.to_owned()), r#type: Some(kind), doc_string: None }
}

/// Whatever a node reads must have come before it: an operator outside of a `PRelu` would be missing.
fn ensure_whole(graph: &Graph) -> Result<()> {
    let stored = graph.initializer.iter().filter_map(|tensor| tensor.name.as_deref());
    let mut known: HashSet<&str> = stored.chain([INPUT]).collect();
    for node in &graph.node {
        let missing = node.input.iter().find(|input| !known.contains(input.as_str()));
        ensure!(missing.is_none(), "an operator outside of a PRelu is not known here");
        known.extend(node.output.iter().map(String::as_str));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_laid_out_channels_first() {
        // Two filters of two places of three channels.
        let stored: Vec<f32> = (0..12_u8).map(f32::from).collect();
        let expected = [0.0, 3.0, 1.0, 4.0, 2.0, 5.0, 6.0, 9.0, 7.0, 10.0, 8.0, 11.0];
        assert_eq!(channels_first(&stored, 2, 2, 3), expected);
    }

    #[test]
    fn other_bytes_are_no_model() {
        for bytes in [&b""[..], b"TFL3", &[0; 64], &[0xff; 64], b"\x08\x00\x00\x00TFL3\x00\x00\x00\x00"] {
            assert!(to_onnx(bytes).is_err());
        }
    }

    #[test]
    fn a_result_that_nothing_makes_is_refused() {
        let node = |input: &str, output: &str| Node::new("Relu", [input, ""], output, Vec::new());
        let whole = Graph { node: vec![node(INPUT, "a"), node("a", "b")], ..Graph::default() };
        assert!(ensure_whole(&whole).is_ok());
        let torn = Graph { node: vec![node("a", "b"), node(INPUT, "a")], ..Graph::default() };
        assert!(ensure_whole(&torn).is_err());
    }
}
