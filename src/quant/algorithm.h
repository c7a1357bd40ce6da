#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quant/targets.h"

namespace halftone {

/// A way to choose the codes of weights. Algorithms of a recipe's chain run one after the other on the same
/// targets; they change encodings, constants and equivalent scalings of neighbours, never what the graph
/// computes.
class Algorithm {
 public:
  virtual ~Algorithm() = default;
  virtual std::string_view name() const = 0;  ///< "rtn"
  virtual void apply(Graph& graph, std::span<const QuantTarget> targets) const = 0;
};

/// Every algorithm (algorithms.inc), and their names.
std::span<const Algorithm* const> algorithms();
const std::vector<std::string>& algorithm_names();

/// The algorithm of that name, or null.
const Algorithm* find_algorithm(std::string_view name);

}  // namespace halftone
