#include "quant/algo/rtn/rtn.h"

#include "scheme/quantize_with_search.h"

namespace halftone {
namespace {

constexpr AlgorithmSetting kSettings[] = {
    {"search_scales", 0, 0, 1, "clip scales where that lowers the squared error"}};

}  // namespace

std::span<const AlgorithmSetting> Rtn::settings() const {
  return kSettings;
}

void Rtn::apply(CalibrationBlock& block, const AlgorithmSettings& settings) const {
  for (const QuantTarget& target : block.targets()) {
    Value& value = block.graph.value(target.weight);
    Constant& weight = *value.constant;
    if (settings.at("search_scales") != 0 && !weight.encoding())
      weight.set_encoded(std::make_shared<QuantizedTensor>(
          quantize_with_search(weight.load().view(), target.encoding, value.name, block.pool())));
    else if (weight.encoding() != target.encoding)
      weight.set_encoding(target.encoding);
  }
}

}  // namespace halftone
