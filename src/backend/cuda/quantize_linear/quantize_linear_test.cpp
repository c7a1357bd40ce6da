#include "ops/quantize_linear/quantize_linear.h"

#include <cmath>
#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

/// Every output in every bit.
void expect_same(const char* kernel, OpRun& run) {
  const std::vector<Tensor> found = run_on_test_device(cuda_kernel(kernel), run), expected = run.reference();
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto f = found[i].view().bytes(), e = expected[i].view().bytes();
    EXPECT_TRUE(std::equal(f.begin(), f.end(), e.begin(), e.end())) << kernel << ", output " << i;
  }
}

Tensor positive(const Shape& shape, unsigned seed) {
  Tensor scales = random_tensor(shape, seed, 0.02f);
  for (float& scale : scales.mutable_view().span<float>()) scale = std::fabs(scale) + 0.003f;
  return scales;
}

/// One scale for all, one an index of an axis, one a block along it.
struct Case {
  Shape scales;
  Attributes attributes;
};
const Case kCases[] = {
    {{}, {}}, {{4}, {{"axis", int64_t{1}}}}, {{3, 4, 2}, {{"axis", int64_t{2}}, {"block_size", int64_t{3}}}}};

template <class T>
Tensor zeros(const Shape& shape) {
  const Tensor random = random_tensor(shape, 9, 20);
  Tensor made = Tensor::allocate(DTypeOf<T>::value, shape);
  for (size_t i = 0; i < random.span<float>().size(); ++i)
    made.mutable_view().span<T>()[i] = static_cast<T>(std::fabs(random.span<float>()[i]));
  return made;
}

template <class T>
void check(const Case& c) {
  Tensor x = random_tensor({3, 4, 6}, 1, 2);
  x.mutable_view().span<float>()[5] = NAN;
  x.mutable_view().span<float>()[6] = INFINITY;
  x.mutable_view().span<float>()[7] = -1e30f;
  OpRun quantize(quantize_linear_schema(), c.attributes);
  quantize.input(x).input(positive(c.scales, 2)).input(zeros<T>(c.scales));
  expect_same("quantize_linear", quantize);
  OpRun dequantize(dequantize_linear_schema(), c.attributes);
  dequantize.input(quantize.reference()[0]).input(positive(c.scales, 2)).input(zeros<T>(c.scales));
  expect_same("dequantize_linear", dequantize);
}

TEST(CudaQuantizeLinear, EqualsTheReference) {
  for (const Case& c : kCases) {
    check<uint8_t>(c);
    check<int8_t>(c);
    check<uint16_t>(c);
    check<int16_t>(c);
  }
  OpRun sums(dequantize_linear_schema());
  sums.input(Tensor::from<int32_t>({3}, {1 << 30, -5, 0})).input(Tensor::from<float>({}, {0.25f}));
  expect_same("dequantize_linear", sums);
}

TEST(CudaDynamicQuantizeLinear, EqualsTheReference) {
  for (int64_t count : {1, 77, 9000}) {
    for (float offset : {-5.0f, 0.0f, 5.0f}) {
      Tensor x = random_tensor({count}, 1);
      for (float& value : x.mutable_view().span<float>()) value += offset;
      OpRun run(dynamic_quantize_linear_schema());
      run.input(x);
      expect_same("dynamic_quantize_linear", run);
    }
  }
  OpRun zeros(dynamic_quantize_linear_schema());
  zeros.input(Tensor::from<float>({3}, {0, 0, 0}));
  expect_same("dynamic_quantize_linear", zeros);
}

}  // namespace
}  // namespace halftone::cuda
