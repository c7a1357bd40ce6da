#include "quant/calib/finite_samples.h"

#include <cmath>
#include <gtest/gtest.h>

#include "base/error.h"

namespace halftone {
namespace {

class Numbers final : public CalibrationData {
 public:
  explicit Numbers(std::vector<float> numbers) : numbers_(std::move(numbers)) {}
  int samples() const override { return static_cast<int>(numbers_.size()); }
  std::map<std::string, Tensor> sample(int index) const override {
    return {{"x", Tensor::from<float>({2}, {1, numbers_[static_cast<size_t>(index)]})}};
  }

 private:
  std::vector<float> numbers_;
};

/// y = op(x).
Graph one_node(std::string_view op) {
  Graph graph;
  const ValueId x = graph.add_input("x", {DType::f32, {2}});
  graph.add_output(graph.add_node(*find_op(op), "y", {x}).front(), "y");
  return graph;
}

TEST(FiniteSamples, LeaveOutWhatIsNotFiniteAndSaySo) {
  const Numbers data({1, NAN, 3, INFINITY});
  const Graph graph = one_node("Relu");
  const FiniteSamples finite(data, graph);
  ASSERT_EQ(finite.samples(), 2);
  EXPECT_EQ(finite.sample(1).at("x").span<float>()[1], 3);
  EXPECT_EQ(finite.remark(), "2 of 4 samples left out: its input \"x\" is nan");
  EXPECT_EQ(FiniteSamples(Numbers({1, 2}), graph).remark(), "");
  EXPECT_THROW(FiniteSamples(Numbers({NAN}), graph), InputError);
}

TEST(FiniteSamples, AMaskMayBeInfinite) {
  const Numbers data({1, NAN, -INFINITY});
  const FiniteSamples finite(data, one_node("Softmax"));
  ASSERT_EQ(finite.samples(), 2);
  EXPECT_EQ(finite.remark(), "1 of 3 samples left out: its input \"x\" is nan");
}

}  // namespace
}  // namespace halftone
