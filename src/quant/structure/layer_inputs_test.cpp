#include "quant/structure/layer_inputs.h"

#include <gtest/gtest.h>
#include <random>

#include "runtime/session.h"

namespace halftone {
namespace {

/// Rows of inputs times the weights must be what the convolution computes.
TEST(LayerInputs, WindowsOfAConvolution) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  auto make = [&](const Shape& shape) {
    Tensor tensor = Tensor::allocate(DType::f32, shape);
    for (float& x : tensor.mutable_view().span<float>()) x = normal(random);
    return tensor;
  };
  const int64_t groups = 2, outputs = 6;
  Graph graph;
  const ValueId input = graph.add_input("x", {DType::f32, {2, 4, 7, 5}});
  const Tensor weights = make({outputs, 2, 3, 2});
  const ValueId w = graph.add_constant("w", Constant(weights));
  const ValueId y = graph
                        .add_node(*find_op("Conv"), "conv", {input, w},
                                  {{"group", groups},
                                   {"pads", std::vector<int64_t>{1, 0, 2, 1}},
                                   {"strides", std::vector<int64_t>{2, 1}},
                                   {"dilations", std::vector<int64_t>{1, 2}}})
                        .front();
  graph.add_output(y, "y");
  ThreadPool threads(1);
  Session session(compile(graph, {}, threads), threads);
  const Tensor x = make({2, 4, 7, 5});
  session.run({{"x", x.view()}});
  const TensorView result = session.output("y");
  const int64_t places = result.shape[2] * result.shape[3];

  const Node& node = graph.nodes().front();
  EXPECT_EQ(input_parts(node), groups);
  for (int64_t part = 0; part < groups; ++part) {
    int64_t seen = 0;
    visit_layer_inputs(graph, node, x.view(), part, [&](MatrixView rows) {
      ASSERT_EQ(rows.columns, 12);
      for (int64_t r = 0; r < rows.rows; ++r, ++seen)
        for (int64_t o = part * 3; o < part * 3 + 3; ++o) {
          double sum = 0;
          for (int64_t c = 0; c < rows.columns; ++c)
            sum += double{rows.at(r, c)} * double{weights.span<float>()[static_cast<size_t>(o * 12 + c)]};
          const int64_t n = seen / places, place = seen % places;
          ASSERT_NEAR(sum, result.span<float>()[static_cast<size_t>((n * outputs + o) * places + place)],
                      1e-4);
        }
    });
    EXPECT_EQ(seen, 2 * places);
  }
}

TEST(LayerInputs, RowsOfAMatrixProduct) {
  Graph graph;
  const ValueId input = graph.add_input("x", {DType::f32, {2, 3, 4}});
  const ValueId w = graph.add_constant("w", Constant(Tensor::zeros(DType::f32, {4, 5})));
  graph.add_output(graph.add_node(*find_op("MatMul"), "m", {input, w}).front(), "y");
  const Tensor x = Tensor::zeros(DType::f32, {2, 3, 4});
  int64_t rows = 0;
  visit_layer_inputs(graph, graph.nodes().front(), x.view(), 0, [&](MatrixView part) {
    EXPECT_EQ(part.columns, 4);
    rows += part.rows;
  });
  EXPECT_EQ(rows, 6);
}

}  // namespace
}  // namespace halftone
