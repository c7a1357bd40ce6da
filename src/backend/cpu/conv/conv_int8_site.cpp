#include "backend/cpu/conv/conv_int8_site.h"

namespace halftone::cpu {
namespace {

bool is_channels_last(const Storage& storage) {
  return storage.order == Storage::Order::channels_last;
}

}  // namespace

Refusal int8_conv_refusal(const OpSite& site) {
  if (Refusal refusal = integer_conv_refusal(site); !refusal.empty()) return refusal;
  if (site.input_shape(0).rank() > 4) return "more than two spatial axes";
  if (!is_channels_last(site.inputs[0].storage) || !is_channels_last(site.storage_of_output(0)))
    return "the values are not stored channels-last";
  if (site.has_input(3) && !is_channels_last(site.inputs[3].storage))
    return "the residual is not stored channels-last";
  return {};
}

Int8ConvLayer::Int8ConvLayer(const OpSite& site)
    : extent(conv_extent(site)),
      input(*site.inputs[0].storage.codes),
      weights(integer_weights(site, *site.inputs[1].constant->load_encoded(std::string(site.name)), 0,
                              constant_bias(site))),
      residual(site.has_input(3) ? integer_residual(weights, *site.inputs[3].storage.codes)
                                 : IntegerResidual{}),
      requantizer(site, weights.units, constant_gains(site)) {}

}  // namespace halftone::cpu
