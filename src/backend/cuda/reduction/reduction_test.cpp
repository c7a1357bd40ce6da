#include "ops/reduction/reduction.h"

#include <cmath>
#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

using Ints = std::vector<int64_t>;

struct Case {
  Shape shape;
  Ints axes;
};
const Case kCases[] = {
    {{3, 7}, {1}},       {{3, 7}, {0}},          {{3, 1500}, {-1}},   {{2, 5, 3, 40}, {2, 3}},
    {{2, 5, 3, 4}, {1}}, {{2, 5, 3, 4}, {0, 2}}, {{2, 300, 33}, {1}}, {{4, 5}, {0, 1}},
    {{3, 1, 7}, {1}},    {{2, 0, 3}, {1}},       {{1}, {0}},          {{2, 3, 2, 3, 2, 3}, {1, 3, 5}},
    {{3000}, {0}}};

void fill(OpRun& run, const Tensor& x, const Ints& axes) {
  run.input(x).constant(Constant(Tensor::from<int64_t>({static_cast<int64_t>(axes.size())}, axes)));
}

/// Sums of n elements of magnitudes under 5 (squares: 25) in f32 err by at most n 2^-24 of their sizes' sum;
/// here in trees, by far less.
void expect_close(const char* kernel, OpRun& run, int64_t reduced) {
  const Tensor stored = run_on_test_device(cuda_kernel(kernel), run)[0];
  const auto found = floats(stored), expected = floats(run.reference()[0]);
  const float apart = rounded_apart(stored.dtype());
  for (size_t i = 0; i < expected.size(); ++i) {
    const float f = found[i], e = expected[i];
    if (std::isnan(e) || std::isinf(e))
      ASSERT_TRUE(std::isnan(e) ? std::isnan(f) : f == e) << kernel << ", element " << i;
    else
      ASSERT_NEAR(f, e,
                  0x1p-24f * (8 * std::fabs(e) + 2 * static_cast<float>(reduced + 1)) + apart * std::fabs(e))
          << kernel << ", element " << i;
  }
}

TEST(CudaReduction, FloatsFollowTheReference) {
  for (const auto& [kernel, op] : {std::pair{"reduce_l1", "ReduceL1"},
                                   {"reduce_l2", "ReduceL2"},
                                   {"reduce_log_sum_exp", "ReduceLogSumExp"},
                                   {"reduce_max", "ReduceMax"},
                                   {"reduce_mean", "ReduceMean"},
                                   {"reduce_min", "ReduceMin"},
                                   {"reduce_sum", "ReduceSum"},
                                   {"reduce_sum_square", "ReduceSumSquare"}})
    for (const Case& c : kCases)
      for (DType type : kFloatTypes) {
        OpRun run(*find_op(op), {{"keepdims", int64_t{type == DType::f16}}});
        fill(run, as_type(random_tensor(c.shape, 1), type), c.axes);
        SCOPED_TRACE(c.shape.str());
        expect_close(kernel, run, c.shape.elements());
      }
}

TEST(CudaReduction, ReadsChannelsLast) {
  const Storage last{Storage::Order::channels_last, {}};
  const Tensor x = random_tensor({2, 5, 6, 7}, 1);
  for (const Ints& axes : {Ints{2, 3}, Ints{1}, Ints{2}, Ints{1, 3}})
    for (int64_t keep : {0, 1}) {
      if (keep == 0 && axes == Ints{2}) continue;  // the output would lie in another order
      OpRun run(*find_op("ReduceMean"), {{"keepdims", keep}});
      run.stored(x, last).constant(
          Constant(Tensor::from<int64_t>({static_cast<int64_t>(axes.size())}, axes)));
      if (keep == 1) run.store_outputs({last});
      expect_close("reduce_mean", run, x.shape().elements());
    }
}

TEST(CudaReduction, ProductsAndLogarithms) {
  for (const auto& [kernel, op] :
       {std::pair{"reduce_prod", "ReduceProd"}, {"reduce_log_sum", "ReduceLogSum"}}) {
    Tensor x = random_tensor({3, 20}, 1, 0.1f);
    for (float& value : x.mutable_view().span<float>()) value += 1;
    OpRun run(*find_op(op));
    fill(run, x, {1});
    expect_close(kernel, run, 20);
  }
}

TEST(CudaReduction, WhatIsNoNumberStays) {
  Tensor x = random_tensor({4, 70}, 1);
  x.mutable_view().span<float>()[3] = x.mutable_view().span<float>()[140] = NAN;
  x.mutable_view().span<float>()[75] = INFINITY;
  for (size_t i = 210; i < 280; ++i) x.mutable_view().span<float>()[i] = -INFINITY;
  for (const auto& [kernel, op] : {std::pair{"reduce_max", "ReduceMax"},
                                   {"reduce_min", "ReduceMin"},
                                   {"reduce_sum", "ReduceSum"},
                                   {"reduce_log_sum_exp", "ReduceLogSumExp"}}) {
    OpRun run(*find_op(op));
    fill(run, x, {1});
    expect_close(kernel, run, 70);
  }
}

template <class T>
void expect_same_integers(const char* kernel, const char* op, const Case& c) {
  const Tensor random = random_tensor(c.shape, 1, 20);
  Tensor x = Tensor::allocate(DTypeOf<T>::value, c.shape);
  for (size_t i = 0; i < random.span<float>().size(); ++i)
    x.mutable_view().span<T>()[i] = static_cast<T>(random.span<float>()[i]);
  OpRun run(*find_op(op));
  fill(run, x, c.axes);
  EXPECT_EQ(values<T>(run_on_test_device(cuda_kernel(kernel), run)[0]), values<T>(run.reference()[0]))
      << op << " of " << c.shape.str();
}

TEST(CudaReduction, IntegersEqualTheReference) {
  for (const auto& [kernel, op] : {std::pair{"reduce_l1", "ReduceL1"},
                                   {"reduce_max", "ReduceMax"},
                                   {"reduce_mean", "ReduceMean"},
                                   {"reduce_min", "ReduceMin"},
                                   {"reduce_prod", "ReduceProd"},
                                   {"reduce_sum", "ReduceSum"},
                                   {"reduce_sum_square", "ReduceSumSquare"}})
    for (const Case& c : kCases) {
      expect_same_integers<int32_t>(kernel, op, c);
      expect_same_integers<int64_t>(kernel, op, c);
    }
}

TEST(CudaReduction, WithoutAxesAllOrNone) {
  for (int64_t none : {0, 1}) {
    OpRun run(*find_op("ReduceSum"), {{"noop_with_empty_axes", none}});
    run.input(random_tensor({3, 5}, 1));
    expect_close("reduce_sum", run, 15);
  }
}

TEST(CudaArgReduction, EqualsTheReferenceAlongAnyAxis) {
  for (const auto& [kernel, op] : {std::pair{"arg_max_axis", "ArgMax"}, {"arg_min", "ArgMin"}})
    for (int64_t axis : {0, 1, 2})
      for (int64_t last : {0, 1}) {
        Tensor x = random_tensor({3, 20, 7}, 1, 2);
        for (float& value : x.mutable_view().span<float>()) value = std::round(value);
        x.mutable_view().span<float>()[30] = x.mutable_view().span<float>()[37] = NAN;
        const Attributes attributes{{"axis", axis}, {"select_last_index", last}, {"keepdims", last}};
        for (DType type : kFloatTypes) {
          OpRun run(*find_op(op), attributes);
          run.input(as_type(x, type));
          EXPECT_EQ(values<int64_t>(run_on_test_device(cuda_kernel(kernel), run)[0]),
                    values<int64_t>(run.reference()[0]));
        }
        OpRun longs(*find_op(op), attributes);
        longs.input(Tensor::from<int64_t>({2, 2, 2}, {5, 5, -1, 7, 5, -1, -1, 7}));
        EXPECT_EQ(values<int64_t>(run_on_test_device(cuda_kernel(kernel), longs)[0]),
                  values<int64_t>(longs.reference()[0]));
      }
}

}  // namespace
}  // namespace halftone::cuda
