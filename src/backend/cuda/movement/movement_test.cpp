#include "ops/movement.h"

#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

using Ints = std::vector<int64_t>;
const Storage kPlanar{}, kLast{Storage::Order::channels_last, {}};
const CodeScale kCodes{0.02f, 120}, kOther{0.035f, 90};

Storage with_codes(Storage storage, const CodeScale& codes) {
  storage.codes = codes;
  return storage;
}

void expect_same(const char* kernel, OpRun& run) {
  const std::vector<Tensor> found = run_on_test_device(cuda_kernel(kernel), run), expected = run.reference();
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(floats(found[i]), floats(expected[i])) << kernel << ", output " << i;
}

/// Every pair of storages of a value.
template <class Body>
void each_storage(Body body) {
  for (const Storage& in : {kPlanar, kLast})
    for (const Storage& out : {kPlanar, kLast}) {
      body(in, out);
      body(with_codes(in, kCodes), with_codes(out, kCodes));
      body(with_codes(in, kCodes), with_codes(out, kOther));
      body(in, with_codes(out, kCodes));
      body(with_codes(in, kCodes), out);
    }
}

TEST(CudaMovement, IdentityChangesTheStorage) {
  each_storage([](const Storage& in, const Storage& out) {
    for (const Shape& shape : {Shape{2, 5, 7, 9}, Shape{1, 40, 6, 8}, Shape{1, 3, 5}, Shape{1, 1, 2, 2}}) {
      OpRun run(*find_op("Identity"));
      run.stored(random_tensor(shape, 1, 2), in).store_outputs({out});
      expect_same("reorder", run);
    }
  });
}

TEST(CudaMovement, EncodesWhatIsNoNumber) {
  OpRun run(*find_op("Identity"));
  run.stored(Tensor::from<float>({1, 1, 5}, {NAN, INFINITY, -INFINITY, 1e30f, 0.05f}), kPlanar)
      .store_outputs({with_codes(kPlanar, kCodes)});
  expect_same("reorder", run);
}

TEST(CudaMovement, Transposes) {
  each_storage([](const Storage& in, const Storage& out) {
    for (const Ints& perm : {Ints{0, 2, 3, 1}, Ints{3, 1, 0, 2}}) {
      OpRun run(*find_op("Transpose"), {{"perm", perm}});
      run.stored(random_tensor({2, 3, 4, 5}, 1), in).store_outputs({out});
      expect_same("transpose", run);
    }
  });
  OpRun five(*find_op("Transpose"), {{"perm", Ints{0, 2, 1, 4, 3}}});
  five.input(random_tensor({2, 3, 4, 5, 2}, 1));
  expect_same("transpose", five);
  OpRun ints(*find_op("Transpose"));
  ints.input(Tensor::from<int64_t>({2, 3}, {1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(values<int64_t>(run_on_test_device(cuda_kernel("transpose"), ints)[0]),
            values<int64_t>(ints.reference()[0]));
}

TEST(CudaMovement, JoinsAndParts) {
  each_storage([](const Storage& in, const Storage& out) {
    for (int64_t axis : {1, 3}) {
      OpRun join(*find_op("Concat"), {{"axis", axis}});
      Shape first{2, 4, 3, 8}, second = first;
      second[static_cast<int>(axis)] = 3;
      join.stored(random_tensor(first, 1), in).stored(random_tensor(second, 2), out).store_outputs({out});
      expect_same("concat", join);
      OpRun part(*find_op("Split"), {{"axis", axis}});
      part.stored(random_tensor({2, 8, 3, 8}, 3), in).ints({2, 6}).store_outputs({out, in});
      expect_same("split", part);
    }
  });
}

TEST(CudaMovement, Slices) {
  each_storage([](const Storage& in, const Storage& out) {
    OpRun run(*find_op("Slice"));
    run.stored(random_tensor({2, 8, 7, 9}, 1), in)
        .ints({4, 6, 1})
        .ints({8, 0, 9})
        .ints({1, 2, 3})
        .ints({1, -2, 3});
    run.store_outputs({out});
    expect_same("slice", run);
  });
}

TEST(CudaMovement, Pads) {
  each_storage([](const Storage& in, const Storage& out) {
    for (float value : {0.0f, 0.7f}) {
      OpRun run(*find_op("Pad"));
      run.stored(random_tensor({2, 4, 3, 5}, 1), in)
          .ints({0, 2, 1, 0, 0, 4, 0, -2})
          .constant(Constant(Tensor::from<float>({}, {value})))
          .store_outputs({out});
      expect_same("pad", run);
    }
  });
}

TEST(CudaMovement, GathersAlongAnAxis) {
  each_storage([](const Storage& in, const Storage& out) {
    OpRun run(*find_op("Gather"), {{"axis", int64_t{1}}});
    run.stored(random_tensor({2, 6, 3, 4}, 1), in).ints({0, 3, 1, -2, 5, 5}).store_outputs({out});
    expect_same("gather_axis", run);
  });
}

TEST(CudaMovement, ResizesToTheNearest) {
  each_storage([](const Storage& in, const Storage& out) {
    OpRun run(*find_op("Resize"));
    run.stored(random_tensor({1, 8, 3, 5}, 1), in)
        .absent()
        .constant(Constant(Tensor::from<float>({4}, {1, 1, 2, 1.7f})))
        .store_outputs({out});
    expect_same("resize_nearest", run);
  });
}

TEST(CudaMovement, PadsWithWhatIsThere) {
  for (const char* mode : {"edge", "reflect", "wrap"})
    for (const Storage& storage : {kPlanar, kLast}) {
      OpRun run(*find_op("Pad"), {{"mode", std::string(mode)}});
      run.stored(random_tensor({1, 3, 4, 5}, 1), storage)
          .ints({0, 0, 2, 3, 0, 0, 7, -1})
          .store_outputs({storage});
      expect_same("pad", run);
    }
}

TEST(CudaMovement, Repeats) {
  for (const auto& [from, shape] : {std::pair<Shape, Ints>{{3, 1}, {2, 3, 4}},
                                    {{5}, {5}},
                                    {{}, {2, 2}},
                                    {{1, 4}, {3, 1}},
                                    {{1, 3, 1, 5}, {2, 1, 4, 5}},
                                    {{2, 1}, {0, 2, 1}}}) {
    OpRun run(*find_op("Expand"));
    run.input(random_tensor(from, 1))
        .constant(Constant(Tensor::from<int64_t>({static_cast<int64_t>(shape.size())}, shape)));
    expect_same("expand", run);
  }
  for (const auto& [from, repeats] : {std::pair<Shape, Ints>{{3, 4}, {2, 3}},
                                      {{5}, {1}},
                                      {{2, 3, 4}, {2, 1, 3}},
                                      {{1, 1, 4, 8}, {3, 2, 1, 2}},
                                      {{2, 3}, {0, 2}}}) {
    OpRun run(*find_op("Tile"));
    run.input(random_tensor(from, 1))
        .constant(Constant(Tensor::from<int64_t>({static_cast<int64_t>(repeats.size())}, repeats)));
    expect_same("tile", run);
  }
  OpRun ints(*find_op("Tile"));
  ints.input(Tensor::from<int64_t>({2}, {7, 8})).ints({3});
  EXPECT_EQ(values<int64_t>(run_on_test_device(cuda_kernel("tile"), ints)[0]),
            values<int64_t>(ints.reference()[0]));
}

TEST(CudaMovement, BlocksOfSpaceAreChannels) {
  each_storage([](const Storage& in, const Storage& out) {
    for (const char* mode : {"DCR", "CRD"}) {
      OpRun run(*find_op("DepthToSpace"), {{"blocksize", int64_t{2}}, {"mode", std::string(mode)}});
      run.stored(random_tensor({2, 12, 3, 5}, 1), in).store_outputs({out});
      expect_same("depth_to_space", run);
    }
    OpRun run(*find_op("SpaceToDepth"), {{"blocksize", int64_t{3}}});
    run.stored(random_tensor({2, 2, 6, 9}, 1), in).store_outputs({out});
    expect_same("space_to_depth", run);
  });
}

TEST(CudaMovement, UpsamplesToTheNearest) {
  OpRun run(*find_op("Upsample"));
  run.input(random_tensor({1, 3, 4, 5}, 1)).constant(Constant(Tensor::from<float>({4}, {1, 1, 2, 1.6f})));
  expect_same("upsample_nearest", run);
}

}  // namespace
}  // namespace halftone::cuda
