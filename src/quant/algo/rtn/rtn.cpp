#include "quant/algo/rtn/rtn.h"

namespace halftone {

void Rtn::apply(CalibrationBlock& block, const AlgorithmSettings&) const {
  for (const QuantTarget& target : block.targets()) {
    Constant& weight = *block.graph.value(target.weight).constant;
    if (weight.encoding() != target.encoding) weight.set_encoding(target.encoding);
  }
}

}  // namespace halftone
