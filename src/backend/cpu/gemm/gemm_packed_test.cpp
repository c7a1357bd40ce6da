#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"
#include "ops/fused_activation.h"
#include "ops/gemm/gemm.h"

namespace halftone {
namespace {

using Kind = FusedActivation::Kind;

std::vector<const Kernel*> packed_kernels() {
  std::vector<const Kernel*> found;
  for (const Kernel* kernel : cpu_kernels("Gemm"))
    if (kernel->name.starts_with("gemm_packed_")) found.push_back(kernel);
  return found;
}

Tensor absolute(Tensor tensor) {
  for (float& x : tensor.mutable_view().span<float>()) x = std::fabs(x);
  return tensor;
}

/// Against the reference, within the bound of k roundings; the same bits from one thread and from two.
void expect_close(const Shape& a, int64_t outputs, const Shape& c, const FusedActivation& activation = {}) {
  Attributes attributes{{"transB", int64_t{1}}};
  OpRun sizes(gemm_schema(), attributes);
  set_fused_activation(attributes, activation);
  OpRun run(gemm_schema(), attributes);
  const Tensor x = random_tensor(a, 1), w = random_tensor({outputs, a.back()}, 2), b = random_tensor(c, 3);
  run.input(x).constant(Constant(w)).constant(Constant(b));
  sizes.input(absolute(random_tensor(a, 1)))
      .constant(Constant(absolute(random_tensor(w.shape(), 2))))
      .constant(Constant(absolute(random_tensor(c, 3))));
  const std::vector<float> expected = floats(run.reference()[0]), size = floats(sizes.reference()[0]);
  ASSERT_FALSE(packed_kernels().empty());
  for (const Kernel* kernel : packed_kernels()) {
    ThreadPool one(1), two(2);
    const std::vector<float> y = floats(run_kernel(*kernel, run, one)[0]);
    for (size_t i = 0; i < y.size(); ++i)
      ASSERT_NEAR(y[i], expected[i], static_cast<float>(a.back() + 12) * 0x1p-23f * (size[i] + 1))
          << kernel->name << " " << a.str() << " at " << i;
    EXPECT_EQ(floats(run_kernel(*kernel, run, two)[0]), y) << kernel->name;
  }
}

TEST(GemmPacked, EveryShape) {
  for (int64_t outputs : {1, 16, 33, 70})
    for (const Shape& a : {Shape{9, 7}, Shape{13, 64}, Shape{50, 1}, Shape{2, 49, 100}})
      for (const Shape& c : {Shape{outputs}, Shape{1, outputs}, Shape{}}) expect_close(a, outputs, c);
}

TEST(GemmPacked, Activations) {
  for (const FusedActivation& activation :
       {FusedActivation{Kind::relu}, {Kind::gelu}, {Kind::silu}, {Kind::clip, -1, 1}})
    expect_close({20, 30}, 40, {40}, activation);
}

TEST(GemmPacked, LeavesFewRowsToTheOthers) {
  OpRun run(gemm_schema(), {{"transB", int64_t{1}}});
  run.input(random_tensor({1, 8}, 1)).constant(Constant(random_tensor({4, 8}, 2)));
  for (const Kernel* kernel : packed_kernels()) EXPECT_EQ(kernel->supports(run.site()), "1 rows");
}

}  // namespace
}  // namespace halftone
