//! The surgery on graphs small enough to work out by hand.

use super::*;
use crate::onnx_graph::{Model, Shape, TensorType, ValueType, element, kind};

fn tensor(name: &str, data_type: i32, dims: &[i64], raw: &[u8]) -> Tensor {
    Tensor {
        dims: dims.to_vec(),
        data_type: Some(data_type),
        name: Some(name.to_owned()),
        raw_data: Some(raw.to_vec()),
        ..Tensor::default()
    }
}

fn value(name: &str, dims: &[i64]) -> Value {
    let dim = dims.iter().map(|&size| Dimension { dim_value: Some(size), ..Dimension::default() }).collect();
    let tensor_type = TensorType { elem_type: Some(element::FLOAT), shape: Some(Shape { dim }) };
    let kind = ValueType { tensor_type: Some(tensor_type), denotation: None };
    Value { name: Some(name.to_owned()), r#type: Some(kind), doc_string: None }
}

/// Two channels of three weights in blocks of two, widened, given a new shape, and followed by a `PRelu`.
fn small_model() -> Model {
    let blocks = vec![Attribute::int("axis", 1), Attribute::int("block_size", 2)];
    let mut widen = Node::new("DequantizeLinear", ["q", "scale"], "wide", blocks);
    widen.input.push("zero".to_owned());
    let minus = |value: i8| value.to_ne_bytes()[0];
    let shape: Vec<u8> = [2_i64, -1, 1, 1].iter().flat_map(|size| size.to_le_bytes()).collect();
    let graph = Graph {
        node: vec![
            widen,
            Node::new("Reshape", ["wide", "shape"], "weight", Vec::new()),
            Node::new("Conv", ["data", "weight"], "x", Vec::new()),
            Node::new("PRelu", ["x", "slope"], "y", Vec::new()),
        ],
        name: Some("small".to_owned()),
        initializer: vec![
            tensor("q", element::INT8, &[2, 3], &[1, 2, 3, minus(-4), minus(-5), minus(-6)]),
            Tensor::floats("scale", vec![2, 2], &[0.5, 2.0, 10.0, 100.0]),
            tensor("zero", element::INT8, &[2, 2], &[1, 0, 0, minus(-6)]),
            tensor("shape", element::INT64, &[4], &shape),
            Tensor::floats("slope", vec![2, 1, 1], &[0.25, 0.5]),
        ],
        input: vec![value("data", &[1, 3, 640, 640]), value("q", &[2, 3]), value("unused", &[1])],
        output: vec![value("y", &[1, 2, 640])],
        value_info: vec![value("wide", &[2, 3])],
        ..Graph::default()
    };
    let opset = crate::onnx_graph::OperatorSet { domain: Some(String::new()), version: Some(21) };
    Model { ir_version: Some(6), graph: Some(graph), opset_import: vec![opset], ..Model::default() }
}

fn prepared(steps: Steps) -> Graph {
    let bytes = prepare(&small_model().encode_to_vec(), steps).unwrap();
    decode_whole(&bytes).unwrap().graph.unwrap()
}

fn ops(graph: &Graph) -> Vec<&str> {
    graph.node.iter().map(|node| node.op_type.as_deref().unwrap()).collect()
}

#[test]
fn blocks_are_widened_with_their_own_scale_and_zero() {
    let graph = prepared(Steps::WidenAndFreeSize);
    assert_eq!(ops(&graph), ["Conv", "PRelu"]);
    let weights = &by_name(&graph)["weight"];
    assert_eq!(weights.dims, [2, 3, 1, 1]);
    assert_eq!(weights.as_f32().unwrap(), [0.0, 0.5, 6.0, -40.0, -50.0, 0.0]);
}

#[test]
fn only_what_is_used_stays() {
    let graph = prepared(Steps::WidenAndFreeSize);
    let names: Vec<_> = graph.initializer.iter().filter_map(|tensor| tensor.name.as_deref()).collect();
    assert_eq!(names, ["slope", "weight"]);
    let inputs: Vec<_> = graph.input.iter().filter_map(|value| value.name.as_deref()).collect();
    assert_eq!(inputs, ["data"]);
    assert!(graph.value_info.is_empty());
}

#[test]
fn height_and_width_are_left_open() {
    let mut graph = prepared(Steps::WidenAndFreeSize);
    let sizes: Vec<_> = dimensions(&mut graph.input[0]).iter().map(|dim| dim.dim_value).collect();
    assert_eq!(sizes, [Some(1), Some(3), None, None]);
    assert_eq!(dimensions(&mut graph.output[0])[1].dim_param.as_deref(), Some("y_cells"));
}

#[test]
fn a_prelu_becomes_two_convolutions() {
    let graph = prepared(Steps::WidenAndRewritePrelu);
    assert_eq!(ops(&graph), ["Conv", "Relu", "Conv", "Conv", "Add"]);
    let weights = by_name(&graph);
    assert_eq!(weights["prelu1_a"].as_f32().unwrap(), [0.25, 0.5]);
    assert_eq!(weights["prelu1_b"].as_f32().unwrap(), [0.75, 0.5]);
    assert_eq!(weights["prelu1_a"].dims, [2, 1, 1, 1]);
    assert_eq!(graph.node[2].int("group", 1), 2);
    assert_eq!(graph.node[2].attribute[1].kind, Some(kind::INTS));
    assert_eq!(graph.node[1].input, ["x"]);
    assert_eq!(graph.node[4].output, ["y"]);
}

/// The small model with a convolution of three channels behind its `PRelu`, whose second slope is nothing.
fn with_reader(weights: Tensor) -> Graph {
    let mut model = small_model();
    let graph = model.graph.as_mut().unwrap();
    graph.initializer[4] = Tensor::floats("slope", vec![2, 1, 1], &[0.25, 0.0]);
    graph.initializer.push(weights);
    graph.node.push(Node::new("Conv", ["y", "next"], "z", Vec::new()));
    let bytes = prepare(&model.encode_to_vec(), Steps::WidenAndRewritePrelu).unwrap();
    decode_whole(&bytes).unwrap().graph.unwrap()
}

#[test]
fn a_convolution_behind_a_prelu_takes_the_slopes_in() {
    let dense = Tensor::floats("next", vec![3, 2, 1, 1], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let graph = with_reader(dense);
    assert_eq!(ops(&graph), ["Conv", "Relu", "Conv", "Add", "Conv"]);
    let weights = by_name(&graph);
    // y = a·(x + (1/a − 1)·relu(x)): of a positive x of 1 in each channel nothing is lost, of −1 the slope is left.
    let rest = weights["prelu1_b"].as_f32().unwrap();
    let next = weights["next"].as_f32().unwrap();
    let out = |x: f32| (x + rest[0] * x.max(0.0)) * next[0] + (x + rest[1] * x.max(0.0)) * next[1];
    assert!((out(1.0) - 3.0).abs() < 1e-6 && (out(-1.0) + 0.25).abs() < 1e-5, "{} {}", out(1.0), out(-1.0));
    let close = |(a, b): (&f32, f32)| (a - b).abs() < 1e-5;
    assert!(next.iter().zip([0.25, 0.0, 0.75, 0.0, 1.25, 0.0]).all(close), "{next:?}");

    let depthwise = Tensor::floats("next", vec![2, 1, 1, 2], &[1.0, 2.0, 3.0, 4.0]);
    let next = by_name(&with_reader(depthwise))["next"].as_f32().unwrap();
    assert!(next.iter().zip([0.25, 0.5, 0.0, 0.0]).all(close), "{next:?}");
}

#[test]
fn a_slope_shared_by_all_channels_is_left_alone() {
    let mut model = small_model();
    model.graph.as_mut().unwrap().initializer[4] = Tensor::floats("slope", vec![1], &[0.25]);
    let bytes = prepare(&model.encode_to_vec(), Steps::WidenAndRewritePrelu).unwrap();
    assert_eq!(ops(&decode_whole(&bytes).unwrap().graph.unwrap()), ["Conv", "PRelu"]);
}

#[test]
fn one_scale_and_one_scale_per_channel_are_understood() {
    for (scale, expected) in [
        (Tensor::floats("scale", vec![], &[2.0]), [0.0, 2.0, 4.0, -10.0, -12.0, -14.0]),
        (Tensor::floats("scale", vec![2], &[1.0, 10.0]), [0.0, 1.0, 2.0, -50.0, -60.0, -70.0]),
    ] {
        let mut model = small_model();
        let graph = model.graph.as_mut().unwrap();
        graph.node[0].attribute = vec![Attribute::int("axis", -2)];
        graph.initializer[1] = scale;
        graph.initializer[2] = tensor("zero", element::INT8, &[], &[1]);
        let bytes = prepare(&model.encode_to_vec(), Steps::WidenAndFreeSize).unwrap();
        let graph = decode_whole(&bytes).unwrap().graph.unwrap();
        assert_eq!(by_name(&graph)["weight"].as_f32().unwrap(), expected);
    }
}

#[test]
fn scales_that_do_not_fit_are_refused() {
    let mut model = small_model();
    model.graph.as_mut().unwrap().initializer[1] = Tensor::floats("scale", vec![3], &[1.0, 1.0, 1.0]);
    let error = prepare(&model.encode_to_vec(), Steps::WidenAndFreeSize).unwrap_err();
    assert_eq!(format!("{error:#}"), "cannot widen the weights wide: 3 scales where 4 are needed");
}

#[test]
fn a_file_with_a_field_unknown_to_us_is_refused() {
    let mut bytes = small_model().encode_to_vec();
    assert_eq!(decode_whole(&bytes).unwrap(), small_model());
    // Field 25 (functions of the model) with two bytes in it.
    bytes.extend([0xca, 0x01, 0x02, 0x0a, 0x00]);
    let error = decode_whole(&bytes).unwrap_err().to_string();
    assert!(error.starts_with("the model holds fields this program does not know"), "{error}");
}

#[test]
fn other_bytes_are_no_model() {
    assert!(prepare(b"not a model at all", Steps::WidenAndFreeSize).is_err());
    assert_eq!(prepare(b"anything", Steps::AsShipped).unwrap(), b"anything");
}
