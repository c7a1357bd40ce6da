#include <gtest/gtest.h>

#include "device_graphs.h"
#include "formats/open_graph.h"
#include "npy.h"
#include "quant/quantize_graph.h"
#include "shared_files.h"
#include "test_device.h"

namespace halftone {
namespace {

/// Every operator of the detectors and classifiers: a stem, a residual block, a shuffled block of one channel
/// a group, a pyramid, and a head.
Graph small_network() {
  Builder b;
  const ValueId x = b.graph.add_input("x", {DType::f32, {1, 3, 24, 24}});
  ValueId stem = b.node("Relu", {b.conv(x, 16, 3, 2)});
  stem = b.node("MaxPool", {stem},
                {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}});
  const ValueId block = b.conv(b.node("Relu", {b.conv(stem, 16, 3)}), 16, 3);
  const ValueId joined = b.node("Relu", {b.node("Add", {block, stem})});

  const auto halves =
      b.graph.add_node(*find_op("Split"), "halves", {joined, b.constant(Tensor::from<int64_t>({2}, {8, 8}))},
                       {{"axis", int64_t{1}}});
  ValueId right = b.conv(halves[1], 8, 3, 1, 8);
  right = b.node("HardSwish", {b.conv(right, 8, 1)});
  ValueId shuffled = b.node("Concat", {halves[0], right}, {{"axis", int64_t{1}}});
  shuffled = b.node("Gather",
                    {shuffled, b.constant(Tensor::from<int64_t>(
                                   {16}, {0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15}))},
                    {{"axis", int64_t{1}}});

  const ValueId coarse_raw = b.conv(shuffled, 24, 3, 2);
  const ValueId coarse = b.node("Mul", {coarse_raw, b.node("Sigmoid", {coarse_raw})});
  const ValueId none = kNoValue;
  const ValueId scales = b.constant(Tensor::from<float>({4}, {1, 1, 2, 2}));
  const ValueId nearest = b.node("Resize", {b.conv(coarse, 16, 1), none, scales});
  const ValueId smooth =
      b.node("Resize", {b.conv(coarse, 16, 1), none, scales}, {{"mode", std::string("linear")}});
  const ValueId fine =
      b.node("Add", {b.conv(b.node("Concat", {shuffled, nearest}, {{"axis", int64_t{1}}}), 16, 1), smooth});
  const ValueId padded =
      b.node("Pad", {fine, b.constant(Tensor::from<int64_t>({8}, {0, 2, 0, 0, 0, 2, 0, 0}))});
  const ValueId cut = b.node(
      "Slice",
      {padded, b.constant(Tensor::from<int64_t>({2}, {0, 0})), b.constant(Tensor::from<int64_t>({2}, {6, 6})),
       b.constant(Tensor::from<int64_t>({2}, {2, 3})), b.constant(Tensor::from<int64_t>({2}, {2, 2}))});
  const ValueId head = b.conv(cut, 12, 3);
  b.graph.add_output(
      b.node("Transpose", {b.node("Reshape", {head, b.constant(Tensor::from<int64_t>({3}, {1, 12, -1}))})},
             {{"perm", Ints{0, 2, 1}}}),
      "boxes");
  b.graph.add_output(b.node("GlobalAveragePool", {coarse}), "mean");
  b.graph.add_output(b.node("AveragePool", {fine}, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}),
                     "small");
  return b.graph;
}

/// Activations in codes wherever they may be, as if every value lay in [-1, 1].
Graph in_codes(Graph graph, Requantization requantization) {
  Recipe recipe = find_recipe("int8-static");
  recipe.minimum_elements = 0;
  recipe.static_activations->requantization = requantization;
  recipe.static_activations->floating_share = 0;
  QuantizeOptions options;
  options.encodings_only = true;
  quantize_graph(graph, recipe, options);
  return graph;
}

/// Operands rounded to f16 err by 2^-11 each: a layer adds at most 2^-10 of what it makes, when nothing
/// cancels. Random weights keep it near the root of that; twelve layers stay under 12 * 2^-10.
TEST(CudaVision, FloatsFollowTheReferences) {
  const cuda::TestDevice device;
  const cuda::CudaBackend backend(*device);
  const Tensor x = random_tensor({1, 3, 24, 24}, 99);
  const Graph graph = small_network();
  const auto expected = outputs_of(graph, nullptr, "x", x);
  const auto found = outputs_of(graph, &backend, "x", x);
  for (const auto& [name, values] : expected)
    EXPECT_LT(relative_error(found.at(name), values), 12 * 0x1p-10) << name;
}

/// All that is computed on codes is the same in every bit; what comes out as floats is the same sums by the
/// same multipliers.
TEST(CudaVision, CodesEqualTheReferences) {
  const cuda::TestDevice device;
  const cuda::CudaBackend backend(*device);
  const Tensor x = random_tensor({1, 3, 24, 24}, 99, 0.4f);
  for (Requantization how : {Requantization::floating, Requantization::fixed}) {
    const Graph graph = in_codes(small_network(), how);
    const auto expected = outputs_of(graph, nullptr, "x", x);
    const auto found = outputs_of(graph, &backend, "x", x);
    for (const auto& [name, values] : expected)
      EXPECT_LT(relative_error(found.at(name), values), 1e-6) << name;
  }
}

/// The real classifier on one picture, against the numbers of its own framework. 21 layers, as above.
TEST(CudaVision, ResNetGivesTheGolden) {
  const std::string model = "models/classify/resnet20_cifar10.onnx";
  SKIP_WITHOUT_SHARED(model);
  const cuda::TestDevice device;
  const cuda::CudaBackend backend(*device);
  const fs::path golden = shared_path("models/classify/golden");
  const auto found = outputs_of(open_graph(shared_path(model)), &backend, "input",
                                read_npy(golden / "resnet20_1_input.npy"));
  const Tensor expected = read_npy(golden / "resnet20_1_logits.npy");
  EXPECT_LT(relative_error(found.at("logits"), floats(expected)), 21 * 0x1p-10);
}

/// The real UNet on two pictures of noise, the second time as a replay. 61 layers, as above.
TEST(CudaVision, UNetGivesTheGolden) {
  const std::string model = "models/diffusion/ddpm_mnist_28.onnx";
  SKIP_WITHOUT_SHARED(model);
  const cuda::TestDevice device;
  const cuda::CudaBackend backend(*device);
  ThreadPool threads(1);
  CompileOptions options;
  options.backend = &backend;
  const auto plan = compile(open_graph(shared_path(model)), options, threads);
  EXPECT_EQ(left_to_references(*plan), std::vector<std::string>());
  Session session(plan, threads);
  for (int step : {0, 1}) {
    const auto golden = [&](const char* what) {
      return read_npy(shared_path(fmt::format("models/diffusion/golden/ddpm_mnist_{}_{}.npy", step, what)));
    };
    const Tensor x = golden("x"), t = golden("t");
    session.run({{"x", x.view()}, {"t", t.view()}});
    const auto noise = session.output("noise").span<float>();
    EXPECT_LT(relative_error({noise.begin(), noise.end()}, floats(golden("noise"))), 61 * 0x1p-10);
  }
}

class CudaVisionModels : public testing::TestWithParam<const char*> {};

TEST_P(CudaVisionModels, LeaveNothingToReferences) {
  SKIP_WITHOUT_SHARED(GetParam());
  const cuda::TestDevice device;
  const cuda::CudaBackend backend(*device);
  ThreadPool threads(1);
  CompileOptions options;
  options.backend = &backend;
  const Graph graph = open_graph(shared_path(GetParam()));
  EXPECT_EQ(left_to_references(*compile(graph, options, threads)), std::vector<std::string>());
  const auto codes = compile(in_codes(graph, Requantization::floating), options, threads);
  EXPECT_EQ(left_to_references(*codes), std::vector<std::string>());
  for (const Step& step : codes->steps())
    if (codes->graph().nodes()[static_cast<size_t>(step.node)].schema->name == "Conv") {
      EXPECT_TRUE(step.kernel == "conv_codes" || step.kernel == "conv_depthwise_codes") << step.kernel;
    }
}

INSTANTIATE_TEST_SUITE_P(
    Shared, CudaVisionModels,
    testing::Values("models/classify/resnet20_cifar10.onnx", "models/classify/squeezenet1.1_227.onnx",
                    "models/detect/nanodet_m_416.onnx", "models/detect/yolox_nano_416.onnx",
                    "models/diffusion/ddpm_mnist_28.onnx", "models/vit/vit_tiny_patch16_224.onnx"));

}  // namespace
}  // namespace halftone
