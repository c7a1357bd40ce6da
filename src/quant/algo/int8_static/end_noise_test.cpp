#include "quant/algo/int8_static/end_noise.h"

#include <cmath>
#include <gtest/gtest.h>

namespace halftone {
namespace {

struct Sketch {
  Graph graph;

  ValueId node(const char* op, const char* name, std::vector<ValueId> inputs, Attributes attributes = {}) {
    return graph.add_node(*find_op(op), name, std::move(inputs), std::move(attributes)).front();
  }
  ValueId conv(const std::string& name, ValueId x, int64_t outputs) {
    const Shape shape{outputs, graph.value(x).type.shape[1], 1, 1};
    const ValueId w = graph.add_constant(name + ".w", Constant(Tensor::zeros(DType::f32, shape)));
    return graph.add_node(*find_op("Conv"), name, {x, w}).front();
  }
};

/// Boxes and scores are put together and taken apart, and boxes alone go through one more convolution, as
/// YOLOv8's do.
TEST(EndValues, ScoresAreAnEndThoughBoxesGoOn) {
  Sketch s;
  const ValueId x = s.graph.add_input("x", {DType::f32, {1, 4, 8, 8}});
  const ValueId body = s.conv("body", x, 4);
  const ValueId boxes = s.conv("boxes", body, 4), scores = s.conv("scores", body, 3);
  const ValueId joined = s.node("Concat", "joined", {boxes, scores}, {{"axis", int64_t{1}}});
  const auto part = [&](const char* name, int64_t begin, int64_t end) {
    const auto number = [&](const char* what, int64_t value) {
      return s.graph.add_constant(std::string(name) + what, Constant(Tensor::from<int64_t>({1}, {value})));
    };
    return s.node("Slice", name, {joined, number(".begin", begin), number(".end", end), number(".axis", 1)});
  };
  const ValueId moved =
      s.conv("moved", s.node("Softmax", "shares", {part("box part", 0, 4)}, {{"axis", int64_t{1}}}), 1);
  const ValueId likely = s.node("Sigmoid", "likely", {part("score part", 4, 7)});
  s.graph.add_output(s.node("Concat", "all", {moved, likely}, {{"axis", int64_t{1}}}), "y");
  EXPECT_EQ(end_values(s.graph), (std::vector<EndValue>{{boxes, 1}, {scores, 1}, {moved, 1}}));
}

TEST(EndValues, OfAStreamOfResidualsTheLastSumIs) {
  Sketch s;
  ValueId x = s.graph.add_input("x", {DType::f32, {1, 4, 8, 8}});
  for (const char* name : {"one", "two", "three"})
    x = s.node("Relu", (std::string(name) + ".relu").c_str(),
               {s.node("Add", (std::string(name) + ".sum").c_str(), {x, s.conv(name, x, 4)})});
  s.graph.add_output(x, "y");
  const std::vector<EndValue> ends = end_values(s.graph);
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(s.graph.value(ends[0].value).name, "three.sum");
}

/// A linear classifier; actions that are not allowed get -infinity.
Graph classifier(float change, bool masked) {
  Sketch s;
  const ValueId x = s.graph.add_input("x", {DType::f32, {1, 3}});
  const ValueId w =
      s.graph.add_constant("w", Constant(Tensor::from<float>({3, 3}, {1 + change, 2, 3, 4, 5, 6, 7, 8, 12})));
  const ValueId scores = s.node("MatMul", "scores", {x, w});
  const ValueId mask = s.graph.add_constant("mask", Constant(Tensor::from<float>({3}, {0, -HUGE_VALF, 0})));
  s.graph.add_output(masked ? s.node("Add", "allowed", {scores, mask}) : scores, "y");
  return std::move(s.graph);
}

class Rows final : public CalibrationData {
 public:
  explicit Rows(int samples) : samples_(samples) {}
  int samples() const override { return samples_; }
  std::map<std::string, Tensor> sample(int index) const override {
    return {{"x", Tensor::from<float>({1, 3}, {1, static_cast<float>(index), -1})}};
  }

 private:
  int samples_;
};

double noise_of(float change, bool masked, int samples) {
  const Rows data(samples);
  ThreadPool threads(1);
  QuantizeOptions options;
  options.data = &data;
  options.threads = &threads;
  return EndNoise(classifier(0, masked), options).of(classifier(change, masked));
}

TEST(EndNoise, OfOneSampleOfScoresTheirOwnSpreadIsTheSignal) {
  EXPECT_NEAR(noise_of(0.5f, false, 1), 0.25 / 6, 1e-6);  // of -6, -6, -9
  EXPECT_NEAR(noise_of(0.5f, false, 3), 3 * 0.25 / (32 + 50 + 72), 1e-6);
}

TEST(EndNoise, InfinitiesOfAMaskAreNoNoise) {
  EXPECT_EQ(noise_of(0, true, 3), 0);
  EXPECT_NEAR(noise_of(0.5f, true, 3), 3 * 0.25 / (32 + 72), 1e-6);
  EXPECT_EQ(noise_of(HUGE_VALF, false, 3), HUGE_VAL);
  EXPECT_EQ(noise_of(NAN, true, 3), HUGE_VAL);
}

}  // namespace
}  // namespace halftone
