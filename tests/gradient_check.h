#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <gtest/gtest.h>
#include <numeric>

#include "grad/gradient.h"
#include "graph_run.h"
#include "op_run.h"

namespace halftone {

/// Checks the gradients of sum(weights * outputs), random weights, against central differences of the
/// references.
///
/// Differences at two steps are extrapolated, (4 D(h / 2) - D(h)) / 3, so what is left of them is the
/// rounding of f32 outputs over h, which the tolerance (a part of the largest gradient) allows for.
class GradientCheck {
 public:
  /// A graph under construction: inputs are added first, then nodes.
  Graph graph;

  ValueId input(const Tensor& tensor) {
    const std::string name = "x" + std::to_string(tensors_.size());
    tensors_.emplace(name, tensor);
    wrt_.push_back(graph.add_input(name, {tensor.dtype(), tensor.shape()}));
    return wrt_.back();
  }
  ValueId constant(const Tensor& tensor) {
    return graph.add_constant("c" + std::to_string(graph.values().size()), Constant(tensor));
  }
  ValueId ints(std::initializer_list<int64_t> values) {
    return constant(Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values));
  }
  std::vector<ValueId> nodes(std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {}) {
    return graph.add_node(*find_op(op), "n" + std::to_string(graph.values().size()), std::move(inputs),
                          std::move(attributes));
  }
  ValueId node(std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {}) {
    return nodes(op, std::move(inputs), std::move(attributes)).front();
  }

  void run(std::vector<ValueId> outputs, double tolerance = 5e-4, float step = 0.02f) {
    std::vector<ValueGradient> seeds;
    std::vector<Tensor> weights;
    for (ValueId output : outputs) {
      weights.push_back(random_tensor(graph.value(output).type.shape, 77 + static_cast<unsigned>(output)));
      seeds.push_back({output, graph.add_constant("w" + std::to_string(output), Constant(weights.back()))});
    }
    const Graph forward = graph;
    const std::vector<ValueId> gradients = add_gradients(graph, seeds, wrt_);
    verify(graph);
    const std::vector<Tensor> values = run_by_references(graph, tensors_);
    auto loss = [&] {
      const std::vector<Tensor> made = run_by_references(forward, tensors_);
      double sum = 0;
      for (size_t o = 0; o < outputs.size(); ++o) {
        const auto y = made[static_cast<size_t>(outputs[o])].span<float>();
        for (size_t i = 0; i < y.size(); ++i) sum += double{weights[o].span<float>()[i]} * y[i];
      }
      return sum;
    };
    for (size_t n = 0; n < wrt_.size(); ++n) {
      ASSERT_NE(gradients[n], kNoValue) << "input " << n;
      const Tensor& made = values[static_cast<size_t>(gradients[n])];
      Tensor& x = tensors_.at(graph.value(wrt_[n]).name);
      ASSERT_EQ(made.shape(), x.shape()) << "input " << n;
      const auto gradient = made.span<float>();
      double largest = 1e-3;
      for (float g : gradient) largest = std::max(largest, std::abs(double{g}));
      // Every element of small inputs, a spread of larger ones.
      const size_t stride = std::max<size_t>(1, gradient.size() / 60);
      for (size_t i = 0; i < gradient.size(); i += stride) {
        auto difference = [&](float h) {
          float& element = x.mutable_view().span<float>()[i];
          const float before = element;
          element = before + h;
          const double up = loss(), high = element;
          element = before - h;
          const double down = loss(), low = element;
          element = before;
          return (up - down) / (high - low);
        };
        const double expected = (4 * difference(step / 2) - difference(step)) / 3;
        EXPECT_NEAR(gradient[i], expected, tolerance * largest) << "input " << n << ", element " << i;
      }
    }
  }

 private:
  std::map<std::string, Tensor> tensors_;
  std::vector<ValueId> wrt_;
};

}  // namespace halftone
