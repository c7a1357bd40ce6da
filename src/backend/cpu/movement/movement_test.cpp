#include <gtest/gtest.h>

#include "kernel_run.h"

namespace halftone {
namespace {

using Ints = std::vector<int64_t>;

const Storage kPlanar{};
const Storage kLast{Storage::Order::channels_last, {}};
const Storage kCodes{Storage::Order::channels_last, CodeScale{0.05f, 128}};

/// Each kernel of the operator that takes the use gives the reference's bits, from one thread and from two.
void expect_same(OpRun& run, const char* op) {
  const std::vector<Tensor> expected = run.reference();
  int kernels = 0;
  for (const Kernel* kernel : cpu_kernels(op)) {
    if (!kernel->refusal(run.site()).empty()) continue;
    ++kernels;
    for (int size : {1, 2}) {
      ThreadPool threads(size);
      const std::vector<Tensor> found = run_kernel(*kernel, run, threads);
      for (size_t i = 0; i < expected.size(); ++i)
        EXPECT_EQ(floats(found[i]), floats(expected[i])) << kernel->name << " output " << i;
    }
  }
  EXPECT_GT(kernels, 0) << op;
}

TEST(Movement, ConcatAndSplitAlongEachAxis) {
  for (const Storage& storage : {kPlanar, kLast, kCodes})
    for (int64_t axis : {0, 1, 2, 3}) {
      OpRun concat(*find_op("Concat"), {{"axis", axis}});
      for (int64_t size : {3, 1, 5}) {
        Shape shape{2, 3, 4, 5};
        shape[static_cast<int>(axis)] = size;
        concat.stored(random_tensor(shape, 3), storage);
      }
      concat.store_outputs({storage});
      expect_same(concat, "Concat");

      OpRun split(*find_op("Split"), {{"axis", axis}});
      Shape shape{2, 3, 4, 5};
      shape[static_cast<int>(axis)] = 9;
      split.stored(random_tensor(shape, 4), storage)
          .ints({2, 0, 7})
          .store_outputs({storage, storage, storage});
      expect_same(split, "Split");
    }
}

TEST(Movement, SlicesAnyAxesByAnySteps) {
  for (const Storage& storage : {kPlanar, kLast, kCodes}) {
    OpRun even(*find_op("Slice"));
    even.stored(random_tensor({2, 7, 5, 6}, 1), storage)
        .ints({0, 1})
        .ints({1000, 1000})
        .ints({2, 3})
        .ints({2, 2})
        .store_outputs({storage});
    expect_same(even, "Slice");
    OpRun back(*find_op("Slice"));
    back.stored(random_tensor({2, 7, 5, 6}, 1), storage)
        .ints({6, -1})
        .ints({1, -1000})
        .ints({1, 3})
        .ints({-2, -1})
        .store_outputs({storage});
    expect_same(back, "Slice");
  }
}

TEST(Movement, GathersChannels) {
  for (const Storage& storage : {kPlanar, kLast, kCodes})
    for (int64_t axis : {1, 2}) {
      OpRun run(*find_op("Gather"), {{"axis", axis}});
      run.stored(random_tensor({2, 6, 5, 3}, 2), storage).ints({4, 0, -1, 1}).store_outputs({storage});
      expect_same(run, "Gather");
    }
}

TEST(Movement, TurnsAndReorders) {
  for (const Shape& shape : {Shape{1, 3, 17, 40}, Shape{2, 33, 5, 7}, Shape{2, 1, 1, 1}, Shape{1, 85, 50}}) {
    for (const auto& [from, to] : {std::pair{kPlanar, kLast}, std::pair{kLast, kPlanar}}) {
      OpRun reorder(*find_op("Identity"));
      reorder.stored(random_tensor(shape, 5), from).store_outputs({to});
      expect_same(reorder, "Identity");
    }
    for (const Ints& perm : {Ints{0, 2, 1, 3}, Ints{3, 2, 1, 0}, Ints{0, 2, 3, 1}, Ints{1, 0, 2, 3}})
      for (const Storage& from : {kPlanar, kLast}) {
        if (shape.rank() != 4) continue;
        OpRun turn(*find_op("Transpose"), {{"perm", perm}});
        turn.stored(random_tensor(shape, 6), from).store_outputs({kPlanar});
        expect_same(turn, "Transpose");
      }
  }
  OpRun matrix(*find_op("Transpose"));
  matrix.input(random_tensor({35, 18}, 7));
  expect_same(matrix, "Transpose");
}

TEST(Movement, PadsWithANumber) {
  for (const Storage& storage :
       {kPlanar, kLast, Storage{Storage::Order::channels_last, CodeScale{0.25f, 100}}}) {
    OpRun all(*find_op("Pad"));
    all.stored(random_tensor({2, 3, 4, 5}, 1), storage)
        .ints({0, 2, 1, 0, 1, 0, 0, 3})
        .constant(Constant(Tensor::from<float>({}, {2.5f})))
        .store_outputs({storage});
    expect_same(all, "Pad");
    OpRun channels(*find_op("Pad"));
    channels.stored(random_tensor({2, 3, 4, 5}, 1), storage)
        .ints({4, 1})
        .absent()
        .ints({1})
        .store_outputs({storage});
    expect_same(channels, "Pad");
  }
}

TEST(Movement, ElementwiseOnChannelsLast) {
  for (const char* op : {"Add", "Sub", "Mul", "Div"}) {
    for (const Shape& small : {Shape{1, 6, 1, 1}, Shape{6, 1, 1}, Shape{}, Shape{1, 1, 1, 1}}) {
      OpRun second(*find_op(op));
      second.stored(random_tensor({2, 6, 3, 4}, 8), kLast)
          .constant(Constant(random_tensor(small, 9)))
          .store_outputs({kLast});
      expect_same(second, op);
      OpRun first(*find_op(op));
      first.constant(Constant(random_tensor(small, 9)))
          .stored(random_tensor({2, 6, 3, 4}, 8), kLast)
          .store_outputs({kLast});
      expect_same(first, op);
      OpRun planar(*find_op(op));
      planar.input(random_tensor({2, 6, 3, 4}, 8)).constant(Constant(random_tensor(small, 9)));
      expect_same(planar, op);
    }
    OpRun both(*find_op(op));
    both.stored(random_tensor({2, 6, 3, 4}, 8), kLast)
        .stored(random_tensor({2, 6, 3, 4}, 9), kLast)
        .store_outputs({kLast});
    expect_same(both, op);
  }
}

}  // namespace
}  // namespace halftone
