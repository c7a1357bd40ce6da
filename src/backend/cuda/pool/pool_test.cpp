#include "ops/pool.h"

#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

using Ints = std::vector<int64_t>;
const Storage kPlanar{}, kLast{Storage::Order::channels_last, {}};

/// A sum of n elements in f32 errs by n 2^-24 of their magnitudes, which stay under 5 here.
void expect_close(const char* kernel, OpRun& run, int64_t elements) {
  const Tensor stored = run_on_test_device(cuda_kernel(kernel), run)[0];
  const auto found = floats(stored), expected = floats(run.reference()[0]);
  const float apart = rounded_apart(stored.dtype());
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(found[i], expected[i],
                static_cast<float>(elements + 1) * 0x1p-24f * 5 + apart * std::fabs(expected[i]))
        << kernel << ", element " << i;
}

Attributes window(bool count_padding) {
  return {{"kernel_shape", Ints{3, 2}},
          {"strides", Ints{2, 1}},
          {"pads", Ints{1, 0, 1, 1}},
          {"dilations", Ints{1, 2}},
          {"count_include_pad", int64_t{count_padding}}};
}

TEST(CudaPool, MaximaAndMeansOfWindows) {
  for (const Storage& in : {kPlanar, kLast})
    for (const Storage& out : {kPlanar, kLast}) {
      OpRun most(*find_op("MaxPool"), window(false));
      most.stored(random_tensor({2, 5, 7, 6}, 1), in).store_outputs({out}).drop_outputs(1);
      EXPECT_EQ(floats(run_on_test_device(cuda_kernel("max_pool"), most)[0]), floats(most.reference()[0]));
      for (bool count_padding : {false, true}) {
        OpRun mean(*find_op("AveragePool"), window(count_padding));
        mean.stored(random_tensor({2, 5, 7, 6}, 1), in).store_outputs({out});
        expect_close("average_pool", mean, 6);
      }
    }
  OpRun cube(*find_op("MaxPool"),
             {{"kernel_shape", Ints{2, 2, 2}}, {"ceil_mode", int64_t{1}}, {"strides", Ints{2, 2, 2}}});
  cube.input(random_tensor({1, 2, 3, 4, 5}, 1)).drop_outputs(1);
  EXPECT_EQ(floats(run_on_test_device(cuda_kernel("max_pool"), cube)[0]), floats(cube.reference()[0]));
}

TEST(CudaPool, OfSixteenBits) {
  for (DType type : {DType::f16, DType::bf16})
    for (const Storage& in : {kPlanar, kLast})
      for (const auto& [kernel, op] : {std::pair{"max_pool", "MaxPool"},
                                       {"average_pool", "AveragePool"},
                                       {"global_max_pool", "GlobalMaxPool"},
                                       {"global_average_pool", "GlobalAveragePool"}}) {
        const bool global = std::string_view(op).starts_with("Global");
        OpRun run(*find_op(op), global ? Attributes{} : window(false));
        run.stored(as_type(random_tensor({2, 5, 7, 6}, 1), type), in).store_outputs({in});
        if (op == std::string_view("MaxPool")) run.drop_outputs(1);
        expect_close(kernel, run, 42);
      }
}

TEST(CudaPool, MeansOfWholePictures) {
  for (const Storage& in : {kPlanar, kLast})
    for (const Shape& shape : {Shape{2, 37, 5, 7}, Shape{1, 4, 300}}) {
      OpRun run(*find_op("GlobalAveragePool"));
      run.stored(random_tensor(shape, 1), in).store_outputs({in});
      expect_close("global_average_pool", run, shape.elements() / shape[0] / shape[1]);
    }
}

TEST(CudaPool, MaximaOfWholePictures) {
  for (const Storage& in : {kPlanar, kLast})
    for (const Shape& shape : {Shape{2, 37, 5, 7}, Shape{1, 4, 300}}) {
      OpRun run(*find_op("GlobalMaxPool"));
      run.stored(random_tensor(shape, 1), in).store_outputs({in});
      EXPECT_EQ(floats(run_on_test_device(cuda_kernel("global_max_pool"), run)[0]),
                floats(run.reference()[0]));
    }
  OpRun codes(*find_op("GlobalMaxPool"));
  const Storage coded{Storage::Order::channels_last, CodeScale{0.02f, 120}};
  codes.stored(random_tensor({2, 37, 5, 7}, 1), coded).store_outputs({coded});
  EXPECT_EQ(floats(run_on_test_device(cuda_kernel("global_max_pool"), codes)[0]),
            floats(codes.reference()[0]));
}

TEST(CudaPoolCodes, EqualsTheReference) {
  const CodeScale in{0.02f, 120}, out{0.017f, 131};
  for (Storage::Order order : {Storage::Order::planar, Storage::Order::channels_last}) {
    OpRun most(*find_op("MaxPool"), window(false));
    most.stored(random_tensor({2, 5, 7, 6}, 1), {order, in}).store_outputs({{order, in}}).drop_outputs(1);
    EXPECT_EQ(floats(run_on_test_device(cuda_kernel("max_pool"), most)[0]), floats(most.reference()[0]));
    OpRun mean(*find_op("AveragePool"), window(true));
    mean.stored(random_tensor({2, 5, 7, 6}, 1), {order, in}).store_outputs({{order, out}});
    EXPECT_EQ(floats(run_on_test_device(cuda_kernel("average_pool"), mean)[0]), floats(mean.reference()[0]));
    OpRun all(*find_op("GlobalAveragePool"), {{"requantization", std::string("fixed")}});
    all.stored(random_tensor({2, 37, 5, 7}, 1), {order, in}).store_outputs({{order, out}});
    EXPECT_EQ(floats(run_on_test_device(cuda_kernel("global_average_pool"), all)[0]),
              floats(all.reference()[0]));
  }
}

}  // namespace
}  // namespace halftone::cuda
