#include "ops/reduction/reduction.h"

#include <cmath>
#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone {
namespace {

const Storage kLast{Storage::Order::channels_last, {}};
constexpr const char* kOps[] = {"ReduceL1",  "ReduceL2",   "ReduceLogSum", "ReduceMax",      "ReduceMean",
                                "ReduceMin", "ReduceProd", "ReduceSum",    "ReduceSumSquare"};

/// Sums of n numbers near 1 carry 128 roundings of a lane, those of n / 4096 parts and a handful more;
/// products one for each factor.
void expect_close(OpRun& run, const char* op, int64_t folded) {
  ThreadPool threads(2);
  const std::vector<float> expected = floats(run.reference()[0]);
  const bool exact =
      op == std::string("GlobalMaxPool") || op == std::string("ReduceMax") || op == std::string("ReduceMin");
  const bool product = op == std::string("ReduceProd");
  const float roundings =
      static_cast<float>(product ? folded : std::min<int64_t>(folded, 128 + folded / 512));
  const float relative = exact ? 0 : (roundings + 16) * 0x1p-24f;
  for (const Kernel* kernel : float_kernels(op)) {
    const std::vector<float> found = floats(run_kernel(*kernel, run, threads)[0]);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i)
      if (std::isnan(expected[i]) || std::isinf(expected[i]))
        ASSERT_TRUE(std::isnan(expected[i]) ? std::isnan(found[i]) : found[i] == expected[i])
            << kernel->name << ", element " << i << ": " << found[i] << ", " << expected[i];
      else
        ASSERT_NEAR(found[i], expected[i], relative * std::fabs(expected[i]) + (exact ? 0 : relative))
            << kernel->name << ", element " << i;
  }
}

/// Numbers from 0.9 to 1.1.
Tensor near_one(const Shape& shape, unsigned seed) {
  Tensor tensor = random_tensor(shape, seed);
  for (float& x : tensor.mutable_view().span<float>()) x = 1 + std::clamp(x, -1.0f, 1.0f) / 10;
  return tensor;
}

TEST(CpuReductions, EqualTheReferenceOnAllAxes) {
  struct Case {
    Shape shape;
    std::initializer_list<int64_t> axes;
  };
  for (const Case& test :
       {Case{{1}, {0}}, Case{{7}, {0}}, Case{{3, 5}, {1}}, Case{{3, 5}, {0}}, Case{{70, 31}, {1}},
        Case{{70, 31}, {0}}, Case{{2, 3, 4, 5}, {2, 3}}, Case{{2, 3, 4, 5}, {1}}, Case{{2, 3, 4, 5}, {0, 2}},
        Case{{2, 3, 4, 5}, {1, 3}}, Case{{3, 200, 9}, {1}}, Case{{2, 1100, 3}, {0, 2}},
        Case{{1, 300, 1100}, {1}}, Case{{1, 3, 50000}, {2}}, Case{{1, 5000, 37}, {1}}, Case{{40, 33, 40}, {}},
        Case{{0, 3}, {0}}, Case{{3, 0}, {0}}, Case{{130000}, {0}}}) {
    int64_t folded = test.shape.elements();
    for (const char* op : kOps)
      for (int64_t keepdims : {0, 1}) {
        OpRun run(*find_op(op), {{"keepdims", keepdims}});
        run.input(near_one(test.shape, 1)).ints(test.axes);
        if (const int64_t outputs = run.site().outputs[0].shape.elements(); outputs > 0)
          folded = test.shape.elements() / outputs;
        expect_close(run, op, folded);
      }
  }
}

TEST(CpuReductions, KeepNaN) {
  for (size_t at : {0, 7, 8, 40, 64, 98}) {
    Tensor x = random_tensor({3, 99}, 1);
    x.mutable_view().span<float>()[99 + at] = NAN;
    x.mutable_view().span<float>()[198 + at] = INFINITY;
    for (int64_t axis : {0, 1})
      for (const char* op : {"ReduceMax", "ReduceMin"}) {
        OpRun run(*find_op(op));
        run.input(x).ints({axis});
        expect_close(run, op, 99);
      }
  }
}

TEST(CpuReductions, ReadChannelsLast) {
  const Tensor x = near_one({2, 5, 6, 7}, 1);
  for (const char* op : {"ReduceMean", "ReduceMax"})
    for (std::initializer_list<int64_t> axes :
         {std::initializer_list<int64_t>{2, 3}, {1}, {2}, {0, 2, 3}, {1, 3}, {0, 1, 2, 3}}) {
      OpRun kept(*find_op(op)), planar(*find_op(op), {{"keepdims", int64_t{0}}});
      kept.stored(x, kLast).ints(axes).store_outputs({kLast});
      expect_close(kept, op, 420);
      planar.stored(x, kLast).ints(axes);
      if (axes.size() == 1 && *axes.begin() == 2)
        EXPECT_EQ(float_kernels(op)[0]->supports(planar.site()), "the output lies in another order");
      else
        expect_close(planar, op, 420);
    }
  for (const Shape& shape : {Shape{2, 37, 4, 5}, Shape{3, 7, 300}, Shape{1, 5, 2, 3, 4}}) {
    OpRun pooled(*find_op("GlobalMaxPool"));
    pooled.stored(random_tensor(shape, 2), kLast).store_outputs({kLast});
    expect_close(pooled, "GlobalMaxPool", 300);
    OpRun laid_out(*find_op("GlobalMaxPool"));
    laid_out.input(random_tensor(shape, 2));
    expect_close(laid_out, "GlobalMaxPool", 300);
  }
  OpRun computed(*find_op("ReduceSum"));
  computed.input(x).type(DType::i64, {1});
  EXPECT_EQ(float_kernels("ReduceSum")[0]->supports(computed.site()), "axes are computed");
}

TEST(CpuArgReductions, EqualTheReference) {
  ThreadPool threads(2);
  for (const Shape& shape : {Shape{1, 1, 1}, Shape{3, 1, 5}, Shape{2, 80, 3}, Shape{2, 9, 1100},
                             Shape{1, 1000, 1}, Shape{2, 100, 7}, Shape{3, 21, 300}, Shape{5, 7, 133}}) {
    Tensor x = random_tensor(shape, 1);
    const auto numbers = x.mutable_view().span<float>();
    for (size_t i = 0; i < numbers.size(); ++i)
      numbers[i] = i % 97 == 96 ? NAN : std::nearbyint(3 * numbers[i]);
    for (const char* op : {"ArgMax", "ArgMin"})
      for (int64_t axis : {0, 1, 2})
        for (int64_t last : {0, 1}) {
          OpRun run(*find_op(op), {{"axis", axis}, {"select_last_index", last}});
          run.input(x);
          const std::vector<int64_t> expected = values<int64_t>(run.reference()[0]);
          for (const Kernel* kernel : float_kernels(op))
            EXPECT_EQ(values<int64_t>(run_kernel(*kernel, run, threads)[0]), expected)
                << kernel->name << ", axis " << axis << " of " << shape.str();
        }
  }
}

}  // namespace
}  // namespace halftone
