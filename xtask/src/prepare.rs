//! Prepares the face models that ONNX Runtime cannot run, or runs slowly, as they are shipped.
//!
//! Two come with block-wise 8-bit weights that are widened when the model runs. ONNX Runtime refuses some of these
//! blocks, so the weights are widened here, once, in the same 32-bit arithmetic. The weights keep their values: what the
//! model answers is what it answered before.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result, bail, ensure};
use prost::Message;

use crate::onnx_graph::{Attribute, Dimension, Graph, Node, Tensor, Value, decode_whole};
use crate::tflite;

/// What is done to a model between its package and the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Steps {
    /// Nothing: the file is used as shipped.
    AsShipped,
    /// Widen the weights, and let pictures of any size in.
    WidenAndFreeSize,
    /// Widen the weights, and express every `PRelu` by convolutions.
    WidenAndRewritePrelu,
    /// Convert from TensorFlow Lite, and express every `PRelu` by convolutions.
    FromTfliteAndRewritePrelu,
}

impl Steps {
    /// What was done, in words for the manifest.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::AsShipped => "as shipped",
            Self::WidenAndFreeSize => {
                "8-bit block-quantised weights widened to 32-bit floats; height and width left open"
            }
            Self::WidenAndRewritePrelu => {
                "8-bit block-quantised weights widened to 32-bit floats; \
                 PRelu(x) written as a*(x + (1/a-1)*relu(x)) by depthwise 1x1 convolutions"
            }
            Self::FromTfliteAndRewritePrelu => {
                "converted from TensorFlow Lite, with the scaling of colours in the graph; \
                 PRelu(x) written as a*(x + (1/a-1)*relu(x)) by depthwise 1x1 convolutions"
            }
        }
    }
}

/// The prepared bytes of the model in `source`.
///
/// # Errors
/// When `source` is not a model, or is built in a way this preparation does not know.
pub(crate) fn prepare(source: &[u8], steps: Steps) -> Result<Vec<u8>> {
    if steps == Steps::AsShipped {
        return Ok(source.to_vec());
    }
    let mut model = match steps {
        Steps::FromTfliteAndRewritePrelu => tflite::to_onnx(source)?,
        _ => decode_whole(source)?,
    };
    let graph = model.graph.as_mut().context("the model has no graph")?;
    widen_weights(graph)?;
    fold_reshapes(graph)?;
    match steps {
        Steps::AsShipped => {}
        Steps::WidenAndFreeSize => free_picture_size(graph),
        Steps::WidenAndRewritePrelu | Steps::FromTfliteAndRewritePrelu => rewrite_prelu(graph)?,
    }
    drop_unused(graph);
    Ok(model.encode_to_vec())
}

/// Replaces every `DequantizeLinear` over stored weights by the widened weights.
fn widen_weights(graph: &mut Graph) -> Result<()> {
    let stored = by_name(graph);
    let mut widened = Vec::new();
    let mut kept = Vec::new();
    for node in std::mem::take(&mut graph.node) {
        let weights: Option<Vec<&Tensor>> =
            node.input.iter().filter(|name| !name.is_empty()).map(|name| stored.get(name)).collect();
        match (weights, node.output.first()) {
            (Some(weights), Some(output)) if node.is("DequantizeLinear") => {
                let tensor = widen(&node, &weights, output);
                widened.push(tensor.with_context(|| format!("cannot widen the weights {output}"))?);
            }
            _ => kept.push(node),
        }
    }
    graph.node = kept;
    graph.initializer.extend(widened);
    Ok(())
}

/// `(weight - zero) * scale`, with the scale and zero point of the block that the weight lies in.
fn widen(node: &Node, inputs: &[&Tensor], output: &str) -> Result<Tensor> {
    let (quantised, scale) = match inputs {
        [quantised, scale] | [quantised, scale, _] => (quantised, scale),
        _ => bail!("expected two or three inputs, found {}", inputs.len()),
    };
    let blocks = Blocks::of(node, quantised, scale)?;
    let scales = scale.as_f32()?;
    let zeros = match inputs.get(2) {
        Some(zero) => zero.as_f32()?,
        None => vec![0.0],
    };
    ensure!(zeros.len() == 1 || zeros.len() == scales.len(), "as many zero points as scales are needed");
    let mut values = quantised.as_f32()?;
    for (index, value) in values.iter_mut().enumerate() {
        let at = blocks.scale_of(index);
        let scale = scales.get(at).context("a weight lies outside its scales")?;
        let zero =
            zeros.get(if zeros.len() == 1 { 0 } else { at }).context("a weight lies outside its zeros")?;
        *value = (*value - zero) * scale;
    }
    Ok(Tensor::floats(output, quantised.dims.clone(), &values))
}

/// Where the scale of a weight stands: the weights are `outer × length × inner`, the scales `outer × count × inner`.
struct Blocks {
    inner: usize,
    length: usize,
    /// Weights along the axis that share a scale.
    size: usize,
    count: usize,
    per_block: bool,
    one_for_all: bool,
}

impl Blocks {
    fn of(node: &Node, quantised: &Tensor, scale: &Tensor) -> Result<Self> {
        let shape = quantised.shape()?;
        let scale_shape = scale.shape()?;
        let total: usize = shape.iter().product();
        let scales: usize = scale_shape.iter().product();
        let axis = node.int("axis", 1);
        let axis = usize::try_from(if axis < 0 { axis + i64::try_from(shape.len())? } else { axis })?;
        let size = usize::try_from(node.int("block_size", 0))?;
        if scales == 1 {
            return Ok(Self { inner: 1, length: 1, size: 1, count: 1, per_block: false, one_for_all: true });
        }
        let length = *shape.get(axis).context("the axis lies outside the shape")?;
        let inner: usize = shape.iter().skip(axis + 1).product();
        let per_block = size > 0;
        let size = size.max(1);
        let count = length.div_ceil(size);
        let outer = total.checked_div(length * inner).context("the weights are empty")?;
        let expected = if per_block { outer * count * inner } else { length };
        let rank = if per_block { shape.len() } else { 1 };
        ensure!(
            scales == expected && scale_shape.len() == rank,
            "{scales} scales where {expected} are needed"
        );
        Ok(Self { inner, length, size, count, per_block, one_for_all: false })
    }

    fn scale_of(&self, weight: usize) -> usize {
        if self.one_for_all {
            return 0;
        }
        let along = (weight / self.inner) % self.length;
        if !self.per_block {
            return along;
        }
        let outer = weight / (self.inner * self.length);
        (outer * self.count + along / self.size) * self.inner + weight % self.inner
    }
}

/// Carries out every `Reshape` of stored weights to a stored shape.
fn fold_reshapes(graph: &mut Graph) -> Result<()> {
    let mut stored = by_name(graph);
    let mut kept = Vec::new();
    for node in std::mem::take(&mut graph.node) {
        let (Some(output), [from, shape]) = (node.output.first(), node.input.as_slice()) else {
            kept.push(node);
            continue;
        };
        match (stored.get(from), stored.get(shape)) {
            (Some(from), Some(shape)) if node.is("Reshape") => {
                let mut tensor = from.clone();
                tensor.dims = resolve_shape(&shape.as_i64()?, &from.shape()?)?;
                tensor.name = Some(output.clone());
                stored.insert(output.clone(), tensor.clone());
                graph.initializer.push(tensor);
            }
            _ => kept.push(node),
        }
    }
    graph.node = kept;
    Ok(())
}

/// The sizes that a `Reshape` to `wanted` gives: 0 keeps a size, -1 takes what is left.
fn resolve_shape(wanted: &[i64], from: &[usize]) -> Result<Vec<i64>> {
    let total = i64::try_from(from.iter().product::<usize>())?;
    let mut dims = Vec::with_capacity(wanted.len());
    for (index, &dim) in wanted.iter().enumerate() {
        let kept = || from.get(index).context("a size is kept that is not there");
        dims.push(if dim == 0 { i64::try_from(*kept()?)? } else { dim });
    }
    let known: i64 = dims.iter().filter(|&&dim| dim != -1).product();
    for dim in dims.iter_mut().filter(|dim| **dim == -1) {
        *dim = total.checked_div(known).context("a size is left open beside an empty one")?;
    }
    ensure!(dims.iter().product::<i64>() == total, "a reshape changes the number of elements");
    Ok(dims)
}

/// Lets the detector take pictures of any height and width: the file says 640 × 640, the graph does not depend on it.
fn free_picture_size(graph: &mut Graph) {
    for value in &mut graph.input {
        if let [_, _, height, width] = dimensions(value) {
            *height = open_dimension("height");
            *width = open_dimension("width");
        }
    }
    for value in &mut graph.output {
        let name = format!("{}_cells", value.name.as_deref().unwrap_or("output"));
        if let [_, cells, _] = dimensions(value) {
            *cells = open_dimension(&name);
        }
    }
}

fn dimensions(value: &mut Value) -> &mut [Dimension] {
    let tensor = value.r#type.as_mut().and_then(|kind| kind.tensor_type.as_mut());
    match tensor.and_then(|tensor| tensor.shape.as_mut()) {
        Some(shape) => &mut shape.dim,
        None => &mut [],
    }
}

fn open_dimension(name: &str) -> Dimension {
    Dimension { dim_param: Some(name.to_owned()), ..Dimension::default() }
}

/// Writes `PRelu(x)` as `a·(x + (1/a − 1)·relu(x))`: ONNX Runtime runs a depthwise convolution faster than one `PRelu`, and adds
/// within it. The factor `a` goes into the weights of the convolution that reads the result; where that is not possible, it is
/// `a·x + (1 − a)·relu(x)` by two depthwise convolutions.
///
/// A slope that is not one number per channel is left as it is.
fn rewrite_prelu(graph: &mut Graph) -> Result<()> {
    let mut stored = by_name(graph);
    let mut nodes = Vec::new();
    let before = std::mem::take(&mut graph.node);
    for (index, node) in before.iter().enumerate() {
        let names = match (node.input.as_slice(), node.output.as_slice()) {
            ([x, slope], [y]) if node.is("PRelu") => stored.get(slope).map(|slope| (x, slope, y)),
            _ => None,
        };
        let Some((x, slope, y)) = names.filter(|(_, slope, _)| is_per_channel(&slope.dims)) else {
            nodes.push(node.clone());
            continue;
        };
        let slope: Vec<f32> = slope.as_f32()?.into_iter().map(away_from_zero).collect();
        let channels = i64::try_from(slope.len())?;
        let name = |part: &str| format!("prelu{index}_{part}");
        let dims = vec![channels, 1, 1, 1];
        let depthwise = || vec![Attribute::int("group", channels), Attribute::ints("kernel_shape", &[1, 1])];
        nodes.push(Node::new("Relu", [x, ""], &name("r"), Vec::new()));
        nodes.push(Node::new("Conv", [&name("r"), &name("b")], &name("br"), depthwise()));
        if let Some(weights) = weights_of_reader(&before, y, &stored) {
            let scaled = scale_inputs(&weights, &slope)?;
            stored.insert(scaled.name.clone().unwrap_or_default(), scaled);
            let rest: Vec<f32> = slope.iter().map(|a| a.recip() - 1.0).collect();
            graph.initializer.push(Tensor::floats(&name("b"), dims, &rest));
            nodes.push(Node::new("Add", [x, &name("br")], y, Vec::new()));
        } else {
            let rest: Vec<f32> = slope.iter().map(|a| 1.0 - a).collect();
            graph.initializer.push(Tensor::floats(&name("a"), dims.clone(), &slope));
            graph.initializer.push(Tensor::floats(&name("b"), dims, &rest));
            nodes.push(Node::new("Conv", [x, &name("a")], &name("ax"), depthwise()));
            nodes.push(Node::new("Add", [&name("ax"), &name("br")], y, Vec::new()));
        }
    }
    for tensor in &mut graph.initializer {
        if let Some(scaled) = stored.remove(tensor.name.as_deref().unwrap_or_default()) {
            *tensor = scaled;
        }
    }
    graph.node = nodes;
    Ok(())
}

/// A slope that can be divided by. One this small changes nothing that a 32-bit float of a result shows.
fn away_from_zero(slope: f32) -> f32 {
    const LEAST: f32 = 1e-6;
    if slope.abs() < LEAST { LEAST.copysign(slope) } else { slope }
}

/// The stored weights of the convolution that alone reads `value`, and that nothing else uses.
fn weights_of_reader(nodes: &[Node], value: &str, stored: &HashMap<String, Tensor>) -> Option<Tensor> {
    let readers_of = |name: &str| {
        nodes.iter().filter(|node| node.input.iter().any(|input| input == name)).collect::<Vec<_>>()
    };
    let [reader] = readers_of(value)[..] else { return None };
    let [data, weights, ..] = reader.input.as_slice() else { return None };
    let fits = reader.is("Conv") && data == value && readers_of(weights).len() == 1;
    stored.get(weights).filter(|_| fits).cloned()
}

/// Weights times the factor of the channel that each of them reads: of `[out, in, …]`, or of `[channel, 1, …]` where every channel
/// has its own.
fn scale_inputs(weights: &Tensor, factors: &[f32]) -> Result<Tensor> {
    let [out, read, area @ ..] = &weights.shape()?[..] else { bail!("a convolution without weights") };
    let (area, depthwise): (usize, bool) = (area.iter().product(), *read == 1 && *out == factors.len());
    ensure!(depthwise || *read == factors.len(), "a convolution reads another number of channels");
    let mut values = weights.as_f32()?;
    for (index, value) in values.iter_mut().enumerate() {
        let channel = if depthwise { index / area } else { index / area % read };
        *value *= factors.get(channel).context("a weight lies outside its channels")?;
    }
    Ok(Tensor::floats(weights.name.as_deref().unwrap_or_default(), weights.dims.clone(), &values))
}

fn is_per_channel(dims: &[i64]) -> bool {
    matches!(dims, [channels, 1, 1] | [1, channels, 1, 1] if *channels > 1)
}

/// Removes weights nothing reads, inputs that are not fed from outside, and the types of results that are gone.
fn drop_unused(graph: &mut Graph) {
    let used: HashSet<&str> = graph.node.iter().flat_map(|node| &node.input).map(String::as_str).collect();
    graph.initializer.retain(|tensor| used.contains(tensor.name.as_deref().unwrap_or_default()));
    let stored: HashSet<&str> =
        graph.initializer.iter().filter_map(|tensor| tensor.name.as_deref()).collect();
    graph.input.retain(|value| {
        let name = value.name.as_deref().unwrap_or_default();
        used.contains(name) && !stored.contains(name)
    });
    graph.value_info.clear();
}

fn by_name(graph: &Graph) -> HashMap<String, Tensor> {
    let named =
        graph.initializer.iter().map(|tensor| (tensor.name.clone().unwrap_or_default(), tensor.clone()));
    named.collect()
}

#[cfg(test)]
mod tests;
