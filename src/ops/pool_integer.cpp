#include "ops/pool_integer.h"

#include <algorithm>

namespace halftone {
namespace {

bool is_global(const OpSite& site) {
  return site.schema->name == "GlobalAveragePool";
}

std::string refusal(const OpSite& site) {
  if (!site.inputs[0].storage.codes || !site.storage_of_output(0).codes) return "not from codes to codes";
  if (is_global(site)) return {};
  const Window window = pool_window(site);
  const bool padded =
      std::any_of(window.axes.begin(), window.axes.begin() + window.rank,
                  [](const WindowAxis& axis) { return axis.pad_begin != 0 || axis.pad_end != 0; });
  if (window.ceil_mode || (padded && site.attributes->get_int("count_include_pad", 0) == 0))
    return "its windows count different numbers of elements";
  return {};
}

void reference(const OpSite& site, std::span<const Operand> inputs,
               std::span<const MutableTensorView> outputs) {
  const CodeAverage average = code_average(site);
  const Requantizer requantizer(site, {average.unit});
  const int32_t zero = site.inputs[0].storage.codes->zero;
  const auto x = inputs[0].span<uint8_t>();
  const auto y = outputs[0].span<uint8_t>();
  const Shape from = spatial_shape(site.input_shape(0)), to = spatial_shape(outputs[0].shape);
  const int64_t plane = from.elements(), places = to.elements();
  for (int64_t i = 0; i < outputs[0].shape.elements(); ++i) {
    int32_t sum = 0;
    visit_taps(average.window, from, spatial_index(to, i % places), [&](int64_t offset, int64_t) {
      sum += x[static_cast<size_t>(i / places * plane + offset)] - zero;
    });
    y[static_cast<size_t>(i)] = requantizer.code(sum, 0);
  }
}

}  // namespace

CodeAverage code_average(const OpSite& site) {
  const Window window = is_global(site) ? whole_window(site.input_shape(0)) : pool_window(site);
  return {window, double{site.inputs[0].storage.codes->scale} / static_cast<double>(window.taps())};
}

const IntegerMeaning average_on_codes{refusal, reference};

}  // namespace halftone
