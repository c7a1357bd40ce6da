#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone {
namespace {

/// Numbers from low to high, among them both zeros, NaN, and where `ends` the infinities and a large number.
Tensor samples(int64_t count, float low, float high, bool ends) {
  Tensor x = Tensor::allocate(DType::f32, {count});
  const auto to = x.mutable_view().span<float>();
  for (size_t i = 0; i < to.size(); ++i)
    to[i] = low + (high - low) * static_cast<float>(i) / static_cast<float>(std::max<int64_t>(count - 1, 1));
  const std::vector<float> special = {0, -0.0f, NAN, INFINITY, -INFINITY, 3e6f, -3e6f, 1e-30f};
  for (size_t i = 0; i < (ends ? special.size() : 3) && i + 9 < to.size(); ++i) to[i + 1] = special[i];
  return x;
}

/// Vectors err by a few units in the last place, near where a result passes through 0 by as much of 1e-7
/// (erf: 2e-7, 1 + x of shares).
constexpr float kRelative = 6 * 0x1p-23f, kAbsolute = 4e-7f;

void expect_close(OpRun& run, const char* op) {
  ThreadPool threads(2);
  const Tensor expected = run.reference()[0];
  for (const Kernel* kernel : float_kernels(op)) {
    const Tensor found = run_kernel(*kernel, run, threads)[0];
    for (size_t i = 0; i < expected.span<float>().size(); ++i) {
      const float f = found.span<float>()[i], e = expected.span<float>()[i];
      if (std::isnan(e) || std::isinf(e))
        ASSERT_TRUE(std::isnan(e) ? std::isnan(f) : f == e) << kernel->name << ", element " << i << ": " << f;
      else
        ASSERT_NEAR(f, e, kRelative * std::fabs(e) + kAbsolute) << kernel->name << ", element " << i;
    }
  }
}

TEST(CpuMaps, EqualTheReference) {
  struct Case {
    const char* op;
    float low = -4, high = 4;
    bool ends = true;
  };
  constexpr Case kCases[] = {{"Abs"},
                             {"Acos", -1.1f, 1},
                             {"Acosh", 0.9f, 9},
                             {"Asin", -1.1f, 1},
                             {"Asinh"},
                             {"Atan"},
                             {"Atanh", -0.9f, 0.9f},
                             {"Ceil"},
                             {"Celu", -20, 4},
                             {"Cos", -300, 300},
                             {"Cosh"},
                             {"Elu", -20, 4},
                             {"Erf", -6, 6},
                             {"Exp", -100, 80},
                             {"Floor"},
                             {"Log", -0.1f, 50},
                             {"Mish", -30, 30},
                             {"Neg"},
                             {"Reciprocal"},
                             {"Relu"},
                             {"Round"},
                             {"Selu", -20, 4},
                             {"Sign"},
                             {"Sin", -300, 300},
                             {"Sinh"},
                             {"Softplus", -30, 30},
                             {"Softsign", -4, 4, false},  // of infinity: NaN
                             {"Sqrt", -1, 50},
                             {"Tan", -1.5f, 1.5f},
                             {"ThresholdedRelu"}};
  for (const Case& test : kCases)
    for (int64_t count : {1, 3, 7, 8, 17, 1025, 40000}) {
      OpRun run(*find_op(test.op));
      run.input(samples(count, test.low, test.high, test.ends));
      expect_close(run, test.op);
    }
}

TEST(CpuMaps, TakeTheirAttributes) {
  const Tensor x = samples(50, -4, 4, false);
  for (const auto& [op, attributes] : {std::pair<const char*, Attributes>{"Celu", {{"alpha", 2.5f}}},
                                       {"Elu", {{"alpha", 0.7f}}},
                                       {"Selu", {{"alpha", 1.2f}, {"gamma", 0.5f}}},
                                       {"ThresholdedRelu", {{"alpha", 0.3f}}}}) {
    OpRun run(*find_op(op), attributes);
    run.input(x);
    expect_close(run, op);
  }
}

TEST(CpuMaps, ClipByTheEndsThereAre) {
  const Tensor x = samples(70, -4, 4, true), low = Tensor::from<float>({}, {-1}),
               high = Tensor::from<float>({}, {2.5f});
  OpRun both(*find_op("Clip")), below(*find_op("Clip")), above(*find_op("Clip")), none(*find_op("Clip"));
  both.input(x).input(low).constant(Constant(high));
  below.input(x).input(low);
  above.input(x).absent().input(high);
  none.input(x);
  for (OpRun* run : {&both, &below, &above, &none}) expect_close(*run, "Clip");
}

TEST(CpuMaps, OfExactOperationsAreExact) {
  ThreadPool threads(1);
  for (const char* op : {"Abs", "Ceil", "Floor", "Neg", "Reciprocal", "Relu", "Round", "Sign", "Sqrt"}) {
    OpRun run(*find_op(op));
    run.input(samples(1001, 0.001f, 9, true));
    const Tensor expected = run.reference()[0];
    for (const Kernel* kernel : float_kernels(op)) {
      const Tensor found = run_kernel(*kernel, run, threads)[0];
      for (size_t i = 0; i < 1001; ++i) {
        const float f = found.span<float>()[i], e = expected.span<float>()[i];
        ASSERT_TRUE(f == e ? std::signbit(f) == std::signbit(e) : std::isnan(f) && std::isnan(e))
            << kernel->name << ", element " << i << ": " << f << ", " << e;
      }
    }
  }
}

TEST(CpuMaps, RunOnAnyOneOrder) {
  const Storage last{Storage::Order::channels_last, {}};
  OpRun run(*find_op("Mish")), mixed(*find_op("Mish"));
  run.stored(random_tensor({2, 3, 4, 5}, 1), last).store_outputs({last});
  expect_close(run, "Mish");
  mixed.stored(random_tensor({2, 3, 4, 5}, 1), last);
  EXPECT_EQ(float_kernels("Mish")[0]->supports(mixed.site()), "values are stored in two orders");
}

}  // namespace
}  // namespace halftone
