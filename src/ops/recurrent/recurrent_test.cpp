#include "ops/recurrent/recurrent.h"

#include <cmath>
#include <gtest/gtest.h>

#include "base/error.h"
#include "op_run.h"

namespace halftone {
namespace {

const OpSchema& schema_of(std::string_view op) {
  return *find_op(op);
}

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

// Goldens of ONNX's own: tests/onnx_conformance_test.cpp. Here: one cell written out, the shapes, the
// refusals.

TEST(Recurrent, LstmOfOneCell) {
  OpRun run(schema_of("LSTM"));
  run.input(Tensor::from<float>({2, 1, 1}, {1, 2}))
      .input(Tensor::from<float>({1, 4, 1}, {0.1f, 0.2f, 0.3f, 0.4f}))
      .input(Tensor::from<float>({1, 4, 1}, {0.5f, 0.6f, 0.7f, 0.8f}))
      .input(Tensor::from<float>({1, 8}, {0.01f, 0.02f, 0.03f, 0.04f, 0.05f, 0.06f, 0.07f, 0.08f}));
  double h = 0, c = 0;
  std::vector<double> all;
  for (double x : {1.0, 2.0}) {
    const double i = sigmoid(0.1 * x + 0.5 * h + 0.06), o = sigmoid(0.2 * x + 0.6 * h + 0.08);
    const double f = sigmoid(0.3 * x + 0.7 * h + 0.10), g = std::tanh(0.4 * x + 0.8 * h + 0.12);
    c = f * c + i * g;
    h = o * std::tanh(c);
    all.push_back(h);
  }
  const std::vector<Tensor> made = run.reference();
  EXPECT_NEAR(floats(made[0])[0], all[0], 1e-6);
  EXPECT_NEAR(floats(made[0])[1], all[1], 1e-6);
  EXPECT_NEAR(floats(made[1])[0], h, 1e-6);
  EXPECT_NEAR(floats(made[2])[0], c, 1e-6);
}

TEST(Recurrent, GruResetsBeforeOrAfter) {
  for (int64_t after : {0, 1}) {
    OpRun run(schema_of("GRU"), {{"linear_before_reset", after}});
    run.input(Tensor::from<float>({1, 1, 1}, {1}))
        .input(Tensor::from<float>({1, 3, 1}, {0.1f, 0.2f, 0.3f}))
        .input(Tensor::from<float>({1, 3, 1}, {0.4f, 0.5f, 0.6f}))
        .input(Tensor::from<float>({1, 6}, {0, 0, 0, 0, 0, 0.7f}))
        .absent()
        .input(Tensor::from<float>({1, 1, 1}, {2}));
    const double z = sigmoid(0.1 + 0.8), r = sigmoid(0.2 + 1.0);
    const double n = std::tanh(0.3 + (after ? r * (1.2 + 0.7) : 0.6 * r * 2 + 0.7));
    EXPECT_NEAR(floats(run.reference()[0])[0], (1 - z) * n + z * 2, 1e-6) << after;
  }
}

/// Both layouts, both directions: a reversed layer is a forward one over the sequence turned round.
TEST(Recurrent, DirectionsAndLayouts) {
  const Tensor w = random_tensor({1, 5, 3}, 1), r = random_tensor({1, 5, 5}, 2, 0.3f);
  const Tensor x = random_tensor({4, 1, 3}, 3);
  std::vector<float> turned;
  for (int64_t t = 3; t >= 0; --t)
    turned.insert(turned.end(), x.span<float>().begin() + t * 3, x.span<float>().begin() + (t + 1) * 3);
  OpRun forward(schema_of("RNN"));
  forward.input(Tensor::from<float>({4, 1, 3}, turned)).input(w).input(r);
  OpRun reverse(schema_of("RNN"), {{"direction", std::string("reverse")}});
  reverse.input(x).input(w).input(r);
  OpRun batched(schema_of("RNN"), {{"direction", std::string("reverse")}, {"layout", int64_t{1}}});
  batched.input(Tensor::from<float>({1, 4, 3}, floats(x))).input(w).input(r);
  const std::vector<float> f = floats(forward.reference()[0]), b = floats(reverse.reference()[0]);
  for (size_t t = 0; t < 4; ++t)
    for (size_t j = 0; j < 5; ++j) EXPECT_EQ(f[t * 5 + j], b[(3 - t) * 5 + j]);
  EXPECT_EQ(floats(forward.reference()[1]), floats(reverse.reference()[1]));
  EXPECT_EQ(floats(batched.reference()[0]), b);
  EXPECT_EQ(batched.site().outputs[0].shape, (Shape{1, 4, 1, 5}));
}

TEST(Recurrent, BeyondItsLengthASequenceIsZero) {
  OpRun run(schema_of("RNN"), {{"direction", std::string("bidirectional")}});
  run.input(random_tensor({3, 2, 2}, 1))
      .input(random_tensor({2, 1, 2}, 2))
      .input(random_tensor({2, 1, 1}, 3))
      .absent()
      .input(Tensor::from<int32_t>({2}, {3, 1}));
  const std::vector<float> y = floats(run.reference()[0]), last = floats(run.reference()[1]);
  for (size_t t : {1u, 2u})
    for (size_t d : {0u, 1u}) EXPECT_EQ(y[(t * 2 + d) * 2 + 1], 0);
  EXPECT_EQ(last[1], y[1]);  // forward: its first and only step
  EXPECT_EQ(last[0], y[(2 * 2 + 0) * 2]);
}

TEST(Recurrent, ShapesWithSymbols) {
  const int64_t steps = Shape::symbol_dim(0), batch = Shape::symbol_dim(1);
  OpRun run(schema_of("LSTM"), {{"direction", std::string("bidirectional")}});
  run.type(DType::f32, {steps, batch, 3}).type(DType::f32, {2, 16, 3}).type(DType::f32, {2, 16, 4});
  EXPECT_EQ(run.site().outputs[0].shape, (Shape{steps, 2, batch, 4}));
  EXPECT_EQ(run.site().outputs[2].shape, (Shape{2, batch, 4}));
}

TEST(Recurrent, RefusesWhatDoesNotFit) {
  const auto site = [](Attributes attributes, Shape w, Shape r) {
    OpRun run(schema_of("GRU"), std::move(attributes));
    run.type(DType::f32, {5, 1, 3}).type(DType::f32, w).type(DType::f32, r);
    run.site();
  };
  EXPECT_NO_THROW(site({}, {1, 12, 3}, {1, 12, 4}));
  EXPECT_THROW(site({}, {1, 12, 2}, {1, 12, 4}), InputError);
  EXPECT_THROW(site({}, {1, 16, 3}, {1, 16, 4}), InputError);
  EXPECT_THROW(site({{"direction", std::string("bidirectional")}}, {1, 12, 3}, {1, 12, 4}), InputError);
  EXPECT_THROW(site({{"direction", std::string("sideways")}}, {1, 12, 3}, {1, 12, 4}), InputError);
  EXPECT_THROW(site({{"hidden_size", int64_t{5}}}, {1, 12, 3}, {1, 12, 4}), InputError);
  EXPECT_THROW(site({{"activations", std::string("Sigmoid")}}, {1, 12, 3}, {1, 12, 4}), InputError);
  EXPECT_THROW(site({{"activations", std::string("Softsign,Tanh")}}, {1, 12, 3}, {1, 12, 4}),
               UnsupportedError);
}

}  // namespace
}  // namespace halftone
