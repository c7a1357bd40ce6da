#include "runtime/plan_identity.h"

#include <cmath>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "base/thread_pool.h"
#include "scheme/number_format.h"

namespace halftone {
namespace {

constexpr int64_t kOutputs = 100, kInputs = 64;

/// Weights of a mapped file, which nobody has to read.
class Mapped : public ConstantSource {
 public:
  explicit Mapped(std::string told = "") : told_(std::move(told)) {}
  Tensor load() const override { throw std::logic_error("read"); }
  std::optional<std::string> told_by() const override { return told_; }

 private:
  std::string told_;
};

Encoding nf4() {
  Encoding encoding;
  encoding.format = find_number_format("nf4");
  encoding.granularity = Granularity::per_group(64);
  return encoding;
}

class PlanIdentity : public testing::Test {
 protected:
  ~PlanIdentity() override { fs::remove_all(folder_); }

  std::string of(const Constant& weights, float slope = 0.1f) {
    Graph graph;
    const ValueId x = graph.add_input("x", {DType::f32, {1, kInputs}});
    const ValueId w = graph.add_constant("w", weights);
    const ValueId y = graph.add_node(*find_op("Gemm"), "y", {x, w}, {{"transB", int64_t{1}}}).front();
    const ValueId z = graph.add_node(*find_op("LeakyRelu"), "z", {y}, {{"alpha", slope}}).front();
    graph.add_output(z, "z");
    CompileOptions options;
    options.cache = cache_;
    return plan_identity(graph, options, threads_);
  }
  static Tensor numbers(float last) {
    Tensor tensor = Tensor::zeros(DType::f32, {kOutputs, kInputs});
    tensor.mutable_view().span<float>().back() = last;
    return tensor;
  }

  ThreadPool threads_{2};
  fs::path folder_ = fs::temp_directory_path() / fmt::format("halftone-plan-identity-{}", ::getpid());
  std::shared_ptr<const PlanCache> cache_ = PlanCache::open(folder_);
};

TEST_F(PlanIdentity, WhatIsInFilesIsNotRead) {
  Constant weights(DType::f32, {kOutputs, kInputs}, std::make_shared<Mapped>());
  const std::string plain = of(weights);
  weights.set_encoding(nf4());
  EXPECT_NE(of(weights), plain);
  EXPECT_NE(of(Constant(DType::f32, {kOutputs, kInputs}, std::make_shared<Mapped>("turned"))), plain);
}

TEST_F(PlanIdentity, WhatIsInMemoryCounts) {
  EXPECT_EQ(of(Constant(numbers(1))), of(Constant(numbers(1))));
  EXPECT_NE(of(Constant(numbers(1))), of(Constant(numbers(2))));
}

TEST_F(PlanIdentity, CodesOfOneEncodingThatWereChosenCount) {
  const auto chosen = [&](float last) {
    Constant weights(DType::f32, {kOutputs, kInputs}, std::make_shared<Mapped>());
    weights.set_encoded(std::make_shared<QuantizedTensor>(quantize(numbers(last).view(), nf4(), "w")));
    return of(weights);
  };
  EXPECT_EQ(chosen(1), chosen(1));
  EXPECT_NE(chosen(1), chosen(-1)) << "codes";
  EXPECT_NE(chosen(1), chosen(2)) << "scales";
}

TEST_F(PlanIdentity, EveryDigitOfAnAttributeCounts) {
  const Constant weights(numbers(1));
  EXPECT_NE(of(weights, 0.1f), of(weights, std::nextafter(0.1f, 1.0f)));
}

}  // namespace
}  // namespace halftone
