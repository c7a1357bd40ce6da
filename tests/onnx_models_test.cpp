#include <cmath>
#include <gtest/gtest.h>

#include "backend/cpu/cpu.h"
#include "formats/npy.h"
#include "formats/onnx/import_onnx.h"
#include "runtime/session.h"
#include "shared_files.h"

namespace halftone {
namespace {

/// Numbers off a picture of u8 [height, width, RGB]: (pixel - mean) / std by channel, as [1, 3, height,
/// width].
Tensor normalized(const Tensor& picture, bool bgr, std::array<float, 3> mean, std::array<float, 3> std) {
  const int64_t height = picture.shape()[0], width = picture.shape()[1];
  Tensor out = Tensor::allocate(DType::f32, {1, 3, height, width});
  const auto from = picture.span<uint8_t>();
  const auto to = out.mutable_view().span<float>();
  for (size_t c = 0; c < 3; ++c)
    for (size_t i = 0, count = static_cast<size_t>(height * width); i < count; ++i)
      to[c * count + i] = (static_cast<float>(from[i * 3 + (bgr ? 2 - c : c)]) - mean[c]) / std[c];
  return out;
}

void expect_close(const TensorView& found, const Tensor& expected, const std::string& name) {
  ASSERT_EQ(found.shape, expected.shape()) << name;
  float largest = 0;
  for (float x : expected.span<float>()) largest = std::max(largest, std::abs(x));
  for (size_t i = 0; i < expected.span<float>().size(); ++i)
    ASSERT_NEAR(found.span<float>()[i], expected.span<float>()[i], 3e-4f * std::max(largest, 1.0f))
        << name << " element " << i;
}

struct Golden {
  std::map<std::string, Tensor> inputs;
  std::map<std::string, fs::path> outputs;
};

/// Runs a model of the shared material on its goldens, by the CPU's kernels.
void check_model(const std::string& model, const std::vector<Golden>& goldens,
                 const std::map<std::string, int64_t>& sizes = {}) {
  ThreadPool threads(2);
  OnnxImportOptions options;
  options.sizes = sizes;
  CompileOptions compile_options;
  compile_options.backend = &cpu_backend();
  compile_options.exact = true;
  Session session(compile(import_onnx(shared_path("models/" + model), options), compile_options, threads),
                  threads);
  for (const Golden& golden : goldens) {
    std::map<std::string, TensorView> inputs;
    for (const auto& [name, tensor] : golden.inputs) inputs[name] = tensor.view();
    session.run(inputs);
    for (const auto& [name, path] : golden.outputs)
      expect_close(session.output(name), read_npy(shared_path("models" / path)), name);
  }
}

TEST(OnnxModels, VitTinyGivesItsLogits) {
  SKIP_WITHOUT_SHARED("models/vit/vit_tiny_patch16_224.onnx");
  std::vector<Golden> goldens;
  for (const std::string n : {"0", "1"})
    goldens.push_back(
        {{{"pixel_values", read_npy(shared_path("models/vit/golden/vit_tiny_" + n + "_pixel_values.npy"))}},
         {{"logits", "vit/golden/vit_tiny_" + n + "_logits.npy"}}});
  check_model("vit/vit_tiny_patch16_224.onnx", goldens);
}

TEST(OnnxModels, SqueezenetGivesItsProbabilities) {
  SKIP_WITHOUT_SHARED("models/classify/squeezenet1.1_227.onnx");
  std::vector<Golden> goldens;
  for (const std::string n : {"0", "1"})
    goldens.push_back(
        {{{"data", read_npy(shared_path("models/classify/golden/squeezenet1.1_" + n + "_data.npy"))}},
         {{"prob", "classify/golden/squeezenet1.1_" + n + "_prob.npy"}}});
  check_model("classify/squeezenet1.1_227.onnx", goldens);
}

TEST(OnnxModels, Resnet20GivesItsLogits) {
  SKIP_WITHOUT_SHARED("models/classify/resnet20_cifar10.onnx");
  std::vector<Golden> goldens;
  for (const std::string n : {"0", "1"})
    goldens.push_back(
        {{{"input", read_npy(shared_path("models/classify/golden/resnet20_" + n + "_input.npy"))}},
         {{"logits", "classify/golden/resnet20_" + n + "_logits.npy"}}});
  check_model("classify/resnet20_cifar10.onnx", goldens);
}

TEST(OnnxModels, YoloxNanoGivesItsBoxes) {
  SKIP_WITHOUT_SHARED("models/detect/yolox_nano_416.onnx");
  std::vector<Golden> goldens;
  for (const std::string n : {"0_image_u8_416_000000058636", "1_image_u8_416_000000286994"}) {
    const Tensor picture = read_npy(shared_path("models/detect/golden/yolox_nano_" + n + ".npy"));
    goldens.push_back({{{"images", normalized(picture, false, {0.485f * 255, 0.456f * 255, 0.406f * 255},
                                              {0.229f * 255, 0.224f * 255, 0.225f * 255})}},
                       {{"output", "detect/golden/yolox_nano_" + n.substr(0, 1) + "_output.npy"}}});
  }
  check_model("detect/yolox_nano_416.onnx", goldens);
}

TEST(OnnxModels, NanodetGivesItsScoresAndBoxes) {
  SKIP_WITHOUT_SHARED("models/detect/nanodet_m_416.onnx");
  std::vector<Golden> goldens;
  for (const std::string n : {"0_image_u8_416_000000058636", "1_image_u8_416_000000286994"}) {
    const Tensor picture = read_npy(shared_path("models/detect/golden/nanodet_m_" + n + ".npy"));
    Golden golden;
    golden.inputs["input.1"] =
        normalized(picture, true, {103.53f, 116.28f, 123.675f}, {57.375f, 57.12f, 58.395f});
    for (const char* output : {"792", "814", "836", "795", "817", "839"})
      golden.outputs[output] = "detect/golden/nanodet_m_" + n.substr(0, 1) + "_" + output + ".npy";
    goldens.push_back(std::move(golden));
  }
  check_model("detect/nanodet_m_416.onnx", goldens);
}

TEST(OnnxModels, DiffusionGivesItsNoise) {
  SKIP_WITHOUT_SHARED("models/diffusion/ddpm_mnist_28.onnx");
  std::vector<Golden> goldens;
  for (const std::string n : {"0", "1"}) {
    const std::string stem = "diffusion/golden/ddpm_mnist_" + n;
    goldens.push_back({{{"x", read_npy(shared_path("models/" + stem + "_x.npy"))},
                        {"t", read_npy(shared_path("models/" + stem + "_t.npy"))}},
                       {{"noise", stem + "_noise.npy"}}});
  }
  check_model("diffusion/ddpm_mnist_28.onnx", goldens);
}

}  // namespace
}  // namespace halftone
