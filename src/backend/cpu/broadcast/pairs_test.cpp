#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone {
namespace {

const Storage kLast{Storage::Order::channels_last, {}};

std::vector<std::pair<Shape, Shape>> shapes() {
  return {{{3, 5}, {3, 5}},
          {{3, 5}, {5}},
          {{3, 5}, {1, 5}},
          {{3, 5}, {}},
          {{3, 5}, {1}},
          {{70, 700}, {700}},
          {{2, 3, 1}, {1, 1, 1}},
          {{5}, {3, 5}},
          {{3, 5}, {3, 1}},
          {{2, 3, 4, 5}, {3, 1, 1}},
          {{3, 1}, {1, 5}},
          {{3, 4, 5}, {3, 1, 5}},
          {{2, 1, 30, 1, 7}, {3, 1, 40, 1}},
          {{130, 1, 2}, {1, 131, 1}},
          {{0, 3}, {1, 3}},
          {{3, 40000}, {3, 1}}};
}

/// The bytes of both, NaN like NaN.
void expect_same(const Tensor& found, const Tensor& expected, std::string_view what) {
  ASSERT_EQ(found.shape(), expected.shape());
  ASSERT_EQ(found.dtype(), expected.dtype());
  if (found.dtype() == DType::f32) {
    const std::vector<float> f = floats(found), e = floats(expected);
    for (size_t i = 0; i < f.size(); ++i)
      ASSERT_TRUE(f[i] == e[i] || (std::isnan(f[i]) && std::isnan(e[i]))) << what << ", element " << i;
    return;
  }
  EXPECT_TRUE(
      std::equal(found.view().bytes().begin(), found.view().bytes().end(), expected.view().bytes().begin()))
      << what;
}

void expect_same(OpRun& run, const char* op) {
  ThreadPool threads(2);
  const Tensor expected = run.reference()[0];
  for (const Kernel* kernel : float_kernels(op))
    expect_same(run_kernel(*kernel, run, threads)[0], expected, kernel->name);
}

/// Numbers among which many are equal, and NaN.
Tensor few_numbers(const Shape& shape, unsigned seed) {
  Tensor tensor = random_tensor(shape, seed);
  const auto numbers = tensor.mutable_view().span<float>();
  for (size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = i % 11 == 10 ? NAN : std::nearbyint(2 * numbers[i]) / 2;
  return tensor;
}

template <class T>
Tensor as_integers(const Tensor& from) {
  Tensor to = Tensor::allocate(DTypeOf<T>::value, from.shape());
  for (int64_t i = 0; i < from.shape().elements(); ++i) {
    const float x = from.span<float>()[static_cast<size_t>(i)];
    to.mutable_view().template span<T>()[static_cast<size_t>(i)] = static_cast<T>(std::isnan(x) ? 1 : 3 * x);
  }
  return to;
}

TEST(CpuPairs, OfFloatsEqualTheReference) {
  for (const char* op : {"Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean", "Equal", "Greater",
                         "GreaterOrEqual", "Less", "LessOrEqual"})
    for (const auto& [a, b] : shapes()) {
      OpRun run(*find_op(op));
      run.input(few_numbers(a, 1)).input(few_numbers(b, 2));
      expect_same(run, op);
    }
  for (const auto& [a, b] : shapes()) {
    if (b.rank() > a.rank() || a[0] < 3) continue;
    if (a == Shape{3, 1} || a == Shape{130, 1, 2}) continue;  // the slope is no wider than X
    OpRun run(*find_op("PRelu"));
    run.input(random_tensor(a, 1)).input(random_tensor(b, 2));
    expect_same(run, "PRelu");
  }
}

TEST(CpuPairs, OfIntegersEqualTheReference) {
  for (const auto& [a, b] : shapes()) {
    for (const char* op : {"Add", "Sub", "Mul", "Equal", "Less"}) {
      OpRun whole(*find_op(op)), wide(*find_op(op));
      whole.input(as_integers<int32_t>(few_numbers(a, 1))).input(as_integers<int32_t>(few_numbers(b, 2)));
      wide.input(as_integers<int64_t>(few_numbers(a, 1))).input(as_integers<int64_t>(few_numbers(b, 2)));
      expect_same(whole, op);
      expect_same(wide, op);
    }
    for (const char* op : {"And", "Or", "Xor", "Equal"}) {
      OpRun run(*find_op(op));
      run.input(as_integers<bool>(few_numbers(a, 1))).input(as_integers<bool>(few_numbers(b, 2)));
      expect_same(run, op);
    }
    OpRun inverse(*find_op("Not"));
    inverse.input(as_integers<bool>(few_numbers(a, 1)));
    expect_same(inverse, "Not");
  }
  OpRun largest(*find_op("Add"));
  largest.input(Tensor::from<int32_t>({1}, {INT32_MAX})).input(Tensor::from<int32_t>({1}, {1}));
  expect_same(largest, "Add");
}

TEST(CpuPairs, TakeManyInputs) {
  for (const char* op : {"Max", "Min", "Sum", "Mean"})
    for (size_t count : {1, 3, 4}) {
      OpRun run(*find_op(op));
      const Shape inputs[] = {{3, 1}, {4, 1, 5}, {}, {4, 3, 5}};
      for (size_t i = 0; i < count; ++i) run.input(few_numbers(inputs[i], static_cast<unsigned>(i)));
      expect_same(run, op);
    }
}

TEST(CpuPairs, MeetInAnyOrderOfBytes) {
  const Tensor image = random_tensor({2, 6, 3, 4}, 1);
  for (const char* op : {"Add", "Div", "PRelu"})
    for (const Shape& small :
         {Shape{2, 6, 3, 4}, Shape{2, 6, 1, 1}, Shape{1, 1, 3, 4}, Shape{6, 1, 1}, Shape{6, 3, 4}, Shape{}}) {
      OpRun constant(*find_op(op)), stored(*find_op(op));
      constant.stored(image, kLast).constant(Constant(random_tensor(small, 2))).store_outputs({kLast});
      expect_same(constant, op);
      if (small.rank() < 4) continue;
      stored.stored(image, kLast).stored(random_tensor(small, 3), kLast).store_outputs({kLast});
      expect_same(stored, op);
    }
}

TEST(CpuPairs, RaiseToPowers) {
  ThreadPool threads(2);
  Tensor x = random_tensor({5, 33}, 1, 3);
  x.mutable_view().span<float>()[3] = 0;
  x.mutable_view().span<float>()[4] = -INFINITY;
  auto expect_close = [&](OpRun& run) {
    const std::vector<float> expected = floats(run.reference()[0]);
    const std::vector<float> found = floats(run_kernel(*float_kernels("Pow")[0], run, threads)[0]);
    for (size_t i = 0; i < found.size(); ++i)
      ASSERT_TRUE(std::isnan(expected[i]) ? std::isnan(found[i])
                  : std::isinf(expected[i])
                      ? found[i] == expected[i]
                      : std::fabs(found[i] - expected[i]) <= 3 * 0x1p-24f * std::fabs(expected[i]) + 1e-37f)
          << "element " << i << ": " << found[i] << ", " << expected[i];
  };
  for (float exponent : {-1.0f, 0.0f, 0.5f, 1.0f, 2.0f, 3.0f, 1.7f}) {
    OpRun run(*find_op("Pow"));
    run.input(x).constant(Constant(Tensor::from<float>({}, {exponent})));
    expect_close(run);
  }
  OpRun whole(*find_op("Pow")), each(*find_op("Pow"));
  whole.input(x).constant(Constant(Tensor::from<int64_t>({1}, {3})));
  expect_close(whole);
  each.input(x).input(random_tensor({5, 1}, 2));
  expect_close(each);
  OpRun computed(*find_op("Pow"));
  computed.input(x).type(DType::i64, {1});
  EXPECT_EQ(float_kernels("Pow")[0]->supports(computed.site()), "Y is i64 and no constant");
}

TEST(CpuPairs, SayWhatTheyRefuse) {
  OpRun bytes(*find_op("Add"));
  bytes.input(Tensor::from<uint8_t>({1}, {1})).input(Tensor::from<uint8_t>({1}, {1}));
  EXPECT_EQ(float_kernels("Add")[0]->supports(bytes.site()), "A is u8, not f32");
  OpRun codes(*find_op("Div"));
  codes.stored(random_tensor({1, 2, 3, 4}, 1), {Storage::Order::planar, CodeScale{0.1f, 128}})
      .input(Tensor::from<float>({}, {1}));
  EXPECT_EQ(float_kernels("Div")[0]->supports(codes.site()), "values are codes");
}

TEST(CpuWhere, EqualsTheReference) {
  for (const auto& [a, b] : shapes()) {
    for (bool swaps : {false, true}) {
      const Tensor condition = as_integers<bool>(few_numbers(a, 1));
      const Tensor x = random_tensor(swaps ? b : a, 2), y = random_tensor(swaps ? a : b, 3);
      OpRun floating(*find_op("Where")), wide(*find_op("Where")), halves(*find_op("Where")),
          truth(*find_op("Where"));
      floating.input(condition).input(x).input(y);
      expect_same(floating, "Where");
      wide.input(condition).input(as_integers<int64_t>(x)).input(as_integers<int64_t>(y));
      expect_same(wide, "Where");
      halves.input(condition).input(as_type(x, DType::f16)).input(as_type(y, DType::f16));
      expect_same(halves, "Where");
      truth.input(condition).input(as_integers<bool>(x)).input(as_integers<bool>(y));
      expect_same(truth, "Where");
    }
  }
}

}  // namespace
}  // namespace halftone
