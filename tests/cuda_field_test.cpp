#include <algorithm>

#include "backend/cpu/cpu.h"
#include "device_graphs.h"
#include "ops/onnx_type.h"
#include "test_device.h"

// Graphs as the exporters of the field write them: every node of theirs runs on the device.

namespace halftone {
namespace {

class Exporter : public Builder {
 public:
  ValueId ints(const Ints& values) {
    return constant(Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values));
  }
  ValueId number(float value) { return constant(Tensor::from<float>({}, {value})); }
  ValueId random(const Shape& shape, unsigned seed, float spread = 1) {
    return constant(random_tensor(shape, seed, spread));
  }
  ValueId reshape(ValueId x, const Ints& shape) { return node("Reshape", {x, ints(shape)}); }
  ValueId transpose(ValueId x, const Ints& perm) { return node("Transpose", {x}, {{"perm", perm}}); }
  const Shape& shape_of(ValueId x) { return graph.value(x).type.shape; }
  ValueId linear(ValueId x, int64_t outputs, unsigned seed) {
    const int64_t inputs = shape_of(x).back();
    const float spread = 1 / std::sqrt(static_cast<float>(inputs));
    return node("Add", {node("MatMul", {x, random({inputs, outputs}, seed, spread)}),
                        random({outputs}, seed + 1, 0.1f)});
  }

  /// As PyTorch writes torch.nn.GroupNorm before opset 18.
  ValueId group_norm(ValueId x, int64_t groups, unsigned seed) {
    const int64_t channels = shape_of(x)[1];
    const ValueId grouped = reshape(x, {0, groups, -1});
    const ValueId normal =
        node("InstanceNormalization", {grouped, constant(ones(groups)), random({groups}, seed, 0)});
    const ValueId back = reshape(normal, {shape_of(x)[0], channels, shape_of(x)[2], shape_of(x)[3]});
    return node(
        "Add", {node("Mul", {back, random({channels, 1, 1}, seed + 1)}), random({channels, 1, 1}, seed + 2)});
  }
  ValueId in_type(ValueId x, DType dtype) {
    if (graph.value(x).type.dtype == dtype) return x;
    return node("Cast", {x}, {{"to", onnx_from_dtype(dtype)}});
  }
  ValueId swish(ValueId x) { return node("Mul", {x, node("Sigmoid", {x})}); }
  /// Spelt out, with a product by the deviation's inverse; in 16 bits as PyTorch does, between Casts.
  ValueId layer_norm(ValueId x, unsigned seed) {
    const auto mean = [&](ValueId value) { return node("ReduceMean", {value, ints({-1})}); };
    const ValueId off = in_type(node("Sub", {x, mean(x)}), DType::f32);
    const auto wide = [&](float value) { return exactly(Tensor::from<float>({}, {value})); };
    const ValueId deviation = node("Sqrt", {node("Add", {mean(node("Pow", {off, wide(2)})), wide(1e-5f)})});
    const ValueId normal = in_type(floats == DType::f32 ? node("Mul", {off, node("Reciprocal", {deviation})})
                                                        : node("Div", {off, deviation}),
                                   floats);
    const ValueId scaled = node("Mul", {random({shape_of(x).back()}, seed), normal});
    return node("Add", {scaled, random({shape_of(x).back()}, seed + 1)});
  }

 private:
  static Tensor ones(int64_t count) {
    return Tensor::from<float>({count}, std::vector<float>(static_cast<size_t>(count), 1.0f));
  }
};

/// A residual block with its step's embedding, attention over places, and a decoder, as in latent diffusion.
/// In 16 bits the step's waves and what a deviation is made of stay f32 between Casts.
Graph diffusion_network(DType floats = DType::f32) {
  Exporter e;
  const ValueId x = e.graph.add_input("x", {floats, {1, 4, 8, 8}});
  const ValueId step = e.in_type(
      e.node("ReduceMax", {e.node("Abs", {x}), e.ints({1, 2, 3})}, {{"keepdims", int64_t{0}}}), DType::f32);
  const ValueId angles =
      e.node("Mul", {e.node("Unsqueeze", {step, e.ints({1})}), e.node("Exp", {e.random({8}, 5)})});
  const ValueId waves = e.in_type(
      e.node("Concat", {e.node("Sin", {angles}), e.node("Cos", {angles})}, {{"axis", int64_t{-1}}}), floats);
  e.floats = floats;
  const ValueId embedded = e.linear(e.swish(e.linear(waves, 32, 6)), 16, 8);

  const ValueId first = e.conv(x, 16, 3);
  ValueId h = e.conv(e.swish(e.group_norm(first, 4, 20)), 16, 3);
  h = e.node("Add", {h, e.node("Unsqueeze", {embedded, e.ints({2, 3})})});
  h = e.node("Add", {e.conv(e.swish(e.group_norm(h, 4, 30)), 16, 3), first});

  const ValueId tokens = e.transpose(e.reshape(e.group_norm(h, 4, 40), {1, 16, 64}), {0, 2, 1});
  const auto heads = [&](ValueId y, const Ints& perm) {
    return e.transpose(e.reshape(y, {1, 64, 2, 8}), perm);
  };
  const ValueId q = heads(e.linear(tokens, 16, 41), {0, 2, 1, 3}),
                k = heads(e.linear(tokens, 16, 43), {0, 2, 3, 1});
  const ValueId v = heads(e.linear(tokens, 16, 45), {0, 2, 1, 3});
  const ValueId weights = e.node("Softmax", {e.node("Mul", {e.node("MatMul", {q, k}), e.number(0.35f)})},
                                 {{"axis", int64_t{-1}}});
  ValueId mixed = e.node(
      "Add",
      {tokens,
       e.linear(e.reshape(e.transpose(e.node("MatMul", {weights, v}), {0, 2, 1, 3}), {1, 64, 16}), 16, 47)});
  const ValueId wide = e.linear(e.layer_norm(mixed, 48), 64, 50);
  const auto halves =
      e.graph.add_node(*find_op("Split"), "halves", {wide, e.ints({32, 32})}, {{"axis", int64_t{-1}}});
  const ValueId gate = e.node(
      "Mul",
      {e.node("Mul",
              {halves[1], e.node("Add", {e.node("Erf", {e.node("Div", {halves[1], e.number(1.41421356f)})}),
                                         e.number(1)})}),
       e.number(0.5f)});
  mixed = e.node("Add", {mixed, e.linear(e.node("Mul", {halves[0], gate}), 16, 52)});
  h = e.node("Add", {h, e.reshape(e.transpose(mixed, {0, 2, 1}), {1, 16, 8, 8})});

  const ValueId up = e.conv(e.node("Resize", {h, kNoValue, e.exactly(Tensor::from<float>({4}, {1, 1, 2, 2}))},
                                   {{"mode", std::string("nearest")},
                                    {"coordinate_transformation_mode", std::string("asymmetric")},
                                    {"nearest_mode", std::string("floor")}}),
                            8, 3);
  const ValueId other = e.node("ConvTranspose", {h, e.random({16, 8, 2, 2}, 60, 0.2f), e.random({8}, 61)},
                               {{"strides", Ints{2, 2}}});
  const ValueId normal =
      e.node("InstanceNormalization",
             {e.node("Concat", {up, other}, {{"axis", int64_t{1}}}), e.random({16}, 62), e.random({16}, 63)});
  const ValueId rounded =
      e.node("Clip", {e.node("Elu", {e.conv(e.node("PRelu", {normal, e.random({16, 1, 1}, 64)}), 3, 3)}),
                      e.number(-0.9f), e.number(1)});
  e.graph.add_output(
      e.node("Pad", {rounded, e.ints({0, 0, 1, 1, 0, 0, 1, 1})}, {{"mode", std::string("reflect")}}),
      "picture");
  return e.graph;
}

/// A block of an autoencoder's decoder whose activations lie beyond f16's range, as those of SDXL's do:
/// residual Convs, and attention of places to each other whose values are as large.
Graph large_autoencoder_block() {
  Exporter e;
  const ValueId x = e.graph.add_input("x", {DType::f32, {1, 4, 8, 8}});
  const ValueId large = e.node("Mul", {e.conv(x, 32, 3), e.number(3e6f)});
  const ValueId h = e.node("Add", {e.conv(e.swish(large), 32, 3), large});
  const auto tokens = [&](ValueId picture) {
    return e.transpose(e.reshape(picture, {1, 32, 64}), {0, 2, 1});
  };
  const auto heads = [&](ValueId y, const Ints& perm) {
    return e.transpose(e.reshape(y, {1, 64, 1, 32}), perm);
  };
  const ValueId normal = tokens(e.group_norm(h, 4, 20)), raw = tokens(h);
  const ValueId q = heads(e.linear(normal, 32, 41), {0, 2, 1, 3}),
                k = heads(e.linear(normal, 32, 43), {0, 2, 3, 1}),
                v = heads(e.linear(raw, 32, 45), {0, 2, 1, 3});
  const ValueId weights = e.node("Softmax", {e.node("Mul", {e.node("MatMul", {q, k}), e.number(0.18f)})},
                                 {{"axis", int64_t{-1}}});
  const ValueId seen = e.reshape(e.transpose(e.node("MatMul", {weights, v}), {0, 2, 1, 3}), {1, 64, 32});
  const ValueId mixed = e.node("Add", {raw, e.linear(seen, 32, 47)});
  e.graph.add_output(e.conv(e.reshape(e.transpose(mixed, {0, 2, 1}), {1, 32, 8, 8}), 3, 3), "picture");
  return e.graph;
}

/// The head of a detector that gives its best boxes itself: distances as expectations, the best classes, and
/// the boxes they belong to. No layer rounds what the choice depends on.
Graph detector_head() {
  Exporter e;
  constexpr int64_t kPlaces = 64, kClasses = 6, kBest = 10;
  const ValueId x = e.graph.add_input("x", {DType::f32, {1, 64 + kClasses, 8, 8}});
  const ValueId all = e.reshape(x, {1, 64 + kClasses, kPlaces});
  const auto parts =
      e.graph.add_node(*find_op("Split"), "parts", {all, e.ints({64, kClasses})}, {{"axis", int64_t{1}}});
  const ValueId bins = e.transpose(e.reshape(parts[0], {1, 4, 16, kPlaces}), {0, 2, 1, 3});
  const ValueId expected =
      e.node("ReduceSum",
             {e.node("Mul", {e.node("Softmax", {bins}, {{"axis", int64_t{1}}}), e.random({1, 16, 1, 1}, 3)}),
              e.ints({1})},
             {{"keepdims", int64_t{0}}});
  const ValueId boxes = e.transpose(e.node("Sub", {e.random({1, 1, kPlaces}, 4, 3), expected}), {0, 2, 1});
  const ValueId scores = e.transpose(e.node("Sigmoid", {parts[1]}), {0, 2, 1});

  const ValueId k = e.ints({kBest});
  const ValueId best = e.node("ReduceMax", {scores, e.ints({-1})}, {{"keepdims", int64_t{0}}});
  const ValueId places =
      e.node("Unsqueeze", {e.graph.add_node(*find_op("TopK"), "first", {best, k})[1], e.ints({-1})});
  const auto of_places = [&](ValueId values, int64_t width) {
    return e.node("GatherElements", {values, e.node("Tile", {places, e.ints({1, 1, width})})},
                  {{"axis", int64_t{1}}});
  };
  const ValueId kept = e.reshape(of_places(scores, kClasses), {1, kBest * kClasses});
  const auto top = e.graph.add_node(*find_op("TopK"), "second", {kept, k});
  const ValueId classes_wide = e.constant(Tensor::from<int64_t>({}, {kClasses}));
  const ValueId classes = e.node("Mod", {top[1], classes_wide});
  const ValueId rows = e.node("Unsqueeze", {e.node("Div", {top[1], classes_wide}), e.ints({-1})});
  const ValueId chosen = e.node("GatherND", {of_places(boxes, 4), rows}, {{"batch_dims", int64_t{1}}});
  const ValueId real = e.node("Cast", {classes}, {{"to", int64_t{1}}});
  const ValueId sure = e.node("Where", {e.node("Greater", {top[0], e.number(0.5f)}), real, e.number(-1)});
  e.graph.add_output(
      e.node("Concat",
             {chosen, e.node("Unsqueeze", {top[0], e.ints({-1})}), e.node("Unsqueeze", {sure, e.ints({-1})})},
             {{"axis", int64_t{-1}}}),
      "detections");
  return e.graph;
}

/// Queries that sample a picture where they look, and masks, as in the decoders of DETR's kind.
Graph query_decoder() {
  Exporter e;
  const ValueId picture = e.graph.add_input("x", {DType::f32, {1, 8, 8, 8}});
  const ValueId queries = e.random({1, 5, 16}, 2);
  const ValueId places = e.node("Sigmoid", {e.linear(queries, 2, 3)});
  const ValueId bounded = e.node("Clip", {places, e.number(1e-3f), e.number(1)});
  const ValueId logits =
      e.node("Log", {e.node("Div", {bounded, e.node("Sub", {e.number(1.001f), bounded})})});
  const ValueId looked = e.node("Tanh", {e.node("Add", {logits, e.linear(e.layer_norm(queries, 5), 2, 7)})});
  const ValueId grid = e.node("Expand", {e.node("Unsqueeze", {looked, e.ints({2})}), e.ints({1, 5, 4, 2})});
  const ValueId sampled = e.node("GridSample", {picture, grid}, {{"mode", std::string("bilinear")}});
  const ValueId found =
      e.transpose(e.node("ReduceMean", {sampled, e.ints({3})}, {{"keepdims", int64_t{0}}}), {0, 2, 1});
  const ValueId class_of = e.node("ArgMax", {found}, {{"axis", int64_t{1}}});
  const ValueId picked = e.node(
      "ScatterND", {e.random({1, 5, 8}, 9), e.constant(Tensor::from<int64_t>({1, 2}, {0, 3})),
                    e.node("Cast", {e.node("Squeeze", {class_of, e.ints({1})})}, {{"to", int64_t{1}}})});
  const ValueId seen = e.node(
      "Less",
      {e.node("CumSum", {e.node("Abs", {found}), e.constant(Tensor::from<int64_t>({}, {1}))}), e.number(3)});
  const ValueId masked = e.node(
      "Where", {e.node("And", {seen, e.node("Not", {e.node("Equal", {found, picked})})}), found, picked});
  const ValueId triangle =
      e.node("Trilu", {e.node("MatMul", {masked, e.transpose(masked, {0, 2, 1})})}, {{"upper", int64_t{0}}});
  e.graph.add_output(
      e.node("Softplus", {e.node("Max", {triangle, e.node("Neg", {e.node("Abs", {triangle})})})}), "scores");
  return e.graph;
}

/// A layer of a text encoder: tokens see those before them by a mask that is added, and padding by one that
/// is computed.
Graph text_encoder(DType floats = DType::f32) {
  Exporter e;
  e.floats = floats;
  constexpr int64_t kTokens = 9, kWidth = 16;
  const ValueId x = e.graph.add_input("x", {floats, {1, kTokens, kWidth}});
  Tensor before = Tensor::allocate(DType::f32, {1, 1, kTokens, kTokens});
  for (size_t i = 0; i < kTokens * kTokens; ++i)
    before.mutable_view().span<float>()[i] = i % kTokens > i / kTokens ? -INFINITY : 0;
  const ValueId given = e.node(
      "Cast", {e.node("Greater", {e.node("ReduceMax", {e.node("Abs", {x}), e.ints({2})}), e.number(2)})},
      {{"to", onnx_from_dtype(floats)}});
  const ValueId least = e.number(floats == DType::f16 ? -65504.0f : -1e9f);
  const ValueId padding =
      e.node("Mul", {e.node("Sub", {e.number(1), e.reshape(given, {1, 1, 1, kTokens})}), least});
  const auto layer = [&](ValueId from, ValueId mask, unsigned seed) {
    const ValueId normal = e.layer_norm(from, seed);
    const auto heads = [&](unsigned of, const Ints& perm) {
      return e.transpose(e.reshape(e.linear(normal, kWidth, seed + of), {1, kTokens, 2, kWidth / 2}), perm);
    };
    const ValueId scores =
        e.node("Mul", {e.node("MatMul", {heads(2, {0, 2, 1, 3}), heads(4, {0, 2, 3, 1})}), e.number(0.35f)});
    const ValueId weights = e.node("Softmax", {e.node("Add", {scores, mask})}, {{"axis", int64_t{-1}}});
    const ValueId mixed = e.node("MatMul", {weights, heads(6, {0, 2, 1, 3})});
    return e.node("Add", {from, e.linear(e.reshape(e.transpose(mixed, {0, 2, 1, 3}), {1, kTokens, kWidth}),
                                         kWidth, seed + 8)});
  };
  e.graph.add_output(layer(layer(x, e.constant(before), 10), padding, 30), "tokens");
  return e.graph;
}

/// Many a factor below rounding of operands to f16 in Convs and products: 2^-10 of what a layer makes.
/// Values in 16 bits are rounded once more behind each node, on the device and in the reference: by 2^-11 of
/// themselves in f16, which is of the same size, and by 2^-8 in bf16.
void expect_like_the_reference(const Backend& backend, const Graph& graph, const Shape& input, int layers) {
  const DType floats = graph.value(graph.inputs()[0]).type.dtype;
  const Tensor x = as_type(random_tensor(input, 99), floats);
  const double each = floats == DType::bf16 ? 0x1p-7 : 0x1p-10;
  const auto expected = outputs_of(graph, nullptr, "x", x);
  const auto found = outputs_of(graph, &backend, "x", x);
  for (const auto& [name, values] : expected)
    EXPECT_LT(relative_error(found.at(name), values), layers * each) << name;
}

void expect_nothing_left(const Graph& graph, const Shape& input, int layers) {
  const cuda::TestDevice device;
  expect_like_the_reference(cuda::CudaBackend(*device), graph, input, layers);
}

TEST(CudaField, LatentDiffusion) {
  expect_nothing_left(diffusion_network(), {1, 4, 8, 8}, 20);
}
TEST(CudaField, LatentDiffusionInF16) {
  expect_nothing_left(diffusion_network(DType::f16), {1, 4, 8, 8}, 20);
}
TEST(CudaField, LatentDiffusionInBf16) {
  expect_nothing_left(diffusion_network(DType::bf16), {1, 4, 8, 8}, 20);
}
/// Beside it, the host's own kernels on the same graphs: between Casts.
TEST(CpuField, LatentDiffusionInSixteenBits) {
  for (DType type : {DType::f16, DType::bf16})
    expect_like_the_reference(cpu_backend(), diffusion_network(type), {1, 4, 8, 8}, 20);
}
TEST(CudaField, ActivationsBeyondTheRangeOfF16) {
  expect_nothing_left(large_autoencoder_block(), {1, 4, 8, 8}, 8);
}
TEST(CudaField, DetectorThatChoosesItsBoxes) {
  expect_nothing_left(detector_head(), {1, 70, 8, 8}, 1);
}
TEST(CudaField, TextEncoderWithMasks) {
  for (DType type : {DType::f32, DType::f16, DType::bf16})
    expect_nothing_left(text_encoder(type), {1, 9, 16}, 12);
}
TEST(CudaField, DecoderOfQueries) {
  expect_nothing_left(query_decoder(), {1, 8, 8, 8}, 8);
}

}  // namespace
}  // namespace halftone
