#include <array>
#include <cmath>
#include <gtest/gtest.h>
#include <optional>

#include "backend/cpu/cpu.h"
#include "formats/open_graph.h"
#include "npy.h"
#include "runtime/session.h"
#include "shared_files.h"

namespace halftone {
namespace {

/// A picture [rows, columns, RGB] as the model takes it: [1, 3, rows, columns], (x / scale - mean) /
/// deviation.
struct Preparation {
  bool bgr;
  float scale;
  std::array<float, 3> mean, deviation;
};

struct Case {
  const char* model;
  std::vector<std::string> inputs;                           ///< name of the input and golden file by turns
  std::vector<std::pair<std::string, std::string>> outputs;  ///< name of the output, golden file
  std::optional<Preparation> preparation = {};
};

Tensor prepare(const Tensor& picture, const Preparation& how) {
  const int64_t rows = picture.shape()[0], columns = picture.shape()[1];
  Tensor made = Tensor::allocate(DType::f32, {1, 3, rows, columns});
  float* to = made.mutable_view().span<float>().data();
  for (size_t c = 0; c < 3; ++c)
    for (int64_t i = 0; i < rows * columns; ++i) {
      const size_t from = static_cast<size_t>(i) * 3 + (how.bgr ? 2 - c : c);
      *to++ =
          (static_cast<float>(picture.span<uint8_t>()[from]) / how.scale - how.mean[c]) / how.deviation[c];
    }
  return made;
}

std::map<std::string, Tensor> inputs_of(const Case& test, const fs::path& folder) {
  std::map<std::string, Tensor> inputs;
  for (size_t i = 0; i < test.inputs.size(); i += 2) {
    const Tensor stored = read_npy(folder / test.inputs[i + 1]);
    inputs.emplace(test.inputs[i], test.preparation ? prepare(stored, *test.preparation) : stored);
  }
  return inputs;
}

/// Within 2e-4 of the largest number of an output: other orders of summation through a hundred layers.
void expect_golden(const Case& test, const CompileOptions& options, int threads) {
  const fs::path model = shared_path("models") / test.model;
  const fs::path folder = model.parent_path() / "golden";
  const std::map<std::string, Tensor> held = inputs_of(test, folder);
  ThreadPool pool(threads);
  Session session(compile(open_graph(model), options, pool), pool);
  std::map<std::string, TensorView> inputs;
  for (const auto& [name, tensor] : held) inputs.emplace(name, tensor.view());
  session.run(inputs);
  for (const auto& [name, file] : test.outputs) {
    const Tensor golden = read_npy(folder / file);
    const TensorView found = session.output(name);
    ASSERT_EQ(found.shape, golden.shape()) << name;
    float largest = 0;
    for (float x : golden.span<float>()) largest = std::max(largest, std::fabs(x));
    for (size_t i = 0; i < golden.span<float>().size(); ++i)
      ASSERT_NEAR(found.span<float>()[i], golden.span<float>()[i], 2e-4f * largest) << name << " at " << i;
  }
}

class VisionModels : public testing::TestWithParam<Case> {};

TEST_P(VisionModels, KernelsGiveTheGolden) {
  SKIP_WITHOUT_SHARED(std::string("models/") + GetParam().model);
  expect_golden(GetParam(), {.backend = &cpu_backend()}, 2);
}

TEST_P(VisionModels, ReferencesGiveTheGoldenOfTheGraphAsItIs) {
  SKIP_WITHOUT_SHARED(std::string("models/") + GetParam().model);
  expect_golden(GetParam(), {.run_passes = false}, 1);
}

const Preparation kYolox{false, 255, {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};
const Preparation kNanodet{true, 1, {103.53f, 116.28f, 123.675f}, {57.375f, 57.12f, 58.395f}};

INSTANTIATE_TEST_SUITE_P(Shared, VisionModels,
                         testing::Values(Case{"classify/squeezenet1.1_227.onnx",
                                              {"data", "squeezenet1.1_0_data.npy"},
                                              {{"prob", "squeezenet1.1_0_prob.npy"}}},
                                         Case{"classify/resnet20_cifar10.onnx",
                                              {"input", "resnet20_1_input.npy"},
                                              {{"logits", "resnet20_1_logits.npy"}}},
                                         Case{"detect/yolox_nano_416.onnx",
                                              {"images", "yolox_nano_0_image_u8_416_000000058636.npy"},
                                              {{"output", "yolox_nano_0_output.npy"}},
                                              kYolox},
                                         Case{"detect/nanodet_m_416.onnx",
                                              {"input.1", "nanodet_m_1_image_u8_416_000000286994.npy"},
                                              {{"792", "nanodet_m_1_792.npy"},
                                               {"795", "nanodet_m_1_795.npy"},
                                               {"814", "nanodet_m_1_814.npy"},
                                               {"817", "nanodet_m_1_817.npy"},
                                               {"836", "nanodet_m_1_836.npy"},
                                               {"839", "nanodet_m_1_839.npy"}},
                                              kNanodet},
                                         Case{"vit/vit_tiny_patch16_224.onnx",
                                              {"pixel_values", "vit_tiny_0_pixel_values.npy"},
                                              {{"logits", "vit_tiny_0_logits.npy"}}},
                                         Case{"diffusion/ddpm_mnist_28.onnx",
                                              {"x", "ddpm_mnist_0_x.npy", "t", "ddpm_mnist_0_t.npy"},
                                              {{"noise", "ddpm_mnist_0_noise.npy"}}}),
                         [](const testing::TestParamInfo<Case>& info) {
                           std::string name = fs::path(info.param.model).stem().string();
                           for (char& c : name)
                             if (c == '.' || c == '-') c = '_';
                           return name;
                         });

}  // namespace
}  // namespace halftone
