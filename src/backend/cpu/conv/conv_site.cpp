#include "backend/cpu/conv/conv_site.h"

#include "backend/constant_floats.h"
#include "backend/cpu/float_site.h"

namespace halftone::cpu {

Refusal float_conv_refusal(const OpSite& site, Storage::Order input) {
  const int rank = site.input_shape(0).rank();
  if (rank > 4) return fmt::format("{} spatial axes", rank - 2);
  if (!site.inputs[1].constant) return "W is no constant";
  if (site.has_input(2) && !site.inputs[2].constant) return "B is no constant";
  if (site.has_input(kConvGains)) return "it has gains";
  OpSite floats = site;  // weights of any floating type or encoding are converted as they are packed
  floats.inputs[1].type.dtype = DType::f32;
  floats.inputs[1].encoding = nullptr;
  if (Refusal refusal = not_all_f32(floats, 4); !refusal.empty()) return refusal;
  const Storage last{Storage::Order::channels_last, {}};
  if (!(site.inputs[0].storage == Storage{input, {}}))
    return input == Storage::Order::planar ? "X is not planar" : "X is not channels-last";
  if (!(site.storage_of_output(0) == last)) return "Y is not channels-last";
  if (site.has_input(3) && !(site.inputs[3].storage == last)) return "R is not channels-last";
  return {};
}

ConvWeights::ConvWeights(const OpSite& site)
    : weights_(constant_floats(site, 1)), has_bias_(site.has_input(2)) {
  if (has_bias_) bias_ = to_f32(site.inputs[2].constant->load());
  channels_ = weights_.shape()[1];
  for (int a = 2; a < weights_.shape().rank(); ++a) taps_ *= weights_.shape()[a];
}

}  // namespace halftone::cpu
