#include <gtest/gtest.h>

#include "device_run.h"
#include "ops/gated_activation/gated_activation.h"

namespace halftone::cuda {
namespace {

/// e^x, tanh and erf err by 2 ulp each here and there; a quotient and two products add a rounding each. Gelu
/// loses what 1 + erf cancels: up to an ulp of 1 times |x| / 2. Numbers of 16 bits on either side of a middle
/// are two roundings apart.
void expect_close(OpRun& run, const char* kernel) {
  const Tensor stored = run_on_test_device(cuda_kernel(kernel), run)[0];
  const auto found = floats(stored), expected = floats(run.reference()[0]);
  const float apart = rounded_apart(stored.dtype());
  for (size_t i = 0; i < expected.size(); ++i) {
    const float e = expected[i];
    ASSERT_NEAR(found[i], e, 8 * 0x1p-24f * (std::fabs(e) + 4) + apart * std::fabs(e))
        << kernel << ", element " << i;
  }
}

TEST(CudaActivation, EqualsTheReference) {
  const std::pair<const char*, const char*> maps[] = {
      {"sigmoid", "Sigmoid"},      {"tanh", "Tanh"},
      {"swish", "Swish"},          {"gelu", "Gelu"},
      {"leaky_relu", "LeakyRelu"}, {"hard_sigmoid", "HardSigmoid"},
      {"hard_swish", "HardSwish"}};
  for (const auto& [kernel, op] : maps)
    for (DType type : kFloatTypes)
      for (int64_t count : {1, 7, 1028}) {
        OpRun run(*find_op(op));
        run.input(as_type(random_tensor({count}, 1, 3), type));
        expect_close(run, kernel);
      }
  OpRun tanh_gelu(*find_op("Gelu"), {{"approximate", std::string("tanh")}});
  tanh_gelu.input(random_tensor({40}, 1, 3));
  expect_close(tanh_gelu, "gelu");
  OpRun slope(*find_op("LeakyRelu"), {{"alpha", 0.3f}});
  slope.input(random_tensor({40}, 1, 3));
  expect_close(slope, "leaky_relu");
}

TEST(CudaActivation, MultipliesTheGate) {
  for (const char* activation : {"silu", "gelu", "gelu_tanh"})
    for (DType type : kFloatTypes)
      for (int64_t width : {5, 256, 300}) {
        OpRun run(gated_activation_schema(), {{"activation", std::string(activation)}});
        run.input(as_type(random_tensor({3, width}, 1, 2), type))
            .input(as_type(random_tensor({3, width}, 2), type));
        expect_close(run, "gated_activation");
      }
}

}  // namespace
}  // namespace halftone::cuda
