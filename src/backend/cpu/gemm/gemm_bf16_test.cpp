#include "backend/cpu/gemm/gemm_bf16.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

#include "backend/cpu/gemm/gemm_testing.h"
#include "backend/shared_operand.h"

namespace halftone::cpu {
namespace {

const Kernel* kernel_named(std::string_view name) {
  const auto found = kernels_named(name);
  return found.empty() ? nullptr : found[0];
}

// Rows that bf16 parts cannot hold: infinite, NaN, near the largest number, all but denormal. Their
// neighbours in the tile must not see them.
TEST(GemmBf16, OddRows) {
  const Kernel* kernel = kernel_named("gemm_float_amx");
  if (!kernel) GTEST_SKIP() << "no AMX";
  const GemmCase test{.b = Constant(as_dtype(random_tensor({40, 96}, 1), DType::bf16))};
  const Tensor plain = random_tensor({20, 96}, 2);
  Tensor a = random_tensor({20, 96}, 2);
  const auto values = a.mutable_view().span<float>();
  const auto row = [&](size_t r) { return values.subspan(r * 96, 96); };
  row(3)[50] = std::numeric_limits<float>::infinity();
  row(7)[0] = std::numeric_limits<float>::quiet_NaN();
  for (float& x : row(11)) x *= 0x1.fffffep120f;
  for (float& x : row(18)) x *= 0x1p-120f;
  GemmRunner runner(*kernel, test, 2);
  const std::vector<float> y = runner.run(a), others = runner.run(plain), expected = test.reference(a);
  for (size_t i = 0; i < y.size(); ++i) {
    const size_t r = i / 40;
    if (r == 7) {
      EXPECT_TRUE(std::isnan(y[i]));
    } else if (r == 3 || r == 11 || r == 18) {
      if (!std::isfinite(expected[i]))
        EXPECT_EQ(y[i], expected[i]) << i;
      else
        EXPECT_NEAR(y[i] / expected[i], 1, 1e-3) << i;
    } else {
      EXPECT_EQ(y[i], others[i]) << i;
    }
  }
}

// q, k and v: the second and third product find the tiles of the first.
TEST(GemmBf16, SharedTiles) {
  const Kernel* kernel = kernel_named("gemm_float_amx");
  if (!kernel) GTEST_SKIP() << "no AMX";
  const GemmCase first{.b = Constant(as_dtype(random_tensor({48, 300}, 1), DType::bf16))};
  const GemmCase second{.b = Constant(as_dtype(random_tensor({33, 300}, 2), DType::f16))};
  const GemmCase other{.b = Constant(as_dtype(random_tensor({33, 64}, 2), DType::f16))};
  ThreadPool threads(2);
  const auto one = kernel->prepare(first.site(1), threads), two = kernel->prepare(second.site(1), threads),
             three = kernel->prepare(other.site(1), threads);
  const auto* shared = dynamic_cast<const SharedOperand*>(two.get());
  ASSERT_NE(shared, nullptr);
  EXPECT_TRUE(shared->has_form_of(dynamic_cast<const SharedOperand&>(*one)));
  EXPECT_FALSE(shared->has_form_of(dynamic_cast<const SharedOperand&>(*three)));
  for (int64_t m : {3, 40, 530}) {
    const Tensor a = random_tensor({m, 300}, 3);
    const size_t bytes = std::max(one->workspace_bytes(first.site(m)), two->workspace_bytes(second.site(m)));
    Tensor workspace = Tensor::allocate(DType::u8, {static_cast<int64_t>(bytes)});
    auto run = [&](const GemmCase& test, auto call) {
      const OpSite site = test.site(m);
      std::vector<float> y(static_cast<size_t>(site.outputs[0].shape.elements()));
      const std::vector<Operand> inputs = {{a.view(), nullptr, nullptr, true}, {{}, nullptr, nullptr, false}};
      const std::vector<MutableTensorView> outputs = {
          {DType::f32, site.outputs[0].shape, reinterpret_cast<std::byte*>(y.data())}};
      call(KernelRun{site, inputs, outputs, workspace.mutable_view().bytes(), threads});
      return y;
    };
    const auto plain = run(second, [&](const KernelRun& r) { two->run(r); });
    run(first, [&](const KernelRun& r) { one->run(r); });
    EXPECT_EQ(run(second, [&](const KernelRun& r) { shared->run_on_form(r); }), plain) << m;
  }
}

}  // namespace
}  // namespace halftone::cpu
