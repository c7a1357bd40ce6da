#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

std::vector<std::byte> bytes_of(const Tensor& tensor) {
  return {tensor.view().bytes().begin(), tensor.view().bytes().end()};
}

/// In every bit.
void expect_same(const char* kernel, OpRun& run) {
  EXPECT_EQ(bytes_of(run_on_test_device(cuda_kernel(kernel), run)[0]), bytes_of(run.reference()[0]))
      << kernel;
}

/// Indices from -size - 1 to size, some of them outside, many of them the same.
template <class T>
Tensor indices(const Shape& shape, int64_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int64_t> any(-size - 1, size);
  Tensor made = Tensor::allocate(DTypeOf<T>::value, shape);
  for (T& index : made.mutable_view().span<T>()) index = static_cast<T>(any(random));
  return made;
}

Tensor longs(const Shape& shape, unsigned seed) {
  Tensor made = indices<int64_t>(shape, 1000, seed);
  for (int64_t& x : made.mutable_view().span<int64_t>()) x *= int64_t{1} << 40;
  return made;
}

TEST(CudaGatherElements, TakesOneOfEachLine) {
  for (int64_t axis : {0, 1, 2}) {
    OpRun reals(*find_op("GatherElements"), {{"axis", axis}}),
        wide(*find_op("GatherElements"), {{"axis", axis}});
    reals.input(random_tensor({3, 4, 5}, 1)).input(indices<int64_t>({3, 4, 5}, axis + 3, 2));
    wide.input(longs({3, 4, 5}, 1)).input(indices<int32_t>({2, 3, 4}, axis + 3, 2));
    expect_same("gather_elements", reals);
    expect_same("gather_elements", wide);
  }
  OpRun longer(*find_op("GatherElements"), {{"axis", int64_t{-1}}});
  longer.input(as_type(random_tensor({2, 3}, 1), DType::f16)).input(indices<int64_t>({2, 70}, 3, 2));
  expect_same("gather_elements", longer);
}

TEST(CudaGatherNd, TakesSlicesAtCoordinates) {
  for (int64_t depth : {1, 2, 3}) {
    OpRun run(*find_op("GatherND"));
    run.input(random_tensor({4, 4, 4}, 1)).input(indices<int64_t>({2, 7, depth}, 4, 2));
    expect_same("gather_nd", run);
  }
  OpRun batched(*find_op("GatherND"), {{"batch_dims", int64_t{1}}});
  batched.input(longs({3, 4, 5}, 1)).input(indices<int64_t>({3, 6, 1}, 4, 2));
  expect_same("gather_nd", batched);
}

TEST(CudaScatter, LinesOfAnyAxis) {
  for (int64_t axis : {0, 1, 2})
    for (const char* reduction : {"none", "add", "mul", "max", "min"}) {
      const Attributes attributes{{"axis", axis}, {"reduction", std::string(reduction)}};
      OpRun reals(*find_op("ScatterElements"), attributes), wide(*find_op("ScatterElements"), attributes),
          ints(*find_op("ScatterElements"), attributes);
      const int64_t size = axis + 3;
      reals.input(random_tensor({3, 4, 5}, 1))
          .input(indices<int64_t>({3, 4, 5}, size, 2))
          .input(random_tensor({3, 4, 5}, 3));
      wide.input(longs({3, 4, 5}, 1)).input(indices<int32_t>({2, 3, 4}, size, 2)).input(longs({2, 3, 4}, 3));
      ints.input(indices<int32_t>({3, 4, 5}, 90, 1))
          .input(indices<int32_t>({2, 3, 4}, size, 2))
          .input(indices<int32_t>({2, 3, 4}, 90, 3));
      for (OpRun* run : {&reals, &wide, &ints}) expect_same("scatter_elements", *run);
    }
}

TEST(CudaScatter, SlicesAtCoordinates) {
  for (int64_t depth : {1, 2, 3})
    for (const char* reduction : {"none", "add", "max"}) {
      OpRun run(*find_op("ScatterND"), {{"reduction", std::string(reduction)}});
      Shape updates{9};
      for (int64_t d = depth; d < 3; ++d) updates.push_back(4);
      run.input(random_tensor({4, 4, 4}, 1))
          .input(indices<int64_t>({9, depth}, 4, 2))
          .input(random_tensor(updates, 3));
      expect_same("scatter_nd", run);
    }
  OpRun none(*find_op("ScatterND"));
  none.input(random_tensor({4, 4}, 1))
      .input(Tensor::from<int64_t>({0, 1}, {}))
      .input(random_tensor({0, 4}, 3));
  expect_same("scatter_nd", none);
  OpRun bools(*find_op("ScatterElements"));
  bools.input(Tensor::from<bool>({3}, {true, false, true}))
      .input(Tensor::from<int64_t>({2}, {1, -1}))
      .input(Tensor::from<bool>({2}, {true, false}));
  expect_same("scatter_elements", bools);
}

TEST(CudaTrilu, KeepsATriangle) {
  for (int64_t upper : {0, 1})
    for (int64_t k : {-9, -1, 0, 2, 9}) {
      OpRun run(*find_op("Trilu"), {{"upper", upper}});
      run.input(random_tensor({2, 4, 6}, 1)).input(Tensor::from<int64_t>({}, {k}));
      expect_same("trilu", run);
    }
  OpRun diagonal(*find_op("Trilu"));
  diagonal.input(longs({5, 5}, 1));
  expect_same("trilu", diagonal);
}

TEST(CudaOneHot, AlongAnyAxis) {
  for (int64_t axis : {-1, 0, 1}) {
    OpRun ints(*find_op("OneHot"), {{"axis", axis}}), reals(*find_op("OneHot"), {{"axis", axis}});
    ints.input(indices<int64_t>({3, 4}, 5, 1)).ints({5}).input(random_tensor({2}, 2));
    reals.input(Tensor::from<float>({4}, {0, 1.5f, -1, 7})).ints({3}).input(longs({2}, 2));
    if (axis < 1) expect_same("one_hot", reals);
    expect_same("one_hot", ints);
  }
}

TEST(CudaCumSum, EqualsTheReference) {
  for (int64_t axis : {0, 1, -1})
    for (int64_t flags : {0, 1, 2, 3}) {
      const Attributes attributes{{"exclusive", flags & 1}, {"reverse", flags / 2}};
      OpRun reals(*find_op("CumSum"), attributes), wide(*find_op("CumSum"), attributes);
      reals.input(random_tensor({3, 40, 2}, 1)).ints({axis});
      wide.input(longs({3, 4, 2}, 1)).ints({axis});
      expect_same("cum_sum", reals);
      expect_same("cum_sum", wide);
      for (DType type : {DType::f16, DType::bf16}) {
        OpRun shorts(*find_op("CumSum"), attributes);
        shorts.input(as_type(random_tensor({3, 40, 2}, 1), type)).ints({axis});
        expect_same("cum_sum", shorts);
      }
    }
}

}  // namespace
}  // namespace halftone::cuda
