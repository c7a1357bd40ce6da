#include "quant/algo/rtn/rtn.h"

namespace halftone {

void Rtn::apply(Graph& graph, std::span<const QuantTarget> targets) const {
  for (const QuantTarget& target : targets) {
    Constant& weight = *graph.value(target.weight).constant;
    if (weight.encoding() != target.encoding) weight.set_encoding(target.encoding);
  }
}

}  // namespace halftone
