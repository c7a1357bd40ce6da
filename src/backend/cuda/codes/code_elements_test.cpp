#include <gtest/gtest.h>

#include "device_run.h"

namespace halftone::cuda {
namespace {

const CodeScale kIn{0.03f, 113}, kSecond{0.021f, 140}, kOut{0.05f, 101};

void expect_same(const char* kernel, OpRun& run) {
  EXPECT_EQ(floats(run_on_test_device(cuda_kernel(kernel), run)[0]), floats(run.reference()[0])) << kernel;
}

TEST(CudaCodeElements, PairsEqualTheReference) {
  for (const auto& [kernel, op] : {std::pair{"add_codes", "Add"}, {"mul_codes", "Mul"}})
    for (const Shape& shape : {Shape{2, 4, 3, 6}, Shape{1, 3, 5, 7}})
      for (Storage::Order order : {Storage::Order::planar, Storage::Order::channels_last})
        for (const char* how : {"floating", "fixed"}) {
          OpRun run(*find_op(op), {{"requantization", std::string(how)}});
          run.stored(random_tensor(shape, 1, 1.5f), {order, kIn})
              .stored(random_tensor(shape, 2, 1.5f), {order, kSecond})
              .store_outputs({{order, kOut}});
          expect_same(kernel, run);
        }
}

TEST(CudaCodeElements, ShorterOnesAreRepeated) {
  for (const auto& [kernel, op] : {std::pair{"add_codes", "Add"}, {"mul_codes", "Mul"}}) {
    OpRun run(*find_op(op));
    run.stored(random_tensor({3, 5}, 1), {Storage::Order::planar, kIn})
        .stored(random_tensor({2, 3, 5}, 2), {Storage::Order::planar, kSecond})
        .store_outputs({{Storage::Order::planar, kOut}});
    expect_same(kernel, run);
  }
}

TEST(CudaCodeElements, MapsAreTables) {
  for (const auto& [kernel, op] : {std::pair{"relu_codes", "Relu"},
                                   {"sigmoid_codes", "Sigmoid"},
                                   {"hard_swish_codes", "HardSwish"},
                                   {"leaky_relu_codes", "LeakyRelu"},
                                   {"gelu_codes", "Gelu"}})
    for (int64_t width : {7, 64}) {
      OpRun run(*find_op(op));
      run.stored(random_tensor({1, 3, width}, 1, 2), {Storage::Order::channels_last, kIn})
          .store_outputs({{Storage::Order::channels_last, kOut}});
      expect_same(kernel, run);
    }
  OpRun clip(*find_op("Clip"));
  clip.stored(random_tensor({40}, 1, 2), {Storage::Order::planar, kIn})
      .constant(Constant(Tensor::from<float>({}, {-0.5f})))
      .constant(Constant(Tensor::from<float>({}, {1.0f})))
      .store_outputs({{Storage::Order::planar, kOut}});
  expect_same("clip_codes", clip);
}

}  // namespace
}  // namespace halftone::cuda
