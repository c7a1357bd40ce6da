#include "backend/cuda/gemm/few_products.h"

#include <gtest/gtest.h>

#include "backend/cuda/device/host/host_device.h"
#include "backend/cuda/gemm/pack_weights.h"
#include "op_run.h"

namespace halftone::cuda {
namespace {

constexpr int kColumns = 300;

/// Products of one row of A on the host in place of a GPU.
class FewProductsTest : public testing::Test {
 protected:
  struct Product {
    WeightsView weights;
    std::shared_ptr<std::byte> memory, y;
    GemmOutput out;
  };

  FewProductsTest() : a_(upload(random_tensor({1, kColumns}, 1))) {}

  std::shared_ptr<std::byte> upload(const Tensor& tensor) {
    auto memory = device_.allocate(tensor.size_bytes(), "a tensor");
    device_.upload(memory.get(), tensor.view().data, tensor.size_bytes());
    return memory;
  }
  Product product(int outputs, const char* format = "int4") {
    Constant weights(random_tensor({outputs, kColumns}, static_cast<unsigned>(outputs)));
    weights.set_encoding(
        {.format = find_number_format(format), .granularity = Granularity::per_group(64), .symmetric = true});
    const PackedWeights packed = pack_weights(device_, weights, true, "B", threads_);
    Product made;
    made.memory = packed.memory;
    made.weights = packed.view;
    made.y = device_.allocate(static_cast<size_t>(outputs) * 4, "Y");
    made.out = {};
    made.out.y = {made.y.get(), FloatType::f32};
    made.out.alpha = 1;
    made.out.m = 1;
    made.out.n = outputs;
    return made;
  }
  void multiply(const Product& p) {
    multiply_few(device_, p.weights, reinterpret_cast<const float*>(a_.get()), p.out);
  }
  std::vector<float> result(const Product& p) {
    std::vector<float> y(static_cast<size_t>(p.out.n));
    device_.download(reinterpret_cast<std::byte*>(y.data()), p.y.get(), y.size() * 4);
    return y;
  }

  HostDevice device_;
  ThreadPool threads_{1};
  std::shared_ptr<std::byte> a_;
};

TEST_F(FewProductsTest, OfTheSameRowsShareALaunch) {
  const std::vector<Product> products = {product(20), product(35), product(130)};
  std::vector<std::vector<float>> alone;
  for (const Product& p : products) {
    multiply(p);
    alone.push_back(result(p));
  }
  EXPECT_EQ(device_.launches(), 3);
  for (const Product& p : products) multiply(p);
  for (size_t i = 0; i < products.size(); ++i) EXPECT_EQ(result(products[i]), alone[i]);
  EXPECT_EQ(device_.launches(), 4);
}

TEST_F(FewProductsTest, LaunchAloneWhatCannotBeShared) {
  const std::vector<Product> more = {product(16), product(17), product(18), product(19)};
  for (const Product& p : more) multiply(p);
  device_.wait();
  EXPECT_EQ(device_.launches(), 2) << "three at most";

  multiply(product(16, "int4"));
  multiply(product(17, "int8"));
  device_.wait();
  EXPECT_EQ(device_.launches(), 4) << "of different kinds";

  const Product first = product(16);
  Product second = product(16);
  second.out.c = {first.out.y.data, FloatType::f32};
  second.out.beta = 1;
  second.out.c_row_step = 16;
  second.out.c_column_step = 1;
  multiply(first);
  multiply(second);
  const std::vector<float> y = result(first), sum = result(second);
  EXPECT_EQ(device_.launches(), 6) << "the second adds what the first gives";
  for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(sum[i], 2 * y[i], 1e-5f);
}

TEST_F(FewProductsTest, AreLaunchedBeforeTheirMemoryIsFreed) {
  {
    const Product p = product(16);
    multiply(p);
  }
  EXPECT_EQ(device_.launches(), 1);
}

}  // namespace
}  // namespace halftone::cuda
