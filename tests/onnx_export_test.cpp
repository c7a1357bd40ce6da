#include "formats/onnx/onnx_export.h"

#include <cmath>
#include <gtest/gtest.h>
#include <set>

#include "backend/cpu/cpu.h"
#include "base/error.h"
#include "formats/onnx/import_onnx.h"
#include "formats/onnx/write_onnx.h"
#include "formats/test_folder.h"
#include "graph/passes/pass.h"
#include "graph/static_codes.h"
#include "graph_run.h"
#include "op_run.h"
#include "runtime/session.h"
#include "scheme/number_format.h"

namespace halftone {
namespace {

Encoding int8_weights() {
  Encoding encoding;
  encoding.format = find_number_format("int8");
  encoding.granularity = Granularity::per_axis(0);
  encoding.scale_dtype = DType::f32;
  return encoding;
}

/// A graph in the making, by hand: every place that the exporter knows.
struct Made {
  Graph graph;
  unsigned seed = 1;
  uint8_t zero = 117;

  ValueId weights(const std::string& name, const Shape& shape, bool encoded = true) {
    const int64_t products = shape.elements() / shape[0];
    const float spread = 1 / std::sqrt(static_cast<float>(products));
    Constant constant(random_tensor(shape, seed++, spread));
    if (encoded) constant.set_encoding(int8_weights());
    return graph.add_constant(name, std::move(constant));
  }
  ValueId bias(const std::string& name, int64_t length) {
    return graph.add_constant(name, Constant(random_tensor({length}, seed++, 0.2f)));
  }
  ValueId add(std::string_view op, const std::string& name, std::vector<ValueId> inputs,
              Attributes attributes = {}) {
    return graph.add_node(*find_op(op), name, std::move(inputs), std::move(attributes)).front();
  }
  Node& last() { return graph.nodes().back(); }
  CodeScale codes(float scale) const { return {scale, zero}; }
};

/// Images: a convolution with SiLU, one with a residual and hard swish (a table), a pool of the same scale, a
/// sum, a Flatten of codes, a product that ends in floats.
Graph image_network(uint8_t zero) {
  Made made;
  made.zero = zero;
  made.graph.name = "images";
  const Attributes padded = {{"pads", std::vector<int64_t>(4, 1)}};
  const ValueId x = made.graph.add_input("x", {DType::f32, {2, 3, 9, 7}});
  Attributes with_silu = padded, with_tanh = padded;
  with_silu.set("activation", std::string("silu"));
  with_tanh.set("activation", std::string("tanh"));
  const ValueId a =
      made.add("Conv", "a", {x, made.weights("a.w", {8, 3, 3, 3}), made.bias("a.b", 8)}, with_silu);
  set_codes_in(made.last(), 0, made.codes(0.03f));
  set_codes_out(made.last(), 0, made.codes(0.025f));
  const ValueId b =
      made.add("Conv", "b", {a, made.weights("b.w", {8, 8, 3, 3}), made.bias("b.b", 8), a}, with_tanh);
  set_codes_in(made.last(), 0, made.codes(0.025f));
  set_codes_in(made.last(), 3, made.codes(0.025f));
  set_codes_out(made.last(), 0, made.codes(0.02f));
  const ValueId pool =
      made.add("MaxPool", "pool", {b},
               {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{1, 1}}});
  set_codes_in(made.last(), 0, made.codes(0.02f));
  set_codes_out(made.last(), 0, made.codes(0.02f));
  const ValueId sum = made.add("Add", "sum", {pool, pool});
  set_codes_in(made.last(), 0, made.codes(0.02f));
  set_codes_in(made.last(), 1, made.codes(0.02f));
  set_codes_out(made.last(), 0, made.codes(0.04f));
  const ValueId flat = made.add("Flatten", "flat", {sum});
  const ValueId y = made.add("Gemm", "y", {flat, made.weights("y.w", {5, 8 * 8 * 6}), made.bias("y.b", 5)},
                             {{"transB", int64_t{1}}});
  set_codes_in(made.last(), 0, made.codes(0.04f));
  made.graph.add_output(y, "y");
  made.graph.add_output(sum, "sum");
  return std::move(made.graph);
}

/// Tokens: a linear layer over three dimensions whose codes Gelu reads, one whose own Gelu makes codes, one
/// whose weights alone are encoded, packed attention, Swish.
Graph token_network() {
  Made made;
  made.graph.name = "tokens";
  const ValueId x = made.graph.add_input("x", {DType::f32, {2, 5, 12}});
  const Attributes turned = {{"transB", int64_t{1}}};
  const ValueId up =
      made.add("Gemm", "up", {x, made.weights("up.w", {12, 12}), made.bias("up.b", 12)}, turned);
  set_codes_in(made.last(), 0, made.codes(0.02f));
  set_codes_out(made.last(), 0, made.codes(0.03f));
  const ValueId gelu = made.add("Gelu", "gelu", {up});
  Attributes with_gelu = turned;
  with_gelu.set("activation", std::string("gelu"));
  const ValueId own =
      made.add("Gemm", "own", {up, made.weights("own.w", {12, 12}), made.bias("own.b", 12)}, with_gelu);
  set_codes_in(made.last(), 0, made.codes(0.03f));
  set_codes_out(made.last(), 0, made.codes(0.02f));
  const ValueId only =
      made.add("Gemm", "only", {own, made.weights("only.w", {12, 12}), made.bias("only.b", 12)}, turned);
  const ValueId plain = made.add("Gemm", "plain", {only, made.weights("plain.w", {12, 12}, false)}, turned);
  const ValueId mixed =
      made.add("Attention", "mixed", {only, plain, gelu},
               {{"q_num_heads", int64_t{3}}, {"kv_num_heads", int64_t{3}}, {"scale", 0.7f}});
  made.graph.add_output(made.add("Swish", "y", {mixed}), "y");
  return std::move(made.graph);
}

Tensor run_compiled(Graph graph, const Tensor& x, const std::string& output) {
  ThreadPool threads(1);
  CompileOptions options;
  options.backend = &cpu_backend();
  options.exact = true;
  Session session(compile(std::move(graph), options, threads), threads);
  session.run({{"x", x.view()}});
  const TensorView y = session.output(output);
  Tensor copy = Tensor::allocate(y.dtype, y.shape);
  std::copy(y.bytes().begin(), y.bytes().end(), copy.mutable_view().bytes().begin());
  return copy;
}

Tensor output_of(const Graph& graph, const Tensor& x, const std::string& output) {
  const std::vector<Tensor> values = run_by_references(graph, {{"x", x}});
  for (size_t i = 0; i < graph.outputs().size(); ++i)
    if (graph.output_names()[i] == output) return values[static_cast<size_t>(graph.outputs()[i])];
  return {};
}

void expect_within(const Tensor& found, const Tensor& expected, float bound) {
  ASSERT_EQ(found.shape(), expected.shape());
  for (size_t i = 0; i < found.span<float>().size(); ++i)
    ASSERT_NEAR(found.span<float>()[i], expected.span<float>()[i], bound) << i;
}

Graph written_and_read(const Graph& graph) {
  const TestFolder folder;
  write_onnx(graph, folder / "model.onnx", "test");
  return import_onnx(folder / "model.onnx");
}

int count(const Graph& graph, std::string_view op) {
  int found = 0;
  for (const Node& node : graph.nodes()) found += node.schema->name == op;
  return found;
}

TEST(OnnxExport, PairsRoundWhereTheIntegersDo) {
  const Graph graph = image_network(117);
  const Tensor x = random_tensor({2, 3, 9, 7}, 77);
  const OnnxExport exported = export_onnx(graph, {});
  EXPECT_EQ(exported.integers, (std::vector<std::string>{"a", "b", "y"}));
  EXPECT_EQ(exported.graph.output_names(), graph.output_names());
  EXPECT_EQ(exported.pairs, 7);  // x, a, b before and after its table, pool, sum, flat
  // Codes may fall on the other side of a half where Add and residuals have factors of 14 bits: a step.
  expect_within(output_of(exported.graph, x, "sum"), run_compiled(graph, x, "sum"), 0.0401f);
  expect_within(output_of(exported.graph, x, "y"), run_compiled(graph, x, "y"), 0.05f);
}

TEST(OnnxExport, TokensKeepTheirMeaning) {
  const Graph graph = token_network();
  const Tensor x = random_tensor({2, 5, 12}, 78);
  const OnnxExport exported = export_onnx(graph, {});
  EXPECT_EQ(exported.integers, (std::vector<std::string>{"up", "own"}));
  EXPECT_EQ(exported.weights_only, std::vector<std::string>{"only"});
  EXPECT_EQ(exported.floating, std::vector<std::string>{"plain"});
  for (std::string_view op : {"Attention", "Swish"}) EXPECT_EQ(count(exported.graph, op), 0) << op;
  expect_within(output_of(exported.graph, x, "y"), run_compiled(graph, x, "y"), 1e-5f);
}

TEST(OnnxExport, TheFileSaysTheSame) {
  const Graph graph = export_onnx(image_network(117), {}).graph;
  const Graph read = written_and_read(graph);
  EXPECT_EQ(onnx_opset(read), 21);
  const Tensor x = random_tensor({2, 3, 9, 7}, 79);
  expect_within(output_of(read, x, "y"), output_of(graph, x, "y"), 0);
}

TEST(OnnxExport, WhatIsReadBackComputesTheSameIntegers) {
  for (const Graph& graph : {image_network(117), token_network()}) {
    const Graph read = written_and_read(export_onnx(graph, {}).graph);
    const Tensor x = random_tensor(graph.value(graph.inputs()[0]).type.shape, 81);
    for (const std::string& output : graph.output_names())
      expect_within(run_compiled(read, x, output), run_compiled(graph, x, output),
                    graph.name == "images" ? 0 : 1e-6f);
  }
}

TEST(OnnxExport, TheActivationOfALayerIsItsOwnAgain) {
  Graph read = written_and_read(export_onnx(token_network(), {}).graph);
  run_passes(read, standard_passes());
  EXPECT_EQ(count(read, "Gelu"), 1);
  const auto own = std::ranges::find_if(
      read.nodes(), [](const Node& node) { return node.attributes.get_string("activation", "") == "gelu"; });
  ASSERT_NE(own, read.nodes().end());
  EXPECT_EQ(own->schema->name, "Gemm");
  EXPECT_TRUE(codes_in(*own, 0) && codes_out(*own, 0));
}

TEST(OnnxExport, TensorRtSeesZerosOfZero) {
  EXPECT_THROW(export_onnx(image_network(117), {.tensorrt = true}), UnsupportedError);
  const OnnxExport exported = export_onnx(image_network(128), {.tensorrt = true});
  for (const Value& value : exported.graph.values()) {
    if (!value.constant || value.name.find("/zero") == std::string::npos) continue;
    EXPECT_EQ(value.type, (ValueType{DType::i8, {}}));
    EXPECT_EQ(value.constant->load().span<int8_t>()[0], 0);
  }
  for (const Value& value : exported.graph.values()) EXPECT_NE(value.type.dtype, DType::i32) << value.name;
  const Tensor x = random_tensor({2, 3, 9, 7}, 77);
  expect_within(output_of(exported.graph, x, "y"), run_compiled(image_network(128), x, "y"), 0.1f);
}

TEST(OnnxExport, FloatsHaveNoPairs) {
  const OnnxExport exported = export_onnx(image_network(117), {.pairs = false});
  EXPECT_EQ(count(exported.graph, "QuantizeLinear") + count(exported.graph, "DequantizeLinear"), 0);
  EXPECT_EQ(exported.floating.size(), 3u);
  const Tensor x = random_tensor({2, 3, 9, 7}, 77);
  expect_within(output_of(exported.graph, x, "y"), run_compiled(image_network(117), x, "y"), 0.3f);
}

TEST(OnnxExport, OutputsThatAreConstantsKeepTheirNames) {
  Made made;
  const ValueId x = made.graph.add_input("x", {DType::f32, {2, 3}});
  const ValueId known = made.bias("known", 3), used = made.bias("used", 3);
  made.graph.add_output(made.add("Add", "y", {x, used}), "y");
  made.graph.add_output(known, "known");
  made.graph.add_output(used, "used");
  const Graph written = export_onnx(made.graph, {}).graph;
  EXPECT_EQ(written.output_names(), (std::vector<std::string>{"y", "known", "used"}));
  for (size_t i = 0; i < 3; ++i)
    EXPECT_EQ(written.value(written.outputs()[i]).name, written.output_names()[i]);
}

TEST(OnnxExport, WhatOnnxCannotSayIsRefused) {
  Made made;
  const ValueId x = made.graph.add_input("x", {DType::f32, {2, 8}});
  const ValueId w = made.weights("w", {4, 8});
  Encoding nf4 = int8_weights();
  nf4.format = find_number_format("nf4");
  nf4.granularity = Granularity::per_group(4);
  made.graph.value(w).constant->set_encoding(nf4);
  made.graph.add_output(made.add("Gemm", "y", {x, w}, {{"transB", int64_t{1}}}), "y");
  EXPECT_THROW(export_onnx(made.graph, {}), UnsupportedError);
  EXPECT_EQ(export_onnx(made.graph, {.pairs = false}).floating.size(), 1u);
}

TEST(OnnxExport, GroupsOfWeightsAreBlocks) {
  Made made;
  const ValueId x = made.graph.add_input("x", {DType::f32, {2, 8}});
  const ValueId w = made.weights("w", {4, 8});
  Encoding int4 = int8_weights();
  int4.format = find_number_format("int4");
  int4.symmetric = false;
  int4.granularity = Granularity::per_group(4);
  made.graph.value(w).constant->set_encoding(int4);
  made.graph.add_output(made.add("Gemm", "y", {x, w}, {{"transB", int64_t{1}}}), "y");
  const Tensor input = random_tensor({2, 8}, 80);
  expect_within(output_of(written_and_read(export_onnx(made.graph, {}).graph), input, "y"),
                run_compiled(made.graph, input, "y"), 1e-5f);
}

}  // namespace
}  // namespace halftone
