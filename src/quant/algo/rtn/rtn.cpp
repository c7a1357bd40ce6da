#include "quant/algo/rtn/rtn.h"

#include "base/error.h"
#include "scheme/quantize_with_range.h"

namespace halftone {
namespace {

constexpr AlgorithmSetting kSettings[] = {
    {"search_scales", 0, 0, 1, "clip scales where that lowers the squared error"},
    {"percentile", 100, 50, 100, "share of the weights of each scale that it covers"}};

RangeFit range_fit(const AlgorithmSettings& settings) {
  const bool search = settings.at("search_scales") != 0;
  const double percentile = settings.at("percentile");
  if (search && percentile < 100) throw UsageError("rtn: either search_scales or percentile, not both");
  if (search) return {RangeFit::Kind::least_error};
  if (percentile < 100) return {RangeFit::Kind::percentile, percentile};
  return {};
}

}  // namespace

std::span<const AlgorithmSetting> Rtn::settings() const {
  return kSettings;
}

void Rtn::apply(CalibrationBlock& block, const AlgorithmSettings& settings) const {
  const RangeFit fit = range_fit(settings);
  for (const QuantTarget& target : block.targets()) {
    Value& value = block.graph.value(target.weight);
    Constant& weight = *value.constant;
    if (fit.kind != RangeFit::Kind::extremes && !weight.encoding())
      weight.set_encoded(std::make_shared<QuantizedTensor>(
          quantize_with_range(weight.load().view(), target.encoding, fit, value.name, block.pool())));
    else if (weight.encoding() != target.encoding)
      weight.set_encoding(target.encoding);
  }
}

}  // namespace halftone
